"""Rows of `speed.py`: how times grow with the number of curves, radii, latents and units.

`python benchmarks/speed.py growth` runs them; what they find is stored under "growth".
"""
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import SIGMA, batches_of, default_training, trained
from timing import seconds

GROWTH: dict[str, Callable[[bool], dict]] = {}  # name → function of "be quick": one or more laws
CURVES = [1000, 10_000, 100_000, 1_000_000]
FLOW = {"prior": "flow", "prior_training": "joint", "optimiser": "muon"}


def growth(function: Callable[[bool], dict]) -> Callable:
    """Register a row under the name of its function."""
    GROWTH[function.__name__] = function
    return function


def fitted(what: str, along: str, sizes: list[int], times: list[float]) -> dict:
    """Return what is stored of times at some sizes.

    With the exponent of the power law through the last two: 1 where time grows as the size does.
    """
    slope = float(np.log(times[-1] / times[-2]) / np.log(sizes[-1] / sizes[-2]))
    return {"what": what, "along": along, "sizes": sizes, "seconds": times, "slope": slope}


def law(what: str, along: str, sizes: list[int], time_of: Callable[[int], float],
        repeats: int) -> dict:
    """Return what is stored of the shortest of some times at each size.

    The sizes take turns, so that what another program does does not fall on one of them.
    """
    time_of(sizes[0])  # the first call of anything is slower
    times = [[time_of(n) for n in sizes] for _ in range(repeats)]
    return fitted(what, along, sizes, np.min(times, 0).tolist())


def steps_of(training: dict, n_steps: int) -> Callable[[], None]:
    """Return a function that makes so many training steps."""
    from vae_nbdev.training.loop import train_step
    from vae_nbdev.training.optimisers import make_optimisers

    model, config, batch_of = training["model"].train(), training["config"], batches_of(training)
    optimisers = make_optimisers(model, config)

    def steps() -> None:
        for i in range(n_steps):
            train_step(model, optimisers, training["loss"], batch_of(i), i, config)

    steps()
    return steps


def step_time(repeats: int, n_steps: int, radii: int = 50, **options) -> float:
    """Return the shortest time of one training step of the default with some options."""
    from vae_nbdev import simulate

    curves = simulate(2000, seed=100, radius=np.geomspace(0.1, 50, radii)).values
    steps = steps_of(default_training(2000, curves=curves, **options), n_steps)
    return min(seconds(steps) for _ in range(repeats)) / n_steps


@growth
def simulate_curves(quick: bool) -> dict:
    """simulate(n)."""
    from vae_nbdev import simulate

    return law("simulate(n)", "curves", CURVES, lambda n: seconds(simulate, n), 2 if quick else 3)


@growth
def simulate_radii(quick: bool) -> dict:
    """simulate(2000) at more radii."""
    from vae_nbdev import simulate

    def time_of(n_radii: int) -> float:
        return seconds(lambda: simulate(2000, radius=np.geomspace(0.1, 50, n_radii)))

    sizes = [10, 50, 200, 500, 2000]
    return law("simulate(2000)", "radii", sizes, time_of, 2 if quick else 4)


@growth
def fit_curves(quick: bool) -> dict[str, dict]:
    """What CurveVAE.fit does before its first step, and a step of as large a batch."""
    from vae_nbdev import simulate

    curves, before, each, made = simulate(CURVES[-1], seed=100).values, [], [], {}
    default_training(1000, curves=curves[:1000], **FLOW)  # the first call of anything is slower
    for n in CURVES:
        prepare = [default_training, n, curves[:n]]
        before.append(seconds(lambda p=prepare: made.update(p[0](*p[1:], **FLOW))))
        steps = steps_of(made, 5)
        each.append(min(seconds(steps) for _ in range(2 if quick else 4)) / 5)
    start = fitted("CurveVAE.fit, before the first step", "curves", CURVES, before)
    step = fitted("a training step, flow and Muon", "curves", CURVES, each)
    return {"fit_start": start, "step_curves": step}


@growth
def step_radii(quick: bool) -> dict:
    """A training step at more radii."""
    sizes = [10, 50, 200, 500, 2000]
    return law("a training step, Adam", "radii", sizes, lambda n: step_time(2, 5, radii=n),
               2 if quick else 4)


@growth
def step_latents(quick: bool) -> dict:
    """A training step with more latents."""
    sizes = [1, 2, 4, 8, 16, 32]
    return law("a training step, Adam", "latents", sizes, lambda d: step_time(2, 5, n_latent=d),
               2 if quick else 4)


@growth
def step_latents_flow(quick: bool) -> dict:
    """A training step with more latents, with a flow as prior."""
    return law("a training step, flow and Muon", "latents", [2, 4, 8, 16, 32],
               lambda d: step_time(2, 3, n_latent=d, **FLOW), 2 if quick else 4)


@growth
def step_width(quick: bool) -> dict:
    """A training step with wider layers."""
    sizes = [16, 32, 64, 128, 256, 512]
    return law("a training step, Adam", "width", sizes, lambda w: step_time(2, 5, width=w),
               2 if quick else 4)


@growth
def sample(quick: bool) -> dict:
    """CurveVAE.sample(n), a mixture as prior."""
    model = trained(2000, max_steps=300)  # it does not matter how long
    return law("CurveVAE.sample(n)", "curves", CURVES, lambda n: seconds(model.sample, n),
               1 if quick else 2)


@growth
def score(quick: bool) -> dict:
    """CurveVAE.score_samples of n curves."""
    from vae_nbdev import simulate

    model, X = trained(2000, max_steps=300), simulate(1000, noise=SIGMA, seed=1).values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return law("CurveVAE.score_samples of n curves", "curves", [30, 100, 300, 1000],
                   lambda n: seconds(model.score_samples, X[:n]), 1 if quick else 2)


@growth
def store(quick: bool) -> dict:
    """simulate_to, n curves to disk."""
    from vae_nbdev.families import simulate_to

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.npy"
        return law("simulate_to(n), to disk", "curves", CURVES,
                   lambda n: seconds(simulate_to, path, n), 1 if quick else 2)
