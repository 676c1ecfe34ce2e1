"""Measure how much memory training takes: `python benchmarks/memory.py [--curves N] [--steps K]`; on Linux only.

A fresh process imports the package, makes curves in float32 and trains on them. Its anonymous memory, which leaves out the pages of files
that the system may drop, is watched from outside; what counts is the largest value, above that after the import, as a multiple of the
size of the curves, which are a part of it. What fit imports when it is needed counts too. The target is at most 2.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

TRAINING = """
import sys
from vae_nbdev.fitted.estimator import CurveVAE
print(flush=True)
sys.stdin.readline()
import numpy as np
from vae_nbdev.families.simulation import simulate
X = np.empty((int(sys.argv[1]), 50), np.float32)
for start in range(0, len(X), 10_000):
    X[start : start + 10_000] = simulate(10_000, seed=start).values[: len(X) - start]
print(flush=True)
sys.stdin.readline()
CurveVAE(noise=5.0, clean_input=True, max_steps=int(sys.argv[2])).fit(X)
"""


def anonymous(pid: int) -> int | None:
    """Anonymous memory of a process [bytes]; None if it has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def training_memory(n: int = 1_000_000, steps: int = 50) -> dict[str, float]:
    """Train on n curves in a fresh process; sizes in MB: the curves, after the import, and the largest value above that, which is also given in units of the curves."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", TRAINING, str(n), str(steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    go_on = lambda: (child.stdout.readline(), anonymous(child.pid), child.stdin.write("\n"), child.stdin.flush())[1]
    before, largest = go_on(), [0]

    def watch() -> None:
        while (now := anonymous(child.pid)) is not None:
            largest[0] = max(largest[0], now)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    go_on()
    failed = child.wait()
    watcher.join()
    if failed:
        raise RuntimeError(f"the training ended with status {failed}")
    curves, above = 4 * 50 * n, largest[0] - before
    return {"curves": curves / 1e6, "after_import": before / 1e6, "peak": above / 1e6, "ratio": above / curves}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=50)
    args = parser.parse_args()
    print(json.dumps(training_memory(args.curves, args.steps), indent=1))


if __name__ == "__main__":
    main()
