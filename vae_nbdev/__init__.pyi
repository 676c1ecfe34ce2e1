from . import plotting
from .config import Recipe
from .curves.curve_set import CurveSet, read_curves, write_curves
from .curves.point_files import read_point_set
from .curves.point_set import PointSet
from .families.family import Family
from .families.galaxies import OBSERVED_GALAXIES, random_sampling
from .families.rotation_curve import circular_velocity, disc_velocity, halo_velocity
from .families.simulation import ROTATION_CURVES, simulate
from .fitted.demo import load_demo
from .fitted.estimator import CurveVAE
from .inference.departure import GALAXY_DEPARTURE, Departure
from .inference.points import read_points
from .model.vae import VAE

__version__: str
__all__ = [
    "GALAXY_DEPARTURE",
    "OBSERVED_GALAXIES",
    "ROTATION_CURVES",
    "VAE",
    "CurveSet",
    "CurveVAE",
    "Departure",
    "Family",
    "PointSet",
    "Recipe",
    "circular_velocity",
    "disc_velocity",
    "halo_velocity",
    "load_demo",
    "plotting",
    "random_sampling",
    "read_curves",
    "read_point_set",
    "read_points",
    "simulate",
    "write_curves",
]
