"""Write the data of the latent explorer, from the packaged model or another run of the demo.

`python tools/explorer.py [RUN] [--out FILE]`. The page (docs/explorer.md) has to work from a disk,
where a browser fetches nothing, so the data are a script: one constant, EXPLORER, a JSON object.
Long arrays are base64 of little-endian numbers: weights as float32, in which they were trained, so
that nothing is lost; the curves of the training galaxies in steps of 0.1 km/s.
tools/test_explorer.py compares what is written with the model in Python.
"""
import argparse
import base64
import json
from pathlib import Path

import numpy as np

from vae_nbdev import ROTATION_CURVES, CurveVAE, load_demo, simulate
from vae_nbdev.core import InputError, stream, torch_generator
from vae_nbdev.model.coordinates import GAIN

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "static" / "explorer" / "data.js"
HEADER = (
    "// Made from the model of the demo by `make explorer`; see tools/explorer.py.\n"
    "const EXPLORER = "
)
N_CURVES, HELD_OUT = 2000, 0.2  # of the demo
N_GALAXIES, N_DRAWS = 500, 1000  # training galaxies on the page, and codes drawn from the prior
CURVE_STEP = 0.1  # km/s
ACTIVATIONS = {"silu", "relu", "tanh"}  # what decoder.js knows
PARAMETERS = {  # column → name, unit, and whether the logarithm is shown
    "log_disc_mass": ("disc mass", "M☉", True), "log_scale_length": ("scale length", "kpc", False),
    "log_halo_mass": ("halo mass", "M☉", True), "log_concentration": ("concentration", "", False),
}  # fmt: skip


def packed(values, kind: str = "<f4") -> str:
    """Return numbers as base64; InputError if float32 does not hold them."""
    values = np.ascontiguousarray(np.asarray(values), dtype=kind)
    if not np.isfinite(values).all():
        raise InputError("there are numbers that are not finite, or too large for float32")
    return base64.b64encode(values.tobytes()).decode()


def matrix(weight, bias=None) -> dict:
    """Return one linear layer: its shape, its rows one after the other, and its bias if any."""
    rows, columns = weight.shape
    layer = {"rows": rows, "columns": columns, "weight": packed(weight)}
    if bias is not None:
        layer["bias"] = packed(bias)
    return layer


def decoder_data(vae: CurveVAE) -> dict:
    """Return everything between a code and a curve in the unit of the data, for decoder.js."""
    decoder, activation = vae.vae_.decoder, vae.recipe_.activation
    if activation not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        raise InputError(f"the activation is {activation}; explorer/decoder.js knows {known}")
    n_mean, straight, c = len(decoder.short_cut.weight), decoder.coordinates, decoder.curved
    linear = [(m.weight, m.bias) for m in decoder.body if hasattr(m, "weight")]
    linear[-1] = tuple(array[:n_mean] for array in linear[-1])  # the rest is the variance
    basis, spread = (straight.basis[:, :n_mean], straight.spread[:n_mean])
    if c is not None:
        basis, spread = c.basis, c.spread
    data = {
        "activation": activation, "layers": [matrix(*layer) for layer in linear],
        "short_cut": matrix(decoder.short_cut.weight), "basis": matrix(basis),
        "spread": packed(spread), "stretch": None,
        "center": vae.units_.center.tolist(), "scale": vae.units_.scale.tolist(),
    }  # fmt: skip
    if c is not None:
        stretch = {
            "zero": packed(c.zero),
            "center": packed(c.center),
            "softening": float(c.softening),
            "gain": GAIN,
            "largest": float(c.limit),
            "onto": matrix(straight.basis),  # directions of which the mean is made
        }
        data["stretch"] = stretch
    return data


def latent_data(codes: np.ndarray, kl: list[float]) -> list[dict]:
    """Return each latent's KL [nats], its spread over training codes, the ends of its slider."""
    low, high = np.quantile(codes, [0.005, 0.995], axis=0)
    return [
        {"kl": k, "spread": s, "low": a, "high": b}
        for k, s, a, b in zip(kl, codes.std(0).tolist(), low.tolist(), high.tolist())
    ]


def nearest(codes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the distance of each code to the nearest of the others."""
    return np.sqrt(((codes[:, None] - others) ** 2).sum(-1).min(1))


def explorer_data(vae: CurveVAE) -> dict:
    """Return all that the page needs of a model that was trained as the demo trains its own."""
    seed = vae.seed_
    curves, _ = simulate(N_CURVES, seed=seed).split(HELD_OUT, seed=seed)
    measured = curves.values + vae.noise_ * stream(seed, "explorer noise").standard_normal(
        curves.values.shape
    )
    codes, kl = vae.transform(measured), vae.latent_report(measured)["kl_per_latent"]
    scaled, shown = codes / codes.std(0), slice(0, N_GALAXIES)
    typical = np.abs(scaled[shown] - np.median(scaled, 0)).max(1).argmin()
    parameters = [
        {"name": name, "unit": unit, "log": log}
        for name, unit, log in (PARAMETERS[p] for p in ROTATION_CURVES.parameter_names)
    ]
    draws = vae.vae_.prior.sample(N_DRAWS, torch_generator(seed, "explorer draws")).numpy()
    probes = np.float32(
        np.vstack(
            [
                codes[[typical, codes[:, 0].argmin(), codes[:, 0].argmax()]],
                draws[:1],
                6 * codes.std(0) * [[1, -1] * 2],
            ]
        )
    )
    return {
        "radius": curves.radius.tolist(), "noise": float(vae.noise_.mean()),
        "decoder": decoder_data(vae), "latents": latent_data(codes, kl),
        "parameters": parameters, "typical": int(typical),
        "far": float(np.quantile(nearest(scaled[N_GALAXIES:], scaled[shown]), 0.99)),
        "galaxies": {
            "n": N_GALAXIES, "codes": packed(codes[shown]),
            "parameters": packed(curves.parameters[shown]), "curve_step": CURVE_STEP,
            "curves": packed(np.rint(curves.values[shown] / CURVE_STEP), "<u2"),
        },
        "draws": packed(draws),
        "expected": {"codes": probes.astype(float).tolist(),
                     "curves": vae.inverse_transform(probes.astype(float)).tolist()},
    }  # fmt: skip


def write(data: dict, path: Path) -> None:
    """Write the data as a script."""
    path.write_text(
        HEADER
        + json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        + ";\n",
        encoding="utf-8",
    )


def read(path: Path = OUT) -> dict:
    """Return the data in a script that `write` has written."""
    return json.loads(
        path.read_text(encoding="utf-8").removeprefix(HEADER).rstrip().removesuffix(";")
    )


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?", help="a run; the packaged model if none")
    parser.add_argument("--out", type=Path, default=OUT, help="the script")
    args = parser.parse_args()
    vae = load_demo() if args.run is None else CurveVAE.load(args.run)
    write(explorer_data(vae), args.out)
    print(f"{args.out.name}: {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
