"""Time `simulate` against a plain loop over curves: `python benchmarks/simulate.py [--curves N] [--repeats K]`.

The loop is what one writes first: one galaxy at a time, its four parameters drawn from the scaling relations, its
velocities from the textbook formulas, each vectorised over the radii. The two are timed in turn, in one process, so that
a machine that slows down slows both; what is compared is the ratio within each pair. The exit status says nothing about
the timing, but it is 1 if the two disagree about the curves.
"""
import argparse
import os
import platform
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.special import i0, i1, k0, k1

from vae_nbdev.simulate import ROTATION_CURVES, simulate

G = 4.301e-6  # [kpc km^2 / s^2 / Msun]
HUBBLE = 0.07  # [km / s / kpc]
RADIUS = ROTATION_CURVES.radius


def draw_galaxy(rng):
    """Return log10 disc mass, scale length, halo mass and concentration of one galaxy."""
    log_disc_mass = rng.uniform(9, 12)
    log_scale_length = rng.normal(0.5 + 0.3 * (log_disc_mass - 10.7), 0.4)
    log_halo_mass = rng.normal(12 + 0.75 * (log_disc_mass - 10.7), 0.25)
    log_concentration = rng.normal(0.905 - 0.101 * (log_halo_mass + np.log10(0.7) - 12), 0.11)
    return log_disc_mass, log_scale_length, log_halo_mass, log_concentration


def rotation_curve(radius, disc_mass, scale_length, halo_mass, c):
    """Return the circular velocity at each radius, by the textbook formulas."""
    y = radius / (2 * scale_length)
    disc = 2 * G * disc_mass / scale_length * y**2 * (i0(y) * k0(y) - i1(y) * k1(y))
    r_vir = (2 * G * halo_mass / (200 * HUBBLE**2)) ** (1 / 3)
    x = radius / r_vir
    halo = G * halo_mass / r_vir * (np.log(1 + c * x) - c * x / (1 + c * x)) / (x * (np.log(1 + c) - c / (1 + c)))
    return np.sqrt(disc + halo)


def loop(n, seed=0):
    """Return parameters (n, 4) and curves (n, R), one galaxy at a time."""
    rng = np.random.default_rng(seed)
    parameters, curves = [], []
    for _ in range(n):
        galaxy = draw_galaxy(rng)
        parameters.append(galaxy)
        curves.append(rotation_curve(RADIUS, *(10**p for p in galaxy)))
    return np.array(parameters), np.array(curves)


def seconds(function, *arguments):
    """Return the wall time of one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main():
    """Check that both make the same curves, time them in pairs and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=21)
    options = parser.parse_args()

    parameters, curves = loop(options.curves)
    usable = RADIUS / 10 ** parameters[:, 1:2] < 600  # in scale lengths; far beyond, the textbook formula overflows
    worst = np.abs(ROTATION_CURVES.evaluate(parameters) / curves - 1)[usable].max()
    simulate(options.curves)  # warm-up; the loop has just had one

    pairs = np.array([(seconds(loop, options.curves), seconds(simulate, options.curves)) for _ in range(options.repeats)])
    print(f"{options.curves} curves, {len(RADIUS)} radii, {options.repeats} pairs; Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"largest relative difference between the two on the same parameters: {worst:.1e}\n")
    print("| | smallest | median | largest |\n| --- | --- | --- | --- |")
    for name, column, unit, digits in [
        ("loop over curves", 1e3 * pairs[:, 0], " ms", 1), ("`simulate`", 1e3 * pairs[:, 1], " ms", 1),
        ("ratio within a pair", pairs[:, 0] / pairs[:, 1], "×", 1),
    ]:  # fmt: skip
        print(f"| {name} | " + " | ".join(f"{q:.{digits}f}{unit}" for q in np.quantile(column, [0, 0.5, 1])) + " |")
    return int(not worst < 1e-8)


if __name__ == "__main__":
    sys.exit(main())
