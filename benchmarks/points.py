"""Curves with radii of their own: `python benchmarks/points.py [ROW ...] [--only MODEL] [--again]`.

Rows: check, n2000, n300, forest, growth, sparc, time; all if none are given. What is found goes to
points.json as soon as it is done; what is there already is not run again. See README.md here.
"""
import argparse
import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np
import torch

from points_rivals import PACE, CompleteGP, NaNGrid, PCAMixture, Points
from timing import in_turn, spread, stored

RESULTS = Path(__file__).with_name("points.json")
SEEDS, HELD_OUT, HELD_OUT_SEED, N_FOLDS = (0, 1, 2), 1000, 7_310_118, 5
GRID = np.geomspace(0.1, 50, 64)  # [kpc] of the models that need one


def make(n: int, seed: int) -> list[tuple]:
    """Return (radius, value, error) of n measured galaxies of the default family.

    8 to 30 radii each, log-uniform in those of the family, and errors between 3 and 8 km/s.
    """
    from vae_nbdev import ROTATION_CURVES
    from vae_nbdev.core import stream

    rng, points = stream(seed, "points"), []
    first, last = np.log(ROTATION_CURVES.radius[[0, -1]])
    for parameters in ROTATION_CURVES.draw(n, seed):
        number = rng.integers(8, 31)
        radius = np.exp(np.sort(rng.uniform(first, last, number)))
        error = rng.uniform(3, 8, number)
        curve = ROTATION_CURVES.evaluate(parameters, radius)
        points.append((radius, curve + error * rng.standard_normal(number), error))
    return points


def log_likelihood(point: tuple, u: torch.Tensor) -> torch.Tensor:
    """Log density (n,) of the points of one curve for normal variables u (n, 4); exact radii."""
    from vae_nbdev import ROTATION_CURVES

    radius, value, error = point
    curves = ROTATION_CURVES.curve(u.clamp(-12, 12).numpy(), radius)
    squared = ((value - curves) / error) ** 2
    return torch.from_numpy(-0.5 * squared.sum(-1) - np.log(error * (2 * np.pi) ** 0.5).sum())


def first_proposal(points: Points, n_scan: int = 4000, n_starts: int = 8):
    """Where the posteriors of some curves lie: searched for with curves on a grid, splined."""
    from vae_nbdev import ROTATION_CURVES
    from vae_nbdev.core import torch_generator
    from vae_nbdev.inference.departure import spline_operator
    from vae_nbdev.inference.evidence import find_minima, spread_starts
    from vae_nbdev.inference.proposals import distinct_minima, widen_tails
    from vae_nbdev.model import Prior

    grid, most = np.geomspace(0.1, 50, 128), max(len(p[0]) for p in points)
    x, sigma, there = np.zeros((3, len(points), most)) + np.array([0, 1, 0])[:, None, None]
    operator = np.zeros((len(points), most, len(grid)))
    for i, (r, v, e) in enumerate(points):
        there[i, : len(r)] = 1
        x[i, : len(r)], sigma[i, : len(r)] = v, e
        operator[i, : len(r)] = spline_operator(grid, np.clip(r, grid[0], grid[-1]))

    def f(u: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(ROTATION_CURVES.curve(u.clamp(-12, 12).numpy(), grid))

    x, sigma, there, operator = map(torch.from_numpy, (x, sigma, there > 0, operator))
    prior = Prior.standard(4).double()
    codes = prior.sample(n_scan, torch_generator(0, "scan"))
    curves, weight = f(codes), there / sigma**2
    starts = torch.cat([spread_starts(codes, curves @ W.T, v[None], w[None], n_starts)
                        for W, v, w in zip(operator, x, weight, strict=True)])
    minima = find_minima(f, x, sigma, there, prior, starts, operator)
    return widen_tails(distinct_minima(*minima))


def exact(points: Points, part: int = 250):
    """Return the log evidence (N,) of points under the family that made them, and its error (N,).

    By importance sampling, with the curves at the very radii of the points.
    """
    from vae_nbdev.inference import importance_evidence

    found = []
    for begin in range(0, len(points), part):
        some = points[begin : begin + part]

        def log_joint(z: torch.Tensor, rows: torch.Tensor, some=some) -> torch.Tensor:
            each = [log_likelihood(some[i], z[:, j]) for j, i in enumerate(rows.tolist())]
            normal = -0.5 * z.square().sum(-1) - 2 * np.log(2 * np.pi)
            return torch.stack(each, 1) + normal

        options = {"n_draws": 1024, "rounds": 3, "min_ess": 2000.0}
        e = importance_evidence(log_joint, first_proposal(some), **options)
        found.append([e.log_evidence, e.standard_error])
    return np.concatenate(found, 1)


def brute_force(point: tuple, n: int, seed: int = 0) -> tuple[float, float]:
    """Return the log evidence of the points of one curve from n draws of the prior; its error."""
    generator, parts = torch.Generator().manual_seed(seed), []
    for _ in range(n // 100_000):
        u = torch.randn(100_000, 4, generator=generator, dtype=torch.float64)
        parts.append(log_likelihood(point, u))
    log_p = torch.cat(parts).numpy()
    weights = np.exp(log_p - log_p.max())
    error = weights.std() / weights.mean() / len(weights) ** 0.5
    return float(log_p.max() + np.log(weights.mean())), float(error)


@cache
def held_out() -> tuple[list[tuple], np.ndarray, np.ndarray]:
    """Return held-out galaxies, their exact log evidence and its error; computed once."""
    path, points = RESULTS.with_name("held_out_points.npz"), make(HELD_OUT, HELD_OUT_SEED)
    if not path.exists():
        begin = time.perf_counter()
        value, error = exact(points)
        seconds = time.perf_counter() - begin
        np.savez(path, exact=value, error=error, values=np.concatenate([p[1] for p in points]))
        print(f"exact evidence: {seconds:.0f} s, error {error.mean():.4f}, at most"
              f" {error.max():.4f}", flush=True)
    with np.load(path) as known:
        if not np.array_equal(known["values"], np.concatenate([p[1] for p in points])):
            sys.exit(f"{path.name} is of other galaxies; delete it")
        return points, known["exact"], known["error"]


class FromPoints:
    """`CurveVAE` of this package, which learns from the points."""

    def __init__(self, seed: int):
        self.seed = seed

    def fit(self, points: Points) -> "FromPoints":
        """Learn; points without errors are given as (radius, value)."""
        from vae_nbdev import CurveVAE

        self.vae = CurveVAE(random_state=self.seed).fit(self.given(points))
        self.chosen = f"{self.vae.n_latent_} latents, {len(self.vae.radius_)} radii"
        return self

    def log_p(self, points: Points) -> np.ndarray:
        """Log densities (N,) of the points of curves [nats]."""
        return self.vae.score_samples(self.given(points))

    @staticmethod
    def given(points: Points) -> list[tuple]:
        """The points as a user gives them."""
        return [p[:2] if p[2] is None else p for p in points]


@cache
def from_points(n: int, seed: int) -> FromPoints:
    """Return the new model of n simulated galaxies."""
    return FromPoints(seed).fit(make(n, 100 + seed))


OURS = "points"
MODELS = {
    OURS: lambda n, seed: from_points(n, seed),
    "PACE": lambda n, seed: PACE().fit(make(n, 100 + seed)),
    "PCA + mixture": lambda n, seed: PCAMixture(GRID).fit(make(n, 100 + seed)),
    "NaN grid": lambda n, seed: NaNGrid(GRID, seed).fit(make(n, 100 + seed)),
}


def simulated(n: int, known: dict, only: str) -> Iterator[tuple[str, dict]]:
    """Log density of the held-out galaxies under each model of n galaxies with each seed."""
    points, true, _ = held_out()
    for seed in SEEDS:
        for name, fit in MODELS.items():
            if f"{name}, {seed}" in known or only not in name:
                continue
            begin = time.perf_counter()
            model = fit(n, seed)
            seconds = time.perf_counter() - begin
            scores = model.log_p(points)
            yield f"{name}, {seed}", {"scores": rounded(scores), "seconds": round(seconds, 1),
                                      "gap": mean_and_error(true - scores),
                                      "chosen": model.chosen}


def rounded(values) -> list[float]:
    """As they are stored."""
    return [round(float(v), 3) for v in values]


def mean_and_error(values) -> list[float]:
    """Mean and its standard error."""
    values = np.asarray(values)
    return rounded([values.mean(), values.std(ddof=1) / len(values) ** 0.5])


def check(known: dict, only: str) -> Iterator[tuple[str, dict]]:
    """PACE against that of fdatools, the exact evidence against draws of the prior."""
    from fdatools import BSpline
    from fdatools.sparse import PACE as Theirs

    points, true, error = held_out()
    if "PACE" not in known:
        some, ours = make(300, 100), PACE()
        ours.smooth(some, 6)
        place, value = ([f(p[i]) for p in some] for i, f in ((0, np.log), (1, np.asarray)))
        bases = [BSpline(domain=ours.range, n_basis=size) for size in (6, ours.n_mean)]
        theirs = Theirs(2, basis=bases[0], mean_basis=bases[1]).fit(value, t=place)
        at = np.linspace(*ours.range, 50)
        mean = ours.basis(np.exp(at), ours.n_mean) @ ours.mean
        psi = ours.basis(np.exp(at), 6)
        surface = psi @ ours.covariance @ psi.T
        factors = np.square(psi @ ours.factors[:, :1]).sum(1)
        values = np.asarray(theirs.values)[0] * np.asarray(theirs.harmonics(at))[:, 0] ** 2
        apart = {"mean": np.asarray(theirs.mean_fd(at))[:, 0] - mean,
                 "covariance": np.asarray(theirs.cov(at, at)) - surface, "first": values - factors}
        size = {"mean": mean, "covariance": surface, "first": factors}
        largest = {k: np.abs(d).max() / np.abs(size[k]).max() for k, d in apart.items()}
        yield "PACE", {k: float(f"{ratio:.1e}") for k, ratio in largest.items()}
    fewest = sorted(range(len(points)), key=lambda i: len(points[i][0]))[:8]
    for i in fewest:
        if f"galaxy {i}" not in known:
            value, its_error = brute_force(points[i], 8_000_000)
            yield f"galaxy {i}", {"exact": rounded([true[i], error[i]]),
                                  "by draws of the prior": rounded([value, its_error])}


def forest(known: dict, only: str) -> Iterator[tuple[str, dict]]:
    """Noise-free draws of the first model against true curves."""
    from vae_nbdev import simulate
    from vae_nbdev.evaluation import two_sample_tests

    if OURS not in known:
        vae = from_points(2000, 0).vae
        true = simulate(4000, seed=HELD_OUT_SEED + 1, radius=vae.radius_).values
        tests = two_sample_tests(true, vae.sample(4000, seed=HELD_OUT_SEED))
        yield OURS, {name: rounded([t.accuracy, t.standard_error]) for name, t in tests.items()}


def growth(known: dict, only: str) -> Iterator[tuple[str, dict]]:
    """Removed heights of held-out children given those that are left.

    Of every child, also of those that are learned from, two thirds of the ages are removed.
    """
    from real import folder, rules

    heights, ages = rules(path := folder()).load(path / "growth.npz")
    rng = np.random.default_rng(HELD_OUT_SEED)
    shown = np.argsort(rng.random(heights.shape), 1) < round(len(ages) / 3)
    fold = rng.permutation(np.arange(len(heights)) % N_FOLDS)
    every, some = ([(ages[m], x[m], None) for x, m in zip(heights, masks, strict=True)]
                   for masks in (np.ones_like(shown), shown))
    models = {OURS: lambda: FromPoints(0), "PACE": lambda: PACE(log=False),
              "GP of complete children": lambda: CompleteGP(ages),
              "GP of complete children, factors": lambda: CompleteGP(ages, range(2, 15, 2))}
    for name, new in models.items():
        if name in known or only not in name:
            continue
        begin, scores, chosen = time.perf_counter(), np.empty(len(heights)), []
        for k in range(N_FOLDS):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            complete = name.startswith("GP")
            model = new().fit(heights[train] if complete else [some[i] for i in train])
            scores[test] = (model.log_p([every[i] for i in test])
                            - model.log_p([some[i] for i in test]))
            chosen.append(model.chosen)
        yield name, {"scores": rounded(scores), "seconds": round(time.perf_counter() - begin, 1),
                     "chosen": chosen}


class Physics:
    """The exact physics with a departure, as on the page *A real galaxy*."""

    def predict(self, radius, value, error, new_radius, new_error):
        """Predict points from points."""
        from vae_nbdev import GALAXY_DEPARTURE, OBSERVED_GALAXIES
        from vae_nbdev.inference import point_posterior, whiten_points
        from vae_nbdev.model import Prior

        def f(u: torch.Tensor) -> torch.Tensor:
            curves = OBSERVED_GALAXIES.curve(u.reshape(-1, 4).numpy())
            return torch.from_numpy(curves).reshape(*u.shape[:-1], -1)

        grid = OBSERVED_GALAXIES.radius
        points = whiten_points([(radius, value, error)], grid, GALAXY_DEPARTURE)
        posterior = point_posterior(f, grid, points, 4, prior=Prior.standard(4).double(),
                                    n_draws=256, min_ess=200.0)
        return posterior[0].predict(new_radius, new_error)


class Learned:
    """A fitted `CurveVAE`, without a departure: what it learned takes its place."""

    def __init__(self, vae):
        self.vae = vae

    def predict(self, radius, value, error, new_radius, new_error):
        """Predict points from points."""
        return self.vae.infer(radius, value, error).predict(new_radius, new_error)


@cache
def simulated_start():
    """Return a `CurveVAE` of simulated galaxies that are measured like real ones."""
    from vae_nbdev import OBSERVED_GALAXIES, CurveVAE, random_sampling

    sampled = random_sampling(100_000, seed=1, noise=False)
    errors = np.where(sampled.mask, sampled.errors, np.nan)
    errors[50_000:] = 2.0  # half of them are measured everywhere
    vae = CurveVAE(noise=2.0, clean_input=True, radius=OBSERVED_GALAXIES.radius, max_steps=1500)
    return vae.fit(OBSERVED_GALAXIES.evaluate(sampled.parameters), errors=errors)


def learn(galaxies: list[tuple]) -> Learned:
    """Learn from real galaxies, (radius, velocity, error) each, after simulated ones."""
    vae = deepcopy(simulated_start()).set_params(warm_start=True, clean_input=False, noise="learn")
    return Learned(vae.fit(galaxies))


def sparc(known: dict, only: str) -> Iterator[tuple[str, dict]]:
    """Hidden points of real galaxies, from a model of the galaxies of the other folds."""
    from vae_nbdev.evaluation import hidden_fifth, outer_third, score_predictions
    from vae_nbdev.evaluation.hidden_points import HiddenScores
    from vae_nbdev.families import find_sparc, read_sparc

    if (path := find_sparc()) is None:
        sys.exit("there are no galaxies of SPARC; VAE_NBDEV_SPARC names their folder")
    every = list(read_sparc(path, min_error=1.0).values())
    enough = [g for g in every if len(g) >= 8]
    fold = np.random.default_rng(HELD_OUT_SEED).permutation(np.arange(len(enough)) % N_FOLDS)
    tests = {"fifth": [hidden_fifth(len(g), seed=i) for i, g in enumerate(enough)],
             "outer third": [outer_third(len(g)) for g in enough]}
    for name in (OURS, "physics"):
        if name in known or only not in name:
            continue
        begin, parts = time.perf_counter(), {test: [None] * len(enough) for test in tests}
        for k in range(N_FOLDS):
            test_rows = np.flatnonzero(fold == k)
            held_back = {enough[i].name for i in test_rows}
            known_ones = [(g.radius, g.velocity, g.error) for g in every
                          if g.name not in held_back]
            predictor = learn(known_ones) if name == OURS else Physics()
            some = [enough[i] for i in test_rows]
            for test, masks in tests.items():
                found = score_predictions(some, [masks[i] for i in test_rows], predictor)
                for i, one in zip(test_rows, zip(found.log_density, found.pit), strict=True):
                    parts[test][i] = one
        found = {"seconds": round(time.perf_counter() - begin, 1)}
        for test, each in parts.items():
            scores = HiddenScores(*map(tuple, zip(*each, strict=True)))
            inside = {f"in {level:.0%}": rounded(scores.coverage(level)) for level in (0.68, 0.95)}
            found[test] = {"scores": rounded(scores.per_galaxy), **inside}
        yield name, found


class _Captured(Exception):
    """Ends a fit before its first step."""


def training_of(fit: Callable[[], object]) -> Callable[[], object]:
    """Return the training that a fit comes to, without what comes before and after it."""
    from vae_nbdev.fitted import train

    found = []

    def capture(*arguments, **options):
        found.append(partial(whole, *arguments, **options))
        raise _Captured

    whole = train.fit
    with patch.object(train, "fit", capture), contextlib.suppress(_Captured):
        fit()
    return found[0]


def step_time(known: dict, only: str) -> Iterator[tuple[str, dict]]:
    """Time of an optimiser step of 20 000 curves: 30 points each, or values on a grid of 64."""
    from vae_nbdev import ROTATION_CURVES, CurveVAE, simulate
    from vae_nbdev.core import stream

    if "20 000 curves" in known:
        return
    n, steps = 20_000, 300
    curves, rng = simulate(n, 5.0, seed=100, radius=GRID).values, stream(100, "points")
    radius = np.exp(np.sort(rng.uniform(*np.log(GRID[[0, -1]]), (n, 30)), 1))
    points = []
    for r, parameters in zip(radius, ROTATION_CURVES.draw(n, 100), strict=True):
        value = ROTATION_CURVES.evaluate(parameters, r) + 5 * rng.standard_normal(30)
        points.append((r, value, np.full(30, 5.0)))
    ours = CurveVAE(max_steps=steps, random_state=0)
    theirs = CurveVAE(max_steps=steps, random_state=0, radius=GRID, noise=5.0)
    trainings = [training_of(lambda: ours.fit(points)), training_of(lambda: theirs.fit(curves))]
    times = in_turn(trainings, 5, enough=600)[1:] / steps  # the first call of anything is slower
    yield "20 000 curves", {"points": spread(times[:, 0]), "grid of 64": spread(times[:, 1]),
                            "ratio": spread(times[:, 0] / times[:, 1]), "pairs": len(times)}


ROWS = {
    "check": check,
    "n2000": lambda known, only: simulated(2000, known, only),
    "n300": lambda known, only: simulated(300, known, only),
    "forest": forest,
    "growth": growth,
    "sparc": sparc,
    "time": step_time,
}


def ahead(ours: list, theirs: list) -> str:
    """By how much the new model is ahead, with the error of the paired differences."""
    return "{:+.2f} ± {:.2f}".format(*mean_and_error(np.subtract(ours, theirs)))


def show(row: str, found: dict) -> None:
    """Print what is known of a row."""
    print(f"\n{row}")
    for name, one in found.items():
        seed = name.partition(", ")[2]
        ours = found.get(f"{OURS}, {seed}" if seed else OURS, {})
        for test, part in ({"": one} if row != "sparc" else one).items():
            if not isinstance(part, dict):
                continue
            words = [f"{k} {v}" for k, v in part.items() if k != "scores"]
            if "scores" in part:
                words = ["log p {:.3f} ± {:.3f}".format(*mean_and_error(part["scores"])), *words]
                beside = (ours.get(test, {}) if test else ours).get("scores")
                if beside and one is not ours:
                    words.append(f"{OURS} ahead by {ahead(beside, part['scores'])}")
            print(f"  {name}{', ' * bool(test)}{test}: {'; '.join(words)}", flush=True)


def main() -> None:
    """Run what is missing, and print what is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--again", action="store_true", help="forget what the new model had")
    args = parser.parse_args()
    if unknown := set(args.row) - set(ROWS):
        parser.error(f"{', '.join(unknown)}: the rows are {', '.join(ROWS)}")
    warnings.simplefilter("ignore")
    for row in args.row or ROWS:
        with stored(RESULTS) as results:
            known = results.setdefault(row, {})
            if args.again:
                known = {k: v for k, v in known.items() if k.partition(",")[0] != OURS}
                results[row] = known
        for name, found in ROWS[row](known, args.only):
            with stored(RESULTS) as results:
                results[row][name] = found
                known[name] = found
            show(row, {name: found})
        show(row, known)


if __name__ == "__main__":
    main()
