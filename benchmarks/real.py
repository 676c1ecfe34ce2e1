"""Held-out log p(x) of real curves: the default model beside the best one-liner of scikit-learn.

`python benchmarks/real.py` fits what is missing in `real.json`; see README.md in this folder.
"""
import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

HERE = Path(__file__).parent
STORE = HERE / "real.json"
NOT_JUDGED = ("covid", "xray_f1")  # their one-liners differ by hundreds of nats between splits


def folder() -> Path:
    """Return where the sets are: REAL_CURVES, or `shared/real` beside the checkout."""
    found = Path(os.environ.get("REAL_CURVES", HERE.parent.parent / "shared" / "real"))
    if not (found / "baselines.py").exists():
        sys.exit(f"{found} holds no baselines.py; REAL_CURVES names the folder of the sets")
    return found


def rules(path: Path) -> ModuleType:
    """Import the script that loads, splits and judges."""
    sys.path.insert(0, str(path))
    import baselines

    return baselines


def read() -> dict:
    """Return column → set → list of what was found on each split."""
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def fit_and_score(curves: np.ndarray, radius: np.ndarray, train, test, seed: int) -> dict:
    """Fit the default model to the training rows, and score the held-out ones."""
    from vae_nbdev import CurveVAE

    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vae = CurveVAE(radius=radius, random_state=seed).fit(curves[train])
        seconds = time.perf_counter() - begin
        scores = vae.score_samples(curves[test])
    return {"seconds": round(seconds, 1), "scores": [round(float(s), 3) for s in scores]}


def fill(column: str, names: list[str], most_splits: int, path: Path) -> None:
    """Fit and store what is missing of one column, split after split."""
    judge = rules(path)
    for name in names:
        curves, radius = judge.load(path / f"{name}.npz")
        for seed in range(min(judge.splits(len(curves)), most_splits)):
            known = read()
            done = known.setdefault(column, {}).setdefault(name, [])
            if len(done) > seed:
                continue
            train, test = judge.split(len(curves), seed)
            done.append(fit_and_score(curves, radius, train, test, seed))
            new = STORE.with_suffix(".new")
            new.write_text(json.dumps(known, sort_keys=True) + "\n")
            new.replace(STORE)
            mean, seconds = np.mean(done[-1]["scores"]), done[-1]["seconds"]
            print(f"{name}, split {seed}: {mean:.2f} nats, {seconds:.0f} s", flush=True)


def table(column: str, path: Path) -> str:
    """Return one column beside the best one-liner, as Markdown."""
    judge, found = rules(path), read().get(column, {})
    theirs = json.loads((path / "baselines.json").read_text())
    head = "| set | best one-liner | there | here | ahead by | middle 96 % | | seconds |"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    words = []
    for name, splits in sorted(found.items()):
        best, n = judge.best(theirs[name]), len(splits)
        other, ours = theirs[name][best][:n], [s["scores"] for s in splits]
        there, here = (np.mean([np.mean(s) for s in side]) for side in (other, ours))
        seconds = np.mean([s["seconds"] for s in splits])
        word, ahead, error, middle = ("one split", here - there, np.nan, np.nan)
        if n > 1:
            word, ahead, error, middle = judge.verdict(ours, other)
        if name in NOT_JUDGED:
            word += ", not judged"
        words.append(word)
        lines.append(
            f"| {name} | {best} | {there:.2f} | {here:.2f} | {ahead:.2f} ± {error:.2f} |"
            f" {middle:.2f} | {word} | {seconds:.0f} |"
        )
    judged = [f"{words.count(word)} {word}" for word in ("ahead", "level", "behind")]
    return "\n".join([*lines, "", f"Of the sets that are judged: {', '.join(judged)}."])


def main() -> None:
    """Fill a column and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of the sets; all if none are given")
    parser.add_argument("--column", default="now", help="where it is stored, for instance a commit")
    parser.add_argument("--splits", type=int, default=6, help="of each set, at most")
    parser.add_argument("--show", action="store_true", help="only print what is stored")
    args, path = parser.parse_args(), folder()
    names = args.names or sorted(p.stem for p in path.glob("*.npz"))
    if not args.show:
        fill(args.column, names, args.splits, path)
    print(table(args.column, path))


if __name__ == "__main__":
    main()
