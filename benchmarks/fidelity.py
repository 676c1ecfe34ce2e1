"""How far from the exact evidence? `python benchmarks/fidelity.py [ROW ...]`; without arguments, every row.

Trains each row of the tables in *How good is it? Counting nats* with three seeds and scores it on 2 000 held-out curves and
on the 80 reference curves; the ablation, which chooses a recipe, trains on other curves and is scored on other curves. Results go to
benchmarks/fidelity.json as they come; what is there already, on the same held-out curves, is not run again. Two processes, one
thread each. A row may use its curves and fresh noise, nothing else.
"""
import argparse
import json
import os
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
RESULTS = Path(__file__).with_name("fidelity.json")
SEEDS, HELD_OUT, HELD_OUT_SEED = (0, 1, 2), 2000, 7_310_113

DEFAULT = {"default, 20 000 clean": (20_000, True), "default, 1 600 clean": (1600, True), "default, 1 600 measured": (1600, False)}
ROWS = {f"{name}, {sigma:g} km/s": ("vae", n, clean, sigma, {}) for sigma in (5.0, 2.0) for name, (n, clean) in DEFAULT.items()}
ROWS |= {f"best, 100 000 clean, {sigma:g} km/s": ("vae", 100_000, True, sigma, {"preset": "best"}) for sigma in (5.0, 2.0)}
for kind, label in (("mixture", "PCA + mixture"), ("ppca", "PPCA")):
    ROWS |= {f"{label}, {name.split(', ')[1]}, {sigma:g} km/s": (kind, n, clean, sigma, {}) for sigma in (5.0, 2.0) for name, (n, clean) in DEFAULT.items()}
ROWS |= {f"published network, {prior}, 1 600 clean, 5 km/s": ("published", 1600, True, 5.0, {"prior": prior}) for prior in ("N(0, I)", "fitted normal")}

# One change at a time, to recipes for many curves and for few; these rows choose a recipe, so they use other curves than the table.
MANY = {
    "as it is": {}, "Adam alone": {"optimiser": "adam", "learning_rate": 2e-3}, "depth 2": {"depth": 2}, "width 64": {"width": 64},
    "ReLU": {"activation": "relu"}, "twice the steps": {"max_steps": 3000}, "batches do not grow": {"batch_growth": 1},
    "averaged weights": {"average": 0.995}, "no stretch": {"stretch": "none"}, "prior: N(0, I)": {"prior": "normal"},
    "prior: mixture, after": {"prior": "mixture", "prior_training": "after"}, "prior: mixture, joint": {"prior": "mixture", "prior_training": "joint"},
    "prior: flow, after": {"prior": "flow", "prior_training": "after"}, "posterior: diagonal": {"posterior_family": "diagonal"},
    "posterior: flow": {"posterior_family": "flow"}, "bound: importance-weighted, 4 draws": {"objective": "iwae", "n_importance": 4},
}  # fmt: skip
FEW = {
    "as it is": {}, "no stretch": {"stretch": "none"}, "Muon": {"optimiser": "muon", "learning_rate": 1e-3}, "depth 2": {"depth": 2},
    "twice the steps": {"max_steps": 12_000}, "averaged weights": {"average": 0.995}, "prior: N(0, I)": {"prior": "normal"},
    "prior: flow, joint": {"prior": "flow", "prior_training": "joint"}, "prior: flow, after": {"prior": "flow", "prior_training": "after"},
}  # fmt: skip
ABLATION = {f"ablation: {name}": ("vae", 20_000, True, 5.0, {"preset": "best", "max_steps": 1500} | change) for name, change in MANY.items()}
ABLATION |= {f"ablation with 1 600: {name}": ("vae", 1600, True, 2.0, change) for name, change in FEW.items()}


def held_out(sigma: float, seed: int = HELD_OUT_SEED, n: int = HELD_OUT):
    """Held-out curves with noise (n, R), noise-free, and their exact log evidence and its error; computed once and kept beside the results."""
    import numpy as np

    from vae_nbdev.core import stream
    from vae_nbdev.evaluation.gap import exact_evidence
    from vae_nbdev.families.simulation import ROTATION_CURVES, simulate

    path = RESULTS.with_name(f"held_out_{seed}_{sigma:g}.npz")
    if not path.exists():
        clean = simulate(n, seed=seed).values
        x = clean + sigma * stream(seed, "noise", int(10 * sigma)).standard_normal(clean.shape)
        exact = exact_evidence(ROTATION_CURVES, x, sigma, n_draws=1024, min_ess=2000)
        np.savez(path, x=x, clean=clean, exact=exact.log_evidence, error=exact.standard_error)
    with np.load(path) as stored:
        return {k: stored[k] for k in stored}


def make(kind: str, n: int, clean: bool, sigma: float, options: dict, seed: int):
    """Train the model of one row with one seed."""
    from vae_nbdev.core import stream
    from vae_nbdev.fitted.estimator import CurveVAE
    from vae_nbdev.evaluation.baselines import PCAMixture
    from vae_nbdev.families.simulation import simulate

    X = simulate(n, seed=100 + seed).values
    if not clean:
        X = X + sigma * stream(100 + seed, "noise", int(10 * sigma)).standard_normal(X.shape)
    if kind == "vae":
        return CurveVAE(noise=sigma, clean_input=clean, random_state=seed, **options).fit(X)
    if kind == "published":
        from published import Published

        return Published(sigma, seed=seed, **options).fit(X)
    sizes = {"sizes": (1,)} if kind == "ppca" else {}
    return PCAMixture(noise=sigma, clean_input=clean, seed=seed, **sizes).fit(X)


def judge(model, sigma: float, data: dict, two_samples: bool, reference: bool = True) -> dict:
    """Gap to the exact evidence, also on the 80 reference curves if asked for, distance of the ELBO, two-sample tests if asked for."""
    from dataclasses import asdict
    from importlib.resources import files

    import numpy as np

    from vae_nbdev.evaluation.gap import gap_summary, model_evidence
    from vae_nbdev.evaluation.two_samples import two_sample_tests
    from vae_nbdev.inference.importance import Evidence
    from vae_nbdev.families.simulation import simulate

    known = lambda value, error: Evidence(value, error, np.full(len(value), np.inf), np.zeros(len(value), int), np.zeros((len(value), 0, 0)))
    scored = model_evidence(model, data["x"])
    out = {"gap": asdict(gap_summary(known(data["exact"], data["error"]), scored))}
    if reference:
        with np.load(files("vae_nbdev") / "data" / "exact_evidence.npz") as stored:
            x = stored["velocity_clean"] + sigma * stored["noise_unit"]
            out["gap_80"] = asdict(gap_summary(stored[f"log_evidence_sigma{sigma:g}"], model_evidence(model, x)))
    if hasattr(model, "elbo"):
        slack = scored.log_evidence - model.elbo(data["x"])
        out["log_p_minus_elbo"] = {"mean": float(slack.mean()), "standard_error": float(slack.std() / len(slack) ** 0.5)}
    if two_samples:
        tests = two_sample_tests(simulate(4000, seed=HELD_OUT_SEED + 1).values, model.sample(4000, seed=HELD_OUT_SEED))
        out["two_sample"] = {name: [t.accuracy, t.standard_error] for name, t in tests.items()}
    return out


def job(name: str, row: tuple, seed: int) -> tuple[str, int, dict]:
    """One row with one seed."""
    from dataclasses import asdict

    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    kind, _, _, sigma, options = row
    recipe_only = name.startswith("ablation")
    model = make(*row, seed + 10 * recipe_only)
    two_samples = not recipe_only and (kind == "published" or options.get("preset") == "best" or (kind in ("vae", "mixture") and sigma == 5.0 and seed == 0))
    data = held_out(sigma, HELD_OUT_SEED + 7, 1000) if recipe_only else held_out(sigma)
    return name, seed, judge(model, sigma, data, two_samples, not recipe_only) | {"held_out_seed": HELD_OUT_SEED, "recipe": asdict(model.recipe_) if hasattr(model, "recipe_") else None}


def main() -> int:
    """Run what is missing and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="*", help="beginnings of the rows to run (default: all)")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    rows = {k: v for k, v in (ROWS | ABLATION).items() if not args.row or any(k.startswith(r) for r in args.row)}
    if args.list:
        print(*rows, sep="\n")
        return 0
    from vae_nbdev.core import atomic_path

    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    done = lambda name, seed: results.get(name, {}).get(str(seed), {}).get("held_out_seed") == HELD_OUT_SEED
    todo = [(name, seed) for seed in SEEDS for name in rows if not done(name, seed)]
    sys.path.insert(0, str(Path(__file__).parent))
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        needed = {(rows[name][3], *((HELD_OUT_SEED + 7, 1000) if name.startswith("ablation") else (HELD_OUT_SEED, HELD_OUT))) for name, _ in todo}
        list(pool.map(held_out, *zip(*sorted(needed))) if needed else ())
        futures = {pool.submit(job, name, rows[name], seed): (name, seed) for name, seed in todo}
        for future in as_completed(futures):
            try:
                name, seed, found = future.result()
            except Exception as error:
                print(f"{futures[future]}: FAILED: {type(error).__name__}: {error}", flush=True)
                continue
            stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            stored.setdefault(name, {})[str(seed)] = found
            with atomic_path(RESULTS) as part:
                part.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
            gap, slack = found["gap"], found.get("log_p_minus_elbo", {"mean": float("nan")})
            print(f"{name:<50} seed {seed}: gap {gap['mean']:.3f} ± {gap['standard_error']:.3f}, median {gap['median']:.3f}, log p − ELBO {slack['mean']:.3f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
