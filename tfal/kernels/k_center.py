"""CoreSet: greedy k-center, which covers the features with balls of a small radius.

Source: Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018;
its greedy 2-approximation, without the mixed integer program. Differences from public code:
- Distances to the labeled samples are reduced block by block and never stored.
- A picked row cannot be picked again, not even when every distance is 0.
- Squared distances below 1e-6 of the squared norm, which is float32 rounding, count as 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels import check
from tfal.kernels.xp import array_module, row_squares, to_numpy

_ROUNDING = 1e-6
_BLOCK_ROWS, _BLOCK_CENTERS = 4096, 512  # the largest block of distances in memory


def k_center_greedy(
    features: Any, n: int, *, centers: Any = None, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Pick `n` rows one by one, each the farthest (Euclidean) from its nearest center; picks become centers.

    Ties go to the lowest row. Without `centers` the first pick is a random row drawn from `rng`, or with
    `rng` None the row nearest to the mean. With `centers`, `rng` is not used.

    Args:
        features: shape (m, d), float16/32/64, computed in float32, NumPy or CuPy.
        n: how many rows, from 1 to m.
        centers: features of the samples already labeled, shape (k, d), k >= 1, or None.
        rng: where the first pick comes from when there are no centers.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15, n out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0, 1.0], [3.0, 0.0], [0.0, 4.0], [5.0, 5.0]])
        >>> k_center_greedy(features, 2, centers=np.array([[0.0, 0.0]])).tolist()
        [3, 2]
    """
    xp = array_module(features, centers)
    features = check.float_array(xp, "features", features, ("m", "d"))
    if centers is not None:
        centers = check.float_array(xp, "centers", centers, ("k", features.shape[1]))
    n = check.whole_number("n", n, most=len(features))
    if rng is not None:
        check.generator(rng)
    return _k_center_greedy(features, n, centers, rng)


def _k_center_greedy(features: Any, n: int, centers: Any, rng: np.random.Generator | None) -> np.ndarray:
    xp = array_module(features)
    mean = features.mean(axis=0, dtype=np.float64)
    shift = _exact_shift(features, mean)
    points = features - shift
    squares = row_squares(points)
    picks = xp.zeros(n, np.int64)
    if centers is not None:
        closest = _to_nearest_center(points, squares, centers - shift)
        picks[0] = closest.argmax()
    else:
        closest = xp.full(len(points), np.inf)
        to_mean = squares - 2 * (points @ (mean - shift).astype(np.float32))  # squared, up to a constant
        picks[0] = to_mean.argmin() if rng is None else int(rng.integers(len(points)))
    for k in range(1, n):
        last = picks[k - 1 : k]  # a slice, because reading one number would wait for the device
        squared = squares + squares[last] - 2 * (points @ points[last][0])
        xp.minimum(closest, _without_rounding(squared, squares), out=closest)
        closest[last] = -1  # below every distance; a minimum with one keeps it there
        picks[k] = closest.argmax()
    return to_numpy(picks)


def _exact_shift(features: Any, mean: Any) -> Any:
    """The mean, rounded to a multiple of a power of two below the spread.

    |x|^2 + |c|^2 - 2 x.c loses digits when all points lie far from the origin on one side: move the origin.
    The rounding keeps coordinates such as integers exact, and with them ties.
    """
    xp = array_module(features)
    variance = (row_squares(features).mean() - mean @ mean) / len(mean)
    grid = 2.0 ** xp.floor(xp.log2(xp.maximum(variance, 1e-60)) / 2)
    return (xp.rint(mean / grid) * grid).astype(np.float32)


def _to_nearest_center(points: Any, squares: Any, centers: Any) -> Any:
    """Squared distance of every point to its nearest center, float64 (m,)."""
    xp = array_module(points)
    center_squares = row_squares(centers)
    closest = xp.full(len(points), np.inf)
    for top in range(0, len(points), _BLOCK_ROWS):
        rows = slice(top, top + _BLOCK_ROWS)
        for start in range(0, len(centers), _BLOCK_CENTERS):
            block = slice(start, start + _BLOCK_CENTERS)
            partial = center_squares[block] - 2 * (points[rows] @ centers[block].T)
            closest[rows] = xp.minimum(closest[rows], partial.min(axis=1))
    return _without_rounding(closest + squares, squares)


def _without_rounding(squared: Any, squares: Any) -> Any:
    return array_module(squared).where(squared > _ROUNDING * squares, squared, 0)
