"""Write the explorer of the packaged model for the site: `python tools/explorer.py`.

It is the same piece of HTML as in the report of a run, see `vae_nbdev.inference.explorer`, with
training galaxies instead of held-out curves. docs/explorer.md includes it, so the page works from
a disk and asks for nothing. tools/test_explorer.py compares what is written with the model.
"""
from dataclasses import replace
from pathlib import Path

from vae_nbdev import load_demo, simulate
from vae_nbdev.core import stream
from vae_nbdev.inference.explorer import Explorer

OUT = Path(__file__).resolve().parent.parent / "docs" / "explorer.html"
N_CURVES, HELD_OUT, N_SHOWN = 2000, 0.2, 500  # of the demo; galaxies on the page


def demo_explorer() -> Explorer:
    """The explorer of the packaged model, with galaxies from which it has learned."""
    vae = load_demo()
    curves, _ = simulate(N_CURVES, seed=vae.seed_).split(HELD_OUT, seed=vae.seed_)
    noise = stream(vae.seed_, "explorer noise").standard_normal(curves.values.shape)
    measured = replace(curves, values=curves.values + vae.noise_ * noise)[:N_SHOWN]
    return Explorer(vae, measured, one="training galaxy", log=True)


if __name__ == "__main__":
    OUT.write_text(demo_explorer()._repr_html_(), encoding="utf-8")
    print(f"{OUT.name}: {OUT.stat().st_size / 1000:.0f} kB")
