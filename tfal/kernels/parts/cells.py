"""Which points can lie within a radius of which rows, told from a few pivots, so that most distances need no product.

A row nearest to pivot p and a point nearest to pivot q lie on the two sides of the plane halfway between p and q, and
are at least as far apart as both are from that plane together. In many dimensions this tells clusters apart where the
triangle inequality does not. What is left out is farther than the radius by more than float32 rounding: distances are
computed for all other pairs, and the answers are those of all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfal.kernels.kmeans import kmeans
from tfal.kernels.parts.euclidean import rounding
from tfal.kernels.parts.pairwise import Side, Tile, taken
from tfal.kernels.parts.tiles import slices, workers
from tfal.kernels.parts.xp import array_module, row_squares, to_numpy

_POINTS = 48  # of a cell, on average
_MOST_CELLS = 1024
_SAMPLE = 32  # points a cell that pivots are found from
_N_ITER = 5
_BLOCK = {"numpy": (256, 1024), "cupy": (4096, 8192)}  # points and rows of a block of distances
_MOST_WIDENED = 8  # times the points of a block
_FARTHEST = 1e17  # so that squares stay finite


def pivots_of(points: Side, centers: Any = None) -> Any:
    """Centers of some clusters of the points, float32 (k, d): those given if these are few, or such as k-means finds.

    A single one on a GPU, where small products cost more than they save.
    """
    n = len(points.rows)
    k = min(_MOST_CELLS, n // _POINTS)
    if array_module(points.rows) is not np or k < 2:
        return single_pivot(points)
    if centers is not None and len(centers) <= 2 * _MOST_CELLS:
        return centers
    some = taken(points, np.linspace(0, n - 1, min(n, k * _SAMPLE)).astype(np.int64)).rows
    return kmeans(some, k, rng=np.random.default_rng(0), n_iter=_N_ITER).centers


def single_pivot(points: Side) -> Any:
    """For points of which nearly all are near every row: all in one cell."""
    return points.rows[:1].astype(np.float32)


class Cells:
    """Points in the cells of the pivots that they are nearest to."""

    def __init__(self, points: Side, pivots: Any) -> None:
        xp = array_module(points.rows)
        self._points, self._pivots = points, pivots - points.origin
        self._halves = (row_squares(self._pivots) / 2).astype(np.float32)
        self._height, self._width = _BLOCK[xp.__name__]
        with workers(xp) as each:
            tiles = slices(len(points.rows), self._width)
            cells = np.concatenate(each(lambda part: to_numpy(self._nearness(points.tile(part)).argmax(axis=1)), tiles))
            self.order = cells.argsort(kind="stable")  # of points: those of a cell follow each other
            self._ends = np.append(0, np.cumsum(np.bincount(cells, minlength=len(pivots))))
            self._gaps = xp.stack(each(self._gap, list(range(len(pivots)))), axis=1)
        squares = xp.maximum(row_squares(self._pivots)[:, None] + row_squares(self._pivots), 0)
        apart = squares - 2 * self._pivots.astype(np.float64) @ self._pivots.T.astype(np.float64)
        self._apart = xp.sqrt(xp.maximum(apart, 0))

    def tile(self, part: slice) -> Tile:
        """Some points, by their places in `order`."""
        if len(self._pivots) == 1:
            return self._points.tile(part)
        return self._points.tile(array_module(self._points.rows).asarray(self.order[part]))

    def reach(self, radius: float, rows: Side) -> Any:
        """What `blocks` needs to know of a radius and of rows that have the origin of the points."""
        d = rows.rows.shape[1]
        largest = max(float(side.max()) for side in (rows.squares, self._points.squares, 2 * self._halves))
        slack = 4 * rounding(d) * largest
        return (math.hypot(min(radius, _FARTHEST), math.sqrt(slack)) * self._apart - self._gaps + slack).astype(
            np.float32
        )

    def blocks(self, rows: Tile, reach: Any) -> Iterator[tuple[slice, Any]]:
        """Points, by their places in `order`, and those of `rows`, a slice or ascending indices, that can be near them.

        Ascending in the points; of the same points, ascending in the rows.
        """
        xp, n = array_module(rows.points), len(rows.points)
        height, parts = self._height, slices(n, self._width)
        if xp is not np:  # few rows leave room for more points
            height *= max(1, min(_MOST_WIDENED, self._width // n))
        near = np.concatenate([self._near(Tile(rows.points[part], None), reach) for part in parts], axis=1)
        counts = near.sum(axis=1)
        start = 0
        for cell in range(len(near)):
            stop = int(self._ends[cell + 1])
            if counts[cell] > n // 2:  # so many rows need not be copied, and cells can be taken together
                if cell + 1 < len(near) and counts[cell + 1] > n // 2:
                    continue
                for points in slices(stop - start, height):
                    for part in parts:
                        yield slice(start + points.start, start + points.stop), part
            elif counts[cell] and stop > start:
                found = xp.asarray(near[cell].nonzero()[0])
                for points in slices(stop - start, height):
                    for part in slices(len(found), self._width):
                        yield slice(start + points.start, start + points.stop), found[part]
            start = stop

    def _near(self, rows: Tile, reach: Any) -> np.ndarray:
        """Which cells can hold points near each of the rows, bool (cells, rows)."""
        if len(self._pivots) == 1:
            return np.ones((1, len(rows.points)), bool)
        nearness = self._nearness(rows)
        own = nearness.argmax(axis=1)
        nearest = nearness[np.arange(len(own)), own]
        nearness += reach[own]
        return np.ascontiguousarray((nearness >= nearest[:, None]).T)

    def _nearness(self, rows: Tile) -> Any:
        """x . p - |p|**2 / 2; of two pivots the nearer has the larger, by their distance times that to the plane."""
        nearness = rows.points @ self._pivots.T
        nearness -= self._halves
        return nearness

    def _gap(self, cell: int) -> Any:
        """By how much the points of a cell are nearer to its pivot than to each other one, at the least."""
        xp, part = array_module(self._pivots), slice(self._ends[cell], self._ends[cell + 1])
        if part.start == part.stop:
            return xp.zeros(len(self._pivots), np.float32)
        nearness = self._nearness(self.tile(part))
        return (nearness[:, cell, None] - nearness).min(axis=0)
