"""Rows as points of Euclidean space, read in tiles and seen from a point near their mean.

|x - c|^2 = |x|^2 + |c|^2 - 2 x.c loses digits when all points lie far from the origin on one side: move the origin.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.kernels.parts.tiles import Each, fill, float32_rows
from tfal.kernels.parts.xp import array_module, row_squares

_LEAST_ROUNDING = 1e-6
_EPSILON = float(np.finfo(np.float32).eps)
_SAMPLE = 1024  # rows that are looked at to find a point near the mean


def rounding(d: int) -> float:
    """The float32 rounding of a product of two rows of d values, as a share of their norms; at least 1e-6.

    A squared distance below this share of |a|^2 + |b|^2 cannot be told from 0. A sum of d products is rounded d times:
    its error grows as the root of d, and twice that of random errors is enough for rows of equal values, too.
    """
    return max(_LEAST_ROUNDING, 2 * _EPSILON * math.sqrt(d))


def near_mean(rows: Any) -> Any:
    """A point near the mean of some of the rows, float32 (d,), or 0.0 when the spread is larger than the way there."""
    sample = rows[:: -(-len(rows) // _SAMPLE)].astype(np.float64)
    xp, mean = array_module(sample), sample.mean(axis=0)
    variance = xp.square(sample - mean).mean()
    return 0.0 if variance >= xp.square(mean).mean() else exact_shift(mean, variance)


def exact_shift(mean: Any, variance: Any) -> Any:
    """The mean, rounded to a multiple of a power of two below the spread, float32.

    The rounding keeps coordinates such as integers exact, and with them ties.
    """
    xp = array_module(mean)
    grid = 2.0 ** xp.floor(xp.log2(xp.maximum(variance, 1e-60)) / 2)
    return (xp.rint(mean / grid) * grid).astype(np.float32)


def shifted(features: Any, where: Any, shift: Any) -> Any:
    """float32 rows, by slice or index array, relative to `shift`, (d,) or 0.0."""
    rows = float32_rows(features, where)
    return rows if isinstance(shift, float) else rows - shift


def squared_norms(features: Any, shift: Any, each: Each) -> Any:
    """Squared norm of every row relative to `shift`, float64."""
    n, d = features.shape
    return fill(array_module(features), n, 4 * d, each, lambda tile: row_squares(shifted(features, tile, shift)))


def inverse_norms(rows: Any, each: Each) -> Any:
    """1 / norm of every row, float32 (n,), and 0 for a row of zeros, or of values too small for float32."""
    xp, (n, d) = array_module(rows), rows.shape

    def inverse(tile: slice) -> Any:
        norms = xp.sqrt(row_squares(float32_rows(rows, tile)))
        seen = norms >= np.finfo(np.float32).tiny
        return seen / xp.where(seen, norms, 1)

    return fill(xp, n, 4 * d, each, inverse).astype(np.float32)


class Directions:
    """Rows of an array scaled to length 1, all or some, float32: made as they are read, so that none is held.

    They stand for an array wherever rows are read by `float32_rows`. A row of zeros stays one.
    """

    def __init__(self, array: Any, inverse: Any, rows: Any = None) -> None:
        """inverse: of inverse_norms(array). rows: which ones, distinct int64 in the module of `array`; None: all."""
        self.seen_of, self._inverse, self._rows = array, inverse, rows
        self.shape = (len(array if rows is None else rows), array.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: Any) -> Any:
        """float32 (k, d), by slice or index array."""
        rows = where if self._rows is None else self._rows[where]
        return float32_rows(self.seen_of, rows) * self._inverse[rows][:, None]

    def take(self, where: Any, axis: int = 0) -> Any:
        return self[where]

    def some(self, rows: Any) -> Directions:
        """Those at these places."""
        return Directions(self.seen_of, self._inverse, rows if self._rows is None else self._rows[rows])


class Points:
    """Rows under the Euclidean distance, seen from `shift`."""

    def __init__(self, features: Any, shift: Any, each: Each) -> None:
        self.features, self.shift = features, shift
        self.squares = squared_norms(features, shift, each)

    def moved(self, where: Any) -> Any:
        """Rows relative to `shift`, float32."""
        return shifted(self.features, where, self.shift)

    def rows(self, where: Any) -> tuple[Any, Any]:
        return self.moved(where), self.squares[where][:, None]

    def as_centers(self, points: Any) -> tuple[Any, Any]:
        """Centers from points relative to `shift`, which need not be rows."""
        return points.T, (row_squares(points) / 2).astype(np.float32)

    def centers(self, where: Any) -> tuple[Any, Any]:
        return self.as_centers(self.moved(where))

    def nearness(self, rows: tuple[Any, Any], centers: tuple[Any, Any]) -> Any:
        """x . c - |c|**2 / 2 of rows x and centers c."""
        points, half_squares = centers
        return rows[0] @ points - half_squares

    def squared(self, rows: tuple[Any, Any], nearness: Any) -> Any:
        squares = rows[1]
        squared = squares - 2.0 * nearness.astype(np.float64)
        least = 2 * rounding(self.features.shape[1]) * squares  # of near points, both norms are alike
        return array_module(squared).where(squared > least, squared, 0)
