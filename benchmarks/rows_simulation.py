"""Rows of `speed.py`: simulating curves, in memory and to disk."""
import json
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from common import row
from timing import compared, in_turn

LOOP = "Python loop over curves, textbook formulas"


def accuracy() -> dict[str, float]:
    """Return the largest relative errors of simulated curves.

    Against the textbook loop, the 30-digit table and the direct formula.
    """
    import textbook
    from vae_nbdev import ROTATION_CURVES, circular_velocity

    radius = ROTATION_CURVES.radius
    parameters, curves = textbook.simulate(2000, radius)
    ours = ROTATION_CURVES.evaluate(parameters)
    # in scale lengths; far beyond, the textbook formula overflows
    usable = radius / 10 ** parameters[:, 1:2] < 600
    worst = 0.0
    digits = json.loads((files("vae_nbdev") / "data" / "circular_velocity.json").read_text())
    for line in digits["rows"]:
        r, *four = (float(line[k]) for k in ("r", "Md", "Rd", "Mh", "c"))
        velocity = ROTATION_CURVES.evaluate(np.log10([four]), [r, 2 * r])[0, 0]
        worst = max(worst, abs(velocity / float(line["vc"]) - 1))
    direct = circular_velocity(radius, *(10**parameters).T)
    return {
        "relative difference to the loop": np.abs(ours / curves - 1)[usable].max(),
        "relative error against 30 digits": worst,
        "relative difference to circular_velocity": np.abs(ours / direct - 1).max(),
    }


def accurate(found: dict[str, float]) -> bool:
    """Return whether these errors are small; the loop's own rounding is the larger one."""
    loop, *others = found.values()
    return loop < 1e-8 and max(others) <= 1e-9


@row()
def simulate_few(quick: bool) -> dict:
    """simulate(2000) against a loop over galaxies."""
    import textbook
    from vae_nbdev import ROTATION_CURVES, simulate

    errors, n = accuracy(), 2000
    simulate(n)
    both = [lambda: textbook.simulate(n, ROTATION_CURVES.radius), lambda: simulate(n)]
    theirs, ours = in_turn(both, 11 if quick else 21).T
    return compared("simulate(2000)", LOOP, (10, "at least"), ours, theirs,
                    agree=accurate(errors), numbers=errors)


@row()
def simulate_many(quick: bool) -> dict:
    """A million curves on disk against the loop's time per curve."""
    import textbook
    from vae_nbdev import ROTATION_CURVES, simulate
    from vae_nbdev.families import simulate_to

    errors, n, few, block = accuracy(), 1_000_000, 2000, 20_000
    radius = ROTATION_CURVES.radius
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.npy"
        ways = [
            lambda: textbook.simulate(few, radius),
            lambda: simulate_to(path, n),
            lambda: [simulate(block, seed=seed) for seed in range(n // block)],
        ]
        loop, file, blocks = in_turn(ways, 2 if quick else 3).T
        stored = np.load(path, mmap_mode="r")
        same = np.allclose(stored[:few], simulate(few).values, rtol=1e-6)
        same &= stored.shape == (n, len(radius))
        same &= np.array_equal(np.load(path.with_suffix(".radius.npy")), radius)
    theirs = loop * (n / few)
    numbers = errors | {
        "seconds without the disk, in blocks of 20 000": float(np.median(blocks)),
        "ratio without the disk": float(np.median(theirs / blocks)),
    }
    return compared("simulate_to, 1 000 000 curves", f"{LOOP}, time of {few} scaled",
                    (10, "at least"), file, theirs, agree=same and accurate(errors),
                    numbers=numbers, note="a float32 .npy file, radii and parameters are written")
