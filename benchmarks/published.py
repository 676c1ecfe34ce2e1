"""The published network (Posti 2022) as a row of `fidelity.py`: an honest noise, summed loss."""
from dataclasses import replace

import numpy as np
import torch

from vae_nbdev import ROTATION_CURVES, VAE
from vae_nbdev.config import TrainConfig
from vae_nbdev.curves import global_units
from vae_nbdev.fitted.fitted_vae import CurveDensity
from vae_nbdev.inference import posterior_moments
from vae_nbdev.model import Prior, vae_loss
from vae_nbdev.training import fit


def fitted_normal(vae: VAE, batch) -> Prior:
    """Return the normal with the mean and the covariance of the posterior means of curves."""
    mean = torch.from_numpy(posterior_moments(vae, batch)[0])
    scale_tril = torch.linalg.cholesky(torch.cov(mean.T))
    return Prior(torch.ones(1), mean.mean(0, keepdim=True), scale_tril[None])


def fit_published(X: np.ndarray, sigma: float, prior: str = "N(0, I)", max_steps: int = 8000,
                  seed: int = 0) -> CurveDensity:
    """Train ninp–32–16–(4+4), 4–16–32–ninp with ReLU on clean rotation curves, by the ELBO.

    The unit is that of the whole data set.

    Parameters
    ----------
    X : ndarray, shape (N, R)
        Clean curves, at the radii of the family [km/s].
    sigma : float
        Noise of the measurements to come [km/s].
    prior : {"N(0, I)", "fitted normal"}
        Where new codes come from: the prior, or `fitted_normal`.
    max_steps, seed : int
    """
    units = replace(global_units(X), noise=np.full(X.shape[1], sigma))
    vae = VAE.published(X.shape[1], sigma=sigma / float(units.scale), seed=seed)
    batch = units.to_model(X)
    fit(vae, vae_loss(True), batch, None, TrainConfig(max_steps=max_steps, seed=seed))
    if prior == "fitted normal":
        vae.set_prior(fitted_normal(vae, batch))
    vae.double().eval().requires_grad_(False)
    return CurveDensity(vae, units, ROTATION_CURVES.radius, {}, seed)
