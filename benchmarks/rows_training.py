"""Rows of `speed.py`: a training step, the loop around it, and the memory of a whole fit."""
import contextlib
import os
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np

from common import batches_of, default_training, row
from timing import compared, in_turn, seconds


def calls_of_linear_layers(model, loss: Callable) -> list[dict]:
    """Call a loss and its gradient once; return every call of a linear layer that has one.

    Each with the layer, its input `x` (B, in), the gradient `g` (B, out) of its output, and whether
    the gradient of its input is needed, `dx`.
    """
    from torch import nn

    seen = []

    def note(layer, inputs, output):
        if not output.requires_grad:
            return
        x = inputs[0].detach().reshape(-1, layer.in_features)
        call = {"layer": layer, "x": x, "dx": inputs[0].requires_grad}
        size = layer.out_features
        output.register_hook(lambda g: call.update(g=g.detach().reshape(-1, size)))
        seen.append(call)

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    model.zero_grad(set_to_none=True)
    loss().backward()
    for hook in hooks:
        hook.remove()
    return [call for call in seen if "g" in call]


class Products:
    """The matrix products of the linear layers that a loss calls.

    They are x Wᵀ, and in the backward pass dW and, where it is needed, dx. `error` is how far dW is
    from the gradients of the weights, relative to the largest of each layer.
    """

    def __init__(self, model, loss: Callable):
        import torch

        found, sums, self.calls = calls_of_linear_layers(model, loss), {}, []
        for call in found:
            sums[call["layer"]] = sums.get(call["layer"], 0) + call["g"].T @ call["x"]
        self.error = 0.0 if sums else np.inf
        for layer, product in sums.items():
            true = layer.weight.grad
            off = (getattr(layer, "mask", 1) * product - true).abs().max()
            self.error = max(self.error, float(off / true.abs().max().clamp_min(1e-12)))
        for call in found:
            x, g = call["x"].contiguous(), call["g"].contiguous()
            w = call["layer"].weight.detach().clone()
            dx = torch.empty_like(x) if call["dx"] else None
            self.calls.append((x, g, w, torch.empty_like(g), torch.empty_like(w), dx))
        self.n_layers, self.n_products = len(sums), sum(2 + call["dx"] for call in found)
        self.multiplications = sum((2 + call["dx"]) * len(call["x"]) * call["layer"].weight.numel()
                                   for call in found)

    def __call__(self) -> None:
        """Do the bare products, into memory that is there already."""
        import torch

        with torch.no_grad():
            for x, _, w, y, _, _ in self.calls:
                torch.mm(x, w.T, out=y)
            for x, g, w, _, dw, dx in reversed(self.calls):
                torch.mm(g.T, x, out=dw)
                if dx is not None:
                    torch.mm(g, w, out=dx)


def all_products(loss: Callable) -> int:
    """Return how many matrix products the dispatcher sees in one call of a loss and its gradient.

    Those of linear layers are among them.
    """
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
    """One optimiser step of the default for n curves against the products of its linear layers."""
    from vae_nbdev.core import torch_generator
    from vae_nbdev.training.loop import train_step
    from vae_nbdev.training.optimisers import make_optimisers

    training, steps, repeats = default_training(n), 10, 10 if quick else 20
    model, loss, config = training["model"].train(), training["loss"], training["config"]
    optimisers, batch = make_optimisers(model, config), batches_of(training)(0)

    def value():
        return loss(model, batch, 1.0, torch_generator(0, "step"))

    products, n_all = Products(model, value), all_products(value)

    def step() -> None:
        for i in range(steps):
            train_step(model, optimisers, loss, batch, i, config)

    def bare() -> None:
        for _ in range(steps):
            products()

    in_turn([step, bare], 1)
    ours, theirs = in_turn([step, bare], repeats).T / steps
    forward, both = np.median(in_turn([value, lambda: value().backward()], repeats), 0)
    numbers = {
        "linear layers": products.n_layers,
        "their products": products.n_products,
        "million multiplications": products.multiplications / 1e6,
        "all matrix products of loss and gradient": n_all,
        "error of dW": products.error,
        "ratio of loss and gradient alone": float(both / np.median(theirs)),
        "ratio of the loss alone": float(forward / np.median(theirs)),
    }
    kind = f"{config.optimiser}, {type(model.prior).__name__}"
    return compared(f"one step, {len(batch)} of {n} curves ({kind})",
                    "bare matrix products of its linear layers", (2, "at most"), ours, theirs,
                    agree=products.error < 1e-3, numbers=numbers)


@row()
def training_step_few(quick: bool) -> dict:
    """One step of the default for 2 000 clean curves against its bare matrix products."""
    return training_step(2000, quick)


@row()
def training_step_many(quick: bool) -> dict:
    """The same for 20 000 clean curves."""
    return training_step(20_000, quick)


def first_losses(training: dict) -> tuple[float, float]:
    """Return the loss of the first step, as `fit` has it and computed by hand."""
    from vae_nbdev.core import torch_generator
    from vae_nbdev.training import fit
    from vae_nbdev.training.optimisers import kl_weight

    loss = training["loss"]
    config = replace(training["config"], max_steps=1, eval_every=1)
    first = fit(deepcopy(training["model"]), loss, training["data"], None, config).training[0]
    model, generator = deepcopy(training["model"]).train(), torch_generator(config.seed, "step", 0)
    return first, float(loss(model, batches_of(training)(0), kl_weight(0, config), generator))


class Loop:
    """`training.fit` and as many bare steps on the same batches, timed together.

    Every hundred steps the loss that `fit` calls pauses it and makes a hundred bare steps with a
    copy of the model: so both see the same machine.
    """

    def __init__(self, training: dict, steps: int):
        self.training, self.config = training, replace(training["config"], max_steps=steps)
        self.batch_of = batches_of(training | {"config": self.config})

    def bare_steps(self) -> Callable[[int], None]:
        """Return a function that makes a hundred steps with a copy of the model."""
        from vae_nbdev.core import torch_generator
        from vae_nbdev.training.optimisers import make_optimisers

        model, loss = deepcopy(self.training["model"]).train(), self.training["loss"]
        optimisers = make_optimisers(model, self.config)
        generator = torch_generator(self.config.seed, "bare")

        def steps(first: int) -> None:
            for step in range(first, first + 100):
                value = loss(model, self.batch_of(step), 1.0, generator)
                for optimiser in optimisers:
                    optimiser.zero_grad(set_to_none=True)
                value.backward()
                for optimiser in optimisers:
                    optimiser.step()

        return steps

    def __call__(self, held_out) -> tuple[float, float]:
        """Return seconds of `fit`, with these curves to validate, and of the bare steps."""
        import torch

        from vae_nbdev.training import fit

        loss, bare, done, elapsed = self.training["loss"], self.bare_steps(), 0, 0.0

        def pausing(*arguments):
            nonlocal done, elapsed
            if torch.is_grad_enabled():
                if done % 100 == 0:
                    elapsed += seconds(bare, done)
                done += 1
            return loss(*arguments)

        model, data = deepcopy(self.training["model"]), self.training["data"]
        with (tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null,
              contextlib.redirect_stderr(null)):
            options = {"verbose": True, "checkpoint": Path(folder) / "state"}
            whole = seconds(lambda: fit(model, pausing, data, held_out, self.config, **options))
        return whole - elapsed, elapsed


def training_loop(n: int, steps: int, quick: bool) -> dict:
    """`training.fit` with everything that it does against as many bare steps."""
    training = default_training(n)
    found, expected = first_losses(training)
    both, validation, repeats = Loop(training, steps), training["validation"], 1 if quick else 3
    blind, theirs = np.array([both(None) for _ in range(repeats)]).T
    seeing, theirs_too = np.array([both(validation) for _ in range(repeats)]).T
    numbers = {
        "overhead": float(np.median(blind / theirs) - 1),
        "overhead with a validation set": float(np.median(seeing / theirs_too) - 1),
        "curves in the validation set": len(validation),
    }
    note = ("bar, history, learning rates, clipping, a checkpoint every 1000 steps and at the end,"
            f" an entry in the history every {both.config.eval_every} steps; the validation loss"
            " of that moment is a number beside")
    return compared(f"training.fit, {steps} steps, {n} curves, none to validate",
                    "as many bare steps", (1.05, "at most"), blind, theirs,
                    agree=abs(found - expected) <= 1e-5 * abs(expected), numbers=numbers, note=note)


@row()
def training_loop_few(quick: bool) -> dict:
    """The training loop around the steps, for 2 000 clean curves."""
    return training_loop(2000, 1000, quick)


@row()
def training_loop_many(quick: bool) -> dict:
    """The same for 20 000 clean curves."""
    return training_loop(20_000, 500, quick)


@row()
def memory(quick: bool) -> dict:
    """Memory of a training on a million curves, above the import, against their size."""
    from memory import training_memory

    found = training_memory(1_000_000, 20 if quick else 50)
    return compared("memory of CurveVAE.fit, 1 000 000 curves", "the curves in float32",
                    (2, "at most"), [found["peak"]], [found["curves"]], agree=True, unit="MB",
                    numbers={"after the import [MB]": found["after_import"]})
