"""How far anchors are covered by a smooth kernel, and what each row would add to that: the sums of MaxHerding."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfal.kernels.parts import cuda
from tfal.kernels.parts.neighbor_lists import Lists, Pairs, apart, grouped, marked, merged
from tfal.kernels.parts.pairwise import Side, Tile, distances, joined, taken
from tfal.kernels.parts.tiles import Each, cores, slices
from tfal.kernels.parts.xp import array_module, to_numpy

_ROUNDING = 1e-6  # of a kernel value, and of sums that are compared
_FAR = 30.0  # exp(-30) is below the rounding
_BLOCK = {"numpy": (256, 512), "cupy": (2048, 8192)}  # anchors and rows of a block of kernel values
_ROWS = {"numpy": 8192, "cupy": 65536}  # that a thread looks at, and most rows of a block
_MOST_CONTENDERS = 1024
_MOST_PAIRS = 3 << 24  # that are listed: 400 MB
_SAMPLE, _ROWS_OF_SAMPLE = 256, 4096  # anchors and rows that tell how many pairs there are


class Cover:
    """How far the anchors are covered, and what each row would add to that.

    A pick takes from the gains of other rows only through the anchors that it covers better. Of t picks that come from
    one law with an anchor, the last is the nearest with probability 1 / t, so all corrections together cost about
    log(t) passes over the kernel values. For the same reason the rows that still count for an anchor get few: they are
    listed when its level rises and there is room, and from then on they are corrected without a product.
    """

    def __init__(
        self,
        rows: Side,
        anchors: Side,
        anchor_rows: np.ndarray,
        weights: Any,
        labeled: np.ndarray,
        sigma: float,
        each: Each,
    ) -> None:
        xp = array_module(rows.rows)
        self.xp, self.rows, self.anchors, self.weights, self.each = xp, rows, anchors, weights, each
        self.anchor_rows = anchor_rows  # ascending, on the host
        self.square = sigma**2
        # The rounding of a sum of kernel values, which a difference of such sums keeps.
        self.slack = 4 * _ROUNDING * float(xp.sqrt(xp.square(weights, dtype=np.float64).sum()))
        self.level = xp.zeros(len(weights), np.float32)
        for part in slices(len(labeled), _BLOCK[xp.__name__][1]):
            self.level = self.raised(self.level, labeled[part])
        self.labeled, self.gains = labeled, np.zeros(0)
        self.lists: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # of anchors: rows and kernel values that count
        self.n_listed = 0

    def start(self, levels: Sequence[Any]) -> list[np.ndarray]:
        """All gains at the present level, and what they would be at others."""
        found = self.added(np.arange(len(self.weights)), levels)[0]
        for gains in found:
            gains[self.labeled] = 0
        return found

    def next_pick(self, ranks: np.ndarray) -> int | None:
        """The row of the largest gain, of equal ones that of the lowest rank; None if no row adds anything."""
        while True:
            nearly = (1 - 4 * _ROUNDING) * float(self.gains.max()) - self.slack
            rows = _largest(self.gains, np.flatnonzero(self.gains > max(nearly, 0)), _MOST_CONTENDERS, ranks)
            if len(rows) == 0:
                return None
            # Summed anew: what is a tie must not depend on how the gains came about.
            gains = self.sums(rows, self.level)
            nothing = rows[gains == 0]
            self.gains[nothing] = 0
            if len(nothing) < len(rows):
                ties = rows[gains >= (1 - _ROUNDING) * gains.max()]
                return int(ties[ranks[ties].argmin()])

    def add(self, pick: int) -> None:
        """Cover anchors by a pick."""
        before = self.level
        self.level = self.raised(self.level, np.array([pick]))
        some = to_numpy(self.xp.flatnonzero(self.level > before))
        listed = np.array([anchor in self.lists for anchor in some.tolist()], bool)
        self._correct(some[listed], to_numpy(before), to_numpy(self.level))
        some = some[~listed]
        if len(some):
            (at_first, at_last), lists = self.added(some, [before, self.level], min(len(some), self._room(some)))
            self.gains -= at_first - at_last
            self.lists.update(zip(some[: len(lists)].tolist(), lists, strict=True))
            self.n_listed += sum(len(rows) for rows, _ in lists)
        self.gains[pick] = 0

    def _correct(self, anchors: np.ndarray, before: np.ndarray, after: np.ndarray) -> None:
        """Correct the rows that are listed with anchors whose levels rise, and forget those that count no longer."""
        weights = to_numpy(self.weights)
        for anchor in anchors.tolist():
            rows, values = self.lists[anchor]
            added = _above(values, after[anchor])
            self.gains[rows] -= weights[anchor] * (_above(values, before[anchor]) - added)
            left = added > 0
            self.lists[anchor] = rows[left], values[left]
            self.n_listed += int(left.sum()) - len(rows)

    def _room(self, anchors: np.ndarray) -> int:
        """How many of the anchors can be listed now, from how many rows count for some of them; on a GPU none.

        There products are made anew in less time than the host takes to correct what is listed.
        """
        if self.xp is not np:
            return 0
        room, n = _MOST_PAIRS - self.n_listed, len(self.rows.rows)
        if room >= n * len(anchors):
            return len(anchors)
        some = anchors[np.linspace(0, len(anchors) - 1, min(_SAMPLE, len(anchors))).astype(np.int64)]
        rows = self.rows.tile(self.xp.asarray(np.linspace(0, n - 1, min(n, _ROWS_OF_SAMPLE)).astype(np.int64)))
        values = self._kernel(taken(self.anchors, some).tile(), rows)
        share = float((values > self.level[self.xp.asarray(some), None] + np.float32(_ROUNDING)).mean())
        return int(min(room, _MOST_PAIRS // 4) / max(1.0, 1.2 * share * n))

    def added(
        self, anchors: np.ndarray, levels: Sequence[Any], n_listed: int = 0
    ) -> tuple[list[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]:
        """For all rows, what they add to each of some rising levels of some anchors, float64.

        And of the first `n_listed` of these anchors, the rows that add something to the last, with their kernel values.
        """
        xp, m = self.xp, len(self.rows.rows)
        where = xp.asarray(anchors)
        some = self.anchors if len(anchors) == len(self.weights) else taken(self.anchors, where)
        weights, levels = self.weights[where], [level[where] for level in levels]
        rising = [after > before for before, after in itertools.pairwise(levels)]
        found = [np.empty(m) for _ in levels]
        height, width = _BLOCK[xp.__name__]
        if xp is not np:  # few anchors leave room for more rows
            width = min(_ROWS[xp.__name__], width * max(1, height // max(len(anchors), 16)))
        names = np.arange(m, dtype=np.int32)

        def add(rows: slice, pairs: list[Pairs]) -> None:
            columns, sums = self.rows.tile(rows), [xp.zeros(rows.stop - rows.start) for _ in levels]
            for part in slices(len(anchors), height):
                values = self._kernel(some.tile(part), columns)
                above = _above(values, levels[0][part, None])
                total = weights[part] @ above
                sums[0] += total
                for i, rises in enumerate(rising, 1):
                    those = xp.flatnonzero(rises[part])
                    if len(those):
                        left = _above(values[those], levels[i][part][those, None])
                        total = total - weights[part][those] @ (above[those] - left)
                        above[those] = left
                    sums[i] += total
                if part.start < n_listed:
                    counted = slice(0, n_listed - part.start)
                    pairs.append(marked(above[counted] > 0, values[counted], part.start, names[rows]))
            for gains, total in zip(found, sums, strict=True):
                gains[rows] = to_numpy(total)

        def of(tile: slice) -> list[Lists]:
            pairs: list[Pairs] = []
            for rows in slices(tile.stop - tile.start, width):
                add(slice(tile.start + rows.start, tile.start + rows.stop), pairs)
            return grouped(pairs, n_listed)

        tiles = self.each(of, slices(m, max(1, min(_ROWS[xp.__name__], -(-m // cores(xp))))))
        return found, apart(merged(tiles))

    def sums(self, rows: np.ndarray, level: Any) -> np.ndarray:
        """For each of a few rows, the weighted sum of what it adds to a level, float64."""
        width, found = _BLOCK[self.xp.__name__][1], np.zeros(len(rows))
        for block in slices(len(rows), width):
            columns = self.rows.tile(self.xp.asarray(rows[block]))

            def of(part: slice, columns: Tile = columns) -> Any:
                added = _above(self._kernel(self.anchors.tile(part), columns), level[part, None])
                added *= self.weights[part, None]
                return added.sum(axis=0, dtype=np.float64)

            parts = self._parts(len(self.weights), len(rows[block]))
            found[block] = to_numpy(sum(self.each(of, parts), start=self.xp.zeros(1)))
        return found

    def _parts(self, n: int, width: int) -> list[slice]:
        """Slices of n anchors, larger ones where a block is narrow."""
        height, most = _BLOCK[self.xp.__name__]
        return slices(n, min(_ROWS[self.xp.__name__], height * max(1, most // max(width, 16))))

    def raised(self, level: Any, rows: np.ndarray) -> Any:
        """A level, raised to the kernel values with a block of rows."""
        columns = self.rows.tile(self.xp.asarray(rows))
        parts = self._parts(len(level), len(rows))
        level = self.xp.maximum(
            level, joined(self.each(lambda part: self._kernel(self.anchors.tile(part), columns).max(axis=1), parts))
        )
        level[self.xp.asarray(np.flatnonzero(np.isin(self.anchor_rows, rows)))] = 1  # by itself, wholly
        return level

    def _kernel(self, a: Tile, b: Tile) -> Any:
        squared = distances(a, b)
        if self.xp is not np:
            return cuda.smooth_kernel(squared, _FAR, self.square)
        self.xp.minimum(squared, np.float32(_FAR * self.square), out=squared)  # what is divided cannot overflow
        squared /= np.float32(-self.square)
        return self.xp.exp(squared, out=squared)


def _above(values: Any, level: Any) -> Any:
    """How much values exceed a level; no more than the rounding is nothing."""
    if array_module(values) is not np:
        return cuda.above(values, level, _ROUNDING)
    added = values - level
    added *= added > _ROUNDING
    return added


def _largest(bound: np.ndarray, rows: np.ndarray, size: int, ranks: np.ndarray) -> np.ndarray:
    """The `size` of `rows` that have the largest bounds, of equal ones those of the lowest ranks."""
    return rows if len(rows) <= size else rows[np.lexsort((ranks[rows], -bound[rows]))[:size]]
