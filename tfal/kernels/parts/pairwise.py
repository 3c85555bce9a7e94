"""Distances between two sets of rows: in one block, or reduced tile by tile without ever holding all of them.

Rows far from the origin are moved to a point near their mean first. What is below a share of |a|^2 + |b|^2, or of 1 for
a cosine distance, is float32 rounding and counts as 0: 1e-6, and 2.4e-7 times the root of d beyond d = 17.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import resolve_name
from tfal.kernels.parts import check, cuda
from tfal.kernels.parts.euclidean import near_mean, rounding, shifted, squared_norms
from tfal.kernels.parts.tiles import CORES, LEAST_ROWS, float32_rows, slices, workers
from tfal.kernels.parts.xp import array_module, row_squares

METRICS = ("euclidean", "cosine")
_TILE = {"numpy": (1024, 1024), "cupy": (2048, 8192)}  # rows and columns of one block of distances


def squared_distances(a: Any, b: Any) -> Any:
    """Squared Euclidean distance of every row of `a` to every row of `b`, in one block.

    Args:
        a: shape (n, d), float16/32/64, computed in float32, NumPy or CuPy.
        b: shape (m, d).

    Returns:
        float32 of shape (n, m), not negative, in the array module of the inputs.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15.

    Example:
        >>> import numpy as np
        >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]])).tolist()
        [[25.0, 1.0]]
    """
    a, b = _checked_pair("a", a, "b", b)
    origin = near_mean(b)
    return distances(side(a, origin).tile(), side(b, origin).tile())


def cosine_similarities(a: Any, b: Any) -> Any:
    """Cosine of the angle between every row of `a` and every row of `b`, in one block.

    Args:
        a: shape (n, d), float16/32/64, computed in float32, NumPy or CuPy.
        b: shape (m, d).

    Returns:
        float32 of shape (n, m), in [-1, 1], in the array module of the inputs. A row of zeros has similarity 0.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15.

    Example:
        >>> import numpy as np
        >>> cosine_similarities(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])).tolist()
        [[1.0, 0.0, -1.0]]
    """
    a, b = _checked_pair("a", a, "b", b)
    xp, every = array_module(a), slice(None)
    return xp.clip(unit_rows(float32_rows(a, every)) @ unit_rows(float32_rows(b, every)).T, -1, 1)


def reduce_distances(
    rows: Any, columns: Any, reduce: Callable[[Any, Any, int], Any], *, metric: str = "euclidean"
) -> Any:
    """Fold the distances of every row to all columns, without ever holding more than tiles of them.

    Of a block of rows, `reduce(state, tile, start)` is called once for every tile of columns, in ascending order: the
    state is None at first, then what the call before returned. `tile` holds the distances of the block, (rows, columns
    from `start` on), and may be overwritten. A state is an array, or a tuple of arrays, with one entry a row. On a CPU,
    blocks are reduced in several threads at once.

    Args:
        rows: shape (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        columns: shape (m, d).
        reduce: see above.
        metric: "euclidean", or "cosine" for 1 - cosine similarity.

    Returns:
        The last states of all blocks, concatenated: an array, or a tuple of arrays, of length n.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15, unknown metric.

    Example:
        >>> import numpy as np
        >>> def within_two(count, tile, start):
        ...     return (tile <= 2).sum(axis=1) + (0 if count is None else count)
        >>> points = np.array([[0.0], [1.0], [5.0]])
        >>> reduce_distances(points, points, within_two).tolist()
        [2, 2, 1]
    """
    rows, columns = _checked_pair("rows", rows, "columns", columns)
    origin = origin_for(metric, columns)
    root = array_module(rows).sqrt

    def step(state: Any, a: Tile, b: Tile, start: int) -> Any:
        tile = distances(a, b)
        return reduce(state, tile if origin is None else root(tile, out=tile), start)

    blocks = fold(side(rows, origin), side(columns, origin), step)
    return tuple(map(joined, zip(*blocks, strict=True))) if isinstance(blocks[0], tuple) else joined(blocks)


def joined(parts: Any) -> Any:
    """Arrays one after the other."""
    return array_module(parts[0]).concatenate(list(parts))


def _checked_pair(name_a: str, a: Any, name_b: str, b: Any) -> tuple[Any, Any]:
    xp = array_module(a, b)
    a = check.float_rows(xp, name_a, a, ("n", "d"))
    return a, check.float_rows(xp, name_b, b, ("n", a.shape[1]))


class Tile(NamedTuple):
    """Rows ready for a product: moved to the origin, with their squared norms, or scaled to length 1."""

    points: Any  # float32 (r, d)
    squares: Any  # float32 (r,), None for the cosine


class Side(NamedTuple):
    """Rows as they were given, and what turns some of them into a Tile."""

    rows: Any
    origin: Any  # subtracted; None for the cosine
    squares: Any  # of all rows: the only thing worth keeping

    def tile(self, part: Any = slice(None)) -> Tile:
        """Some rows, by slice or index array, or all."""
        if self.origin is None:
            return Tile(unit_rows(float32_rows(self.rows, part)), None)
        return Tile(shifted(self.rows, part, self.origin), self.squares[part])


def side(rows: Any, origin: Any) -> Side:
    """`rows` relative to `origin`, or for the cosine when that is None."""
    if origin is None:
        return Side(rows, None, None)
    with workers(array_module(rows)) as each:
        return Side(rows, origin, squared_norms(rows, origin, each).astype(np.float32))


def taken(given: Side, where: Any) -> Side:
    """Some rows by index, copied as float32."""
    where = array_module(given.rows).asarray(where)
    return Side(float32_rows(given.rows, where), given.origin, None if given.squares is None else given.squares[where])


def origin_for(metric: str, rows: Any) -> Any:
    """What `side` needs for a metric."""
    return near_mean(rows) if resolve_name("metric", metric, METRICS) == "euclidean" else None


def unit_rows(rows: Any) -> Any:
    """float32 rows scaled to length 1; a row of zeros stays one."""
    xp = array_module(rows)
    norms = xp.sqrt(row_squares(rows)).astype(np.float32)
    return rows / xp.where(norms > 0, norms, np.float32(1))[:, None]


def distances(a: Tile, b: Tile) -> Any:
    """Squared Euclidean distances, or cosine distances, float32 (rows of a, rows of b)."""
    d = a.points.shape[1]
    if a.squares is None:
        return without_rounding(array_module(a.points).clip(1 - a.points @ b.points.T, 0, 2), 1, d)
    few, many = (-2 * a.points, b.points) if len(a.points) < len(b.points) else (a.points, -2 * b.points)
    squared = few @ many.T
    if array_module(squared) is not np:
        return cuda.squared_from_products(squared, a.squares, b.squares, np.float32(rounding(d)))
    norms = a.squares[:, None] + b.squares
    squared += norms
    return without_rounding(squared, norms, d)


def without_rounding(distances: Any, norms: Any, d: int) -> Any:
    """`distances` of rows of d values, with 0 for those no larger than the rounding of a difference of `norms`."""
    distances *= distances > np.float32(rounding(d)) * norms
    return distances


def fold(rows: Side, columns: Side, step: Callable[[Any, Tile, Tile, int], Any]) -> list[Any]:
    """For every block of rows, the last state of `step(state, block, tile of columns, its start)`."""
    xp, n = array_module(rows.rows), len(rows.rows)
    height, width = _TILE[xp.__name__]
    if xp is np:  # few rows: smaller blocks, so that all cores have some
        height = min(height, max(LEAST_ROWS, -(-n // CORES)))
    across = slices(len(columns.rows), width)

    def reduced(part: slice) -> Any:
        state, block = None, rows.tile(part)
        for tile in across:
            state = step(state, block, columns.tile(tile), tile.start)
        return state

    with workers(xp) as each:
        return each(reduced, slices(n, height))
