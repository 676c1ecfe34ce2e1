"""Rows of `speed.py`: what one waits for before anything happens."""
import subprocess
import sys

import numpy as np

from common import row
from timing import compared, in_turn

OURS = "from vae_nbdev import CurveVAE; CurveVAE()"
HELP = """
import runpy, sys
sys.argv = ["vae_nbdev", "--help"]
try:
    runpy.run_module("vae_nbdev", run_name="__main__")
finally:
    print("torch" in sys.modules)
"""


def python(*arguments: str) -> str:
    """Run a fresh Python and return what it prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@row()
def importing(quick: bool) -> dict:
    """Importing CurveVAE and making one, in a fresh process, against `import torch`."""
    codes = [OURS, "import torch", "pass", "import torch, sklearn.base", "import vae_nbdev"]
    run = [lambda code=code: python("-c", code) for code in codes]
    in_turn(run, 1)
    ours, theirs, bare, floor, name = in_turn(run, 4 if quick else 9).T
    numbers = {
        "bare Python [s]": float(np.median(bare)),
        "ratio without the start of Python": float(np.median((ours - bare) / (theirs - bare))),
        "ratio of PyTorch with scikit-learn's base class": float(np.median(floor / theirs)),
        "ratio of ours to PyTorch with scikit-learn's base class": float(np.median(ours / floor)),
        "import vae_nbdev alone [s]": float(np.median(name)),
    }
    return compared("import CurveVAE and make one, fresh process", "import torch",
                    (1.3, "at most"), ours, theirs, agree=True, numbers=numbers,
                    note="an estimator inherits from scikit-learn's, which is imported with it")


@row()
def help_text(quick: bool) -> dict:
    """`vae_nbdev --help` against a bare start of Python; torch is not imported."""
    run = [lambda: python("-m", "vae_nbdev", "--help"), lambda: python("-c", "pass")]
    in_turn(run, 1)
    ours, theirs = in_turn(run, 6 if quick else 15).T
    without_torch = python("-c", HELP).strip().endswith("False")
    return compared("vae_nbdev --help, fresh process", "a bare start of Python", (0.5, "at most"),
                    ours, theirs, agree=without_torch, quantity="ours",
                    note="agreement: torch is not imported")
