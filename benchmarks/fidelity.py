"""How far from the exact evidence? `python benchmarks/fidelity.py [ROW ...] [--list] [--quick]`.

Trains each row of the tables in *How good is it? Counting nats*, or those whose names begin as
given, with three seeds and scores it on 2 000 held-out curves and on the 80 reference curves; the
ablation, which chooses a recipe, trains on other curves and is scored on other curves. Results go
to benchmarks/fidelity.json as they come; what is there already, on the same held-out curves, is not
run again. Two processes, one thread each. A row may use its curves and fresh noise, nothing else.

`--quick` is a trial of a row: one seed, few steps, a hundred held-out curves, nothing is stored.
"""
import argparse
import json
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np

RESULTS = Path(__file__).with_name("fidelity.json")
SEEDS, HELD_OUT, HELD_OUT_SEED = (0, 1, 2), 2000, 7_310_113
RECIPE_SEED = HELD_OUT_SEED + 7  # of the curves that a recipe is chosen on
STEPS = 300  # of a trial

NOISES = (5.0, 2.0)  # km/s
CURVES = {"20 000 clean": (20_000, True), "1 600 clean": (1600, True),
          "1 600 measured": (1600, False)}
KINDS = {"default": "vae", "PCA + mixture": "mixture", "PPCA": "ppca"}


def table_rows() -> dict[str, tuple]:
    """Return the rows of the tables: name → kind, number of curves, clean, noise, options."""
    rows = {f"{label}, {name}, {sigma:g} km/s": (kind, *curves, sigma, {})
            for label, kind in KINDS.items()
            for sigma in NOISES for name, curves in CURVES.items()}
    rows |= {f"best, 100 000 clean, {sigma:g} km/s": ("vae", 100_000, True, sigma,
                                                     {"preset": "best"}) for sigma in NOISES}
    rows |= {f"published network, {prior}, 1 600 clean, 5 km/s": ("published", 1600, True, 5.0,
                                                                  {"prior": prior})
             for prior in ("N(0, I)", "fitted normal")}
    return rows


# One change at a time, to recipes for many curves and for few; these rows choose a recipe, so they
# use other curves than the table.
MANY = {
    "as it is": {},
    "Adam alone": {"optimiser": "adam", "learning_rate": 2e-3},
    "depth 2": {"depth": 2},
    "width 64": {"width": 64},
    "ReLU": {"activation": "relu"},
    "twice the steps": {"max_steps": 3000},
    "batches do not grow": {"batch_growth": 1},
    "averaged weights": {"average": 0.995},
    "no stretch": {"stretch": "none"},
    "prior: N(0, I)": {"prior": "normal"},
    "prior: mixture, after": {"prior": "mixture", "prior_training": "after"},
    "prior: mixture, joint": {"prior": "mixture", "prior_training": "joint"},
    "prior: flow, after": {"prior": "flow", "prior_training": "after"},
    "posterior: diagonal": {"posterior_family": "diagonal"},
    "posterior: flow": {"posterior_family": "flow"},
    "bound: importance-weighted, 4 draws": {"objective": "iwae", "n_importance": 4},
}
FEW = {
    "as it is": {},
    "no stretch": {"stretch": "none"},
    "Muon": {"optimiser": "muon", "learning_rate": 1e-3},
    "depth 2": {"depth": 2},
    "twice the steps": {"max_steps": 12_000},
    "averaged weights": {"average": 0.995},
    "prior: N(0, I)": {"prior": "normal"},
    "prior: flow, joint": {"prior": "flow", "prior_training": "joint"},
    "prior: flow, after": {"prior": "flow", "prior_training": "after"},
}
ROWS = table_rows()
ROWS |= {f"ablation: {name}": ("vae", 20_000, True, 5.0,
                               {"preset": "best", "max_steps": 1500} | change)
         for name, change in MANY.items()}
ROWS |= {f"ablation with 1 600: {name}": ("vae", 1600, True, 2.0, change)
         for name, change in FEW.items()}


def held_out(sigma: float, seed: int = HELD_OUT_SEED, n: int = HELD_OUT) -> dict[str, np.ndarray]:
    """Return held-out curves with noise (n, R), noise-free, and their exact log evidence.

    With its error; computed once and kept beside the results.
    """
    from vae_nbdev import ROTATION_CURVES, simulate
    from vae_nbdev.core import stream
    from vae_nbdev.evaluation import exact_evidence

    size = f"_{n}" if n < 1000 else ""  # of a trial
    path = RESULTS.with_name(f"held_out_{seed}_{sigma:g}{size}.npz")
    if not path.exists():
        clean = simulate(n, seed=seed).values
        noise = stream(seed, "noise", int(10 * sigma)).standard_normal(clean.shape)
        x = clean + sigma * noise
        exact = exact_evidence(ROTATION_CURVES, x, sigma, n_draws=1024, min_ess=2000)
        np.savez(path, x=x, clean=clean, exact=exact.log_evidence, error=exact.standard_error)
    with np.load(path) as stored:
        return dict(stored)


def make(kind: str, n: int, clean: bool, sigma: float, options: dict, seed: int):
    """Train the model of one row with one seed."""
    from common import curve_vae
    from vae_nbdev import simulate
    from vae_nbdev.core import stream
    from vae_nbdev.evaluation import PCAMixture

    X = simulate(n, seed=100 + seed).values
    if not clean:
        noise = stream(100 + seed, "noise", int(10 * sigma)).standard_normal(X.shape)
        X = X + sigma * noise
    if kind == "vae":
        return curve_vae(noise=sigma, clean_input=clean, random_state=seed, **options).fit(X)
    if kind == "published":
        from published import fit_published

        return fit_published(X, sigma, seed=seed, **options)
    sizes = {"sizes": (1,)} if kind == "ppca" else {}  # one normal is probabilistic PCA
    return PCAMixture(noise=sigma, clean_input=clean, seed=seed, **sizes).fit(X)


def judge(model, sigma: float, data: dict, two_samples: bool, reference: bool = True) -> dict:
    """Return the gap to the exact evidence and the distance of the ELBO.

    Also the gap on the 80 reference curves, and two-sample tests, if asked for.
    """
    from common import reference_curves
    from vae_nbdev import simulate
    from vae_nbdev.evaluation import gap_summary, model_evidence, two_sample_tests
    from vae_nbdev.inference import Evidence

    n = len(data["exact"])
    unknown = np.full(n, np.inf), np.zeros(n, int), np.zeros((n, 0, 0))
    scored = model_evidence(model, data["x"])
    exact = Evidence(data["exact"], data["error"], *unknown)
    out = {"gap": asdict(gap_summary(exact, scored))}
    ordered = np.sort(exact.log_evidence - scored.log_evidence)
    out["gap"]["without_worst"] = float(ordered[: n - n // 100].mean())  # of a hundred, the worst
    if reference:
        x, known, _ = reference_curves(sigma)
        out["gap_80"] = asdict(gap_summary(known, model_evidence(model, x)))
    if hasattr(model, "elbo"):
        slack = scored.log_evidence - model.elbo(data["x"])
        out["log_p_minus_elbo"] = {"mean": float(slack.mean()),
                                   "standard_error": float(slack.std() / len(slack) ** 0.5)}
    if two_samples:
        true = simulate(4000, seed=HELD_OUT_SEED + 1).values
        tests = two_sample_tests(true, model.sample(4000, seed=HELD_OUT_SEED))
        out["two_sample"] = {name: [t.accuracy, t.standard_error] for name, t in tests.items()}
    return out


def job(name: str, seed: int, quick: bool = False) -> dict:
    """Train and judge one row with one seed."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    kind, n, clean, sigma, options = ROWS[name]
    if quick and kind in ("vae", "published"):
        options = options | {"max_steps": STEPS}
    chooses = name.startswith("ablation")
    model = make(kind, n, clean, sigma, options, seed + 10 * chooses)
    wanted = kind == "published" or options.get("preset") == "best"
    wanted |= kind in ("vae", "mixture") and sigma == 5.0 and seed == 0
    found = judge(model, sigma, held_out(*curves_of(name, quick)),
                  two_samples=wanted and not chooses and not quick, reference=not chooses)
    recipe = asdict(model.recipe_) if hasattr(model, "recipe_") else None
    return found | {"held_out_seed": HELD_OUT_SEED, "recipe": recipe}


def curves_of(name: str, quick: bool = False) -> tuple[float, int, int]:
    """Return noise, seed and number of the curves that a row is scored on."""
    sigma = ROWS[name][3]
    if quick:
        return sigma, RECIPE_SEED, 100
    return (sigma, RECIPE_SEED, 1000) if name.startswith("ablation") else (
        sigma, HELD_OUT_SEED, HELD_OUT)


def store(name: str, seed: int, found: dict) -> None:
    """Add one result to the file, which another process may be writing at the same time."""
    from vae_nbdev.writing import atomic_path

    for _ in range(20):
        try:
            results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            break
        except json.JSONDecodeError:  # the other one is not ready
            time.sleep(0.2)
    else:
        raise RuntimeError(f"{RESULTS.name} is not JSON")
    results.setdefault(name, {})[str(seed)] = found
    with atomic_path(RESULTS) as part:
        part.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def line(name: str, seed: int, found: dict) -> str:
    """Return a result in words."""
    gap, slack = found["gap"], found.get("log_p_minus_elbo", {"mean": np.nan})
    words = [f"gap {gap['mean']:.3f} ± {gap['standard_error']:.3f}", f"median {gap['median']:.3f}"]
    if (rest := gap.get("without_worst")) is not None:
        words.append(f"without the worst 1 % {rest:.3f}")
    if near := found.get("gap_80"):
        words.append(f"of the 80 {near['mean']:.3f} ± {near['standard_error']:.3f}")
    words += [f"log p − ELBO {slack['mean']:.3f}", f"low ESS {gap['n_low_ess']}"]
    return f"{name:<50} seed {seed}: {', '.join(words)}"


def main() -> int:
    """Run what is missing and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", help="beginnings of the rows to run (default: all)")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--quick", action="store_true", help="a trial; nothing is stored")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    names = [name for name in ROWS if not args.row or name.startswith(tuple(args.row))]
    if args.list:
        print(*names, sep="\n")
        return 0
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    todo = [(name, 0) for name in names] if args.quick else [
        (name, seed) for seed in SEEDS for name in names
        if results.get(name, {}).get(str(seed), {}).get("held_out_seed") != HELD_OUT_SEED
    ]
    failed = 0
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        needed = sorted({curves_of(name, args.quick) for name, _ in todo})
        list(pool.map(held_out, *zip(*needed, strict=True)) if needed else ())
        futures = {pool.submit(job, *one, args.quick): one for one in todo}
        for future in as_completed(futures):
            name, seed = futures[future]
            try:
                found = future.result()
            except Exception as error:
                failed += 1
                print(f"{name}, seed {seed}: FAILED: {type(error).__name__}: {error}", flush=True)
                continue
            if not args.quick:
                store(name, seed, found)
            print(line(name, seed, found), flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
