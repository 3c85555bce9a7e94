"""Exact nearest neighbors, tile by tile.

Candidates come from the expanded form of the distance in float32, k + 8 of them a query; the distances of these are
then computed anew, from differences, and sorted. So faiss and array code give the same numbers, and a copy of a query
is at distance 0.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check, faiss_backend
from tfal.kernels.parts.pairwise import (
    Side,
    Tile,
    distances,
    fold,
    joined,
    origin_for,
    side,
    unit_rows,
    without_rounding,
)
from tfal.kernels.parts.tiles import float32_rows, slices, workers
from tfal.kernels.parts.xp import array_module, row_squares

_SPARE = 8  # candidates beyond k, for neighbors whose order float32 rounding may have changed
_GATHERED = {"numpy": 1 << 20, "cupy": 1 << 24}  # floats of the candidates that are looked at together
_PARALLEL = 1e-12  # a smaller cosine distance comes from the rounding of lengths, and counts as 0


class Neighbors(NamedTuple):
    """The nearest points of every query, nearest first; both of shape (m, k), in the array module of the inputs."""

    distances: Any  # float32
    rows: Any  # int64


def nearest_neighbors(
    queries: Any,
    points: Any,
    k: int,
    *,
    metric: str = "euclidean",
    exclude_self: bool = False,
    backend: str = "auto",
) -> Neighbors:
    """The `k` nearest points of every query, exactly; of equal distances the lower row comes first.

    Where more than 8 points beyond the k nearest are as far as the k-th within float32 rounding (see
    tfal.kernels.parts.pairwise), the backend decides which of them are returned.

    Args:
        queries: shape (m, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        points: shape (n, d), n below 2**31.
        k: from 1 to n, or to n - 1 with `exclude_self`.
        metric: "euclidean" (not squared), or "cosine" for 1 - cosine similarity; a row of zeros is at cosine distance
            1 from every row, itself included.
        exclude_self: `queries` and `points` are the same rows, and none is its own neighbor. Equal rows still are.
        backend: "faiss" (NumPy only), "array", or "auto": faiss for NumPy arrays when it is installed.

    Returns:
        Neighbors(distances, rows). Beyond inputs and result, memory holds tiles and k + 8 candidates a query.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15, k out of range, unknown
            metric or backend, a backend that is not installed.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0], [1.0], [5.0]])
        >>> found = nearest_neighbors(points, points, 1, exclude_self=True)
        >>> found.distances.tolist(), found.rows.tolist()
        ([[1.0], [1.0], [4.0]], [[1], [0], [1]])
    """
    xp = array_module(queries, points)
    queries = check.float_rows(xp, "queries", queries, ("n", "d"))
    points = check.float_rows(xp, "points", points, ("n", queries.shape[1]))
    if exclude_self and len(queries) != len(points):
        raise InputError(
            f"exclude_self: expected the same rows twice, received {len(queries)} and {len(points)} rows. "
            "Give the same array twice, or leave it out."
        )
    if exclude_self and len(points) == 1:
        raise InputError("exclude_self: expected at least 2 rows, received 1. A single row has no neighbor.")
    k = check.whole_number("k", k, most=len(points) - bool(exclude_self))
    origin = origin_for(metric, points)
    return _nearest_neighbors(queries, points, k, origin, exclude_self, faiss_backend.use_faiss(backend, xp))


def _nearest_neighbors(
    queries: Any, points: Any, k: int, origin: Any, exclude_self: bool, use_faiss: bool
) -> Neighbors:
    xp = array_module(queries)
    wanted = min(len(points), k + _SPARE + exclude_self)
    candidates = _candidates(side(queries, origin), side(points, origin), wanted, use_faiss)
    result = Neighbors(xp.empty((len(queries), k), np.float32), xp.empty((len(queries), k), np.int64))

    def rank(part: slice) -> None:
        rows = candidates[part]
        exact = _exact_distances(float32_rows(queries, part), points, rows, origin)
        if exclude_self:
            exact[rows == xp.arange(part.start, part.stop)[:, None]] = np.inf
        keys = xp.sort(_packed(exact, rows), axis=1)[:, :k]
        result.distances[part], result.rows[part] = _unpacked(keys)

    with workers(xp) as each:
        each(rank, slices(len(queries), max(1, _GATHERED[xp.__name__] // (wanted * points.shape[1]))))
    return result


def _candidates(queries: Side, points: Side, wanted: int, use_faiss: bool) -> Any:
    """Rows of the `wanted` smallest float32 distances of every query, ties by lowest row, in no order."""
    xp = array_module(queries.rows)
    within = _found_by_faiss if use_faiss else _all_pairs

    def step(best: Any, a: Tile, b: Tile, start: int) -> Any:
        keys = _smallest(within(a, b, start, wanted), wanted)
        return keys if best is None else _smallest(xp.concatenate([best, keys], axis=1), wanted)

    return _unpacked(joined(fold(queries, points, step)))[1]


def _all_pairs(a: Tile, b: Tile, start: int, wanted: int) -> Any:
    return _packed(distances(a, b), start + array_module(a.points).arange(len(b.points)))


def _found_by_faiss(a: Tile, b: Tile, start: int, wanted: int) -> Any:
    k = min(wanted, len(b.points))
    if a.squares is None:
        similarities, rows = faiss_backend.most_similar(a.points, b.points, k)
        found = without_rounding(np.clip(1 - similarities, 0, 2), 1, a.points.shape[1])
    else:
        squared, rows = faiss_backend.nearest(a.points, b.points, k)
        found = without_rounding(squared, a.squares[:, None] + b.squares[rows], a.points.shape[1])
    return _packed(found, start + rows)


def _exact_distances(queries: Any, points: Any, rows: Any, origin: Any) -> Any:
    """Distances of every query to the points in its `rows`, from differences; float32 as `rows`."""
    xp = array_module(queries)
    a, b = queries, float32_rows(points, rows.ravel())
    if origin is None:
        a, b = unit_rows(a), unit_rows(b)
    squares = row_squares((b.reshape(*rows.shape, -1) - a[:, None]).reshape(len(b), -1)).reshape(rows.shape)
    if origin is not None:
        return xp.sqrt(squares).astype(np.float32)
    no_direction = ~(a.any(axis=1)[:, None] & b.any(axis=1).reshape(rows.shape))
    squares[squares < 2 * _PARALLEL] = 0
    return xp.where(no_direction, 1, squares / 2).astype(np.float32)  # |u - v|^2 = 2 - 2 u.v


def _packed(distances: Any, rows: Any) -> Any:
    """int64 keys that sort by float32 distance, then by row: the bits of a float >= 0 sort like the float."""
    distances += np.float32(0)  # turns -0 into 0
    keys = distances.view(np.int32).astype(np.int64)
    keys <<= 32
    keys |= rows
    return keys


def _unpacked(keys: Any) -> tuple[Any, Any]:
    return (keys >> 32).astype(np.int32).view(np.float32), keys & 0xFFFFFFFF


def _smallest(keys: Any, k: int) -> Any:
    if keys.shape[1] <= k:
        return keys
    return np.partition(keys, k - 1, axis=1)[:, :k] if array_module(keys) is np else _smallest_by_groups(keys, k)


def _smallest_by_groups(keys: Any, k: int) -> Any:
    """`_smallest` of distinct keys for a GPU, which sorts all that it partitions.

    The k smallest keys are in those k groups of columns whose least keys are smallest: only these are sorted.
    """
    xp, (n, width) = array_module(keys), keys.shape
    size = max(1, math.isqrt(width // k))  # of a group: there are then about as many groups as keys in k of them
    count = width // size
    if count <= k:
        return xp.sort(keys, axis=1)[:, :k]
    groups = keys[:, : count * size].reshape(n, size, count)
    nearest = xp.argsort(groups.min(axis=1), axis=1)[:, :k]
    found = xp.take_along_axis(groups, nearest[:, None], axis=2).reshape(n, -1)
    return xp.sort(xp.concatenate([found, keys[:, count * size :]], axis=1), axis=1)[:, :k]
