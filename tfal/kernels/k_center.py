"""CoreSet: greedy k-center, which covers the features with balls of a small radius.

Source: Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018;
its greedy 2-approximation, without the mixed integer program. Differences from public code:
- Distances to the labeled samples are reduced block by block and never stored.
- Many picks share one pass over the features: see `_pick_farthest`. They are those of the plain algorithm.
- A picked row cannot be picked again, not even when every distance is 0.
- Squared distances that are float32 rounding (tfal.kernels.parts.pairwise) count as 0. Rounding may also tell equal
  rows apart, so that not the lowest of them is picked; where sums are exact, as for small integers, it does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.euclidean import Points, exact_shift, shifted
from tfal.kernels.parts.min_distance import Nearest
from tfal.kernels.parts.tiles import Each, fill, float32_rows, tiles, workers
from tfal.kernels.parts.xp import array_module, row_squares, to_numpy
from tfal.kernels.top import tie_ranks

_LOOKED_AT = 512  # rows that a GPU measures at a time


def k_center_greedy(
    features: Any, n: int, *, centers: Any = None, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Pick `n` rows one by one, each the farthest (Euclidean) from its nearest center; picks become centers.

    Without `centers` the first pick is a random row drawn from `rng`, or with `rng` None the row nearest to the mean.
    Of equally far rows chance takes one, or without `rng` it is the lowest.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy. They are read as float32 in tiles:
            memory beyond the inputs does not grow with d.
        n: how many rows, from 1 to m.
        centers: features of the samples already labeled, shape (k, d), k >= 1, or None; read in tiles too.
        rng: where the first pick comes from when there are no centers; breaks ties (tfal.kernels.top.tie_order).

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
    features = check.float_rows(xp, "features", features, ("m", "d"))
    if centers is not None:
        centers = check.float_rows(xp, "centers", centers, ("k", features.shape[1]))
    n = check.whole_number("n", n, most=len(features))
    if rng is not None:
        check.generator(rng)
    return _k_center_greedy(features, n, centers, rng)


def _k_center_greedy(features: Any, n: int, centers: Any, rng: np.random.Generator | None) -> np.ndarray:
    xp = array_module(features)
    with workers(xp) as each:
        mean, variance = _mean_and_variance(features, each)
        space = Points(features, exact_shift(mean, variance), each)
        nearest = Nearest(space, each)
        if centers is not None:
            nearest.lower(len(centers), lambda block: space.as_centers(shifted(centers, block, space.shift)))
        elif rng is None:
            nearest.add([_nearest_to(space, mean, each)])
        else:
            nearest.add([int(rng.integers(len(features)))])
        nearest.refresh()
        _pick_farthest(nearest, n, tie_ranks(len(features), rng))
    return np.array(nearest.picks, np.int64)


def _pick_farthest(nearest: Nearest, n: int, ranks: np.ndarray) -> None:
    """Add picks up to `n`, one by one the farthest; of equally far rows that of the lowest rank.

    Bounds only fall: among the rows of the largest bounds, a row whose distance exceeds every other bound is the
    farthest of all. So only these are measured, until their bounds have fallen below others'. Each round either
    finds a pick or lowers a bound. Once rounds have cost as much as a refresh, a refresh is next. On a GPU that is so
    after each round: it makes a pass sooner than the host has its answer, and of exact bounds most rounds find many.
    """
    xp = array_module(nearest.bound)
    m, spent = len(nearest.bound), 0
    while missing := n - len(nearest.picks):
        size = _group_size(missing, m) if xp is np else _LOOKED_AT
        rows, level, next_rank = _rows_of_largest(nearest.bound, size, ranks)
        spent += m + nearest.look_cost(len(rows))
        distances, pairs = nearest.look(xp.asarray(rows))
        taken, distances = _greedy(distances, pairs, ranks[rows], level, next_rank, missing)
        nearest.bound[xp.asarray(rows)] = xp.asarray(distances)
        nearest.add(rows[taken].tolist())
        if xp is not np or spent > nearest.refresh_cost():
            nearest.refresh()
            spent = 0


def _group_size(missing: int, m: int) -> int:
    """How many of `m` rows to measure at a time while so many picks are missing: their pairs should be about m."""
    return min(max(4 * missing, 16), max(128, math.isqrt(m)))


def _rows_of_largest(bound: Any, size: int, ranks: np.ndarray) -> tuple[np.ndarray, float, int]:
    """The `size` rows of the largest bounds, of equal ones those of the lowest ranks; by rank, on the host.

    Also the least of their bounds, and the lowest rank left out that has that bound too (their number without one).
    """
    xp = array_module(bound)
    m = len(bound)
    if size >= m:
        return ranks.argsort(), -np.inf, m
    level = xp.partition(bound, m - size)[m - size]
    above, equal = to_numpy(xp.flatnonzero(bound > level)), to_numpy(xp.flatnonzero(bound == level))
    equal = equal[ranks[equal].argsort()]
    kept, left_out = np.split(equal, [size - len(above)])
    rows = np.concatenate([above, kept])
    return rows[ranks[rows].argsort()], float(level), int(ranks[left_out[0]]) if len(left_out) else m


def _greedy(
    distances: np.ndarray, pairs: np.ndarray, ranks: np.ndarray, level: float, next_rank: int, most: int
) -> tuple[list[int], np.ndarray]:
    """Positions of up to `most` picks among rows, while they surely are the farthest; and the distances after.

    ranks: of these rows, ascending.
    """
    taken: list[int] = []
    while len(taken) < most:
        i = int(distances.argmax())  # ranks ascend, so the first of equal ones has the lowest
        if distances[i] < level or (distances[i] == level and ranks[i] > next_rank):
            break
        taken.append(i)
        distances = np.minimum(distances, pairs[:, i])
    return taken, distances


def _mean_and_variance(features: Any, each: Each) -> tuple[Any, Any]:
    """Mean (d,) and variance per coordinate, float64."""
    m, d = features.shape

    def sums(tile: slice) -> tuple[Any, Any]:
        rows = float32_rows(features, tile)
        return rows.sum(axis=0, dtype=np.float64), row_squares(rows).sum()

    parts = each(sums, tiles(array_module(features), m, 4 * d))
    mean = sum(part for part, _ in parts) / m
    return mean, (sum(part for _, part in parts) / m - mean @ mean) / d


def _nearest_to(space: Points, mean: Any, each: Each) -> int:
    """The row nearest to the mean."""
    direction = (mean - space.shift).astype(np.float32)

    def squared(tile: slice) -> Any:  # up to a constant
        points, squares = space.rows(tile)
        return squares[:, 0] - 2 * (points @ direction)

    m, d = space.features.shape
    return int(fill(array_module(mean), m, 4 * d, each, squared).argmin())
