"""How far is pythae's VAE from the exact evidence? `python benchmarks/pythae_vae.py [--quick]`.

Needs pythae 0.1.2; `make bench` installs it into .venv, without what it asks for and does not need.

One VAE for each seed, with the published widths, trained by pythae's own trainer on 1 600 clean
curves with fresh noise of 5 km/s; then pythae's three samplers, each with its defaults. pythae's
"mse" is half the summed squared error, a normal with sigma 1: so the curves are given in units of
the noise. Its own decoder ends in a sigmoid: so the networks are ours. Its samplers refuse negative
data: so it sees the curves shifted by a constant, which the networks take away again. A sampler's
evidence is ∫ p_sampler(z) N(x | decoder(z), sigma²) dz, by the importance sampling that every other
model gets. Results go to benchmarks/fidelity.json, each replacing an older one. One thread; about
two minutes for a seed, and a minute more for each two-sample test. `--quick` trains one seed for
few epochs, judges a hundred curves, and stores nothing.
"""
import argparse
import logging
import math
import os
import sys
import tempfile
import warnings
from copy import deepcopy
from dataclasses import dataclass

os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
import numpy as np
import torch
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import VAE as PythaeVAE
from pythae.models import VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.samplers import GaussianMixtureSampler, MAFSampler, NormalSampler
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn

from fidelity import HELD_OUT_SEED, SEEDS, held_out, judge, line, store
from vae_nbdev import ROTATION_CURVES, VAE, simulate
from vae_nbdev.core import stream
from vae_nbdev.curves import Units
from vae_nbdev.evaluation import two_sample_tests
from vae_nbdev.fitted.fitted_vae import CurveDensity
from vae_nbdev.model import Prior

SIGMA, N_CURVES, SHIFT = 5.0, 1600, 100.0
EPOCHS, BATCH, LEARNING_RATE = 1200, 100, 5e-3  # about 50 s of one core
# the samplers are fitted to the codes of 16 000 noisy curves
REPLICAS, FLOW_EPOCHS, FLOW_LEARNING_RATE = 10, 20, 1e-3


class Noisy(BaseDataset):
    """Curves that get fresh noise, of standard deviation one, whenever they are read."""

    def __getitem__(self, index: int) -> DatasetOutput:
        """Return one curve, or some."""
        x = self.data[index]
        return DatasetOutput(data=x + torch.randn(x.shape), labels=self.labels[index])


class Encoder(BaseEncoder):
    """Our encoder, as pythae wants it."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.net = vae.encoder

    def forward(self, x: Tensor) -> ModelOutput:
        """Shifted curves → mean and log variance of their codes."""
        h = self.net.body(x - SHIFT)
        return ModelOutput(embedding=self.net.mean(h), log_covariance=self.net.logvar(h))


class Decoder(BaseDecoder):
    """Our decoder, as pythae wants it."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.net = vae.decoder

    def forward(self, z: Tensor) -> ModelOutput:
        """Codes → shifted curves."""
        return ModelOutput(reconstruction=self.net.mean(z) + SHIFT)


class FlowPrior(Prior):
    """The distribution of codes of pythae's masked autoregressive flow.

    Where to look for good codes, a mixture says.
    """

    def __init__(self, maf: nn.Module, search: Prior):
        super().__init__(search.weights, search.means, search.scale_tril)
        self.maf = maf

    def forward(self) -> "FlowPrior":
        """Return the distribution."""
        return self

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density (...) at codes z (..., d)."""
        parts = []
        for part in z.reshape(-1, z.shape[-1]).split(8192):
            u = self.maf(part)
            normal = -0.5 * u.out.square().sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)
            parts.append(u.log_abs_det_jac + normal)
        return torch.cat(parts).reshape(z.shape[:-1])


@dataclass(eq=False)
class Sampled(CurveDensity):
    """A trained VAE with one of pythae's samplers, as a model that `judge` can judge."""

    sampler: object

    def sample(self, n: int, observed: bool = False, seed: int | None = None) -> np.ndarray:
        """Return new curves (n, R) from pythae's sampler, noise-free."""
        torch.manual_seed(seed or 0)
        np.random.seed(seed or 0)  # noqa: NPY002  pythae draws from the global generators
        return self.units.to_data(self.sampler.sample(num_samples=n) - SHIFT)


class Trained:
    """pythae's VAE of clean rotation curves X (N, R), with its samplers.

    Parameters
    ----------
    X : ndarray, shape (N, R)
    sigma : float
        Noise of the measurements to come, in the unit of the curves.
    seed, epochs : int
    folder : str
        Where pythae writes.
    """

    def __init__(self, X: np.ndarray, sigma: float, seed: int, epochs: int, folder: str):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        self.seed, self.folder, self.sigma = seed, folder, sigma
        self.units = Units(X.mean(), sigma, np.full(X.shape[1], sigma))
        self.vae = VAE.published(X.shape[1], sigma=1.0, seed=seed)
        config = VAEConfig(input_dim=(X.shape[1],), latent_dim=self.vae.n_latent,
                           reconstruction_loss="mse")
        self.model = PythaeVAE(config, encoder=Encoder(self.vae), decoder=Decoder(self.vae))
        how = self.how(epochs, LEARNING_RATE, scheduler_cls="CosineAnnealingLR",
                       scheduler_params={"T_max": epochs})
        data = Noisy(self.shifted(X), torch.zeros(len(X)))
        self.train = BaseTrainer(self.model, data, training_config=how).train
        self.gmm, self.flow = GaussianMixtureSampler(self.model), MAFSampler(self.model)

    def how(self, epochs: int, learning_rate: float, **more) -> BaseTrainerConfig:
        """Return how to train something."""
        return BaseTrainerConfig(output_dir=self.folder, num_epochs=epochs, seed=self.seed,
                                 per_device_train_batch_size=BATCH, learning_rate=learning_rate,
                                 **more)

    def shifted(self, X: np.ndarray) -> Tensor:
        """Return curves as pythae sees them."""
        return self.units.to_model(X).y + SHIFT

    def noisy(self, X: np.ndarray, seed: int) -> Tensor:
        """Return measured curves, from whose codes the samplers learn, as pythae sees them."""
        return self.shifted(X + self.sigma * stream(seed, "noise").standard_normal(X.shape))

    def sampled(self, sampler, prior: Prior) -> Sampled:
        """Return the VAE with a prior in place of its own."""
        vae = deepcopy(self.vae)
        vae.set_prior(deepcopy(prior))
        vae.double().eval().requires_grad_(False)
        return Sampled(vae, self.units, ROTATION_CURVES.radius, {}, self.seed, sampler)

    def with_normal(self) -> Sampled:
        """Return the VAE with pythae's normal sampler."""
        return self.sampled(NormalSampler(self.model), Prior.standard(self.vae.n_latent))

    def mixture(self) -> Prior:
        """Return the mixture that the sampler has fitted to the codes."""
        found = self.gmm.gmm
        parts = found.weights_, found.means_, np.linalg.cholesky(found.covariances_)
        return Prior(*map(torch.from_numpy, parts))

    def with_mixture(self) -> Sampled:
        """Return the VAE with pythae's mixture."""
        return self.sampled(self.gmm, self.mixture())

    def with_flow(self) -> Sampled:
        """Return the VAE with pythae's flow."""
        return self.sampled(self.flow, FlowPrior(self.flow.maf_model, self.mixture()))


def train(seed: int, folder: str, epochs: int, flow_epochs: int) -> dict[str, Sampled]:
    """Train pythae's VAE and fit its samplers: name of the sampler → model."""
    X = simulate(N_CURVES, seed=100 + seed).values
    found = Trained(X, SIGMA, seed, epochs, folder)
    found.train()
    measured = found.noisy(np.repeat(X, REPLICAS, axis=0), 100 + seed)
    found.gmm.fit(measured)
    found.flow.fit(measured, training_config=found.how(flow_epochs, FLOW_LEARNING_RATE))
    return {"normal": found.with_normal(), "GMM": found.with_mixture(), "MAF": found.with_flow()}


def main() -> int:
    """Train, judge and print a line for each seed and sampler.

    The two-sample tests, for the first seed, come last.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--two-sample", type=int, default=4000,
                        help="curves a side in the two-sample tests; 0 leaves them out")
    parser.add_argument("--quick", action="store_true", help="a trial; nothing is stored")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")  # low effective sample sizes are counted
    first, epochs = {}, (60, 2) if args.quick else (EPOCHS, FLOW_EPOCHS)
    data = held_out(SIGMA, HELD_OUT_SEED + 7, 100) if args.quick else held_out(SIGMA)
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds[: 1 if args.quick else None]:
            for sampler, model in train(seed, folder, *epochs).items():
                name = f"pythae VAE, {sampler} sampler, 1 600 clean, 5 km/s"
                found = judge(model, SIGMA, data, two_samples=False)
                found["held_out_seed"] = HELD_OUT_SEED
                if not args.quick:
                    store(name, seed, found)
                first.setdefault(name, (seed, model, found))
                print(line(name, seed, found), flush=True)
    n = 400 if args.quick else args.two_sample
    for name, (seed, model, found) in first.items() if args.two_sample else ():
        true = simulate(n, seed=HELD_OUT_SEED + 1).values
        tests = two_sample_tests(true, model.sample(n, seed=HELD_OUT_SEED))
        found["two_sample"] = {t: [v.accuracy, v.standard_error] for t, v in tests.items()}
        if not args.quick:
            store(name, seed, found)
        said = [f"{t} {v.accuracy:.3f} ± {v.standard_error:.3f}" for t, v in tests.items()]
        print(f"{name:<50} seed {seed}: {', '.join(said)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
