"""Measure how much memory training takes: `python benchmarks/memory.py [--file]`; on Linux only.

A fresh process imports the package and trains on curves in float32: a million of them that it makes
in memory, or with --file twenty million, 4 GB, in a memory-mapped .npy file. Its anonymous memory,
which leaves out the pages of files that the system may drop, is watched from outside; what counts
is the largest value, above that after the import. What fit imports when it is needed counts too.
Curves in memory are a part of it, and the target is at most 2 times their size; with a file it is
given in MB, and as a share of the size of the file. --curves and --steps change the numbers.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TRAINING = """
import sys
from vae_nbdev import CurveVAE, simulate
def wait():
    print(flush=True)
    sys.stdin.readline()
wait()
import numpy as np
n, steps, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if path:
    X = np.load(path, mmap_mode="r")
else:
    X = np.empty((n, 50), np.float32)
    for start in range(0, n, 10_000):
        X[start : start + 10_000] = simulate(10_000, seed=start).values[: n - start]
wait()
CurveVAE(noise=5.0, clean_input=True, max_steps=steps).fit(X)
"""


def anonymous(pid: int) -> int | None:
    """Return the anonymous memory of a process [bytes]; None if it has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def training_memory(n: int = 1_000_000, steps: int = 50, path: str = "") -> dict[str, float]:
    """Train on n curves, made in memory or in a file, in a fresh process.

    Sizes in MB: the curves, after the import, and the largest value above that, which is also given
    in units of the curves; and the seconds of the fit.
    """
    command = [sys.executable, "-c", TRAINING, str(n), str(steps), path]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=os.environ | {"OMP_NUM_THREADS": "1"})

    def let_go_on() -> int:
        child.stdout.readline()
        now = anonymous(child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        return now

    before, largest = let_go_on(), 0

    def watch() -> None:
        nonlocal largest
        while (now := anonymous(child.pid)) is not None:
            largest = max(largest, now)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    let_go_on()
    start = time.perf_counter()
    failed = child.wait()
    watcher.join()
    if failed:
        raise RuntimeError(f"the training ended with status {failed}")
    curves, above = 4 * 50 * n, largest - before
    return {"curves": curves / 1e6, "after_import": before / 1e6, "peak": above / 1e6,
            "ratio": above / curves, "fit_seconds": time.perf_counter() - start}


def file_memory(n: int, steps: int, folder: str | None = None) -> dict[str, float]:
    """Write n curves to a .npy file in a temporary folder, and train on them from there."""
    from vae_nbdev.families import simulate_to

    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name) / "curves.npy"
        simulate_to(path, n)
        return training_memory(n, steps, str(path))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", action="store_true", help="train on a memory-mapped file")
    parser.add_argument("--curves", type=int, help="how many (1 000 000; with --file 20 000 000)")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="a tenth of the curves, 20 steps")
    args = parser.parse_args()
    n = args.curves or (20_000_000 if args.file else 1_000_000)
    n, steps = (n // 10, 20) if args.quick else (n, args.steps)
    measure = file_memory if args.file else training_memory
    print(json.dumps(measure(n, steps), indent=1))


if __name__ == "__main__":
    main()
