"""LDM-S: batches of easily flipped samples that point in different directions.

Source: "Querying Easily Flip-flopped Samples for Deep Active Learning", ICLR 2024. The weights follow the
authors' code, which takes the (n+1)-th smallest LDM as the level where they start to fall, scales the tail to
the mass of the head and clips at 1. Differences, in cases that are undefined there or crash:
- Rows of equal LDM are alike: where the n-th smallest is shared, chance says who counts among the n, and who is first.
  n = all rows returns them in ascending LDM.
- All LDM 0: every weight is 1. More than n zeros: a warning that the Monte-Carlo set is too small.
- Fewer than n distinct directions: the rest is drawn by the weights alone, not by weight times distance 0.
- Weights stay logarithms, so a steep fall does not underflow.
- No n x n distance matrix: many draws share one pass over the features, by rejection, which leaves their law as it is.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.d2_sampling import draw_spread
from tfal.kernels.parts.euclidean import rounding, squared_norms
from tfal.kernels.parts.tiles import Each, float32_rows, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import largest, tie_order

_SAME_DIRECTION = 1e-5  # a smaller cosine distance counts as 0; from 1800 features on, what rounding makes of 0 does


def ldm_seeding(ldm: Any, features: Any, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Pick `n` rows of small LDM and diverse features.

    The first pick has the smallest LDM. Each next one is drawn with a probability proportional to
    (gamma * D)**2: gamma falls exponentially with the LDM beyond the n smallest, D is the cosine distance to
    the nearest pick. Below 1e-5 it counts as 0; a row of zeros is at distance 1 from every other row.

    Args:
        ldm: least disagree metric of the candidates, shape (m,), float16/32/64, in [0, 1], NumPy or CuPy.
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy. They are read as float32 in tiles:
            memory beyond the inputs does not grow with d.
        n: how many rows, from 1 to m.
        rng: where the draws come from; none when n is 1 or m, but for ties.

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
    features = check.float_rows(xp, "features", features, (len(ldm), "d"))
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
    order, first = np.argsort(ldm, kind="stable"), largest(-ldm, rng)
    if n == len(ldm):
        return order
    if n == 1:
        return np.array([first], np.int64)
    xp = array_module(features)
    log_gamma = xp.asarray(_shared(_log_gamma(ldm[order], n), ldm[order], n, rng))
    with workers(xp) as each:
        return draw_spread(_Directions(features, each), first, n, log_gamma, xp.asarray(order), rng, each)


def _shared(log_gamma: np.ndarray, ldm: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """The weights of ascending `ldm`; among rows that share the n-th value, those of the first n go by chance."""
    if ldm[n - 1] == ldm[n]:
        equal = np.flatnonzero(ldm == ldm[n])
        log_gamma[equal] = log_gamma[equal[tie_order(len(equal), rng)]]
    return log_gamma


def _log_gamma(ldm: np.ndarray, n: int) -> np.ndarray:
    """Log weights of ascending `ldm`: 0 for the first n, then falling with a total mass of at most n."""
    if ldm[-1] == 0:
        return np.zeros(len(ldm))
    level = ldm[n] if ldm[n] > 0 else ldm[ldm > 0][0]
    log_gamma = -np.maximum(ldm - level, 0) / level
    log_gamma[n:] += np.log(n) - np.logaddexp.reduce(log_gamma[n:])
    found: np.ndarray = np.minimum(log_gamma, 0)
    return found


class _Directions:
    """Rows under the cosine distance. Only the centers are brought to length 1, which spares a copy of the rows."""

    def __init__(self, features: Any, each: Each) -> None:
        xp = array_module(features)
        self.features, self.same = features, max(_SAME_DIRECTION, rounding(features.shape[1]))
        squares = squared_norms(features, 0.0, each)
        self.lengths = xp.where(squares > 0, xp.sqrt(squares), 1).astype(np.float32)  # 1: a row of zeros stays one

    def rows(self, where: Any) -> tuple[Any, Any]:
        return float32_rows(self.features, where), self.lengths[where][:, None]

    def centers(self, where: Any) -> Any:
        features, lengths = self.rows(where)
        return (features / lengths).T

    def nearness(self, rows: tuple[Any, Any], centers: Any) -> Any:
        return rows[0] @ centers

    def squared(self, rows: tuple[Any, Any], nearness: Any) -> Any:
        xp = array_module(nearness)
        distances = xp.clip(1 - nearness / rows[1], 0, 2)
        return xp.where(distances < self.same, 0, distances) ** 2
