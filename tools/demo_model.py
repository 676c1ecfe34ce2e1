"""Make the model that ships with the package: `python tools/demo_model.py`, or `make demo-model`.

It is the model of `vae_nbdev demo`: 2 000 clean rotation curves, a noise of 5 km/s, the default
settings. Its arrays are stored in single precision, in vae_nbdev/data/demo.
"""
import sys
from dataclasses import fields
from pathlib import Path

import torch

from vae_nbdev import CurveVAE, simulate
from vae_nbdev.config import FitOptions
from vae_nbdev.fitted.run_files import write_run
from vae_nbdev.fitted.saved import as_run

TARGET = Path(__file__).resolve().parent.parent / "vae_nbdev" / "data" / "demo"


def make(target: Path = TARGET) -> None:
    """Train the model and write it to a folder."""
    vae = CurveVAE(noise=5.0, clean_input=True).fit(simulate(2000, seed=0))
    parameters = {f.name: getattr(vae, f.name) for f in fields(FitOptions)}
    run = as_run(vae.fitted_, parameters)
    run.tensors = {k: v.float() if v.is_floating_point() else v for k, v in run.tensors.items()}
    write_run(target, run, overwrite=True)
    size = sum(path.stat().st_size for path in target.iterdir())
    gap = torch.tensor(vae.history_.best_validation)
    print(f"{target.name}: {size / 1e3:.0f} kB, validation loss {gap:.2f} nats")


if __name__ == "__main__":
    make(*(Path(name) for name in sys.argv[1:]))
