"""LDM-S: batches of easily flipped samples that point in different directions.

Source: "Querying Easily Flip-flopped Samples for Deep Active Learning", ICLR 2024. The weights follow the
authors' code, which takes the (n+1)-th smallest LDM as the level where they start to fall, scales the tail to
the mass of the head and clips at 1. Differences, in cases that are undefined there or crash:
- Equal LDM keep their row order (stable sort); n = all rows returns them in ascending LDM.
- All LDM 0: every weight is 1. More than n zeros: a warning that the Monte-Carlo set is too small.
- Fewer than n distinct directions: the rest is drawn by the weights alone, not by weight times distance 0.
- Weights stay logarithms, so a steep fall does not underflow.
- One matrix-vector product per pick instead of the n x n distance matrix.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels import check
from tfal.kernels.draw import draw_row
from tfal.kernels.xp import array_module, row_squares, to_numpy

_SAME_DIRECTION = 1e-5  # a smaller cosine distance counts as 0


def ldm_seeding(ldm: Any, features: Any, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Pick `n` rows of small LDM and diverse features.

    The first pick has the smallest LDM. Each next one is drawn with a probability proportional to
    (gamma * D)**2: gamma falls exponentially with the LDM beyond the n smallest, D is the cosine distance to
    the nearest pick. Below 1e-5 it counts as 0; a row of zeros is at distance 1 from every other row.

    Args:
        ldm: least disagree metric of the candidates, shape (m,), float16/32/64, in [0, 1], NumPy or CuPy.
        features: shape (m, d), float16/32/64, computed in float32.
        n: how many rows, from 1 to m.
        rng: one uniform number per pick after the first is drawn from it; none when n is 1 or m.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host. For n = m: all rows in ascending LDM.

    Raises:
        InputError: shapes that disagree, integer arrays, LDM outside [0, 1], values not finite, n out of
            range.

    Warns:
        UserWarning: more than n candidates have an LDM of 0, which leaves them without an order.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> ldm_seeding(np.array([0.0, 0.1, 0.1, 0.9]), features, 2, rng=np.random.default_rng(0)).tolist()
        [0, 2]
    """
    xp = array_module(ldm, features)
    ldm = check.float_array(xp, "ldm", ldm, ("m",), dtype=np.float64)
    features = check.float_array(xp, "features", features, (len(ldm), "d"))
    n = check.whole_number("n", n, most=len(ldm))
    rng = check.generator(rng)
    values = to_numpy(ldm)
    if values.min() < 0 or values.max() > 1:
        raise InputError(
            f"ldm: expected values from 0 to 1, received {values.min():g} to {values.max():g}. "
            "Give the result of least_disagree_metric."
        )
    if np.count_nonzero(values == 0) > n:
        # No numbers in the text: Python shows a repeated warning once, if it reads the same.
        warnings.warn(
            "ldm: more candidates are at 0 than are to be picked, and cannot be ranked. Use more Monte-Carlo inputs.",
            stacklevel=2,
        )
    return _ldm_seeding(values, features, n, rng)


def _ldm_seeding(ldm: np.ndarray, features: Any, n: int, rng: np.random.Generator) -> np.ndarray:
    order = np.argsort(ldm, kind="stable")
    if n in (1, len(ldm)):
        return order[:n]
    xp = array_module(features)
    log_gamma = xp.asarray(_log_gamma(ldm[order], n))
    unit = _unit_rows(features[xp.asarray(order)])
    uniforms = xp.asarray(rng.random(n - 1))
    closest = xp.full(len(ldm), np.inf, np.float32)  # distance to the nearest pick
    free = xp.ones(len(ldm), bool)
    picks = xp.zeros(n, np.int64)  # positions in `order`; the first pick is position 0
    for k in range(1, n):
        last = picks[k - 1 : k]  # a slice, because reading one number would wait for the device
        free[last] = False
        closest = xp.minimum(closest, _cosine_distances(unit, last))
        picks[k] = draw_row(xp, _weights(log_gamma, closest, free), uniforms[k - 1])
    return order[to_numpy(picks)]


def _log_gamma(ldm: np.ndarray, n: int) -> np.ndarray:
    """Log weights of ascending `ldm`: 0 for the first n, then falling with a total mass of at most n."""
    if ldm[-1] == 0:
        return np.zeros(len(ldm))
    level = ldm[n] if ldm[n] > 0 else ldm[ldm > 0][0]
    log_gamma = -np.maximum(ldm - level, 0) / level
    log_gamma[n:] += np.log(n) - np.logaddexp.reduce(log_gamma[n:])
    return np.minimum(log_gamma, 0)


def _unit_rows(features: Any) -> Any:
    """Rows of length 1; a row of zeros stays one."""
    xp = array_module(features)
    norms = xp.sqrt(row_squares(features)).astype(np.float32)
    return features / xp.where(norms > 0, norms, 1)[:, None]


def _cosine_distances(unit: Any, row: Any) -> Any:
    """Cosine distance in [0, 2] of all rows to one `row`, an index array of shape (1,)."""
    xp = array_module(unit)
    distances = xp.clip(1 - unit @ unit[row][0], 0, 2)
    distances[distances < _SAME_DIRECTION] = 0
    distances[row] = 0  # a row of zeros too is at distance 0 from itself
    return distances


def _weights(log_gamma: Any, closest: Any, free: Any) -> Any:
    """Weights to draw with, the largest 1: (gamma * D)**2, or gamma when that is 0 in every free row."""
    xp = array_module(closest)
    with np.errstate(divide="ignore"):
        log_weights = xp.where(free, 2 * (log_gamma + xp.log(closest.astype(np.float64))), -np.inf)
    spent = xp.isneginf(log_weights.max())
    log_weights = xp.where(spent, xp.where(free, log_gamma, -np.inf), log_weights)
    return xp.exp(log_weights - log_weights.max())
