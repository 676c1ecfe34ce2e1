"""Compare the decoder of the latent explorer with the one in Python, in seconds.

`python tools/test_explorer.py`. Node runs docs/static/explorer/decoder.js on the committed data;
it has to agree to 1e-4 km/s with the package's own `Decoder`, built from the same weights, and
with the curves that the model itself made when the data were written. Without Node only the
latter two are compared. Smaller models show that each kind of decoder is understood, and that a
wrong weight is noticed.
"""
import base64
import copy
import json
import shutil
import subprocess
import sys

import numpy as np
import torch

import explorer
from vae_nbdev import ROTATION_CURVES, CurveVAE, Recipe, simulate
from vae_nbdev.core import InputError, stream
from vae_nbdev.model.coordinates import PrincipalCoordinates, StretchedCoordinates
from vae_nbdev.model.vae import Decoder
from verdict import verdict

TOLERANCE = 1e-4  # km/s
LARGEST_FILE = 600_000  # bytes
NODE = shutil.which("node")
SCRIPT = """
const fs = require("fs"), { makeDecoder } = require(process.argv[1]);
const { data, codes } = JSON.parse(fs.readFileSync(0, "utf8"));
// without data: those of the page, as a browser reads them
const page = () => Function(fs.readFileSync(process.argv[2], "utf8") + "return EXPLORER")();
const decode = makeDecoder(data || page().decoder);
console.log(JSON.stringify(codes.map((z) => Array.from(decode(z)))));
"""


def unpack(text: str, *shape: int) -> torch.Tensor:
    """Return the numbers of a base64 string in double precision."""
    return torch.tensor(np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)).reshape(
        *(shape or (-1,))
    )


def in_python(data: dict, codes: np.ndarray) -> np.ndarray:
    """Decode with the package's own `Decoder`, built from the data of the page."""
    def weight(m: dict) -> torch.Tensor:
        return unpack(m["weight"], m["rows"], m["columns"])

    layers, stretch = data["layers"], data["stretch"]
    arrays = [weight(data["basis"]), unpack(data["spread"])]
    if stretch:
        arrays += [
            unpack(stretch["zero"]),
            torch.tensor(stretch["softening"], dtype=torch.float64),
            unpack(stretch["center"]),
            torch.tensor(stretch["largest"], dtype=torch.float64),
        ]
    coordinates = (StretchedCoordinates if stretch else PrincipalCoordinates)(*arrays)
    hidden = tuple(layer["rows"] for layer in layers[:-1])
    decoder = Decoder(
        layers[0]["columns"],
        data["basis"]["rows"],
        hidden,
        data["activation"],
        coordinates=coordinates,
    ).double()
    linear = [layer for layer in decoder.body if hasattr(layer, "weight")]
    with torch.no_grad():
        for layer, stored in zip(linear, layers, strict=True):
            layer.weight.copy_(weight(stored))
            layer.bias.copy_(unpack(stored["bias"]))
        decoder.short_cut.weight.copy_(weight(data["short_cut"]))
        mean = decoder.mean(torch.tensor(codes))
    if stretch:
        mean = mean @ weight(stretch["onto"]) @ weight(stretch["onto"]).T
    return mean.numpy() * np.array(data["scale"]) + np.array(data["center"])


def in_javascript(data: dict | None, codes: np.ndarray) -> np.ndarray:
    """Decode with the script of the page; without data, with those of the page."""
    given = json.dumps({"data": data, "codes": codes.tolist()})
    command = [NODE, "-e", SCRIPT, str(explorer.OUT.with_name("decoder.js")), str(explorer.OUT)]
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"Node stopped: {done.stderr.strip()}")
    return np.array(json.loads(done.stdout))


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference [km/s] of two arrays of the same shape."""
    if a.shape != b.shape:
        raise AssertionError(f"{a.shape} is not {b.shape}")
    return float(np.abs(a - b).max())


def some_codes(data: dict, n: int = 200) -> np.ndarray:
    """Random codes: most as wide as the training codes, some four times, all slider corners."""
    spread = np.array([latent["spread"] for latent in data["latents"]])
    ends = np.array([[latent["low"], latent["high"]] for latent in data["latents"]])
    random = stream(0, "explorer test").standard_normal((n, len(spread))) * spread
    random[-n // 4 :] *= 4
    return np.vstack([random, np.stack(np.meshgrid(*ends), -1).reshape(-1, len(spread))])


def small_model(n_latent: int = 4, **recipe) -> CurveVAE:
    """A model that has hardly been trained."""
    small = Recipe(width=16, max_steps=20, prior="normal", **recipe)
    vae = CurveVAE(n_latent=n_latent, noise=5.0, clean_input=True, recipe=small)
    return vae.fit(simulate(60, seed=1))


def test_decoders(data: dict) -> dict[str, str]:
    """Return what was compared → what is wrong, empty if all is well."""
    codes, asked = some_codes(data), np.array(data["expected"]["codes"])
    pairs = {
        "the export, against the model's own curves": (
            in_python(data["decoder"], asked),
            np.array(data["expected"]["curves"]),
        )
    }
    models = {
        "plain": small_model(stretch="none"),
        "stretched": small_model(stretch="asinh", depth=2, n_latent=3),
        "tanh": small_model(activation="tanh"),
        "relu": small_model(activation="relu", depth=1),
    }
    for name, vae in models.items():
        z = 2 * stream(1, name).standard_normal((20, vae.n_latent_))
        pairs[f"{name}: export against model"] = (
            in_python(explorer.decoder_data(vae), z),
            vae.inverse_transform(z),
        )
        if NODE:
            pairs[f"{name}: JavaScript against model"] = (
                in_javascript(explorer.decoder_data(vae), z),
                vae.inverse_transform(z),
            )
    if NODE:
        pairs["JavaScript, against the model's own curves"] = (
            in_javascript(None, asked),
            np.array(data["expected"]["curves"]),
        )
        pairs[f"JavaScript, against Python, {len(codes)} codes"] = (
            in_javascript(None, codes),
            in_python(data["decoder"], codes),
        )
    found = {what: largest(a, b) for what, (a, b) in pairs.items()}
    print(*(f"{worst:8.1e} km/s  {what}" for what, worst in found.items()), sep="\n")
    return {
        what: "" if worst <= TOLERANCE else f"differs by {worst:.2g} km/s"
        for what, worst in found.items()
    }


def test_notices(data: dict) -> dict[str, str]:
    """Return one entry for each mistake that has to be noticed."""
    asked, curves = np.array(data["expected"]["codes"]), np.array(data["expected"]["curves"])
    wrong = copy.deepcopy(data["decoder"])
    weights = unpack(wrong["layers"][1]["weight"]).numpy()
    weights[0] += 1e-4
    wrong["layers"][1]["weight"] = explorer.packed(weights)
    noticed = {
        "a weight that is wrong by 1e-4": largest(in_python(wrong, asked), curves) > TOLERANCE
    }
    try:
        explorer.decoder_data(small_model(activation="gelu"))
        noticed["an activation that the page does not know"] = False
    except InputError as error:
        noticed["an activation that the page does not know"] = "gelu" in str(error)
    return {what: "" if right else "was not noticed" for what, right in noticed.items()}


def least_visible(parameters: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the direction of parameters (N, 4) that moves the curves least, and how much.

    The direction is in standard deviations, the motion in km/s.
    """
    sd, found = parameters.std(0), []
    for row in parameters:
        steps = row + 1e-3 * np.vstack([np.diag(sd), -np.diag(sd)])
        plus, minus = np.split(ROTATION_CURVES.evaluate(steps), 2)
        _, size, directions = np.linalg.svd((plus - minus).T / 2e-3, full_matrices=False)
        found.append(
            np.append(directions[-1] * np.sign(directions[-1, -1]), size[-1] / len(plus[0]) ** 0.5)
        )
    middle = np.median(found, 0)
    return middle[:-1], float(middle[-1])


def test_page(data: dict) -> dict[str, str]:
    """Return one entry for each thing that the page says, or takes for granted, about the data."""
    galaxies, n, latents = data["galaxies"], data["galaxies"]["n"], data["latents"]
    codes, physics = (unpack(galaxies[k], n, -1).numpy() for k in ("codes", "parameters"))
    curves = (
        np.frombuffer(base64.b64decode(galaxies["curves"]), "<u2").reshape(n, -1)
        * galaxies["curve_step"]
    )
    radius, typical, kl = (
        np.array(data["radius"]),
        codes[data["typical"]],
        [latent["kl"] for latent in latents],
    )
    low, high, spread = (
        np.array([latent[k] for latent in latents]) for k in ("low", "high", "spread")
    )

    def walk(k: int, *quantiles: float) -> np.ndarray:
        """The typical galaxy with another latent k."""
        z = np.tile(typical, (len(quantiles), 1))
        z[:, k] = np.quantile(codes[:, k], quantiles)
        return in_python(data["decoder"], z)

    moved = [np.abs(np.diff(walk(k, 0.05, 0.95), axis=0)).max() for k in range(len(latents))]
    left, right = walk(1, 0.005, 0.995)
    related = np.corrcoef(codes.T, physics.T)[
        :4, 4:
    ]  # latents × parameters: disc mass, scale length, halo mass, concentration
    order = ((codes[:, None] - codes) ** 2 / spread**2).sum(-1).argsort(1)[:, :5]
    scatter = physics[order].std(1, ddof=1).mean(0) / physics.std(0)
    direction, least = least_visible(physics[::10])

    def lost(z: np.ndarray) -> float:
        return float((explorer.nearest(z / spread, codes / spread) > data["far"]).mean())

    edge = np.append(high[:2], typical[2:])[None]
    box = stream(0, "explorer box").uniform(low, high, (1000, len(low)))
    rebuilt = np.sqrt(((in_python(data["decoder"], codes) - curves) ** 2).mean(1))
    facts = {
        f"the file has at most {LARGEST_FILE / 1000:.0f} kB": explorer.OUT.stat().st_size
        <= LARGEST_FILE,
        "codes, curves and parameters belong together": np.median(rebuilt) < 2
        and physics.shape[1] == len(data["parameters"]) == 4,
        "the sliders hold the typical galaxy": bool(((low < typical) & (typical < high)).all()),
        "the first latent is the dearest, the last the cheapest": kl == sorted(kl, reverse=True)
        and 3.4 < kl[0] < 4
        and 1.2 < kl[2] < 1.8
        and kl[3] < 1,
        "the first moves the curve by more than 400 km/s": moved[0] > 400,
        "the first goes with both masses": min(related[0, [0, 2]]) > 0.6,
        "the second goes with the scale length": related[1, 1] > 0.8 and related[1].argmax() == 1,
        "on its left the curve peaks within 3 kpc, on its right it rises to 40 kpc and stays":
        radius[left.argmax()] < 3
        and radius[right.argmax()] > 40
        and right[-1] > 0.999 * right.max(),
        "the third and the fourth move it by some 30 and 15 km/s": 22 < moved[2] < 40
        and 10 < moved[3] < 20,
        "neighbours agree about all but the concentration": scatter[3] > 1.4 * scatter[:3].max(),
        "the fourth knows most about the concentration, and not much": 0.4
        < abs(related[3, 3])
        < 0.7
        and np.abs(related[:, 3]).argmax() == 3,
        "the concentration is the least visible, with 1.7 km/s": direction[3] > 0.95
        and direction[2] < 0
        and 1.5 < least < 1.9,
        "2 in 100 draws from the prior are far from all galaxies": lost(
            unpack(data["draws"], -1, len(low)).numpy()
        )
        < 0.035,
        "and 23 in 100 from the box of the sliders": 0.18 < lost(box) < 0.28,
        "at the edge the decoder is alone, with 1600 km/s": lost(edge) == 1
        and 1500 < in_python(data["decoder"], edge).max() < 1800,
    }
    return {what: "" if true else "does not hold" for what, true in facts.items()}


def main() -> int:
    """Run all tests, print what failed and return the exit status."""
    data = explorer.read()
    if not NODE:
        print(
            "node is not installed: only the data are tested, not the JavaScript decoder",
            file=sys.stderr,
        )
    results = test_decoders(data) | test_notices(data) | test_page(data)
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
