"""Compare the decoder of the latent explorer with the one in Python, in seconds.

`python tools/test_explorer.py`. Node runs explorer.js on the data of many kinds of models; mean and
standard deviation have to agree with the package's own decoder, and a wrong weight has to be
noticed. Without Node only the page of the site is tested: its data are those of the packaged
model, its script is the package's, and what its text says is true.
"""
import copy
import json
import shutil
import subprocess
import sys
from importlib.resources import as_file, files

import numpy as np
import torch

import explorer
from vae_nbdev import ROTATION_CURVES, CurveVAE, Recipe, load_demo, simulate
from vae_nbdev.core import stream
from vae_nbdev.curves.point_set import PointSet
from vae_nbdev.inference.explorer import (
    decoder_data,
    pack,
    read_explorer,
    shown_radii,
    unpack,
)
from vae_nbdev.model.coordinates import PrincipalCoordinates
from vae_nbdev.model.start import DepartingDecoder
from verdict import verdict

TOLERANCE = 1e-4  # km/s
PIXEL = 1e-3  # of the height of a plot: where not all radii are shown
LARGEST_FILE = 600_000  # bytes
NODE = shutil.which("node")
SCRIPT = """
const fs = require("fs"), { makeDecoder } = require(process.argv[1]);
const { data, codes } = JSON.parse(fs.readFileSync(0, "utf8")), decode = makeDecoder(data);
const found = codes.map((z) => decode(z));
console.log(JSON.stringify([found.map(f => Array.from(f.mean)), found.map(f => Array.from(f.sd))]));
"""


def in_javascript(data: dict, codes: np.ndarray) -> np.ndarray:
    """Mean and standard deviation (2, N, R) from the script of the package."""
    given = json.dumps({"data": data, "codes": codes.tolist()})
    with as_file(files("vae_nbdev") / "data" / "explorer" / "explorer.js") as script:
        command = [NODE, "-e", SCRIPT, str(script)]
        done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"Node stopped: {done.stderr.strip()}")
    return np.array(json.loads(done.stdout))


@torch.no_grad()
def in_python(vae: CurveVAE, codes: np.ndarray) -> np.ndarray:
    """The same from the decoder of the model."""
    decoder, z = vae.vae_.decoder, torch.tensor(codes)
    variance = decoder.factors(z)[1] @ decoder.coordinates.basis.square().T
    sd = (variance * decoder.given_code(z)[1][:, None]).sqrt().numpy() * vae.units_.scale
    return np.stack([vae.inverse_transform(codes), sd])


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two arrays of the same shape."""
    if a.shape != b.shape:
        raise AssertionError(f"{a.shape} is not {b.shape}")
    return float(np.abs(a - b).max())


def small_model(n_latent: int = 3, curves=None, **recipe) -> CurveVAE:
    """A model that has hardly been trained, of simulated curves or of others."""
    small = Recipe(**{"width": 16, "max_steps": 20, "prior": "normal"} | recipe)
    clean = not isinstance(curves, PointSet)
    vae = CurveVAE(n_latent=n_latent, noise=5.0 if clean else "learn",
                   clean_input=clean, recipe=small)
    return vae.fit(simulate(60, seed=1) if curves is None else curves)


def some_points() -> PointSet:
    """Galaxies that are each measured at twelve radii of their own."""
    curves, rng = simulate(60, seed=1), stream(0, "explorer points")
    rows = [np.sort(rng.choice(50, 12, replace=False)) for _ in range(60)]
    return PointSet.of({f"galaxy {i}": (curves.radius[some], curves.values[i, some], 5.0)
                        for i, some in enumerate(rows)})


def departing(vae: CurveVAE, relative: bool) -> CurveVAE:
    """The model with a made-up departure, in units of the curve or always of the same size."""
    vae = copy.deepcopy(vae)
    directions = np.linalg.qr(np.cos(np.outer(np.linspace(0, np.pi, 50), np.arange(6))))[0]
    straight = PrincipalCoordinates(torch.tensor(directions), torch.ones(6).double())
    zero = torch.tensor(-vae.units_.center / vae.units_.scale) if relative else None
    decoder = DepartingDecoder(vae.vae_.decoder, straight, zero)
    decoder.log_rest.copy_(torch.linspace(-4, -6, 6))
    vae.vae_.decoder = decoder
    return vae


def heavy_tailed() -> CurveVAE:
    """A model whose curves are wider the farther their code is from zero."""
    vae = small_model(stretch="none")
    vae.vae_.decoder.tail.fill_(0.2)
    return vae


def test_decoders() -> dict[str, str]:
    """Return what was compared → what is wrong, empty if all is well."""
    plain = small_model(stretch="none")
    curved = small_model(stretch="asinh", depth=2)
    fine = simulate(60, seed=1, radius=np.geomspace(0.1, 50, 1000))
    models = {
        "the packaged model": load_demo(), "plain": plain, "stretched": curved,
        "one latent, tanh": small_model(1, activation="tanh"),
        "twenty latents, relu": small_model(20, activation="relu", depth=1),
        "gelu, prior a flow": small_model(activation="gelu", prior="flow", prior_training="joint"),
        "prior a mixture": small_model(prior="mixture"),
        "points": small_model(curves=some_points()),
        "heavy tails": heavy_tailed(), "a departure": departing(plain, False),
        "a departure of a stretched model, relative": departing(curved, True),
        "two radii": small_model(1, simulate(60, seed=1, radius=[1.0, 10.0])),
        "a thousand radii": small_model(curves=fine, stretch="none"),
        "a thousand radii, stretched": small_model(curves=fine, stretch="asinh"),
    }  # fmt: skip
    results = {}
    for name, vae in models.items():
        z = 1.5 * stream(1, name).standard_normal((50, vae.n_latent_))
        rows = shown_radii(len(vae.radius_))
        expected = in_python(vae, z)[..., rows]
        worst = largest(in_javascript(decoder_data(vae, rows), z), expected)
        limit = TOLERANCE if len(rows) == len(vae.radius_) else PIXEL * np.ptp(expected[0])
        print(f"{worst:8.1e} km/s  {name}, sd up to {expected[1].max():.2g} km/s")
        results[f"JavaScript against model: {name}"] = (
            "" if worst <= limit else f"differs by {worst:.2g} km/s"
        )
    return results


def test_notices() -> dict[str, str]:
    """Return one entry for each mistake that has to be noticed."""
    vae = load_demo()
    codes = stream(0, "explorer test").standard_normal((20, 4))
    data, expected = decoder_data(vae), in_python(vae, codes)
    wrong = {}
    for what, i in (("a weight", 1), ("a weight of the last layer", -1)):
        wrong[what] = copy.deepcopy(data)
        layer = wrong[what]["layers"][i]
        weights = unpack(layer["weight"])
        weights[:5] += 1e-4
        layer["weight"] = pack(weights)
    wrong["the variance"] = copy.deepcopy(data)
    left = wrong["the variance"]["left"]
    left["weight"] = pack(1.01 * unpack(left["weight"], "<f8"), "<f8")
    off = {what: largest(in_javascript(other, codes), expected) for what, other in wrong.items()}
    return {f"{what} that is wrong": "" if worst > TOLERANCE else "was not noticed"
            for what, worst in off.items()}


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


def test_files(page: str, data: dict) -> dict[str, str]:
    """Return one entry for each thing that makes the page of the site what it should be."""
    packaged = files("vae_nbdev") / "data" / "explorer"
    names = ("explorer.js", "explorer.css")
    parts = [(packaged / name).read_text(encoding="utf-8") for name in names]
    report = json.loads((explorer.OUT.parent.parent / "nbs/report.ipynb").read_text("utf-8"))
    outputs = [output for cell in report["cells"] for output in cell.get("outputs", [])]
    shown = "".join("".join(o["data"].get("text/html", "")) for o in outputs if "data" in o)
    facts = {
        f"it has at most {LARGEST_FILE / 1000:.0f} kB": len(page.encode()) <= LARGEST_FILE,
        "its script and its style are the package's": all(part in page for part in parts),
        "so are those in nbs/report.ipynb (run it again)": all(part in shown for part in parts),
        "its decoder is that of the packaged model": data["decoder"] == decoder_data(load_demo()),
        "it says where the curves come from": data["one"] == "training galaxy",
    }
    return {what: "" if true else "does not hold; `make explorer`" for what, true in facts.items()}


def test_page(data: dict) -> dict[str, str]:
    """Return one entry for each thing that the page says about the data."""
    vae, latents, curves = load_demo(), data["latents"], data["curves"]
    codes = unpack(curves["codes"]).reshape(-1, 4)
    physics = unpack(curves["parameters"]).reshape(-1, 4)
    measured = unpack(curves["value"]).reshape(len(codes), -1)
    radius, typical = np.array(data["radius"]), np.array(data["start"])
    kl, low, high, spread = (
        np.array([latent[k] for latent in latents]) for k in ("kl", "low", "high", "spread")
    )

    def walk(k: int, *quantiles: float) -> np.ndarray:
        """The typical galaxy with another latent k."""
        z = np.tile(typical, (len(quantiles), 1))
        z[:, k] = np.quantile(codes[:, k], quantiles)
        return vae.inverse_transform(z)

    def lost(z: np.ndarray) -> float:
        """Share of codes that are farther from all galaxies than 99 in 100 galaxies."""
        away = np.sqrt((((z[:, None] - codes) / spread) ** 2).sum(-1).min(1))
        return float((away > data["far"]).mean())

    moved = [np.abs(np.diff(walk(k, 0.05, 0.95), axis=0)).max() for k in range(len(latents))]
    left, right = walk(1, 0.005, 0.995)
    related = np.corrcoef(codes.T, physics.T)[:4, 4:]  # latents × parameters, as they are named
    order = ((codes[:, None] - codes) ** 2 / spread**2).sum(-1).argsort(1)[:, :5]
    scatter = physics[order].std(1, ddof=1).mean(0) / physics.std(0)
    direction, least = least_visible(physics[::5])
    edge = np.append(high[:2], typical[2:])[None]
    box = stream(0, "explorer box").uniform(low, high, (1000, len(low)))
    draws = unpack(data["draws"]).reshape(-1, 4)
    rebuilt = np.sqrt(((vae.inverse_transform(codes) - measured) ** 2).mean(1))
    left_open = in_python(vae, codes)[1]
    facts = {
        "codes, curves and parameters belong together": 4 < np.median(rebuilt) < 6
        and curves["names"] == list(ROTATION_CURVES.parameter_names),
        "the sliders hold the typical galaxy": bool(((low < typical) & (typical < high)).all()),
        "the first latent is the dearest, the last the cheapest": list(kl) == sorted(kl)[::-1]
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
        "a code leaves open some 0.05 km/s": 0.03 < np.median(left_open) < 0.07,
        "neighbours agree about all but the concentration": scatter[3] > 1.4 * scatter[:3].max(),
        "the fourth knows most about the concentration, and not much": 0.4
        < abs(related[3, 3])
        < 0.7
        and np.abs(related[:, 3]).argmax() == 3,
        "the concentration is the least visible, with 1.5 km/s": direction[3] > 0.95
        and direction[2] < 0
        and 1.3 < least < 1.7,
        "2 in 100 draws from the prior are far from all galaxies": lost(draws) < 0.035,
        "and a third from the box of the sliders": 0.28 < lost(box) < 0.39,
        "at the edge the decoder is alone, with nearly 1700 km/s": lost(edge) == 1
        and 1600 < vae.inverse_transform(edge).max() < 1750,
    }
    return {what: "" if true else "does not hold" for what, true in facts.items()}


def main() -> int:
    """Run all tests, print what failed and return the exit status."""
    page = explorer.OUT.read_text(encoding="utf-8")
    data = read_explorer(page)
    results = test_files(page, data) | test_page(data)
    if NODE:
        results |= test_decoders() | test_notices()
    else:
        print("node is not installed: the JavaScript decoder is not tested", file=sys.stderr)
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
