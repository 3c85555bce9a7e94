"""Balls of one radius around rows, and which anchors each of them holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts.cells import Cells, pivots_of
from tfal.kernels.parts.neighbor_lists import pair_lists
from tfal.kernels.parts.pairwise import Tile, distances, origin_for, side, taken
from tfal.kernels.parts.xp import array_module, to_numpy

ROUNDING = 1e-6  # of a squared distance that is compared with that of a radius


class Balls:
    """Which rows lie within delta of each anchor; anchors are named by their places in cells.

    A distance may round otherwise in the other order of its rows. Sizes count the lists, so they stay consistent
    whatever `around` says of a row just at the edge.

    Args:
        features: shape (m, d), whose rows the balls are counted for.
        delta: radius.
        anchors: (a,) rows of `features` that are counted, or -1 for each of `targets`.
        targets: (a, d) that are counted in their place, or None.
        max_edges: InputError for more pairs.

    Attributes:
        n_anchor: how many anchors. anchor_rows: the row that each is, in the order of the lists. lists: of each anchor,
        the rows within delta.
    """

    def __init__(self, features: Any, delta: float, anchors: np.ndarray, targets: Any, max_edges: int) -> None:
        self._limit, self._edges, self.n_anchor = np.float32(delta**2 * (1 + ROUNDING)), 0, len(anchors)
        self._rows = side(features, origin_for("euclidean", features))
        if targets is not None:
            points = side(targets, self._rows.origin)
        else:
            points = self._rows if len(anchors) == len(features) else taken(self._rows, anchors)
        self._cells = Cells(points, pivots_of(points))
        self._reach = self._cells.reach(delta, self._rows)
        self.anchor_rows = anchors[self._cells.order].astype(np.int32)
        xp = array_module(features)

        def within(a: Tile, b: Tile, points: slice, rows: np.ndarray) -> Any:
            found = distances(a, b) <= self._limit
            found |= xp.asarray(self.anchor_rows[points, None]) == xp.asarray(rows)  # a ball holds its center
            return found

        def count(edges: int) -> None:
            self._edges += edges  # two threads may lose a few, which a limit on memory can do without
            if self._edges > max_edges:
                raise InputError(
                    f"delta: expected at most {max_edges:,} pairs of rows within it, received more at {delta:g}. "
                    "Choose a smaller radius, or allow more with max_edges, at 4 bytes each."
                )

        self.lists = pair_lists(self._cells, self._rows, self._reach, within, count)

    def around(self, row: int) -> np.ndarray:
        """Which anchors lie within delta of a row, bool."""
        xp = array_module(self._rows.rows)
        found, tile = self.anchor_rows == row, self._rows.tile(xp.asarray([row]))
        for points, _ in self._cells.blocks(tile, self._reach):
            found[points] |= to_numpy(distances(tile, self._cells.tile(points))[0] <= self._limit)
        result: np.ndarray = found
        return result
