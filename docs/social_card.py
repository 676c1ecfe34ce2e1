"""Draw docs/static/social-card.png, which is shown beside links: `python docs/social_card.py`.

Its curves are those of the front page, taken from the notebook's figure; run it again when they
change.
"""
import base64
import io
import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PROMISE = ("Learn the distribution behind a family of curves,\n"
           "generate new ones, count the nats to the exact answer")


def front_figure() -> Image.Image:
    """Return the first figure of the front page."""
    for cell in json.loads((ROOT / "nbs/index.ipynb").read_text())["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return Image.open(
                    io.BytesIO(base64.b64decode(output["data"]["image/png"]))
                ).convert("RGB")
    raise SystemExit("nbs/index.ipynb shows no figure")


def draw() -> Image.Image:
    """Return the card, 1200 by 630 pixels."""
    picture = front_figure()
    fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="#10243e")
    fig.text(0.055, 0.86, "vae_nbdev", color="white", fontsize=44, weight="bold", va="center")
    fig.text(
        0.945, 0.86, PROMISE, color="#cfe0f2", fontsize=17, ha="right", va="center", linespacing=1.4
    )
    width = 1090 / 1200
    height = width * 1200 * picture.height / picture.width / 630
    ax = fig.add_axes([(1 - width) / 2, 0.06, width, height])
    ax.imshow(picture, interpolation="lanczos")
    ax.axis("off")
    buffer = io.BytesIO()
    fig.savefig(buffer, facecolor=fig.get_facecolor())
    return Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)


if __name__ == "__main__":
    matplotlib.use("agg")
    draw().save(ROOT / "docs/static/social-card.png", optimize=True)
