"""The published network (Posti 2022), as a model that the report card can judge: with an honest noise, summed loss."""
from dataclasses import replace

import numpy as np
import torch

from vae_nbdev.config import TrainConfig
from vae_nbdev.core import stream, torch_generator
from vae_nbdev.inference.evidence import vae_evidence
from vae_nbdev.inference.importance import Evidence
from vae_nbdev.inference.latent import decode, posterior_moments
from vae_nbdev.curves.units import global_units
from vae_nbdev.model.objective import vae_loss
from vae_nbdev.model.priors import Prior
from vae_nbdev.model.vae import VAE
from vae_nbdev.training.loop import fit


class Published:
    """ninp–32–16–(4+4), 4–16–32–ninp with ReLU, in units of the whole data set, trained with the ELBO and a known noise.

    Parameters
    ----------
    sigma : float
        Noise of the measurements [km/s]; the curves it is fitted to are clean.
    prior : {"N(0, I)", "fitted normal"}
        Where new codes come from: the prior, or the normal with the mean and covariance of the posterior means.
    """

    def __init__(self, sigma: float, prior: str = "N(0, I)", max_steps: int = 8000, seed: int = 0):
        self.sigma, self.prior, self.max_steps, self.seed = sigma, prior, max_steps, seed

    def fit(self, X: np.ndarray) -> "Published":
        self.units_ = global_units(X)
        self.vae_ = VAE.published(X.shape[1], sigma=self.sigma / float(self.units_.scale), seed=self.seed)
        y = self.units_.to_model(X)
        fit(self.vae_, vae_loss(True), (y,), None, TrainConfig(max_steps=self.max_steps, seed=self.seed))
        if self.prior == "fitted normal":
            mean = torch.from_numpy(posterior_moments(self.vae_, y)[0])
            self.vae_.set_prior(Prior(torch.ones(1), mean.mean(0, keepdim=True), torch.linalg.cholesky(torch.cov(mean.T))[None]))
        self.vae_.double().eval().requires_grad_(False)
        self.n_features_in_, self.noise_ = X.shape[1], np.full(X.shape[1], self.sigma)
        return self

    def evidence(self, X: np.ndarray) -> Evidence:
        found = vae_evidence(self.vae_, self.units_.to_model(X, torch.float64))
        return replace(found, log_evidence=found.log_evidence + self.units_.log_jacobian(X.shape[1]))

    def elbo(self, X: np.ndarray, n_draws: int = 128) -> np.ndarray:
        eps = torch.randn(n_draws, len(X), 4, generator=torch_generator(0, "elbo"), dtype=torch.float64)
        return self.vae_.elbo(self.units_.to_model(X, torch.float64), eps).numpy() + self.units_.log_jacobian(X.shape[1])

    def sample(self, n: int, observed: bool = False, seed: int = 0) -> np.ndarray:
        curves = self.units_.to_data(decode(self.vae_, self.vae_.prior.sample(n, torch_generator(seed, "sample")).numpy()))
        return curves + (self.sigma * stream(seed, "noise").standard_normal(curves.shape) if observed else 0.0)
