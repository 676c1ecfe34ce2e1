"""Time everything side by side: `python benchmarks/speed.py [ROW ...] [--list] [--quick]`.

Each row does one thing twice, with the package and in the plain or the best other way, in turn, and
what counts is the ratio within a pair. A row has a process of its own, with one thread unless the
list says otherwise. What it finds goes to benchmarks/speed.json as soon as it is done, in the place
of what it found before. Rows are given by the beginnings of their names; without any, all run. The
exit status is 1 if the two sides of a row disagree about the result, or a row fails; it is never 1
because of a time.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

# each registers its rows
import rows_simulation  # noqa: F401  isort: skip
import rows_training  # noqa: F401  isort: skip
import rows_nat  # noqa: F401  isort: skip
import rows_answers  # noqa: F401  isort: skip
import rows_startup  # noqa: F401  isort: skip
from common import ROWS
from growth import GROWTH
from timing import RESULTS, machine, rounded, stored, table, today

ROWS |= {f"growth_{name}": (function, 1) for name, function in GROWTH.items()}


def one(name: str, quick: bool, file: Path) -> None:
    """Run one row in this process and write what it finds to a file."""
    import torch

    function, threads = ROWS[name]
    torch.set_num_threads(threads)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = function(quick)
    file.write_text(json.dumps(rounded(found | {"duration": time.perf_counter() - start})))


def run(name: str, quick: bool, folder: Path) -> dict | None:
    """Run one row in a process of its own; return what it finds, None if it failed."""
    threads, file = str(ROWS[name][1]), folder / f"{name}.json"
    counts = {f"{what}_NUM_THREADS": threads for what in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, "--here", name, "--to", str(file), *["--quick"] * quick]
    done = subprocess.run(command, env=os.environ | counts | {"SPEED_MODELS": str(folder)})
    if done.returncode:
        return None
    about = {"threads": int(threads), "machine": machine(), "date": today(), "quick": quick}
    return json.loads(file.read_text()) | about


def store(name: str, found: dict, path: Path) -> None:
    """Put what a row has found in the place of what it found before."""
    kind, short = "rows", name
    if name.startswith("growth_"):
        kind, short = "growth", name.removeprefix("growth_")
    # some rows have several results
    parts = {k: v for k, v in found.items() if isinstance(v, dict) and "what" in v}
    shared = {k: v for k, v in found.items() if k not in parts}
    with stored(path) as results:
        several = {k: v | shared for k, v in parts.items()}
        results.setdefault(kind, {}).update(several or {short: found})


def show(names: list[str]) -> None:
    """List rows."""
    for name in names:
        function, threads = ROWS[name]
        plural = "s" * (threads > 1)
        print(f"{name:<24} {threads} thread{plural}  {function.__doc__ or ''}")


def main() -> int:
    """Run the rows that are asked for, store each, and print the table of all that are stored."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", help="beginnings of the names of rows (default: all)")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--quick", action="store_true", help="half of the repeats")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of results")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        one(args.here, args.quick, args.to)
        return 0
    for start in args.row:
        if not any(name.startswith(start) for name in ROWS):
            parser.error(f"there is no row {start}; --list names them")
    chosen = [name for name in ROWS if not args.row or name.startswith(tuple(args.row))]
    if args.list:
        show(chosen)
        return 0
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            found = run(name, args.quick, Path(folder))
            if found is None:
                bad.append(f"{name}: it failed")
                continue
            if not found.get("agree", True):
                bad.append(f"{name}: the two sides disagree")
            store(name, found, args.out)
            print(f"{name}: done in {found['duration']:.0f} s", file=sys.stderr, flush=True)
    print(table(json.loads(args.out.read_text()) if args.out.exists() else {}))
    print(*bad, sep="\n", file=sys.stderr, end="\n" * bool(bad))
    return min(len(bad), 1)


if __name__ == "__main__":
    sys.exit(main())
