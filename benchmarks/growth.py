"""How times grow with the number of curves, radii, latents and units. The rows are run by `speed.py`: `python benchmarks/speed.py growth`."""
import tempfile
import warnings
from collections.abc import Callable

import numpy as np

from timing import seconds

GROWTH: dict[str, Callable[[bool], dict]] = {}  # name → function of "be quick", to what `law` returns or a dictionary of several
SIGMA = 5.0  # km/s


def growth(function: Callable[[bool], dict]) -> Callable:
    """Register a row under the name of its function."""
    GROWTH[function.__name__] = function
    return function


def law(what: str, along: str, sizes: list[int], time_of: Callable[[int], float], repeats: int = 3) -> dict:
    """Shortest of some times at each size, and the exponent of the power law through the last two sizes: 1 where time grows as the size does."""
    time_of(sizes[0])  # the first call of anything is slower
    times = [[time_of(n) for n in sizes] for _ in range(repeats)]  # in turn, so that what another program does does not fall on one size
    return fitted(what, along, sizes, [min(t) for t in zip(*times)])


def fitted(what: str, along: str, sizes: list[int], times: list[float]) -> dict:
    """What is stored of times at some sizes."""
    slope = float(np.log(times[-1] / times[-2]) / np.log(sizes[-1] / sizes[-2]))
    return {"what": what, "along": along, "sizes": sizes, "seconds": times, "slope": slope}


def step_time(repeats: int, n_steps: int, **options) -> float:
    """Shortest time of one training step of the default with some options; `n` curves at `radii` radii."""
    from speed import batches_of, default_training
    from vae_nbdev.families.simulation import simulate
    from vae_nbdev.training.loop import train_step
    from vae_nbdev.training.optimisers import make_optimisers

    n, radii = options.pop("n", 2000), options.pop("radii", 50)
    curves = simulate(n, seed=100, radius=np.geomspace(0.1, 50, radii)).values
    training = default_training(n, curves=curves, **options)
    model, config, batch = training["model"].train(), training["config"], batches_of(training)(0)
    optimisers = make_optimisers(model, config)
    steps = lambda: [train_step(model, optimisers, training["loss"], batch, i, config) for i in range(n_steps)]
    steps()
    return min(seconds(steps) for _ in range(repeats)) / n_steps


@growth
def simulate_curves(quick: bool) -> dict:
    """simulate(n)."""
    from vae_nbdev.families.simulation import simulate

    return law("simulate(n)", "curves", [1000, 10_000, 100_000, 1_000_000], lambda n: seconds(simulate, n), 2 if quick else 3)


@growth
def simulate_radii(quick: bool) -> dict:
    """simulate(2000) at more radii."""
    from vae_nbdev.families.simulation import simulate

    return law("simulate(2000)", "radii", [10, 50, 200, 500, 2000], lambda R: seconds(lambda: simulate(2000, radius=np.geomspace(0.1, 50, R))), 2 if quick else 4)


@growth
def fit_curves(quick: bool) -> dict[str, dict]:
    """What CurveVAE.fit does before its first step, and a training step of as large a batch, when there are more curves."""
    from speed import batches_of, default_training
    from vae_nbdev.families.simulation import simulate
    from vae_nbdev.training.loop import train_step
    from vae_nbdev.training.optimisers import make_optimisers

    curves, sizes, before, each = simulate(1_000_000, seed=100).values, [1000, 10_000, 100_000, 1_000_000], [], []
    options = {"prior": "flow", "prior_training": "joint", "optimiser": "muon"}
    default_training(1000, curves=curves[:1000], **options)  # the first call of anything is slower
    for n in sizes:
        made = {}
        before.append(seconds(lambda: made.update(default_training(n, curves=curves[:n], **options))))
        model, config, batch_of = made["model"].train(), made["config"], batches_of(made)
        optimisers = make_optimisers(model, config)
        steps = lambda: [train_step(model, optimisers, made["loss"], batch_of(i), i, config) for i in range(5)]
        steps()
        each.append(min(seconds(steps) for _ in range(2 if quick else 4)) / 5)
    return {"fit_start": fitted("CurveVAE.fit, before the first step", "curves", sizes, before), "step_curves": fitted("a training step, flow and Muon", "curves", sizes, each)}


@growth
def step_radii(quick: bool) -> dict:
    """A training step at more radii."""
    return law("a training step, Adam", "radii", [10, 50, 200, 500, 2000], lambda R: step_time(2, 5, radii=R), 2 if quick else 4)


@growth
def step_latents(quick: bool) -> dict:
    """A training step with more latents."""
    return law("a training step, Adam", "latents", [1, 2, 4, 8, 16, 32], lambda d: step_time(2, 5, n_latent=d), 2 if quick else 4)


@growth
def step_latents_flow(quick: bool) -> dict:
    """A training step with more latents, with a flow as prior."""
    options = {"prior": "flow", "prior_training": "joint", "optimiser": "muon"}
    return law("a training step, flow and Muon", "latents", [2, 4, 8, 16, 32], lambda d: step_time(2, 3, n_latent=d, **options), 2 if quick else 4)


@growth
def step_width(quick: bool) -> dict:
    """A training step with wider layers."""
    return law("a training step, Adam", "width", [16, 32, 64, 128, 256, 512], lambda w: step_time(2, 5, width=w), 2 if quick else 4)


def _model(**options):
    """A model for which it does not matter how long it was trained."""
    from speed import trained

    return trained(2000, max_steps=300, **options)


@growth
def sample(quick: bool) -> dict:
    """CurveVAE.sample(n), a mixture as prior."""
    model = _model()
    return law("CurveVAE.sample(n)", "curves", [1000, 10_000, 100_000, 1_000_000], lambda n: seconds(model.sample, n), 1 if quick else 2)


@growth
def score(quick: bool) -> dict:
    """CurveVAE.score_samples of n curves."""
    from vae_nbdev.families.simulation import simulate

    model, X = _model(), simulate(1000, noise=SIGMA, seed=1).values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return law("CurveVAE.score_samples of n curves", "curves", [30, 100, 300, 1000], lambda n: seconds(model.score_samples, X[:n]), 1 if quick else 2)


@growth
def store(quick: bool) -> dict:
    """simulate_to, n curves to disk."""
    from pathlib import Path

    from vae_nbdev.families.simulation import simulate_to

    with tempfile.TemporaryDirectory() as folder:
        return law("simulate_to(n), to disk", "curves", [1000, 10_000, 100_000, 1_000_000], lambda n: seconds(simulate_to, Path(folder) / "x.npy", n), 1 if quick else 2)
