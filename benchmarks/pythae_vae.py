"""How far is pythae's VAE from the exact evidence? `python benchmarks/pythae_vae.py [--seeds 0 1 2]`.

Needs pythae 0.1.2, best in an environment of its own: `pip install torch`, then `pip install --no-deps pythae==0.1.2`,
`pip install cloudpickle imageio pydantic scipy scikit-learn tqdm typing-extensions` and `pip install -e .`.

One VAE for each seed, with the published widths, trained by pythae's own trainer on 1 600 clean curves with fresh noise
of 5 km/s; then pythae's three samplers, each with its defaults. pythae's "mse" is half the summed squared error, a normal
with sigma 1: so the curves are given in units of the noise. Its own decoder ends in a sigmoid: so the networks are ours.
Its samplers refuse negative data: so it sees the curves shifted by a constant, which the networks take away again.
A sampler's evidence is ∫ p_sampler(z) N(x | decoder(z), sigma²) dz, by the importance sampling that every other model
gets. Results go to benchmarks/fidelity.json, each replacing an older one. One thread; about two minutes for a seed, and a
minute more for each two-sample test.
"""
import argparse
import json
import logging
import math
import os
import sys
import tempfile
import time
import warnings
from copy import deepcopy

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

from fidelity import HELD_OUT_SEED, RESULTS, SEEDS, held_out, judge
from published import Published
from vae_nbdev.curves.units import Units
from vae_nbdev.core import atomic_path, stream
from vae_nbdev.evaluation.two_samples import two_sample_tests
from vae_nbdev.families.simulation import simulate
from vae_nbdev.model.priors import Prior
from vae_nbdev.model.vae import VAE

SIGMA, N_CURVES, SHIFT = 5.0, 1600, 100.0
EPOCHS, BATCH, LEARNING_RATE = 1200, 100, 5e-3  # about 50 s of one core
REPLICAS, FLOW_EPOCHS, FLOW_LEARNING_RATE = 10, 20, 1e-3  # the samplers are fitted to the codes of 16 000 noisy curves


class Noisy(BaseDataset):
    """Curves that get fresh noise, of standard deviation one, whenever they are read."""

    def __getitem__(self, index: int) -> DatasetOutput:
        x = self.data[index]
        return DatasetOutput(data=x + torch.randn(x.shape), labels=self.labels[index])


class Encoder(BaseEncoder):
    """Our encoder, as pythae wants it."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.net = vae.encoder

    def forward(self, x: Tensor) -> ModelOutput:
        h = self.net.body(x - SHIFT)
        return ModelOutput(embedding=self.net.mean(h), log_covariance=self.net.logvar(h))


class Decoder(BaseDecoder):
    """Our decoder, as pythae wants it."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.net = vae.decoder

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net.mean(z) + SHIFT)


class FlowPrior(Prior):
    """The distribution of codes of pythae's masked autoregressive flow; where to look for good codes, a mixture says."""

    def __init__(self, maf: nn.Module, search: Prior):
        super().__init__(search.weights, search.means, search.scale_tril)
        self.maf = maf

    def forward(self) -> "FlowPrior":
        return self

    def log_prob(self, z: Tensor) -> Tensor:
        def one(z):
            u = self.maf(z)
            return u.log_abs_det_jac - 0.5 * u.out.square().sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)

        return torch.cat([one(part) for part in z.reshape(-1, z.shape[-1]).split(8192)]).reshape(z.shape[:-1])


class Sampled(Published):
    """A trained VAE with one of pythae's samplers, as a model that `judge` can judge."""

    def __init__(self, vae: VAE, units: Units, sampler, prior: nn.Module):
        self.vae_, self.units_, self.sampler = deepcopy(vae), units, sampler
        self.vae_.set_prior(deepcopy(prior))
        self.vae_.double().eval().requires_grad_(False)
        self.n_features_in_ = vae.decoder.body[-1].out_features

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        torch.manual_seed(seed)
        np.random.seed(seed)
        return self.units_.to_data(self.sampler.sample(num_samples=n) - SHIFT)


def train(seed: int, folder: str) -> dict[str, Sampled]:
    """Train pythae's VAE and fit its samplers: name of the sampler → model."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    X = simulate(N_CURVES, seed=100 + seed).values
    units = Units(X.mean(), SIGMA)
    vae = VAE.published(X.shape[1], sigma=1.0, seed=seed)
    config = VAEConfig(input_dim=(X.shape[1],), latent_dim=vae.n_latent, reconstruction_loss="mse")
    model = PythaeVAE(config, encoder=Encoder(vae), decoder=Decoder(vae))
    how = BaseTrainerConfig(
        output_dir=folder, num_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=LEARNING_RATE,
        scheduler_cls="CosineAnnealingLR", scheduler_params={"T_max": EPOCHS}, seed=seed,
    )  # fmt: skip
    BaseTrainer(model, Noisy(units.to_model(X) + SHIFT, torch.zeros(len(X))), training_config=how).train()

    many = np.repeat(X, REPLICAS, axis=0)
    codes_of = units.to_model(many + SIGMA * stream(100 + seed, "noise").standard_normal(many.shape)) + SHIFT
    normal, mixture, flow = NormalSampler(model), GaussianMixtureSampler(model), MAFSampler(model)
    mixture.fit(codes_of)
    flow.fit(codes_of, training_config=BaseTrainerConfig(
        output_dir=folder, num_epochs=FLOW_EPOCHS, per_device_train_batch_size=BATCH, learning_rate=FLOW_LEARNING_RATE, seed=seed,
    ))  # fmt: skip
    fitted = mixture.gmm
    gmm = Prior(*(torch.from_numpy(a) for a in (fitted.weights_, fitted.means_, np.linalg.cholesky(fitted.covariances_))))
    found = {"normal": (normal, Prior.standard(vae.n_latent)), "GMM": (mixture, gmm), "MAF": (flow, FlowPrior(flow.maf_model, gmm))}
    return {name: Sampled(vae, units, *parts) for name, parts in found.items()}


def store(name: str, seed: int, found: dict) -> None:
    """Add one result to the file, which another process may be writing at the same time."""
    for attempt in range(20):
        try:
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            break
        except json.JSONDecodeError:  # the other one is not ready
            time.sleep(0.2)
    else:
        raise RuntimeError(f"{RESULTS.name} is not JSON")
    results.setdefault(name, {})[str(seed)] = found
    with atomic_path(RESULTS) as part:
        part.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def main() -> int:
    """Train, judge and print a line for each seed and sampler; the two-sample tests, for the first seed, come last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--two-sample", type=int, default=4000, help="curves a side in the two-sample tests; 0 leaves them out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")  # low effective sample sizes are counted
    first = {}
    data = held_out(SIGMA)
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            for sampler, model in train(seed, folder).items():
                name = f"pythae VAE, {sampler} sampler, 1 600 clean, 5 km/s"
                found = judge(model, SIGMA, data, two_samples=False) | {"held_out_seed": HELD_OUT_SEED}
                store(name, seed, found)
                first.setdefault(name, (seed, model, found))
                gap, near, slack = found["gap"], found["gap_80"], found["log_p_minus_elbo"]
                print(f"{name:<50} seed {seed}: gap {gap['mean']:.3f} ± {gap['standard_error']:.3f}, median {gap['median']:.3f}, of the 80 {near['mean']:.3f} "
                      f"± {near['standard_error']:.3f}, log p − ELBO {slack['mean']:.3f}, low ESS {gap['n_low_ess']} + {near['n_low_ess']}", flush=True)
    for name, (seed, model, found) in first.items() if args.two_sample else ():
        n = args.two_sample
        tests = two_sample_tests(simulate(n, seed=HELD_OUT_SEED + 1).values, model.sample(n, seed=HELD_OUT_SEED))
        store(name, seed, found | {"two_sample": {test: [t.accuracy, t.standard_error] for test, t in tests.items()}})
        print(f"{name:<50} seed {seed}: " + ", ".join(f"{test} {t.accuracy:.3f} ± {t.standard_error:.3f}" for test, t in tests.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
