"""Compare this checkout with another one, on this machine.

OTHER is the folder of another checkout, such as a git worktree. Six short fits run here and there
in turn, on the same curves, each in a process of its own, with this Python and one thread. For each
we print whether weights, scores and samples have identical bits, else the largest difference; how
far each model is from the exact evidence of the 80 reference curves; and the ratio of fit times.

With --quality, we compare whole fits instead, each side on its own simulated curves. Finished fits
stay in the file --out; call the script again and it goes on from there. The exit status is 1 if
bits differ, or with --quality if a gap is larger by more than twice its paired error.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
NOISE = 5.0  # km/s, of the measured rotation curves
CASES = {  # name → arguments of CurveVAE that every version has; `write_data` makes the curves
    "clean": {"noise": NOISE, "clean_input": True},
    "measured": {"noise": "learn", "validation_fraction": 0.2},
    "gaps": {"noise": NOISE, "n_latent": 3, "posterior_family": "diagonal"},
    "errors": {"posterior_family": "full", "random_state": 1},
    "flow": {"noise": NOISE, "clean_input": True, "prior": "flow"},
    "large": {"noise": "learn", "prior": "normal"},
}
QUALITY = {  # name → number of clean curves, further arguments, number of seeds
    "1 600 clean": (1600, {}, 5),
    "20 000 clean": (20_000, {}, 1),
    "best, 20 000 clean": (20_000, {"preset": "best"}, 1),
}


def run(checkout: Path, job: dict, folder: Path) -> dict[str, np.ndarray]:
    """Do a job with the package of a checkout, in a new process."""
    (folder / "job.json").write_text(json.dumps(job))
    environment = {"OMP_NUM_THREADS": "1"} | os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, HERE / "benchmarks" / "fit_once.py", checkout, folder]
    subprocess.run(command, env=environment, check=True)
    with np.load(folder / "result.npz") as stored:
        return dict(stored)


def in_turn(sides: dict[str, Path], job: dict, folder: Path, turn: int) -> list[dict]:
    """Do a job here and there; every second time, there first."""
    found = {name: run(sides[name], job, folder) for name in sorted(sides, reverse=turn % 2 == 1)}
    return [found["here"], found["there"]]


def bits(array: np.ndarray) -> tuple:
    """Return all that makes two arrays the same."""
    return array.dtype, array.shape, array.tobytes()


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two arrays; inf if shapes or NaN differ."""
    if a.shape != b.shape or (np.isfinite(a) != np.isfinite(b)).any():
        return np.inf
    return float(np.abs(np.nan_to_num(a.astype(float) - b)).max(initial=0.0))


def verdict(here: dict[str, np.ndarray], there: dict[str, np.ndarray], kind: str) -> str:
    """Say how much the arrays of one kind differ; those with other names in sorted order."""
    a, b = ({n: v for n, v in side.items() if n.split("/")[0] == kind} for side in (here, there))
    only_a, only_b = sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())
    pairs = [(n, n) for n in sorted(a.keys() & b.keys())] + list(zip(only_a, only_b, strict=False))
    differing = [(n, m) for n, m in pairs if bits(a[n]) != bits(b[m])]
    words = "identical" if pairs else "no arrays"
    if differing:
        largest, name = max((largest_difference(a[n], b[m]), n) for n, m in differing)
        words = f"{largest:.1e} {name.partition('/')[2]}".strip()
    for place, names in (("here", only_a), ("there", only_b)):
        words += f"; only {place}: {', '.join(names)}" if names else ""
    return words


def gaps(here, there, exact: np.ndarray) -> tuple[str, bool]:
    """Compare gaps to the exact evidence (80,), from scores (S, ≥ 80) of S seeds, in words.

    Also returns whether the gap here is larger by more than twice the error over curves.
    """
    here, there = (np.atleast_2d(scores)[:, :80] for scores in (here, there))
    paired = there - here  # gap here minus gap there
    shift, error = paired.mean(), paired.mean(0).std(ddof=1) / 80**0.5
    words = [f"{exact.mean() - side.mean():.4f}" for side in (here, there)]
    words.append(f"{shift:+.4f} ± {error:.4f}")
    if len(paired) > 1:
        words[-1] += f" (over seeds ± {paired.mean(1).std(ddof=1) / len(paired) ** 0.5:.4f})"
    return " | ".join(words), bool(shift > 2 * error)


def write_data(folder: Path, clean: np.ndarray) -> None:
    """Write the curves of every case, made from clean ones (6000, 50), and what is scored."""
    with np.load(folder / "reference.npz") as stored:
        reference, x = dict(stored), stored["x"]
    rng = np.random.default_rng(16)
    few, noise = clean[:1600], rng.standard_normal((1600, 50))
    measured = few + NOISE * noise
    errors, x_errors = (NOISE * rng.uniform(0.5, 1.5, n) for n in (few.shape, x.shape))
    gappy, x_gappy = (np.where(rng.random(v.shape) < 0.1, np.nan, v) for v in (measured, x))
    t = np.linspace(0, 1, 300, dtype=np.float32)  # large: 61 000 curves, 73 MB in float32
    large = 0.1 * rng.standard_normal((61_080, 300), np.float32)
    large += rng.standard_normal((61_080, 3), np.float32) @ np.array([1 + t, np.sin(3 * t), t**4])
    data = {
        "clean": {"values": few},
        "measured": {"values": measured},
        "gaps": {"values": gappy, "x": np.concatenate([x, x_gappy])},
        "errors": {"values": few + errors * noise, "errors": errors, "x": np.concatenate([x, x]),
                   "x_errors": np.concatenate([np.full(x.shape, NOISE), x_errors])},
        "flow": {"values": clean},
        "large": {"values": large[:-80], "radius": t, "x": large[-80:]},
    }  # fmt: skip
    for name, arrays in data.items():
        np.savez(folder / f"{name}.npz", **reference | arrays)


def compare(sides: dict[str, Path], args: argparse.Namespace, folder: Path, exact) -> bool:
    """Compare short fits; return whether all bits are identical."""
    job = {"data": str(folder / "reference.npz"), "simulate": 6000, "seed": 0}
    here, there = in_turn(sides, job, folder, 0)
    words = [verdict(here, there, "curves")]
    print(f"simulated curves: {words[0]}; all fits use those from there\n")
    write_data(folder, there["curves"])
    print("| case | weights | scores | samples | gap here | there | difference | wall, CPU time |")
    print("| --- " * 8 + "|", flush=True)
    for turn, case in enumerate(args.case or CASES):
        options = {"max_steps": args.steps or 300, "random_state": 0} | CASES[case]
        job = {"data": str(folder / f"{case}.npz"), "options": options, "many": case == "large"}
        here, there = in_turn(sides, job, folder, turn)
        row = [verdict(here, there, kind) for kind in ("weights", "scores", "samples")]
        words += row
        gap = gaps(here["scores"], there["scores"], exact)[0] if case != "large" else "– | – | –"
        wall, cpu = here["seconds"] / there["seconds"]
        print(f"| {case} | {' | '.join(row)} | {gap} | × {wall:.2f}, {cpu:.2f} |", flush=True)
    return set(words) == {"identical"}


def code(checkout: Path) -> str:
    """Return what tells two states of a checkout apart."""
    files = sorted((checkout / "vae_nbdev").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def judge(sides: dict[str, Path], args: argparse.Namespace, folder: Path, exact) -> bool:
    """Compare whole fits; return whether no gap is clearly larger here."""
    rows, fine = json.loads(args.out.read_text()) if args.out.exists() else {}, True
    print("| model | gap here | there | difference | median wall, CPU time |")
    print("| --- " * 5 + "|")
    for name, (n, more, seeds) in QUALITY.items():
        pairs = []
        for seed in range(args.seeds or seeds):
            options = {"noise": NOISE, "clean_input": True, "random_state": seed} | more
            options |= {"max_steps": args.steps} if args.steps else {}
            made_with, key = [args.steps, *map(code, sides.values())], f"{name}, seed {seed}"
            if rows.get(key, {}).get("made_with") != made_with:
                rows[key] = {"made_with": made_with}
            job = {"data": str(folder / "reference.npz"), "simulate": n, "seed": seed}
            for side in sorted(sides.keys() - rows[key].keys(), reverse=seed % 2 == 1):
                found = run(sides[side], job | {"options": options}, folder)
                rows[key][side] = {k: found[k].tolist() for k in ("scores", "seconds")}
                args.out.with_suffix(".part").write_text(json.dumps(rows))
                args.out.with_suffix(".part").replace(args.out)
            pairs.append([rows[key]["here"], rows[key]["there"]])
        words, worse = gaps(*([p[i]["scores"] for p in pairs] for i in (0, 1)), exact)
        wall, cpu = np.median([np.divide(h["seconds"], t["seconds"]) for h, t in pairs], 0)
        print(f"| {name}, seeds: {len(pairs)} | {words} | × {wall:.2f}, {cpu:.2f} |", flush=True)
        fine &= not worse
    return fine


def main() -> int:
    """Compare, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path, help="folder of the other checkout")
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)} (default: all)")
    parser.add_argument("--steps", type=int, help="optimiser steps (short fits: 300)")
    parser.add_argument("--quality", action="store_true", help="compare whole fits")
    parser.add_argument("--seeds", type=int, help="seeds of each whole fit (default: 5, 1, 1)")
    parser.add_argument("--out", type=Path, default=Path("compare.json"), help="of --quality")
    args = parser.parse_args()
    sides = {"here": HERE, "there": args.other.resolve()}
    reference = sides["there"] / "vae_nbdev" / "data" / "exact_evidence.npz"
    if not reference.exists() or not set(args.case) <= set(CASES):
        parser.error(f"{reference} does not exist, or a case is not one of {', '.join(CASES)}")
    with tempfile.TemporaryDirectory() as name, np.load(reference) as stored:
        x = stored["velocity_clean"] + NOISE * stored["noise_unit"]
        np.savez(Path(name) / "reference.npz", x=x, radius=stored["radius_kpc"])
        exact = stored[f"log_evidence_sigma{NOISE:g}"]
        return int(not (judge if args.quality else compare)(sides, args, Path(name), exact))


if __name__ == "__main__":
    sys.exit(main())
