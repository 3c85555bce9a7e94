"""Two normal distributions of numbers on a line, by expectation and maximization from the best cut in two."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.parts.xp import array_module, to_numpy

_TINY = 10 * np.finfo(np.float64).eps  # that a component has at least, so that nothing is divided by 0


class Mixture(NamedTuple):
    """Weights, means and variances of two normal distributions, (2,) each, the one of the lower mean first."""

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray


def two_normals(values: Any, *, n_iter: int = 10, tol: float = 1e-2, floor: float = 5e-4) -> Mixture | None:
    """The mixture that fits `values` (n,); None where there are no two different ones.

    It starts from the cut of the sorted values in two that leaves the least sum of squares, which is what k-means looks
    for, and stops when the mean log-likelihood grows by less than `tol`, after n_iter rounds at most. `floor` is added
    to both variances. But for the start, which scikit-learn draws, this is its GaussianMixture(2, max_iter=n_iter,
    tol=tol, reg_covar=floor).
    """
    xp = array_module(values)
    values = values.astype(np.float64)
    if not len(values) or bool(values.min() == values.max()):
        return None
    upper = (values >= _cut(values)).astype(np.float64)
    found, before = _maximized(values, xp.stack([1 - upper, upper]), floor), -np.inf
    for _ in range(n_iter):
        logs = _log_densities(values, found)
        total = xp.logaddexp(logs[0], logs[1])
        found, likelihood = _maximized(values, xp.exp(logs - total), floor), float(total.mean())
        if abs(likelihood - before) < tol:
            break
        before = likelihood
    order = np.argsort(found.means, kind="stable")
    return Mixture(*(part[order] for part in found))


def log_odds_of_upper(values: Any, mixture: Mixture) -> Any:
    """log(r / (1 - r)), float64 (n,), of the responsibility r of the component of the larger mean.

    It neither saturates nor need it grow with the values: where that component is the wider one, it takes both ends.
    """
    lower, upper = _log_densities(values.astype(np.float64), mixture)
    return upper - lower


def _cut(values: Any) -> Any:
    """The least value of the upper part. Of n sorted values, the parts of every cut are known from running sums."""
    xp = array_module(values)
    ordered = xp.sort(values - values.mean())
    counts, sums = xp.arange(1, len(values)), xp.cumsum(ordered)[:-1]
    between = sums**2 / counts + sums**2 / (len(values) - counts)  # the larger, the less is left within; the mean is 0
    between = xp.where(ordered[1:] > ordered[:-1], between, -1)  # equal values are not parted
    return xp.sort(values)[int(between.argmax()) + 1]


def _log_densities(values: Any, mixture: Mixture) -> Any:
    """(2, n): log of weight times density, but for a constant."""
    xp = array_module(values)
    weights, means, variances = (xp.asarray(part)[:, None] for part in mixture)
    return xp.log(weights) - (xp.log(2 * np.pi * variances) + (values - means) ** 2 / variances) / 2


def _maximized(values: Any, shares: Any, floor: float) -> Mixture:
    counts = shares.sum(axis=1) + _TINY
    means = shares @ values / counts
    variances = (shares * (values - means[:, None]) ** 2).sum(axis=1) / counts + floor
    return Mixture(to_numpy(counts / counts.sum()), to_numpy(means), to_numpy(variances))
