"""BADGE: k-means++ seeding on the gradient embeddings of the last layer, without building them.

Source: Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", ICLR 2020.
Differences from public code:
- The embedding of a sample is the outer product of a = softmax(logits) - onehot(argmax) and its features f.
  Dot products factorise as (a_i . a_j) * (f_i . f_j), so memory is m x (d + C) instead of m x (d * C).
- A draw cannot hit a chosen row, so none is repeated. When every distance is 0, the rest is equally likely.
- Squared distances below 1e-6 of the squared norms, which is float32 rounding, count as 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels import check
from tfal.kernels.draw import draw_row
from tfal.kernels.uncertainty import checked_logits, log_softmax
from tfal.kernels.xp import array_module, row_squares, to_numpy

_ROUNDING = 1e-6


def badge_seeding(features: Any, logits: Any, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Pick `n` rows whose gradient embeddings are large and far apart.

    The first pick has the largest embedding (ties: the lowest row). Each next one is drawn with a probability
    proportional to its squared Euclidean distance to the nearest pick.

    Args:
        features: inputs of the last layer, shape (m, d), float16/32/64, computed in float32, NumPy or CuPy.
        logits: shape (m, C), float16/32/64, C >= 2; their softmax is computed in float64.
        n: how many rows, from 1 to m.
        rng: one uniform number per pick after the first is drawn from it.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite, n out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
        >>> logits = np.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
        >>> badge_seeding(features, logits, 2, rng=np.random.default_rng(0)).tolist()
        [2, 1]
    """
    xp = array_module(features, logits)
    logits = checked_logits(xp, logits)
    features = check.float_array(xp, "features", features, (len(logits), "d"))
    n = check.whole_number("n", n, most=len(logits))
    return _badge_seeding(features, logits, n, check.generator(rng))


def _badge_seeding(features: Any, logits: Any, n: int, rng: np.random.Generator) -> np.ndarray:
    xp = array_module(features)
    errors = _softmax_errors(logits)
    squares = row_squares(errors) * row_squares(features)
    uniforms = xp.asarray(rng.random(n - 1))
    closest = xp.full(len(features), np.inf)  # squared distance to the nearest pick
    free = xp.ones(len(features), bool)
    picks = xp.zeros(n, np.int64)
    picks[0] = squares.argmax()
    for k in range(1, n):
        last = picks[k - 1 : k]  # a slice, because reading one number would wait for the device
        free[last] = False
        closest = xp.minimum(closest, _squared_distances(errors, features, squares, last))
        closest[last] = 0
        weights = xp.where(closest.max() > 0, closest, free.astype(np.float64))
        picks[k] = draw_row(xp, weights, uniforms[k - 1])
    return to_numpy(picks)


def _softmax_errors(logits: Any) -> Any:
    """softmax - onehot(argmax) of float64 logits (m, C): the gradient of the loss at the predicted label."""
    xp = array_module(logits)
    errors = xp.exp(log_softmax(xp, logits))
    predicted = xp.arange(len(errors)), logits.argmax(axis=1)
    errors[predicted] = 0
    errors[predicted] = -errors.sum(axis=1)  # p - 1, with all digits where p is close to 1
    return errors


def _squared_distances(errors: Any, features: Any, squares: Any, row: Any) -> Any:
    """Squared distance of all embeddings to that of one `row`, an index array of shape (1,)."""
    xp = array_module(features)
    products = (errors @ errors[row][0]) * (features @ features[row][0])
    norms = squares + squares[row]
    distances = norms - 2 * products
    return xp.where(distances > _ROUNDING * norms, distances, 0)
