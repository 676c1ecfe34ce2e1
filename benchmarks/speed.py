"""Everything that is timed, side by side: `python benchmarks/speed.py [ROW ...] [--list] [--quick]`; without arguments, every row.

Each row does one thing twice, with the package and in the plain or the best other way, in turn, and what counts is the
ratio within a pair. A row has a process of its own, with one thread unless the list says otherwise. What it finds goes to
benchmarks/speed.json as soon as it is done, in the place of what it found before. Rows are given by the beginnings of their names. The exit status is 1 if the two sides of a row disagree about the result, or a row fails; it is never 1 because of a time.
"""
import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import numpy as np

from timing import RESULTS, compared, in_turn, machine, rounded, seconds, stored, table, today

SIGMA = 5.0  # km/s, of the noise
ROWS: dict[str, tuple[Callable[[bool], dict], int]] = {}  # name → function of "be quick", threads


def row(threads: int = 1):
    """Register a row under the name of its function."""

    def register(function: Callable[[bool], dict]) -> Callable:
        ROWS[function.__name__] = function, threads
        return function

    return register


# ---------------------------------------------------------------------------------------------------------------- what several rows need


class _Captured(Exception):
    """Ends a fit before its first step."""


def default_training(n: int, **options) -> dict:
    """What `CurveVAE(noise=5, clean_input=True, ...).fit` hands to `training.fit` for n curves: model, loss, data, validation, config."""
    import vae_nbdev.fitted.estimator as estimator
    from vae_nbdev.families.simulation import simulate

    found = {}

    def fit(model, loss, data, validation=None, config=None, **others):
        found.update(model=model, loss=loss, data=data, validation=validation, config=config)
        raise _Captured

    curves = options.pop("curves", None)
    curves = simulate(n, seed=100).values if curves is None else curves
    with mock.patch.object(estimator, "fit", fit), contextlib.suppress(_Captured):
        estimator.CurveVAE(noise=SIGMA, clean_input=True, **options).fit(curves)
    return found


def batches_of(training: dict) -> Callable[[int], tuple]:
    """The batch of each step, as `training.fit` cuts it."""
    from vae_nbdev.families.store import WindowBatches
    from vae_nbdev.training.schedule import batch_schedule

    data, config = training["data"], training["config"]
    if not isinstance(data, tuple):  # of a large array
        schedule = batch_schedule(len(data), config, getattr(data, "order", WindowBatches))
        return lambda step: data.batch(schedule(step))
    schedule = batch_schedule(len(data[0]), config)

    def cut(step: int) -> tuple:
        rows = schedule(step)
        return tuple(t[rows] for t in data)

    return cut


def reference_curves(sigma: float = SIGMA):
    """The 80 measured reference curves (80, 50), their exact log evidence and its error."""
    from importlib.resources import files

    with np.load(files("vae_nbdev") / "data" / "exact_evidence.npz") as stored_:
        return stored_["velocity_clean"] + sigma * stored_["noise_unit"], stored_[f"log_evidence_sigma{sigma:g}"], stored_[f"log_evidence_se_sigma{sigma:g}"]


def trained(n: int, **options):
    """A `CurveVAE` of n clean curves; the folder SPEED_MODELS keeps it for rows that want the same one."""
    from vae_nbdev.fitted.estimator import CurveVAE
    from vae_nbdev.families.simulation import simulate

    folder = os.environ.get("SPEED_MODELS")
    path = folder and Path(folder) / "-".join([str(n), *(f"{k}={v}" for k, v in sorted(options.items()))])
    if path and path.exists():
        return CurveVAE.load(path)
    model = CurveVAE(noise=SIGMA, clean_input=True, **options).fit(simulate(n, seed=100).values)
    if path:
        model.save(path)
    return model


# ------------------------------------------------------------------------------------------------------------------------------ simulate


def accuracy() -> dict[str, float]:
    """Largest relative errors of simulated curves: against the textbook loop, the 30-digit table and the direct formula."""
    from importlib.resources import files

    import textbook
    from vae_nbdev.families.rotation_curve import circular_velocity
    from vae_nbdev.families.simulation import ROTATION_CURVES

    radius = ROTATION_CURVES.radius
    parameters, curves = textbook.simulate(2000, radius)
    ours = ROTATION_CURVES.evaluate(parameters)
    usable = radius / 10 ** parameters[:, 1:2] < 600  # in scale lengths; far beyond, the textbook formula overflows
    worst = 0.0
    for line in json.loads((files("vae_nbdev") / "data" / "circular_velocity.json").read_text())["rows"]:
        r, *four = (float(line[k]) for k in ("r", "Md", "Rd", "Mh", "c"))
        worst = max(worst, abs(ROTATION_CURVES.evaluate(np.log10([four]), [r, 2 * r])[0, 0] / float(line["vc"]) - 1))
    return {
        "relative difference to the loop": np.abs(ours / curves - 1)[usable].max(), "relative error against 30 digits": worst,
        "relative difference to circular_velocity": np.abs(ours / circular_velocity(radius, *(10**parameters).T) - 1).max(),
    }  # fmt: skip


def accurate(found: dict[str, float]) -> bool:
    """Whether these errors are small enough; the loop's own rounding is the larger one."""
    loop, *others = found.values()
    return loop < 1e-8 and max(others) <= 1e-9


LOOP = "Python loop over curves, textbook formulas"


@row()
def simulate_few(quick: bool) -> dict:
    """simulate(2000) against a loop over galaxies."""
    import textbook
    from vae_nbdev.families.simulation import ROTATION_CURVES, simulate

    found, n = accuracy(), 2000
    simulate(n)
    theirs, ours = in_turn([lambda: textbook.simulate(n, ROTATION_CURVES.radius), lambda: simulate(n)], 11 if quick else 21).T
    return compared("simulate(2000)", LOOP, (20, "at least"), ours, theirs, agree=accurate(found), numbers=found)


@row()
def simulate_many(quick: bool) -> dict:
    """A million curves on disk against the loop's time per curve."""
    import textbook
    from vae_nbdev.families.simulation import ROTATION_CURVES, simulate, simulate_to

    found, n, few = accuracy(), 1_000_000, 2000
    block = 20_000
    with tempfile.TemporaryDirectory() as folder:
        loop, file, blocks = in_turn([
            lambda: textbook.simulate(few, ROTATION_CURVES.radius), lambda: simulate_to(Path(folder) / "curves.npy", n),
            lambda: [simulate(block, seed=seed) for seed in range(n // block)],
        ], 2 if quick else 3).T  # fmt: skip
        stored_ = np.load(Path(folder) / "curves.npy", mmap_mode="r")
        same = stored_.shape == (n, len(ROTATION_CURVES.radius)) and np.allclose(stored_[:few], simulate(few).values, rtol=1e-6)
    found |= {"seconds without the disk, in blocks of 20 000": float(np.median(blocks)), "ratio without the disk": float(np.median(loop * n / few / blocks))}
    return compared(
        "simulate_to, 1 000 000 curves", LOOP + f", time of {few} scaled", (20, "at least"), file, loop * (n / few), agree=same and accurate(found_only(found)), numbers=found,
        note="a float32 file and the parameters are written",
    )  # fmt: skip


def found_only(found: dict) -> dict:
    """The errors among some numbers."""
    return {k: v for k, v in found.items() if k.startswith("relative")}


# -------------------------------------------------------------------------------------------------------------------------- training step


class Products:
    """The matrix products of the linear layers that a loss calls: x Wᵀ, and in the backward pass dW and, where it is needed, dx."""

    def __init__(self, model, loss: Callable):
        """Call the loss once, note every call of a linear layer, and check the products against the gradients that come out."""
        import torch
        from torch import nn

        from vae_nbdev.model.splines import AutoregressiveSpline

        self.calls, seen, hooks = [], [], []

        def note(layer, inputs, output):
            if not output.requires_grad:
                return
            call = {"layer": layer, "x": inputs[0].detach().reshape(-1, layer.in_features), "dx": inputs[0].requires_grad}
            output.register_hook(lambda g: call.update(g=g.detach().reshape(-1, layer.out_features)))
            seen.append(call)

        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                hooks.append(layer.register_forward_hook(note))
        model.zero_grad(set_to_none=True)
        with mock.patch.object(AutoregressiveSpline, "suits", lambda module: False):  # which would go round the layers of a flow
            loss().backward()
        for hook in hooks:
            hook.remove()
        seen = [call for call in seen if "g" in call]
        products = {}
        for call in seen:
            products[call["layer"]] = products.get(call["layer"], 0) + call["g"].T @ call["x"]
        mask = lambda layer: getattr(layer, "mask", 1)
        off = [(mask(layer) * p - layer.weight.grad).abs().max() / layer.weight.grad.abs().max().clamp_min(1e-12) for layer, p in products.items()]
        self.error = float(max(off, default=torch.tensor(np.inf)))
        self.n_layers, self.n_products = len(products), sum(2 + call["dx"] for call in seen)
        for call in seen:
            x, g, w = call["x"].contiguous(), call["g"].contiguous(), call["layer"].weight.detach().clone()
            self.calls.append((x, g, w, torch.empty_like(g), torch.empty_like(w), torch.empty_like(x) if call["dx"] else None))
        self.multiplications = sum((2 + (dx is not None)) * x.shape[0] * w.numel() for x, _, w, _, _, dx in self.calls)

    def __call__(self) -> None:
        """The bare products, into memory that is there already."""
        import torch

        with torch.no_grad():
            for x, _, w, y, _, _ in self.calls:
                torch.mm(x, w.T, out=y)
            for x, g, w, _, dw, dx in reversed(self.calls):
                torch.mm(g.T, x, out=dw)
                if dx is not None:
                    torch.mm(g, w, out=dx)


def all_products(loss: Callable) -> int:
    """How many matrix products the dispatcher sees in one call of a loss and its backward pass, those of linear layers included."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        n = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            Count.n += function.overloadpacket.__name__ in {"mm", "addmm", "bmm", "baddbmm"}
            return function(*args, **(kwargs or {}))

    with Count():
        loss().backward()
    return Count.n


def training_step(n: int, quick: bool) -> dict:
    """One optimiser step of the default for n curves against the bare matrix products of its linear layers."""
    from vae_nbdev.core import torch_generator
    from vae_nbdev.training.loop import train_step
    from vae_nbdev.training.optimisers import make_optimisers

    training = default_training(n)
    model, loss, config, batch_of = training["model"], training["loss"], training["config"], batches_of(training)
    optimisers, batch = make_optimisers(model, config), batch_of(0)
    model.train()
    value = lambda: loss(model, batch, 1.0, torch_generator(0, "step"))
    products, all_of_them = Products(model, value), all_products(value)
    steps = 10
    step = lambda: [train_step(model, optimisers, loss, batch, i, config) for i in range(steps)]
    bare = lambda: [products() for _ in range(steps)]
    step(), bare()
    ours, theirs = in_turn([step, bare], 10 if quick else 20).T / steps
    forward_and_backward = np.median(in_turn([value, lambda: value().backward()], 10 if quick else 20), 0)
    r = f"{config.optimiser}, {type(model.prior).__name__}"
    numbers = {
        "linear layers": products.n_layers, "their products": products.n_products, "million multiplications": products.multiplications / 1e6,
        "all matrix products of loss and gradient": all_of_them, "error of dW": products.error,
        "ratio of loss and gradient alone": float(forward_and_backward[1] / np.median(theirs)), "ratio of the loss alone": float(forward_and_backward[0] / np.median(theirs)),
    }  # fmt: skip
    return compared(f"one step, {len(batch[0])} of {n} curves ({r})", "bare matrix products of its linear layers", (2, "at most"), ours, theirs, agree=products.error < 1e-3, numbers=numbers)


@row()
def training_step_few(quick: bool) -> dict:
    """One step of the default for 2 000 clean curves against its bare matrix products."""
    return training_step(2000, quick)


@row()
def training_step_many(quick: bool) -> dict:
    """The same for 20 000 clean curves."""
    return training_step(20_000, quick)


# -------------------------------------------------------------------------------------------------------------------------- training loop


def training_loop(n: int, steps: int, quick: bool) -> dict:
    """`training.fit` with everything that it does against as many bare steps on the same batches.

    Every hundred steps the loss that `fit` calls pauses it and makes a hundred bare steps with a copy of the model: so both see the same machine.
    """
    from copy import deepcopy
    from dataclasses import replace

    import torch

    from vae_nbdev.core import torch_generator
    from vae_nbdev.training.loop import fit
    from vae_nbdev.training.optimisers import make_optimisers
    from vae_nbdev.training.schedule import kl_weight

    training = default_training(n)
    loss, data, validation = training["loss"], training["data"], training["validation"]
    config, batch_of = replace(training["config"], max_steps=steps), batches_of(training)
    one = replace(config, max_steps=1, eval_every=1)
    first = fit(deepcopy(training["model"]).train(), loss, data, None, one).training[0]
    expected = float(loss(deepcopy(training["model"]).train(), batch_of(0), kl_weight(0, one), torch_generator(config.seed, "step", 0)).detach())

    def both(held_out) -> tuple[float, float]:
        """Seconds of `fit` and of as many bare steps."""
        model, done, elapsed = deepcopy(training["model"]).train(), 0, 0.0
        optimisers, generator = make_optimisers(model, config), torch_generator(config.seed, "bare")

        def bare(first: int) -> None:
            for step in range(first, first + 100):
                value = loss(model, batch_of(step), 1.0, generator)
                for optimiser in optimisers:
                    optimiser.zero_grad(set_to_none=True)
                value.backward()
                for optimiser in optimisers:
                    optimiser.step()

        def pausing(*arguments):
            nonlocal done, elapsed
            if torch.is_grad_enabled():
                if done % 100 == 0:
                    elapsed += seconds(bare, done)
                done += 1
            return loss(*arguments)

        pausing.describe = loss.describe
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null, contextlib.redirect_stderr(null):
            whole = seconds(lambda: fit(deepcopy(training["model"]), pausing, data, held_out, config, verbose=True, checkpoint=Path(folder) / "state"))
        return whole - elapsed, elapsed

    repeats = 1 if quick else 3
    ours, theirs = np.array([both(validation) for _ in range(repeats)]).T
    blind, theirs_too = np.array([both(None) for _ in range(repeats)]).T
    numbers = {"overhead": float(np.median(blind / theirs_too) - 1), "overhead with a validation set": float(np.median(ours / theirs) - 1), "curves in the validation set": len(validation[0])}
    return compared(
        f"training.fit, {steps} steps, {n} curves, none to validate", "as many bare steps", (1.05, "at most"), blind, theirs_too, agree=abs(first - expected) <= 1e-5 * abs(expected), numbers=numbers,
        note=f"bar, history, learning rates, clipping, a checkpoint every 1000 steps and at the end, an entry in the history every {config.eval_every} steps; the validation loss of that moment is a number beside",
    )  # fmt: skip


@row()
def training_loop_few(quick: bool) -> dict:
    """The training loop around the steps, for 2 000 clean curves."""
    return training_loop(2000, 1000, quick)


@row()
def training_loop_many(quick: bool) -> dict:
    """The same for 20 000 clean curves."""
    return training_loop(20_000, 500, quick)


# ------------------------------------------------------------------------------------------------------------------------------- one nat

ONE_NAT = {"max_steps": 300}  # everything else is the default for many curves
PYTHAE = "make bench installs it"


@row()
def one_nat(quick: bool) -> dict:
    """Seconds to within one nat of the exact evidence, from 20 000 clean curves at 5 km/s."""
    from vae_nbdev.fitted.estimator import CurveVAE
    from vae_nbdev.evaluation.baselines import PCAMixture
    from vae_nbdev.evaluation.gap import gap_summary, model_evidence
    from vae_nbdev.families.simulation import simulate

    X, (x, exact, _) = simulate(20_000, seed=100).values, reference_curves()
    gap = lambda model: gap_summary(exact, model_evidence(model, x)).mean
    ours, theirs, gaps, mixture_gaps = [], [], [], []
    for seed in range(3):
        made = {}
        ours.append(seconds(lambda: made.update(ours=CurveVAE(noise=SIGMA, clean_input=True, random_state=seed, **ONE_NAT).fit(X))))
        theirs.append(seconds(lambda: made.update(theirs=PCAMixture(8, noise=SIGMA, clean_input=True, sizes=(40,), n_starts=1, seed=seed).fit(X))))
        gaps.append(gap(made["ours"]))
        mixture_gaps.append(gap(made["theirs"]))
    numbers = {f"gap [nats], seed {seed}": g for seed, g in enumerate(gaps)} | {f"gap of PCA + mixture [nats], seed {seed}": g for seed, g in enumerate(mixture_gaps)}
    numbers |= ONE_NAT
    note = f"scikit-learn's GaussianMixture of 40 normals in 8 principal components, the noise added analytically; pythae is not installed here; {PYTHAE}"
    try:
        elapsed, normal, mixture = pythae_gap(X, x, exact, epochs=40 if quick else 80)
        numbers |= {"pythae: seconds": elapsed, "pythae: gap [nats], normal prior": normal, "pythae: gap [nats], mixture": mixture}
        note = note.split("; pythae is not")[0] + "; pythae 0.1.2 trains the published network with its own trainer, and fits its mixture to the codes"
    except ImportError:
        pass
    return compared(
        "CurveVAE.fit, 20 000 curves, to a gap below 1 nat", "PCA-8 + GaussianMixture, to its own gap", (10, "at most"), ours, theirs, agree=max(gaps) <= 1, quantity="ours",
        numbers=numbers, note=note + "; agreement: the gap is at most one nat with each of three seeds",
    )  # fmt: skip


def pythae_gap(X: np.ndarray, x: np.ndarray, exact: np.ndarray, epochs: int) -> tuple[float, float, float]:
    """Seconds that pythae's trainer and its mixture take on clean curves X, and the gaps with its normal prior and with the mixture; see `pythae_vae.py`."""
    import logging

    import pythae_vae as theirs
    import torch

    from vae_nbdev.curves.units import Units
    from vae_nbdev.core import stream
    from vae_nbdev.evaluation.gap import gap_summary, model_evidence
    from vae_nbdev.model.vae import VAE

    logging.disable(logging.INFO)
    torch.manual_seed(0)
    np.random.seed(0)
    units = Units(X.mean(), SIGMA)
    vae = VAE.published(X.shape[1], sigma=1.0, seed=0)
    config = theirs.VAEConfig(input_dim=(X.shape[1],), latent_dim=vae.n_latent, reconstruction_loss="mse")
    model = theirs.PythaeVAE(config, encoder=theirs.Encoder(vae), decoder=theirs.Decoder(vae))
    with tempfile.TemporaryDirectory() as folder:
        how = theirs.BaseTrainerConfig(
            output_dir=folder, num_epochs=epochs, per_device_train_batch_size=theirs.BATCH, learning_rate=theirs.LEARNING_RATE,
            scheduler_cls="CosineAnnealingLR", scheduler_params={"T_max": epochs}, seed=0,
        )  # fmt: skip
        data = theirs.Noisy(units.to_model(X) + theirs.SHIFT, torch.zeros(len(X)))
        with open(os.devnull, "w") as null, contextlib.redirect_stderr(null):
            elapsed = seconds(theirs.BaseTrainer(model, data, training_config=how).train)
    mixture = theirs.GaussianMixtureSampler(model)
    codes_of = units.to_model(X + SIGMA * stream(0, "noise").standard_normal(X.shape)) + theirs.SHIFT
    elapsed += seconds(mixture.fit, codes_of)
    gmm = theirs.Prior(*(torch.from_numpy(a) for a in (mixture.gmm.weights_, mixture.gmm.means_, np.linalg.cholesky(mixture.gmm.covariances_))))
    gaps = [gap_summary(exact, model_evidence(theirs.Sampled(vae, units, *parts), x)).mean for parts in ((theirs.NormalSampler(model), vae.prior), (mixture, gmm))]
    return elapsed, *gaps


# ------------------------------------------------------------------------------------------------------------------------------ sampling


def sampling(model, quick: bool) -> dict:
    """`sample(1_000_000)` against writing as many numbers, with two threads each; fewer if that takes more than a minute."""
    from concurrent.futures import ThreadPoolExecutor

    R, threads = model.n_features_in_, int(os.environ["OMP_NUM_THREADS"])
    model.sample(1000)
    n = 1_000_000 if 50 * seconds(model.sample, 20_000) < 60 else 100_000  # as many as there is patience for

    def fill() -> None:
        out = np.empty((n, R))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda part: part.fill(1.0), np.array_split(out, threads)))

    made = {}
    ours, theirs, alone = in_turn([lambda: made.update(x=model.sample(n)), fill, lambda: np.full((n, R), 1.0)], 3 if quick else 7, 40).T
    x = made["x"]
    with tempfile.TemporaryDirectory() as folder:
        save = np.median(in_turn([lambda: np.save(Path(folder) / "x.npy", x)], 2))
    codes = model.vae_.prior.sample(5000)
    other = model.inverse_transform(codes.double().numpy())
    away = np.abs(x.mean(0) - other.mean(0)) / (other.std(0) / np.sqrt(len(other)))
    numbers = {"ratio to one thread of np.full": float(np.median(ours / alone)), "ratio to two threads": float(np.median(ours / theirs)), "ratio to np.save": float(np.median(ours) / save), "microseconds per curve": float(np.median(ours)) / n * 1e6}
    agree = x.shape == (n, R) and np.isfinite(x).all() and away.max() < 6
    return compared(
        f"CurveVAE.sample({n:_}), {type(model.vae_.prior).__name__}".replace("_", " "), f"filling an array of that size, by one thread or {threads}, whichever is faster", (5, "at most"), ours, np.minimum(theirs, alone), agree=agree, numbers=numbers
    )


@row(threads=2)
def sampling_few(quick: bool) -> dict:
    """A million new curves of the default for 2 000 clean curves (a mixture as prior)."""
    return sampling(trained(2000), quick)


@row(threads=2)
def sampling_many(quick: bool) -> dict:
    """The same of the default for 20 000 clean curves (a flow as prior)."""
    return sampling(trained(20_000, **ONE_NAT), quick)


# ---------------------------------------------------------------------------------------------------------------------------- evidence


@contextlib.contextmanager
def counted(decoder):
    """Counts the codes that a decoder decodes: its `n` grows."""
    found, mean = type("Found", (), {"n": 0})(), decoder.mean

    def counting(z):
        found.n += z.shape[:-1].numel()
        return mean(z)

    decoder.mean = counting
    try:
        yield found
    finally:
        del decoder.mean


TRIED = [(32, 1, 1, 50.0), (32, 2, 1, 50.0), (64, 1, 1, 100.0), (64, 2, 1, 100.0), (128, 2, 1, 200.0), (256, 2, 2, 400.0)]  # draws per round, rounds, starts, smallest effective sample size


@row()
def score_samples(quick: bool) -> dict:
    """Codes decoded per curve for an error of 0.01 nats, against importance sampling from the encoder's answer."""
    import torch

    from vae_nbdev.core import stream
    from vae_nbdev.inference.evidence import vae_evidence
    from vae_nbdev.inference.importance import pool_evidence
    from vae_nbdev.families.simulation import simulate

    model, n = trained(2000), 300 if quick else 1000
    choosing, judging = slice(0, n // 3), slice(n // 3, n)  # the setting is chosen on other curves than it is judged on
    clean = simulate(n, seed=7_310_113).values
    x = clean + SIGMA * stream(7_310_113, "noise").standard_normal(clean.shape)
    vae = model.vae_
    y, shift = model.units_.to_model(x, torch.float64), model.units_.log_jacobian(x.shape[1])

    def score(**options) -> tuple[np.ndarray, float, float]:
        with counted(vae.decoder) as found:
            start = time.perf_counter()
            answer = vae_evidence(vae, y, **options)
            answer = replace(answer, log_evidence=answer.log_evidence + shift)
            return answer, found.n / n, time.perf_counter() - start

    warnings.simplefilter("ignore")  # low effective sample sizes show in the error
    runs = [score(n_draws=256, rounds=2, min_ess=0.0, retries=0, seed=seed)[0] for seed in (11, 12, 13)]
    reference = pool_evidence(runs).log_evidence
    rms = lambda answer, rows=slice(None): float(np.sqrt(np.mean((answer - reference)[rows] ** 2)))
    middle = lambda answer: float(np.median(np.abs(answer - reference)))
    default, default_calls, default_seconds = score()
    found = []
    for n_draws, rounds, n_starts, min_ess in TRIED:
        try:
            answer, calls, elapsed = score(n_draws=n_draws, rounds=rounds, n_starts=n_starts, min_ess=min_ess)
        except (RuntimeError, IndexError, ValueError):  # a setting that the code does not allow
            continue
        found.append((calls, rms(answer.log_evidence, choosing), (n_draws, rounds, n_starts, min_ess), answer.log_evidence))
    enough = [f for f in found if f[1] <= 0.01] or [min(found, key=lambda f: f[1])]
    calls, _, setting, answer = min(enough, key=lambda f: f[0])
    error = rms(answer, judging)

    sizes = [256, 1024, 4096]
    log_w = np.concatenate([_plain_weights(vae, part, sizes[-1]) for part in y.split(50)], 1) + shift
    plain = {m: log_w[:m] for m in sizes}
    plain = {m: np.logaddexp.reduce(w, 0) - np.log(m) for m, w in plain.items()}
    errors = {m: rms(a) for m, a in plain.items()}
    last = sizes[-1]
    relative = np.exp(log_w - plain[last]).std(0)  # of one weight; the error of n draws is this over √n
    needed = float(np.mean((relative[judging] / 0.01) ** 2))
    numbers = {
        "RMS error [nats]": error, "draws per round": setting[0], "rounds": setting[1], "starts": setting[2], "smallest ESS": setting[3],
        "default: RMS error [nats]": rms(default.log_evidence), "default: median error [nats]": middle(default.log_evidence), "default: codes decoded per curve": default_calls,
        "default: milliseconds per curve": default_seconds / n * 1e3, "reference: scatter of three [nats]": float(np.sqrt(np.mean(pool_evidence(runs).standard_error ** 2))),
        "draws from q that half of the curves need": float(np.median((relative / 0.01) ** 2)),
        "ratio of the default": needed / default_calls, "draws from q by the RMS error of 1024": 1024 * (errors[1024] / 0.01) ** 2,
    } | {f"RMS error of {m} draws from q [nats]": e for m, e in errors.items()}  # fmt: skip
    agree = middle(plain[last]) < 0.05 and rms(default.log_evidence) < 0.1
    return compared(
        f"codes decoded per curve to an RMS error of 0.01 nats, {n} curves", "draws from the encoder's q", (10, "at least"), [calls], [needed], agree=agree, unit="codes", numbers=numbers,
        note=f"what the draws from q need follows from the scatter of {last} weights of each curve, which a few curves decide; the setting was chosen on other curves",
    )  # fmt: skip


def _plain_weights(vae, y, n: int) -> np.ndarray:
    """Log weights (n, N) of n draws from q(z|y) for each curve."""
    import torch

    from vae_nbdev.model.posteriors import draw

    with torch.no_grad():
        q = vae.encode(y)
        eps = torch.randn(n, len(y), vae.n_latent, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
        return torch.cat([vae.log_weights(y, *draw(q, e)) for e in eps.split(256)]).numpy()


@row()
def exact(quick: bool) -> dict:
    """Exact evidence of the 80 reference curves against SciPy, one curve at a time."""
    import textbook
    from vae_nbdev.evaluation.gap import exact_evidence
    from vae_nbdev.families.simulation import ROTATION_CURVES

    x, known, known_error = reference_curves()
    some, radius, made = range(5, 80, 20 if quick else 10), ROTATION_CURVES.radius, {}
    made["ours"] = exact_evidence(ROTATION_CURVES, x, SIGMA)
    wanted = made["ours"].standard_error
    one_at_a_time = lambda: made.update(theirs=np.array([textbook.evidence(x[i], SIGMA, radius, wanted[i], seed=i) for i in some]))
    ours, theirs = in_turn([lambda: made.update(ours=exact_evidence(ROTATION_CURVES, x, SIGMA)), one_at_a_time], 2 if quick else 3).T
    value, error, draws = made["theirs"].T
    away = np.abs(made["ours"].log_evidence - known) / np.hypot(wanted, known_error)
    theirs_away = np.abs(value - known[some]) / np.hypot(error, known_error[some])
    numbers = {
        "standard error [nats]": float(wanted.mean()), "largest difference to the table, in its error": float(away.max()), "SciPy: the same": float(theirs_away.max()),
        "SciPy: curves": len(some), "SciPy: curves that did not reach the error": int((error > wanted[some]).sum()), "SciPy: draws per curve": float(draws.mean()),
    }  # fmt: skip
    return compared(
        "exact_evidence of 80 curves", f"SciPy, one curve at a time ({len(some)} of them, scaled)", (10, "at least"), ours, theirs * (len(x) / len(some)), agree=max(away.max(), theirs_away.max()) < 6,
        numbers=numbers, note="least squares from four starts, then importance sampling until the same standard error, 65 536 draws at most, so that curves which do not reach it are counted too cheaply",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------------------- importing


def _python(*arguments: str) -> subprocess.CompletedProcess:
    """Run a fresh Python."""
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)


@row()
def importing(quick: bool) -> dict:
    """`from vae_nbdev.fitted.estimator import CurveVAE` in a fresh process against `import torch`."""
    commands = ["from vae_nbdev.fitted.estimator import CurveVAE", "import torch", "pass", "from vae_nbdev.fitted.estimator import CurveVAE; CurveVAE()", "import torch, sklearn.base"]
    run = [lambda code=code: _python("-c", code) for code in commands]
    in_turn(run, 1)
    ours, theirs, bare, made, floor = in_turn(run, 4 if quick else 9).T
    numbers = {"bare Python [s]": float(np.median(bare)), "ratio without the start of Python": float(np.median((ours - bare) / (theirs - bare)))}
    numbers |= {"ratio when an estimator is made, too": float(np.median(made / theirs)), "ratio of PyTorch with scikit-learn's base class": float(np.median(floor / theirs))}
    return compared("import CurveVAE, fresh process", "import torch", (1.3, "at most"), ours, theirs, agree=True, numbers=numbers, note="scikit-learn is imported when the first estimator is made")


_HELP = "import runpy, sys; sys.argv = ['vae_nbdev', '--help']\ntry: runpy.run_module('vae_nbdev', run_name='__main__')\nfinally: print('torch' in sys.modules)"


@row()
def help_text(quick: bool) -> dict:
    """`vae_nbdev --help` against a bare start of Python; torch is not imported."""
    run = [lambda: _python("-m", "vae_nbdev", "--help"), lambda: _python("-c", "pass")]
    in_turn(run, 1)
    ours, theirs = in_turn(run, 6 if quick else 15).T
    without_torch = _python("-c", _HELP).stdout.strip().endswith("False")
    return compared("vae_nbdev --help, fresh process", "a bare start of Python", (0.5, "at most"), ours, theirs, agree=without_torch, quantity="ours", note="agreement: torch is not imported")


# --------------------------------------------------------------------------------------------------- what other scripts here measure

TOGETHER, MEMORY = (HERE / "together.py").exists(), (HERE / "memory.py").exists()


def together(quick: bool) -> dict:
    """Sixteen models trained at once against as many fits in a row."""
    from together import disagreement, rows

    worst, found = disagreement(), rows(2 if quick else 5, steps=200 if quick else 500)
    theirs, ours = (found[next(k for k in found if k.startswith(start))] for start in ("fits in a row", "`fit_together`"))
    numbers = {"largest difference of a weight after 50 steps": worst} | {k: float(np.median(v)) for k, v in found.items() if k == "ratio of processor times"}
    return compared("fit_together, 16 published networks", "16 fits in a row", (5, "at least"), ours, theirs, agree=worst < 1e-9, numbers=numbers)


def memory(quick: bool) -> dict:
    """Memory of a training on a million curves, above that after the import, against the size of the curves."""
    from memory import training_memory

    found = training_memory(1_000_000, 20 if quick else 50)
    return compared(
        "memory of CurveVAE.fit, 1 000 000 curves", "the curves in float32", (2, "at most"), [found["peak"]], [found["curves"]], agree=True, unit="MB", numbers={"after the import [MB]": found["after_import"]}
    )


if TOGETHER:
    row()(together)
if MEMORY:
    row()(memory)


# --------------------------------------------------------------------------------------------------------------------------- the runner


def growing() -> None:
    """Add the rows of growth.py: their results are stored under "growth"."""
    from growth import GROWTH

    for name, function in GROWTH.items():
        ROWS[f"growth_{name}"] = function, 1


if (HERE / "growth.py").exists():
    growing()


def one(name: str, quick: bool, file: Path) -> None:
    """Run one row in this process and write what it finds to a file."""
    import torch

    torch.set_num_threads(ROWS[name][1])
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ROWS[name][0](quick)
    file.write_text(json.dumps(rounded(found | {"duration": time.perf_counter() - start})))


def run(name: str, quick: bool, folder: Path) -> dict | None:
    """Run one row in a process of its own; None if it failed."""
    threads, file = str(ROWS[name][1]), folder / f"{name}.json"
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "SPEED_MODELS": str(folder)}
    done = subprocess.run([sys.executable, __file__, "--here", name, "--to", str(file), *["--quick"] * quick], env=environment)
    return json.loads(file.read_text()) | {"threads": int(threads), "machine": machine(), "date": today(), "quick": quick} if done.returncode == 0 else None


def main() -> int:
    """Run the rows that are asked for, store each, and print the table of all that are stored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="*", help="beginnings of the names of rows to run (default: all)")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--quick", action="store_true", help="half of the repeats")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        one(args.here, args.quick, args.to)
        return 0
    chosen = [name for name in ROWS if not args.row or any(name.startswith(r) for r in args.row)]
    if unknown := [r for r in args.row if not any(name.startswith(r) for name in ROWS)]:
        parser.error(f"there is no row {unknown[0]}; --list names them")
    if args.list:
        for name in chosen:
            function, threads = ROWS[name]
            print(f"{name:<20} {threads} thread{'s' * (threads > 1)}  {function.__doc__ or ''}")
        return 0
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            found = run(name, args.quick, Path(folder))
            if found is None or not all(f.get("agree", True) for f in [found, *found.values()] if isinstance(f, dict)):
                bad.append(f"{name}: {'it failed' if found is None else 'the two sides disagree'}")
            if found is not None:
                kind, short = ("growth", name.removeprefix("growth_")) if name.startswith("growth_") else ("rows", name)
                parts = {k: v for k, v in found.items() if isinstance(v, dict) and "what" in v}  # some rows have several results
                shared = {k: v for k, v in found.items() if k not in parts}
                with stored() as results:
                    results.setdefault(kind, {}).update({k: v | shared for k, v in parts.items()} or {short: found})
                print(f"{name}: done in {found['duration']:.0f} s", file=sys.stderr, flush=True)
    print(table(json.loads(RESULTS.read_text()) if RESULTS.exists() else {}))
    print(*bad, sep="\n", file=sys.stderr, end="\n" * bool(bad))
    return min(len(bad), 1)


if __name__ == "__main__":
    sys.exit(main())
