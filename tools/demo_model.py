"""Make the model that ships with the package: `python tools/demo_model.py`, or `make demo-model`.

It is trained like the model of `vae_nbdev demo`, clean rotation curves, a noise of 5 km/s and the
default settings, but on all 2 000 curves. Its arrays are stored in single precision, in
vae_nbdev/data/demo. tools/headline.py trains it again and compares.
"""
import sys
from dataclasses import fields
from pathlib import Path

from vae_nbdev import CurveVAE, simulate
from vae_nbdev.config import FitOptions
from vae_nbdev.fitted.run_files import write_run
from vae_nbdev.fitted.saved import as_run

TARGET = Path(__file__).resolve().parent.parent / "vae_nbdev" / "data" / "demo"


def train() -> CurveVAE:
    """Train the model."""
    return CurveVAE(noise=5.0, clean_input=True).fit(simulate(2000, seed=0))


def make(target: Path = TARGET) -> None:
    """Train the model and write it to a folder."""
    vae = train()
    parameters = {f.name: getattr(vae, f.name) for f in fields(FitOptions)}
    run = as_run(vae.fitted_, parameters)
    run.tensors = {k: v.float() if v.is_floating_point() else v for k, v in run.tensors.items()}
    write_run(target, run, overwrite=True)
    size = sum(path.stat().st_size for path in target.iterdir())
    loss = vae.history_.best_validation
    print(f"{target.name}: {size / 1e3:.0f} kB, validation loss {loss:.2f} nats")


if __name__ == "__main__":
    make(*(Path(name) for name in sys.argv[1:]))
