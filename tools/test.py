"""Test notebooks with nbdev: `python tools/test.py [--slow] [NOTEBOOK ...]`.

What `nbdev_test` does, by the function that it calls: every cell runs except those flagged with one of tst_flags in
settings.ini. Here each notebook has a line with its time, a worker that dies is a failure of the notebook that it was
running, and the last line counts. Two workers are used again and again, so a notebook has to restore what it changes;
each has one thread. With `--slow`, the notebooks that have slow cells run, slow cells included.
"""
import argparse
import multiprocessing as mp
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from execnb.nbio import read_nb
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.process import extract_directives
from nbdev.test import test_nb

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
LONG = ("42_evaluation", "50_estimator", "07_a_real_galaxy", "09_when_things_go_wrong", "31_vae")  # these start first, so that no worker waits at the end


def has_slow_cells(path: Path) -> bool:
    """Return whether a notebook has a cell flagged `slow`."""
    code = [cell for cell in read_nb(path).cells if cell.cell_type == "code"]
    return any("slow" in extract_directives(cell, remove=False) for cell in code)


def run(paths: list[Path], slow: bool, showerr: bool = True) -> dict[Path, str]:
    """Test notebooks in worker processes; return those that failed, each with the reason."""
    failed = {}
    options = dict(skip_flags=get_config(path=ROOT).tst_flags.split(), force_flags=["slow"] if slow else [],
                   basepath=ROOT, showerr=showerr)
    with ProcessPoolExecutor(WORKERS, mp_context=mp.get_context("spawn")) as pool:
        futures = {pool.submit(test_nb, path, **options): path for path in paths}
        for future in as_completed(futures):
            path = futures[future]
            try:
                passed, seconds = future.result()
                reason = "" if passed else "a cell failed, see above"
            except Exception as error:  # the worker died, or what it raised is not the notebook's
                reason, seconds = f"did not finish: {type(error).__name__}: {error}", 0
            verdict = f"FAILED, {reason}" if reason else "ok"
            print(f"{os.path.relpath(path, ROOT)}: {verdict} ({seconds:.0f} s)", flush=True)
            if reason:
                failed[path] = reason
    return failed


def main() -> int:
    """Test what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", nargs="*", type=Path, help="notebooks to test (default: all)")
    parser.add_argument("--slow", action="store_true", help="only notebooks that have slow cells, with those cells")
    args = parser.parse_args()

    start = time.perf_counter()
    os.environ["OMP_NUM_THREADS"] = "1"  # the workers inherit it
    paths = [path.resolve() for path in args.notebook] or sorted(path.resolve() for path in nbglob(ROOT / "nbs", as_path=True))
    if args.slow:
        paths = [path for path in paths if has_slow_cells(path)]
    failed = run(sorted(paths, key=lambda path: LONG.index(path.stem) if path.stem in LONG else len(LONG)), args.slow)
    if failed:
        print("\nFAILED:", *(f"  {os.path.relpath(path, ROOT)}: {reason}" for path, reason in failed.items()), sep="\n")
    print(f"{'slow and fast' if args.slow else 'fast'} cells, {time.perf_counter() - start:.0f} s")
    print(f"{len(paths) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not (paths or args.slow) else 0


if __name__ == "__main__":
    sys.exit(main())
