"""Test notebooks: `python tools/test.py [--once | --slow] [--record] [NOTEBOOK ...]`.

Every code cell runs, except those with `eval: false` or a flag that is among tst_flags in
settings.ini. `--slow` takes the notebooks that have such flags and runs them whole, `--once` takes
the others: together they run each notebook once.

Two workers are used again and again, so torch is imported once in each, and a notebook has to
restore what it changes; each has one thread. A worker that dies is a failure of the notebook that
it was running. The longest notebooks start first. How long that was, cell by cell, is written to
build/seconds.json; `--record` writes tools/seconds.json, for a clone that has no build folder.
"""
import argparse
import importlib
import json
import multiprocessing as mp
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from execnb.nbio import read_nb
from execnb.shell import CaptureShell
from nbdev.config import get_config
from nbdev.doclinks import nbglob
from nbdev.process import extract_directives

ROOT = Path(__file__).resolve().parent.parent
CELLS, NOTEBOOKS = ROOT / "build/seconds.json", ROOT / "tools/seconds.json"
WORKERS = 2
MOST_SECONDS = 3  # that a cell may take without a flag


def code_cells(path: Path) -> list[tuple[int, bool, str]]:
    """Return number, whether it is slow, and source of each code cell that can be run."""
    flags, cells = set(get_config(path=ROOT).tst_flags.split()), []
    for number, cell in enumerate(read_nb(path).cells, start=1):
        directives = extract_directives(cell) if cell.cell_type == "code" else {}
        if cell.cell_type == "code" and directives.get("eval:", [""])[0].lower() != "false":
            cells.append((number, bool(flags & directives.keys()), cell.source))
    return cells


def has_slow_cells(path: Path) -> bool:
    """Return whether a notebook has a cell that only `--slow` runs."""
    return any(slow for _, slow, _ in code_cells(path))


def run_notebook(path: Path, slow: bool) -> tuple[str, dict[int, float]]:
    """Run a notebook in its folder; return what went wrong, and the seconds of each cell."""
    os.chdir(path.parent)
    main, seconds = sys.modules["__main__"], {}
    shell = CaptureShell(path)
    try:
        for number, is_slow, source in code_cells(path):
            if is_slow and not slow:
                continue
            start = time.perf_counter()
            shell.run(source)
            seconds[number] = round(time.perf_counter() - start, 2)
            if shell.exc:
                return f"cell {number}\n{''.join(traceback.format_exception(shell.exc))}", seconds
        return "", seconds
    finally:
        sys.modules["__main__"] = main  # in whose place the shell puts the notebook


def prepare_worker(modules: tuple[str, ...]) -> None:
    """Import what nearly all notebooks need, so that it counts for no cell."""
    sys.path.insert(0, str(ROOT))
    for module in modules:
        importlib.import_module(module)


def run(paths: list[Path], slow: bool, modules: tuple[str, ...] = ("torch",)) -> tuple[dict, dict]:
    """Test notebooks in workers; return those that failed, with the reason, and all seconds."""
    failed, seconds = {}, {}
    os.environ |= {"OMP_NUM_THREADS": "1", "IN_TEST": "1"}  # inherited; nbdev exports nothing then
    workers, context = min(WORKERS, len(paths)) or 1, mp.get_context("spawn")
    with ProcessPoolExecutor(workers, context, prepare_worker, (modules,)) as pool:
        futures = {pool.submit(run_notebook, path, slow): path for path in paths}
        for done, future in enumerate(as_completed(futures), start=1):
            path = futures[future]
            try:
                reason, seconds[path] = future.result()
            except Exception as error:  # the worker died
                reason, seconds[path] = f"did not finish: {type(error).__name__}: {error}", {}
            if reason:
                failed[path] = reason.splitlines()[0]
            verdict, total = f"FAILED, {reason}" if reason else "ok", sum(seconds[path].values())
            name = os.path.relpath(path, ROOT)
            print(f"[{done}/{len(paths)}] {name} ({total:.0f} s): {verdict}", flush=True)
    return failed, seconds


def read_seconds(path: Path) -> dict:
    """Return what a file of seconds holds: "fast" or "slow" → notebook → its seconds."""
    return json.loads(path.read_text()) if path.exists() else {"fast": {}, "slow": {}}


def longest_first(names: list[str], kind: str) -> list[str]:
    """Sort notebooks by how long they took, here or where it was recorded; new ones come first."""
    here = {name: sum(cells.values()) for name, cells in read_seconds(CELLS)[kind].items()}
    known = read_seconds(NOTEBOOKS)[kind] | here
    return sorted(names, key=lambda name: (-known.get(name, float("inf")), name))


def write_seconds(path: Path, kind: str, new: dict) -> None:
    """Bring a file of seconds up to date; notebooks that are gone leave it."""
    known = read_seconds(path)
    known[kind] |= new
    for values in known.values():
        for name in [name for name in values if not (ROOT / name).exists()]:
            del values[name]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> int:
    """Test what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", nargs="*", type=Path, help="notebooks to test (default: all)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--slow", action="store_true",
                       help="only notebooks that have slow cells, with those cells")
    which.add_argument("--once", action="store_true", help="only those that --slow leaves")
    parser.add_argument("--record", action="store_true", help=f"write {NOTEBOOKS.name} as well")
    args = parser.parse_args()

    start, kind = time.perf_counter(), "slow" if args.slow else "fast"
    paths = [path.resolve() for path in args.notebook or nbglob(ROOT / "nbs", as_path=True)]
    if args.slow or args.once:
        paths = [path for path in paths if has_slow_cells(path) == args.slow]
    names = longest_first([path.relative_to(ROOT).as_posix() for path in paths], kind)
    names = {ROOT / name: name for name in names}
    paths = list(names)
    failed, seconds = run(paths, args.slow)

    passed = {names[path]: seconds[path] for path in paths if path not in failed}
    write_seconds(CELLS, kind, passed)
    if args.record:
        totals = {name: round(sum(cells.values())) for name, cells in passed.items()}
        write_seconds(NOTEBOOKS, kind, totals)
    for path in paths:
        flagged = {number for number, is_slow, _ in code_cells(path) if is_slow}
        for number, spent in seconds[path].items():
            if spent > MOST_SECONDS and number not in flagged:
                print(f"{names[path]}, cell {number}: {spent:.1f} s and not flagged slow")
    for path, reason in failed.items():
        print(f"FAILED  {names[path]}: {reason}")
    print(f"{kind} cells, {time.perf_counter() - start:.0f} s")
    print(f"{len(paths) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not (paths or args.slow or args.once) else 0


if __name__ == "__main__":
    sys.exit(main())
