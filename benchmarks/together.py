"""Time `fit_together` against fits in a row: `python benchmarks/together.py [--models M] [--pairs K] [--steps S] [--batch N] [--network default] [--threads T]`.

Sixteen published networks with other seeds and other noise, 1 600 curves, a look at 400 others every hundred steps. The two are
timed in turn, in one process; what is compared is the ratio within a pair, by the clock and by the processor's time, which
other programs disturb less (with one thread). Before that, a short training in double precision says whether both give the
same weights; the exit status is 1 if they do not, whatever the timing.
"""
import argparse
import os
import platform
import sys
import time

if "torch" not in sys.modules:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from vae_nbdev.autoencoder import Units, global_units
from vae_nbdev.config import TrainConfig
from vae_nbdev.simulate import simulate
from vae_nbdev.together import fit_together
from vae_nbdev.training import fit
from vae_nbdev.vae import VAE, preconditioned_vae, vae_loss

SIGMA, N_CURVES, N_LOOK = 5.0, 1600, 400


class Sweep:
    """Models to be trained, and two ways of doing it."""

    def __init__(self, n_models: int = 16, steps: int = 500, batch: int = 100, network: str = "published", dtype: torch.dtype = torch.float32):
        X = simulate(N_CURVES + N_LOOK, seed=0).values
        units = global_units(X) if network == "published" else Units(X.mean(0), SIGMA)
        self.data, self.look = ((part,) for part in units.to_model(X, dtype).split([N_CURVES, N_LOOK]))
        self.configs = [TrainConfig(max_steps=steps, batch_size=batch, eval_every=100, seed=seed) for seed in range(n_models)]
        self.dtype, self.scale, self.network = dtype, float(np.mean(units.scale)), network

    def models(self) -> list:
        """New models, always the same."""
        if self.network == "published":
            return [VAE.published(50, sigma=(SIGMA + c.seed % 4) / self.scale, seed=c.seed).to(self.dtype) for c in self.configs]
        return [preconditioned_vae(self.data[0], noise_in_data=False, seed=c.seed) for c in self.configs]

    def in_a_row(self, models: list) -> list:
        """Train one after the other; return the histories."""
        return [fit(model, vae_loss(True), self.data, self.look, config) for model, config in zip(models, self.configs)]

    def at_once(self, models: list) -> list:
        """Train all together; return the histories."""
        return fit_together(models, vae_loss(True), self.data, self.look, self.configs)

    def seconds(self, way) -> tuple[float, float]:
        """Wall and processor time of a training."""
        models = self.models()
        start = time.perf_counter(), time.process_time()
        way(models)
        return time.perf_counter() - start[0], time.process_time() - start[1]


def disagreement(network: str = "published", batch: int = 100, n_models: int = 4) -> float:
    """Largest difference of a weight after 50 steps in double precision."""
    sweep = Sweep(n_models, 50, batch, network, torch.float64)
    alone, together = sweep.models(), sweep.models()
    sweep.in_a_row(alone)
    sweep.at_once(together)
    return max(float((p - q).abs().max()) for m, n in zip(alone, together) for p, q in zip(m.parameters(), n.parameters()))


def rows(pairs: int = 5, **settings) -> dict[str, np.ndarray]:
    """Seconds of the fits in a row and of those at once, and the ratios of wall and processor time: name → (pairs,)."""
    sweep = Sweep(**settings)
    warm = Sweep(**settings | {"steps": 5})
    for way in (warm.in_a_row, warm.at_once):
        warm.seconds(way)
    times = np.array([(sweep.seconds(sweep.in_a_row), sweep.seconds(sweep.at_once)) for _ in range(pairs)])  # (pairs, way, clock)
    return {
        "fits in a row [s]": times[:, 0, 0], "`fit_together` [s]": times[:, 1, 0],
        "ratio": times[:, 0, 0] / times[:, 1, 0], "ratio of processor times": times[:, 0, 1] / times[:, 1, 1],
    }  # fmt: skip


def main() -> int:
    """Check that both give the same, time them in pairs and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--network", choices=("published", "default"), default="published")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    worst = disagreement(options.network, options.batch)
    print(f"{options.models} models ({options.network}), {options.steps} steps, batches of {options.batch}, threads {options.threads}, {options.pairs} pairs; "
          f"Python {platform.python_version()}, PyTorch {torch.__version__}")
    print(f"largest difference of a weight after 50 steps in double precision: {worst:.1e}\n")
    print("| | smallest | median | largest |\n| --- | --- | --- | --- |")
    for name, column in rows(options.pairs, n_models=options.models, steps=options.steps, batch=options.batch, network=options.network).items():
        print(f"| {name} | " + " | ".join(f"{q:.2f}" for q in np.quantile(column, [0, 0.5, 1])) + " |")
    return int(not worst < 1e-9)


if __name__ == "__main__":
    sys.exit(main())
