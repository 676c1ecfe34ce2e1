"""Other ways to learn a distribution of curves from points at radii of their own.

Each has `fit(points)` and `log_p(points)` → (N,) nats, where points is a list with a tuple (radius,
value, error) of arrays for each curve; the error is None where the noise is to be learned. What can
be chosen in them is chosen by the log density of held-out training curves.
"""
from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy.interpolate import BSpline
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold

Points = Sequence[tuple]  # a (radius, value, error) for each curve


def normal_log_p(left: np.ndarray, covariance: np.ndarray) -> float:
    """Log density of what is left (P,) of points less their mean [nats]."""
    tril = np.linalg.cholesky(covariance)
    white = np.linalg.solve(tril, left)
    return -0.5 * (white @ white + len(left) * np.log(2 * np.pi)) - np.log(np.diag(tril)).sum()


class PACE:
    """Principal components through conditional expectation (Yao, Müller & Wang 2005).

    Mean and covariance are smooth: B-splines in log r, fitted by least squares to the pooled points
    and to the products of all pairs of different points of a curve. The scores are normal, and so
    is white noise beside the errors, which says what the components do not.
    """

    sizes = (5, 6, 8, 10, 12, 15)  # functions in the basis of the covariance that are tried
    most_in_folds = 500  # with more curves one fifth is held out, instead of each in turn

    def __init__(self, n_mean: int = 10, log: bool = True):
        self.n_mean, self.scale = n_mean, np.log if log else np.asarray

    def basis(self, radius: np.ndarray, size: int) -> np.ndarray:
        """Cubic B-splines (P, size) over the range of the points, constant beyond its ends."""
        inner = np.linspace(*self.range, size - 2)
        knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
        place = np.clip(self.scale(radius), *self.range)
        return BSpline.design_matrix(place, knots, 3).toarray()

    def smooth(self, points: Points, size: int) -> None:
        """Estimate the mean and, with so many functions, the covariance and its eigenfunctions."""
        radius, value = (np.concatenate([p[i] for p in points]) for i in (0, 1))
        start = np.cumsum([0, *(len(p[0]) for p in points[:-1])])
        self.range = tuple(self.scale(np.array([radius.min(), radius.max()])))
        self.size, own = size, self.basis(radius, self.n_mean)
        self.mean = np.linalg.lstsq(own, value, rcond=None)[0]
        left, psi = value - own @ self.mean, self.basis(radius, size)
        # sums over pairs factor; those of a point with itself, where the noise is, are taken off
        rows = (psi[:, :, None] * psi[:, None, :]).reshape(len(psi), -1)
        grams = np.add.reduceat(rows, start)
        pulls = np.add.reduceat(psi * left[:, None], start)
        normal = (grams.T @ grams).reshape([size] * 4).swapaxes(1, 2).reshape(size**2, -1)
        pull = (pulls.T @ pulls).ravel() - rows.T @ left**2
        found = np.linalg.lstsq(normal - rows.T @ rows, pull, rcond=1e-12)[0].reshape(size, size)
        self.covariance = 0.5 * (found + found.T)
        place = np.linspace(*self.range, 2001)
        fine = self.basis(np.exp(place) if self.scale is np.log else place, size)
        root = np.linalg.cholesky(fine.T @ fine / len(fine))  # of the Gram matrix
        value, axes = np.linalg.eigh(root.T @ self.covariance @ root)
        order = [i for i in np.argsort(-value) if value[i] > 0]
        # eigenfunctions times the root of their eigenvalues, as coefficients
        self.factors = np.linalg.solve(root.T, axes[:, order]) * np.sqrt(value[order])

    def prepared(self, points: Points) -> list[tuple]:
        """For each curve, points less the mean, factors at their radii, and squared errors."""
        return [(v - self.basis(r, self.n_mean) @ self.mean,
                 self.basis(r, self.size) @ self.factors,
                 np.zeros(len(r)) if e is None else e**2) for r, v, e in points]

    @staticmethod
    def scores(prepared: list[tuple], k: int, noise: float) -> np.ndarray:
        """Log densities (N,) with k components and this noise besides the errors."""
        return np.array([normal_log_p(left, F[:, :k] @ F[:, :k].T + np.diag(e2 + noise**2))
                         for left, F, e2 in prepared])

    def learned_noise(self, prepared: list[tuple], k: int) -> float:
        """Most probable noise besides the errors; two hundred curves say it well enough."""
        some = prepared[:200]
        spread = np.std(np.concatenate([p[0] for p in some]))
        found = minimize_scalar(lambda s: -self.scores(some, k, spread * np.exp(s)).sum(),
                                bounds=(np.log(1e-4), 0), method="bounded", options={"xatol": 0.05})
        return float(spread * np.exp(found.x))

    def fit(self, points: Points) -> "PACE":
        """Choose the basis and the number of components, and estimate all with every curve."""
        found, folds = {}, list(KFold(5, shuffle=True, random_state=0).split(points))
        folds = folds[: 1 if len(points) > self.most_in_folds else None]
        for size, (known, other) in product(self.sizes, folds):
            known, other = ([points[i] for i in rows] for rows in (known, other))
            self.smooth(known, size)
            near, far = self.prepared(known), self.prepared(other)
            for k in range(1, self.factors.shape[1] + 1):
                noise = self.learned_noise(near, k)
                found.setdefault((size, k), []).append(self.scores(far, k, noise).mean())
        enough = {o: np.mean(s) for o, s in found.items() if len(s) == len(folds)}
        size, self.k = max(enough, key=enough.get)
        self.smooth(points, size)
        self.k = min(self.k, self.factors.shape[1])
        self.noise = self.learned_noise(self.prepared(points), self.k)
        self.chosen = f"{size} functions, {self.k} components, noise {self.noise:.2g}"
        return self

    def log_p(self, points: Points) -> np.ndarray:
        """Log densities (N,) of the points of curves [nats]."""
        return self.scores(self.prepared(points), self.k, self.noise)


def interpolation(grid: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Matrix (P, R) that interpolates on a grid linearly in log r, constant beyond its ends."""
    unit = np.eye(len(grid))
    return np.stack([np.interp(np.log(radius), np.log(grid), row) for row in unit], 1)


class PCAMixture:
    """Curves interpolated to a grid, their principal components, and a mixture of normals.

    A curve is constant beyond its outermost points. What the errors add to the covariance of the
    components is taken off again, if that scores better.
    """

    options = tuple(product((3, 4, 6, 8, 12, 16), (1, 2, 4, 8, 16, 32), (False, True)))

    def __init__(self, grid: np.ndarray):
        self.grid = grid

    def learn(self, points: Points, k: int, m: int, less_noise: bool) -> "PCAMixture":
        """k components, m normals."""
        to_grid = [interpolation(r, self.grid) for r, _, _ in points]
        curves = np.stack([W @ v for W, (_, v, _) in zip(to_grid, points, strict=True)])
        pca = PCA(k, svd_solver="full").fit(curves)
        codes, axes = pca.transform(curves), pca.components_
        mixture = GaussianMixture(m, reg_covar=1e-3 * codes.var(0)[-1], random_state=0).fit(codes)
        noise = np.mean([(axes @ W * e) @ (axes @ W * e).T for W, (*_, e)
                         in zip(to_grid, points, strict=True)], 0)
        self.weights, self.means, self.covariances = mixture.weights_, [], []
        for mean, covariance in zip(mixture.means_, mixture.covariances_, strict=True):
            value, turn = np.linalg.eigh(covariance - less_noise * noise)
            turn = axes.T @ turn
            self.means.append(pca.mean_ + axes.T @ mean)
            self.covariances.append((turn * np.clip(value, 0, None)) @ turn.T)
        return self

    def log_p(self, points: Points) -> np.ndarray:
        """Log densities (N,) of the points of curves [nats]."""
        out = []
        for r, v, e in points:
            W = interpolation(self.grid, r)
            each = [normal_log_p(v - W @ mean, W @ covariance @ W.T + np.diag(e**2))
                    for mean, covariance in zip(self.means, self.covariances, strict=True)]
            out.append(logsumexp(each, b=self.weights))
        return np.array(out)

    def fit(self, points: Points) -> "PCAMixture":
        """Choose the numbers of components and normals, and learn from every curve."""
        known, other = points[len(points) // 5 :], points[: len(points) // 5]
        score = {o: self.learn(known, *o).log_p(other).mean() for o in self.options}
        best = max(score, key=score.get)
        self.chosen = "{} components, {} normals, errors taken off: {}".format(*best)
        return self.learn(points, *best)


def onto_grid(points: Points, grid: np.ndarray) -> tuple[np.ndarray, ...]:
    """Tables (N, R) of values and errors, NaN where there is none, and constants (N,) [nats].

    Each point goes to the radius of the grid that is nearest in log r. Points that share one become
    their weighted mean, of error s. With the same curve f at all of them their density is that of
    the mean times a factor without f, whose logarithm is the constant:
    Σ log N(x_j; m, e_j²) − log N(m; m, s²). So densities of points and of tables can be compared.
    """
    values, errors = np.full((2, len(points), len(grid)), np.nan)
    constants, half_way = np.zeros(len(points)), np.log(grid[:-1] * grid[1:]) / 2
    for i, (r, v, e) in enumerate(points):
        cell = np.searchsorted(half_way, np.log(r))
        for c in np.unique(cell):
            x, weight = v[cell == c], e[cell == c] ** -2
            mean, s = weight @ x / weight.sum(), weight.sum() ** -0.5
            values[i, c], errors[i, c] = mean, s
            constants[i] += 0.5 * np.log(weight / (2 * np.pi)).sum() + 0.5 * np.log(2 * np.pi)
            constants[i] += np.log(s) - 0.5 * weight @ (x - mean) ** 2
    return values, errors, constants


class NaNGrid:
    """`CurveVAE` on a grid, where most values are missing: what one does without points."""

    def __init__(self, grid: np.ndarray, seed: int = 0):
        self.grid, self.seed = grid, seed

    def fit(self, points: Points) -> "NaNGrid":
        """Learn from the table of the points."""
        from vae_nbdev import CurveVAE

        values, errors, _ = onto_grid(points, self.grid)
        self.vae = CurveVAE(radius=self.grid, random_state=self.seed).fit(values, errors=errors)
        self.chosen = f"{self.vae.n_latent_} latents"
        return self

    def log_p(self, points: Points) -> np.ndarray:
        """Log densities (N,) of the points of curves [nats]."""
        values, errors, constants = onto_grid(points, self.grid)
        return self.vae.score_samples(values, errors=errors) + constants


class CompleteGP:
    """A normal distribution of complete curves at common radii.

    Its covariance is shrunken (Ledoit and Wolf), or that of factor analysis with as many factors as
    complete held-out curves want.
    """

    def __init__(self, radius: np.ndarray, numbers: Sequence[int] = ()):
        self.radius, self.numbers = radius, numbers

    def learn(self, curves: np.ndarray, k: int = 0) -> "CompleteGP":
        """Mean and covariance of complete curves (N, R), of k factors if there are any."""
        model = FactorAnalysis(k, max_iter=2000) if k else LedoitWolf()
        model.fit(curves)
        self.mean = curves.mean(0)
        self.covariance = model.get_covariance() if k else model.covariance_
        return self

    def fit(self, curves: np.ndarray) -> "CompleteGP":
        """Choose the number of factors, and learn from all curves."""
        score, folds = {}, list(KFold(5, shuffle=True, random_state=0).split(curves))
        for k, (known, other) in product(self.numbers, folds):
            self.learn(curves[known], k)
            log_p = [normal_log_p(x - self.mean, self.covariance) for x in curves[other]]
            score[k] = score.get(k, 0) + sum(log_p)
        best = max(score, key=score.get, default=0)
        self.chosen = f"{best} factors" if best else "Ledoit and Wolf"
        return self.learn(curves, best)

    def log_p(self, points: Points) -> np.ndarray:
        """Log densities (N,) of points at some of the radii [nats]."""
        where = [np.searchsorted(self.radius, r) for r, *_ in points]
        return np.array([normal_log_p(v - self.mean[w], self.covariance[np.ix_(w, w)])
                         for w, (_, v, _) in zip(where, points, strict=True)])
