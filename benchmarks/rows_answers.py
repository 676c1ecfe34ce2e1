"""Rows of `speed.py`: new curves, the evidence under a model, the exact evidence."""
import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from common import SIGMA, reference_curves, row, trained
from rows_nat import ONE_NAT
from timing import compared, in_turn, seconds

BLOCK = 4096  # codes that `sample` decodes at once


def decoder_products(decoder, n: int) -> Callable[[], None]:
    """Return a function that does the bare matrix products of a decoder for n codes.

    In blocks as `sample` does them, in the same precision, into memory that is there already.
    """
    import torch
    from torch import nn

    weights = [layer.weight for layer in decoder.modules() if isinstance(layer, nn.Linear)]
    if decoder.coordinates is not None:
        weights.append(decoder.coordinates.basis)
    calls = []
    for w in weights:
        x = torch.ones(BLOCK, w.shape[1], dtype=w.dtype)
        calls.append((x, w.detach().T, torch.empty(BLOCK, len(w), dtype=w.dtype)))

    def products() -> None:
        for start in range(0, n, BLOCK):
            size = min(BLOCK, n - start)
            for x, w, out in calls:
                torch.mm(x[:size], w, out=out[:size])

    return products


def sampling(model, quick: bool) -> dict:
    """`sample(1_000_000)` against the products of its decoder; fewer if it takes a minute."""
    decoder, prior = model.vae_.decoder, model.vae_.prior
    model.sample(1000)
    n = 1_000_000 if 50 * seconds(model.sample, 20_000) < 60 else 100_000
    made, products = {}, decoder_products(decoder, n)
    products()
    both = [lambda: made.update(x=model.sample(n)), products, lambda: prior.sample(n)]
    ours, theirs, codes = in_turn(both, 3 if quick else 7, 40).T
    x, other = made["x"], model.inverse_transform(prior.sample(5000).numpy())
    away = np.abs(x.mean(0) - other.mean(0)) / (other.std(0) / np.sqrt(len(other)))
    numbers = {
        "microseconds per curve": float(np.median(ours)) / n * 1e6,
        "share of drawing the codes": float(np.median(codes / ours)),
        "ratio without drawing the codes": float(np.median((ours - codes) / theirs)),
    }
    size = f"{n:_}".replace("_", " ")
    return compared(f"CurveVAE.sample({size}), {type(prior).__name__}",
                    "bare matrix products of the decoder", (2, "at most"), ours, theirs,
                    agree=x.shape == (n, model.n_features_in_) and np.isfinite(x).all()
                    and away.max() < 6, numbers=numbers,
                    note="agreement: the mean curve is that of other decoded draws of the prior")


@row()
def sampling_few(quick: bool) -> dict:
    """A million new curves of the default for 2 000 clean curves (a mixture as prior)."""
    return sampling(trained(2000, **ONE_NAT), quick)  # it does not matter how long it was trained


@row()
def sampling_many(quick: bool) -> dict:
    """The same of the default for 20 000 clean curves (a flow as prior)."""
    return sampling(trained(20_000, **ONE_NAT), quick)


@contextlib.contextmanager
def counted(decoder) -> Iterator[SimpleNamespace]:
    """Count the codes that a decoder decodes: `n` of what is given grows."""
    found, mean = SimpleNamespace(n=0), decoder.mean

    def counting(z):
        found.n += z.shape[:-1].numel()
        return mean(z)

    decoder.mean = counting
    try:
        yield found
    finally:
        del decoder.mean


# draws per round, rounds, starts, smallest effective sample size
TRIED = [(32, 1, 1, 50.0), (32, 2, 1, 50.0), (64, 1, 1, 100.0), (64, 2, 1, 100.0),
         (128, 2, 1, 200.0), (256, 2, 2, 400.0)]


def plain_weights(vae, batch, n: int) -> np.ndarray:
    """Return the log weights (n, N) of n draws from q(z|x) for each curve of a batch."""
    import torch

    from vae_nbdev.model.posteriors import draw

    found, generator = [], torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in batch.split(50):
            q = vae.encode(part)
            eps = torch.randn(n, len(part), vae.n_latent, generator=generator, dtype=part.y.dtype)
            found.append(torch.cat([vae.log_weights(part, *draw(q, e)) for e in eps.split(256)]))
    return torch.cat(found, 1).numpy()


class Scoring:
    """Scores of measured curves under a model, with the number of codes that were decoded."""

    def __init__(self, model, n: int):
        import torch

        from vae_nbdev import simulate

        curves = simulate(n, noise=SIGMA, seed=7_310_113)
        self.n, self.vae, units = n, model.vae_, model.units_
        self.batch = units.to_model(curves.values, dtype=torch.float64)
        self.shift = units.log_jacobian(self.batch)

    def __call__(self, **options) -> tuple:
        """Return the evidence, the codes decoded per curve, and seconds."""
        from vae_nbdev.inference import vae_evidence

        with counted(self.vae.decoder) as found:
            start = time.perf_counter()
            answer = vae_evidence(self.vae, self.batch, **options)
            elapsed = time.perf_counter() - start
        answer = replace(answer, log_evidence=answer.log_evidence + self.shift)
        return answer, found.n / self.n, elapsed

    def cheapest(self, reference: np.ndarray, rows: slice) -> tuple[float, tuple, np.ndarray]:
        """Return the cheapest setting with an error below 0.01 nats on some rows, or the best.

        Codes per curve, the setting, and the log evidence (N,) that it gives.
        """
        found = []
        for setting in TRIED:
            names = "n_draws", "rounds", "n_starts", "min_ess"
            answer, calls, _ = self(**dict(zip(names, setting, strict=True)))
            error = rms((answer.log_evidence - reference)[rows])
            found.append((error, calls, setting, answer.log_evidence))
        enough = [f for f in found if f[0] <= 0.01] or [min(found, key=lambda f: f[0])]
        return min(enough, key=lambda f: f[1])[1:]


def rms(difference: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(difference**2)))


def draws_needed(log_w: np.ndarray) -> np.ndarray:
    """Return how many draws each curve needs for an error of 0.01 nats.

    From the scatter of the weights of many draws (n, N): the error of n draws is it over √n.
    """
    log_mean = np.logaddexp.reduce(log_w, 0) - np.log(len(log_w))
    return (np.exp(log_w - log_mean).std(0) / 0.01) ** 2


def draws_from_encoder(model, score: Scoring, sizes: tuple[int, ...]) -> tuple[dict, np.ndarray]:
    """Log evidences of plain importance sampling, number of draws → (N,), and draws needed (N,)."""
    log_w = plain_weights(model.vae_, score.batch, sizes[-1]) + score.shift
    plain = {m: np.logaddexp.reduce(log_w[:m], 0) - np.log(m) for m in sizes}
    return plain, draws_needed(log_w)


@row()
def score_samples(quick: bool) -> dict:
    """Codes decoded per curve for an error of 0.01 nats, against draws from the encoder's q."""
    warnings.simplefilter("ignore")  # low effective sample sizes show in the error
    model, n = trained(2000), 300 if quick else 1000
    # the setting is chosen on other curves than it is judged on
    score, choosing, judging = Scoring(model, n), slice(0, n // 3), slice(n // 3, n)
    exactly = {"n_draws": 256, "rounds": 2, "min_ess": 0.0, "retries": 0}
    each = [score(**exactly, seed=seed)[0].log_evidence for seed in (11, 12, 13)]
    reference = np.logaddexp.reduce(each) - np.log(len(each))
    default, default_calls, elapsed = score()
    calls, setting, answer = score.cheapest(reference, choosing)
    plain, needed = draws_from_encoder(model, score, (256, 1024, 4096))
    theirs = float(needed[judging].mean())
    away = {m: a - reference for m, a in plain.items()}
    default_away = default.log_evidence - reference
    numbers = {
        "RMS error [nats]": rms((answer - reference)[judging]),
        "draws per round": setting[0],
        "rounds": setting[1],
        "starts": setting[2],
        "smallest ESS": setting[3],
        "default: RMS error [nats]": rms(default_away),
        "default: median error [nats]": float(np.median(np.abs(default_away))),
        "default: codes decoded per curve": default_calls,
        "default: milliseconds per curve": elapsed / n * 1e3,
        "reference: scatter of three [nats]": rms(np.std(each, 0, ddof=1) / 3**0.5),
        "draws from q that half of the curves need": float(np.median(needed)),
        "ratio of the default": theirs / default_calls,
        "draws from q by the RMS error of 1024": 1024 * (rms(away[1024]) / 0.01) ** 2,
    } | {f"RMS error of {m} draws from q [nats]": rms(a) for m, a in away.items()}
    agree = np.median(np.abs(away[4096])) < 0.05 and rms(default_away) < 0.1
    note = ("what the draws from q need follows from the scatter of 4096 weights of each curve,"
            " which a few curves decide; the setting was chosen on other curves")
    return compared(f"codes decoded per curve to an RMS error of 0.01 nats, {n} curves",
                    "draws from the encoder's q", (10, "at least"), [calls], [theirs],
                    agree=agree, unit="codes", numbers=numbers, note=note)


@row()
def exact(quick: bool) -> dict:
    """Exact evidence of the 80 reference curves against SciPy, one curve at a time."""
    import textbook
    from vae_nbdev import ROTATION_CURVES
    from vae_nbdev.evaluation import exact_evidence

    x, known, known_error = reference_curves()
    some, made = range(5, 80, 20 if quick else 10), {}

    def package() -> None:
        made["ours"] = exact_evidence(ROTATION_CURVES, x, SIGMA)

    def scipy() -> None:
        radius = ROTATION_CURVES.radius
        found = [textbook.evidence(x[i], SIGMA, radius, wanted[i], seed=i) for i in some]
        made["theirs"] = np.array(found)

    package()
    wanted = made["ours"].standard_error
    ours, theirs = in_turn([package, scipy], 2 if quick else 3).T
    value, error, draws = made["theirs"].T
    away = np.abs(made["ours"].log_evidence - known) / np.hypot(wanted, known_error)
    theirs_away = np.abs(value - known[some]) / np.hypot(error, known_error[some])
    numbers = {
        "standard error [nats]": float(wanted.mean()),
        "largest difference to the table, in its error": float(away.max()),
        "SciPy: the same": float(theirs_away.max()),
        "SciPy: curves": len(some),
        "SciPy: curves that did not reach the error": int((error > wanted[some]).sum()),
        "SciPy: draws per curve": float(draws.mean()),
    }
    note = ("least squares from four starts, then importance sampling until the same standard"
            " error, 65 536 draws at most, so that curves which do not reach it are counted too"
            " cheaply")
    return compared("exact_evidence of 80 curves",
                    f"SciPy, one curve at a time ({len(some)} of them, scaled)", (10, "at least"),
                    ours, theirs * (len(x) / len(some)),
                    agree=max(away.max(), theirs_away.max()) < 6, numbers=numbers, note=note)
