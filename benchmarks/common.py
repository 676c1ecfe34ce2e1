"""What several rows of `speed.py` need: their list, models, a training, reference curves."""
import contextlib
import os
from collections.abc import Callable
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from unittest import mock

import numpy as np

SIGMA = 5.0  # km/s, of the noise
ROWS: dict[str, tuple[Callable[[bool], dict], int]] = {}  # name → function of "be quick", threads


def row(threads: int = 1):
    """Register a row under the name of its function."""

    def register(function: Callable[[bool], dict]) -> Callable:
        ROWS[function.__name__] = function, threads
        return function

    return register


def curve_vae(**options):
    """Return a `CurveVAE`; what is not an argument of its own goes into the recipe."""
    from vae_nbdev import CurveVAE, Recipe
    from vae_nbdev.config import FitOptions

    own = {f.name for f in fields(FitOptions)} | {"radius", "recipe"}
    recipe = {name: options.pop(name) for name in list(options) if name not in own}
    return CurveVAE(**options, recipe=Recipe(**recipe) if recipe else None)


class _Captured(Exception):
    """Ends a fit before its first step."""


def default_training(n: int, curves: np.ndarray | None = None, **options) -> dict:
    """Return what a fit of n clean curves at 5 km/s hands to the training loop.

    Model, loss, data, validation and config, as `fitted.train` gives them to `training.fit`.
    """
    from vae_nbdev import simulate
    from vae_nbdev.fitted import train

    found = {}

    def fit(model, loss, data, validation=None, config=None, **others):
        found.update(model=model, loss=loss, data=data, validation=validation, config=config)
        raise _Captured

    curves = simulate(n, seed=100).values if curves is None else curves
    with mock.patch.object(train, "fit", fit), contextlib.suppress(_Captured):
        curve_vae(noise=SIGMA, clean_input=True, **options).fit(curves)
    return found


def batches_of(training: dict) -> Callable[[int], object]:
    """Return a function of the step that gives its batch, as `training.fit` cuts it."""
    from vae_nbdev.training.optimisers import batch_schedule

    data = training["data"]
    rows = batch_schedule(len(data), training["config"])
    return lambda step: data.take(rows(step))


def reference_curves(sigma: float = SIGMA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 80 measured curves (80, 50), their exact log evidence (80,) and its error (80,)."""
    with np.load(files("vae_nbdev") / "data" / "exact_evidence.npz") as stored:
        x = stored["velocity_clean"] + sigma * stored["noise_unit"]
        known = stored[f"log_evidence_sigma{sigma:g}"], stored[f"log_evidence_se_sigma{sigma:g}"]
        return x, *known


def trained(n: int, **options):
    """Return a `CurveVAE` of n clean curves.

    The folder that the variable SPEED_MODELS names keeps it for rows that want the same one.
    """
    from vae_nbdev import CurveVAE, simulate

    folder = os.environ.get("SPEED_MODELS")
    name = "-".join([str(n), *(f"{k}={v}" for k, v in sorted(options.items()))])
    path = Path(folder) / name if folder else None
    if path and path.exists():
        return CurveVAE.load(path)
    model = curve_vae(noise=SIGMA, clean_input=True, **options).fit(simulate(n, seed=100).values)
    if path:
        model.save(path)
    return model
