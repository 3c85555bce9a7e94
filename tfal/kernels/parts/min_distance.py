"""Squared distance of every row to its nearest pick, where every pick adds one more.

Distances only shrink as picks come, so what was the distance stays an upper bound. Methods that need the exact
distance of few rows only can do without a pass over all rows for every pick: see `Nearest`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tfal.kernels.parts.tiles import Each, slices, tiles
from tfal.kernels.parts.xp import array_module, to_numpy

_MOST_CENTERS = 512  # whose distances to a tile are in memory at a time
_PASS = 16  # reading all rows costs about as much as multiplying each of them with so many centers
_PICKED = -1.0  # below every distance, and a minimum with one keeps it


class Space(Protocol):
    """Rows and a squared distance. `where` is a slice or an index array; what comes of it is the space's own."""

    features: Any  # (m, d)

    def rows(self, where: Any) -> Any:
        """Rows to measure from."""

    def centers(self, where: Any) -> Any:
        """Rows to measure to."""

    def nearness(self, rows: Any, centers: Any) -> Any:
        """(rows, centers); of two centers the larger is the nearer to a row."""

    def squared(self, rows: Any, nearness: Any) -> Any:
        """Squared distances for the nearness of the rows to centers, (rows, centers), not negative."""


class Nearest:
    """The picks so far, and an upper bound on the squared distance of every row to the nearest of them.

    `look` tells the distances of a few rows. `refresh` brings all bounds down to them, in one pass over the rows. A
    pick has the bound -1, because in some spaces it is not at distance 0 from itself.
    """

    def __init__(self, space: Space, each: Each) -> None:
        xp = array_module(space.features)
        self.space, self.each = space, each
        self.bound = xp.full(len(space.features), np.inf)
        self.picks: list[int] = []
        self.pending: list[int] = []  # picks that the bounds know nothing of yet

    def add(self, rows: Sequence[int]) -> None:
        """Make `rows` picks."""
        self.picks += rows
        self.pending += rows
        self.bound[array_module(self.bound).asarray(rows, np.int64)] = _PICKED

    def refresh(self) -> None:
        """Bring every bound down to the distance."""
        pending = array_module(self.bound).asarray(self.pending, np.int64)
        self.lower(len(pending), lambda block: self.space.centers(pending[block]))
        self.pending = []

    def lower(self, count: int, centers: Callable[[slice], Any]) -> None:
        """Lower every bound to the distance from `count` centers, of which `centers(block)` gives some."""
        xp, space, bound = array_module(self.bound), self.space, self.bound
        for block in slices(count, _MOST_CENTERS):
            some = centers(block)

            def work(tile: slice, some: Any = some) -> None:
                rows = space.rows(tile)
                nearest = space.nearness(rows, some).max(axis=1, keepdims=True)
                bound[tile] = xp.minimum(bound[tile], space.squared(rows, nearest)[:, 0])

            width = 4 * space.features.shape[1] + 8 * (block.stop - block.start)
            self.each(work, tiles(xp, len(bound), width))

    def refresh_cost(self) -> int:
        """Cost of a refresh now, in dot products."""
        return len(self.bound) * (len(self.pending) + _PASS)

    def look_cost(self, k: int) -> int:
        """Cost of a look at `k` rows now, in dot products."""
        return k * (len(self.pending) + k)

    def look(self, where: Any) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances of the rows `where` (k,) to the nearest pick (k,), and to each other (k, k), on the host.

        A row is at -1 from itself, wherever it stands in `where`, and a pick is at -1 from the picks.
        """
        xp, space = array_module(self.bound), self.space
        rows, pending = space.rows(where), xp.asarray(self.pending, np.int64)

        def nearest(block: slice) -> Any:
            nearness = space.nearness(rows, space.centers(pending[block]))
            return space.squared(rows, nearness.max(axis=1, keepdims=True))[:, 0]

        blocks = slices(len(pending), _MOST_CENTERS)
        distances = functools.reduce(xp.minimum, self.each(nearest, blocks), self.bound[where])
        pairs = space.squared(rows, space.nearness(rows, space.centers(where)))
        pairs = xp.where(where[:, None] == where, _PICKED, pairs)
        return to_numpy(distances), to_numpy(pairs)
