"""One fit for compare.py: `python benchmarks/fit_once.py CHECKOUT FOLDER`.

Reads job.json in FOLDER and writes result.npz beside it. Works with every version of the package
since commit 4155c4a: names are looked up where they stand.
"""
import importlib
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def find(name: str):
    """Return a public object from the top of the package, else from where its index has it."""
    found = getattr(importlib.import_module("vae_nbdev"), name, None)
    if callable(found):  # a module of the same name is not
        return found
    modules = importlib.import_module("vae_nbdev._modidx").d["syms"]
    homes = [module for module, names in modules.items() if f"{module}.{name}" in names]
    module = next(module for module in homes if not module.endswith(".cli"))  # has commands
    return getattr(importlib.import_module(module), name)


def weights_of(model) -> dict[str, np.ndarray]:
    """Return the arrays of a fitted network, by name."""
    found = next(getattr(model, name) for name in ("vae_", "model_") if hasattr(model, name))
    network = found if hasattr(found, "state_dict") else found.vae
    return {f"weights/{name}": t.numpy() for name, t in network.state_dict().items()}


def fit(data: dict[str, np.ndarray], options: dict, many: bool) -> dict[str, np.ndarray]:
    """Fit curves (N, R), score others and draw samples; `many` also asks for 20 000 samples."""
    X = data["values"]
    if "errors" in data:
        X = find("CurveSet")(values=X, radius=data["radius"], errors=data["errors"])
    else:
        options = options | {"radius": data["radius"]}
    start = time.perf_counter(), time.process_time()
    model = find("CurveVAE")(**options).fit(X)
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    scores = model.score_samples(data["x"], errors=data.get("x_errors"))
    samples = [model.sample(200, observed=True, seed=1)]
    samples += [model.sample(20_000, seed=2)[::100]] if many else []
    samples = np.concatenate(samples)
    return {"seconds": seconds, "scores": scores, "samples": samples, **weights_of(model)}


def main(checkout: str, folder: str) -> None:
    """Simulate and fit as a job says, with the package of a checkout, and store what came out."""
    package = importlib.import_module("vae_nbdev")
    if not Path(package.__file__).resolve().is_relative_to(Path(checkout).resolve()):
        raise SystemExit(f"vae_nbdev comes from {package.__file__}, not from {checkout}")
    warnings.simplefilter("ignore")
    job = json.loads(Path(folder, "job.json").read_text())
    with np.load(job["data"]) as stored:
        data = dict(stored)
    if "simulate" in job:
        curves = find("simulate")(job["simulate"], seed=job["seed"])
        data |= {"values": curves.values, "radius": curves.radius}
    if "options" in job:
        np.savez(Path(folder, "result.npz"), **fit(data, job["options"], job.get("many", False)))
    else:
        np.savez(Path(folder, "result.npz"), curves=data["values"])


if __name__ == "__main__":
    main(*sys.argv[1:])
