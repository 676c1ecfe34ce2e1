"""A row of `speed.py`: how long until a model is within a nat of the truth."""
import contextlib
import logging
import os
import tempfile

import numpy as np

from common import SIGMA, curve_vae, reference_curves, row
from timing import compared, seconds

ONE_NAT = {"max_steps": 300}  # everything else is the default for many curves


@row()
def one_nat(quick: bool) -> dict:
    """Seconds to within one nat of the exact evidence, from 20 000 clean curves at 5 km/s."""
    from vae_nbdev import simulate
    from vae_nbdev.evaluation import PCAMixture, gap_summary, model_evidence

    X, (x, exact, _) = simulate(20_000, seed=100).values, reference_curves()
    ours, theirs, gaps, mixture_gaps = [], [], [], []
    for seed in range(3):
        vae = curve_vae(noise=SIGMA, clean_input=True, random_state=seed, **ONE_NAT)
        mixture = PCAMixture(8, SIGMA, clean_input=True, sizes=(40,), n_starts=1, seed=seed)
        ours.append(seconds(vae.fit, X))
        theirs.append(seconds(mixture.fit, X))
        gaps.append(gap_summary(exact, model_evidence(vae, x)).mean)
        mixture_gaps.append(gap_summary(exact, model_evidence(mixture, x)).mean)
    numbers = {f"gap [nats], seed {seed}": g for seed, g in enumerate(gaps)}
    numbers |= {f"gap of PCA + mixture [nats], seed {s}": g for s, g in enumerate(mixture_gaps)}
    numbers |= ONE_NAT
    note = ("scikit-learn's GaussianMixture of 40 normals in 8 principal components, the noise"
            " added analytically; ")
    try:
        numbers |= pythae_gap(X, x, exact, epochs=40 if quick else 80)
        note += ("pythae 0.1.2 trains the published network with its own trainer, and fits its"
                 " mixture to the codes")
    except ImportError:
        note += "pythae is not installed here; make bench installs it"
    return compared("CurveVAE.fit, 20 000 curves, to a gap below 1 nat",
                    "PCA-8 + GaussianMixture, to its own gap", (10, "at most"), ours, theirs,
                    agree=max(gaps) <= 1, quantity="ours", numbers=numbers,
                    note=note + "; agreement: the gap is at most one nat with each of three seeds")


def pythae_gap(X: np.ndarray, x: np.ndarray, exact: np.ndarray, epochs: int) -> dict[str, float]:
    """Return the seconds that pythae takes on clean curves X, and its gaps.

    Its trainer, and its mixture of the codes; see `pythae_vae.py`.
    """
    import pythae_vae as theirs
    from vae_nbdev.evaluation import gap_summary, model_evidence

    logging.disable(logging.INFO)
    with (tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null,
          contextlib.redirect_stderr(null)):
        trained = theirs.Trained(X, SIGMA, seed=0, epochs=epochs, folder=folder)
        elapsed = seconds(trained.train)
        elapsed += seconds(trained.gmm.fit, trained.noisy(X, seed=0))
    found = {"pythae: seconds": elapsed}
    models = {"normal prior": trained.with_normal(), "mixture": trained.with_mixture()}
    for name, model in models.items():
        gap = gap_summary(exact, model_evidence(model, x)).mean
        found[f"pythae: gap [nats], {name}"] = gap
    return found
