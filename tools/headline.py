"""Check the headline figures: `python tools/headline.py [--out DIR | --run DIR]`.

Runs `vae_nbdev demo` into a temporary folder (or DIR), looks for the files that it promises, and
compares its metrics.json with tools/headline.json: {name: {"value": v, "tolerance": t, "meaning":
"..."}}, where a figure may be off by t at most, and a name with dots leads into nested entries
("kl_per_latent.0"). Then trains the model that ships with the package again, see demo_model.py, and
compares the two, as "packaged". `--run` takes a finished run, and trains nothing.
"""
import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPECTED = Path(__file__).with_name("headline.json")
# pattern: at least so many
FILES = {"model.safetensors": 1, "metrics.json": 1, "new_curves.csv": 1, "*.png": 3}
NEW_CURVES = 500


def look_up(summary: dict, name: str) -> float:
    """Return the number that a dotted name stands for, NaN where there is none."""
    node = summary
    for key in name.split("."):
        if isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        elif isinstance(node, dict) and key in node:
            node = node[key]
        else:
            return math.nan
    return (
        float(node) if isinstance(node, (int, float)) and not isinstance(node, bool) else math.nan
    )


def compare(summary: dict, expected: dict) -> list[tuple[str, bool, str]]:
    """Return (name, whether it holds, one line of the table) for each figure."""
    rows = []
    for name, entry in expected.items():
        found, value, tolerance = look_up(summary, name), entry["value"], entry["tolerance"]
        holds = abs(found - value) <= tolerance < math.inf  # false for NaN
        line = (f"{'ok' if holds else 'FAILED':<7}{name:<28}{found:>12.4g}{value:>12.4g}"
                f" ± {tolerance:<8.3g}  {entry['meaning']}")
        rows.append((name, holds, line))
    return rows


def files(run: Path) -> list[tuple[str, bool, str]]:
    """Return (name, whether it holds, one line) for each file that the demo promises."""
    rows = []
    for pattern, least in FILES.items():
        found = sum(p.stat().st_size > 0 for p in run.rglob(pattern))
        verdict = "ok" if found >= least else "FAILED"
        line = f"{verdict:<7}{pattern:<28}{found:>12}{least:>12} at least"
        rows.append((pattern, found >= least, line))
    curves = run / "new_curves.csv"
    lines = len(curves.read_text().splitlines()) - 1 if curves.exists() else 0
    verdict = "ok" if lines == NEW_CURVES else "FAILED"
    line = f"{verdict:<7}{'curves in the file':<28}{lines:>12}{NEW_CURVES:>12}"
    rows.append(("new curves", lines == NEW_CURVES, line))
    return rows


def packaged() -> dict[str, float]:
    """Return how good the packaged model is, and how far from one that is trained again.

    On the 80 reference curves; gaps to the exact evidence and differences of log p(x) in nats.
    """
    import numpy as np

    from demo_model import train
    from vae_nbdev import load_demo
    from vae_nbdev.evaluation import exact_reference

    stored, start = load_demo(), time.perf_counter()
    again = train()
    print(f"the packaged model, trained again: {time.perf_counter() - start:.0f} s\n")
    measured, _, exact = exact_reference(5.0)
    log_p, log_p_again = (vae.score_samples(measured) for vae in (stored, again))
    return {
        "gap_to_exact": float((exact - log_p).mean()),
        "gain": float((log_p_again - log_p).mean()),
        "scatter": float(np.median(np.abs(log_p_again - log_p))),
        "recipe": float(stored.recipe_ == again.recipe_),
    }


def main() -> int:
    """Run the demo, compare, print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, help="keep what the demo writes here")
    where.add_argument("--run", type=Path, help="compare this run instead of making one")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        run = args.run or args.out or Path(folder) / "demo"
        if not args.run:
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-m", "vae_nbdev", "demo", "--out", str(run)])
            spent = time.perf_counter() - start
            print(f"\nvae_nbdev demo: exit status {done.returncode} after {spent:.0f} s\n")
            if done.returncode:
                print("0 passed, 1 failed")
                return 1
        path, expected = run / "metrics.json", json.loads(EXPECTED.read_text(encoding="utf-8"))
        summary = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if args.run:
            expected = {k: v for k, v in expected.items() if not k.startswith("packaged.")}
        else:
            summary["packaged"] = packaged()
        figures = compare(summary, expected)
        rows = files(run) + figures
    print(f"{'':<7}{'headline':<28}{'found':>12}{'expected':>12}")
    print(*(line for _, _, line in rows), sep="\n")
    failed = sum(not holds for _, holds, _ in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return int(failed > 0 or not figures)


if __name__ == "__main__":
    sys.exit(main())
