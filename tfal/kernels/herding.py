"""MaxHerding and UHerding: greedy cover of the rows by a smooth kernel, of all alike or of the uncertain ones first.

Sources: Bae et al., "Generalized Coverage for More Robust Low-Budget Active Learning", ECCV 2024; Bae et al.,
"Uncertainty Herding: One Active Learning Method for All Label Budgets", ICLR 2025. Differences from public code:
- No m x m kernel is held, and no random subset of candidates is needed. Columns are computed on demand; what still
  counts of them is kept once it fits into 1 GB.
- After a pick, only what it changed is computed anew: see `_Cover`.
- What covers a row by no more than 1e-6 adds nothing, and sums within 1e-6 of the largest (relative) are ties: both are
  float32 rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels import check
from tfal.kernels.cells import Cells, single_pivot
from tfal.kernels.pairs import PairLists, pair_lists
from tfal.kernels.pairwise import Side, Tile, distances, joined, origin_for, side, taken
from tfal.kernels.representatives import positive, unlabeled
from tfal.kernels.tiles import Each, slices, workers
from tfal.kernels.top import tie_ranks
from tfal.kernels.xp import array_module, to_numpy

_ROUNDING = 1e-6  # of a kernel value, and of sums that are compared
_FAR = 30.0  # exp(-30) is below the rounding
_BLOCK = {"numpy": (128, 1024), "cupy": (4096, 16384)}  # anchors and rows of a block of kernel values
_MOST_CONTENDERS = 1024
_MOST_PAIRS = 1 << 27  # that are listed: 1 GB
_SAMPLE = 128  # anchors that tell how many pairs there are


def max_herding(
    features: Any,
    n: int,
    *,
    labeled: Any = None,
    sigma: float = 1.0,
    weights: Any = None,
    n_anchor: int | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Pick `n` rows one by one, each the one that adds most to sum_i w_i max_{j in L} k(x_i, x_j).

    L are the labeled and picked rows, and k(x, y) = exp(-|x - y|**2 / sigma**2) as in the authors' code, without a 2;
    sigma = 1 on rows of length 1 is their MaxHerding. Weights make it UHerding. Of rows that add
    the same, perhaps nothing, chance takes one, or without `rng` the lowest.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles. Memory
            beyond them is some numbers a row, copies of anchors, and at most about 1.5 GB of kernel values on the host.
            Time is about that of log(n) times the distances of all rows to all anchors, often less.
        n: how many rows, from 1 to as many as are not labeled.
        labeled: distinct integer rows, (l,), that are labeled already, or None.
        sigma: width of the kernel, from 1e-15.
        weights: how much it is worth to cover each row, float (m,), at least 0; None is 1 for all.
        n_anchor: the sum is over so many unlabeled rows, drawn from `rng` without replacement. None, or as many as
            there are: over all rows, exactly. A million rows need some 10,000 anchors, or a day.
        rng: draws anchors, and breaks ties (tfal.kernels.top.tie_order); needed with n_anchor only.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shapes, integer features, values not finite or above 1e15, labeled rows out of range or
            repeated, a number out of range, negative weights, n_anchor without rng.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [2.0], [6.0], [7.0]])
        >>> max_herding(features, 2).tolist(), max_herding(features, 2, weights=np.array([1.0, 0, 0, 1, 0])).tolist()
        ([1, 3], [0, 3])
    """
    xp = array_module(features, weights)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    left = unlabeled(len(features), labeled, n)
    sigma = positive("sigma", sigma, 1e-15)
    if weights is None:
        weights = xp.ones(len(features), np.float32)
    weights = check.float_array(xp, "weights", weights, (len(features),))
    if weights.min() < 0:
        raise InputError(f"weights: expected none below 0, received {float(weights.min()):g}. Give 0 for no interest.")
    anchors = np.flatnonzero(left)  # a labeled row is covered wholly, by itself
    if n_anchor is not None and check.whole_number("n_anchor", n_anchor) < len(anchors):
        anchors = np.sort(check.generator(rng).choice(anchors, n_anchor, replace=False))
    return _max_herding(features, n, left, sigma, weights, anchors, tie_ranks(len(features), rng))


def _max_herding(
    features: Any,
    n: int,
    left: np.ndarray,
    sigma: float,
    weights: Any,
    anchors: np.ndarray,
    ranks: np.ndarray,
) -> np.ndarray:
    xp = array_module(features)
    rows = side(features, origin_for("euclidean", features))
    targets = rows if len(anchors) == len(features) else taken(rows, anchors)
    with workers(xp) as each:
        cover = _Cover(rows, targets, anchors, weights[xp.asarray(anchors)], np.flatnonzero(~left), sigma, each)
        picks: list[int] = []
        while len(picks) < n and (pick := cover.next_pick(ranks)) is not None:
            picks.append(pick)
            cover.add(pick)
    left[picks] = False
    rest = np.flatnonzero(left)
    return np.array([*picks, *rest[ranks[rest].argsort()][: n - len(picks)]], np.int64)


class _Cover:
    """How far the anchors are covered, and what each row would add to that.

    A pick takes from the gains of other rows only through the anchors that it covers better. Of t picks that come from
    one law with an anchor, the last is the nearest with probability 1 / t, so all corrections together cost about
    log(t) passes over the kernel values. For the same reason the pairs of row and anchor that still count get few: as
    soon as they fit into memory they are listed, and from then on a pick corrects the rows that it takes something
    from, and no others.
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
        self.slack = 2 * _ROUNDING * float(xp.sqrt(xp.square(weights, dtype=np.float64).sum()))
        self.level = xp.zeros(len(weights), np.float32)
        for part in slices(len(labeled), _BLOCK[xp.__name__][1]):
            self._cover_by(labeled[part])
        self.gains = self._sums(np.arange(len(rows.rows)), anchors, weights, self.level)
        self.gains[labeled] = 0
        self.pairs: PairLists | None = None
        self.n_picks, self.next_count = 0, 0
        self._list_pairs()

    def next_pick(self, ranks: np.ndarray) -> int | None:
        """The row of the largest gain, of equal ones that of the lowest rank; None if no row adds anything."""
        while True:
            nearly = (1 - 2 * _ROUNDING) * float(self.gains.max()) - self.slack
            rows = _largest(self.gains, np.flatnonzero(self.gains > max(nearly, 0)), _MOST_CONTENDERS, ranks)
            if len(rows) == 0:
                return None
            # Summed anew: what is a tie must not depend on how the gains came about.
            gains = self._sums(rows, self.anchors, self.weights, self.level)
            nothing = rows[gains == 0]
            self.gains[nothing] = 0
            if len(nothing) < len(rows):
                ties = rows[gains >= (1 - _ROUNDING) * gains.max()]
                return int(ties[ranks[ties].argmin()])

    def add(self, pick: int) -> None:
        """Cover anchors by a pick."""
        before, self.n_picks = self.level, self.n_picks + 1
        self._cover_by(np.array([pick]))
        if self.pairs is None:
            self.gains -= self._lost(before)
            self._list_pairs()
        else:
            self._correct(self.pairs, to_numpy(before), to_numpy(self.level))
        self.gains[pick] = 0

    def _lost(self, before: Any) -> np.ndarray:
        """What all rows lose when the levels of anchors rise from `before`."""
        some, rows = self.xp.flatnonzero(self.level > before), np.arange(len(self.gains))
        if len(some) > len(before) // 2:  # the anchors need not be copied
            return self._sums(rows, self.anchors, self.weights, before, self.level)
        return self._sums(rows, taken(self.anchors, some), self.weights[some], before[some], self.level[some])

    def _correct(self, pairs: PairLists, before: np.ndarray, after: np.ndarray) -> None:
        """The same for the rows that are listed, at the anchors whose levels rise."""
        weights = to_numpy(self.weights)
        for anchor in np.flatnonzero(after > before).tolist():
            rows, values = pairs.of(anchor)
            lost = _above(values, before[anchor]) - _above(values, after[anchor])
            self.gains[rows] -= weights[anchor] * lost

    def _list_pairs(self) -> None:
        """Lists the pairs that still count if they fit; looks for that when there are a fifth more picks."""
        if self.n_picks < self.next_count:
            return
        self.next_count = self.n_picks + 1 + self.n_picks // 5
        if self._n_pairs() <= _MOST_PAIRS:
            cells = Cells(self.anchors, single_pivot(self.anchors))
            reach = cells.reach(np.inf, self.rows)
            self.pairs = pair_lists(cells, self.rows, reach, self._counting, lambda found: None)

    def _counting(self, a: Tile, b: Tile, points: slice, rows: np.ndarray) -> tuple[Any, Any]:
        """Which pairs of anchor and row still count, and their kernel values."""
        values = self._kernel(a, b)
        own = self.xp.asarray(self.anchor_rows[points, None] == rows)
        self.xp.maximum(values, own, out=values)
        return values > (self.level[points] + np.float32(_ROUNDING))[:, None], values

    def _n_pairs(self) -> float:
        """How many pairs still count, from those of some anchors."""
        n, m = len(self.level), len(self.rows.rows)
        if n * m <= _MOST_PAIRS:
            return n * m
        some = np.linspace(0, n - 1, min(_SAMPLE, n)).astype(np.int64)
        anchors, level = taken(self.anchors, some).tile(), self.level[self.xp.asarray(some)] + np.float32(_ROUNDING)

        def count(part: slice) -> int:
            return int((self._kernel(anchors, self.rows.tile(part)) > level[:, None]).sum())

        return sum(self.each(count, slices(m, _BLOCK[self.xp.__name__][1]))) * n / len(some)

    def _sums(self, rows: np.ndarray, anchors: Side, weights: Any, level: Any, minus: Any = None) -> np.ndarray:
        """For each of `rows`, the weighted sum of what it adds to `level`, less what it adds to `minus`; float64."""
        width, found = _BLOCK[self.xp.__name__][1], np.zeros(len(rows))
        for block in slices(len(rows), width):
            columns = self.rows.tile(self.xp.asarray(rows[block]))

            def sums(part: slice, columns: Tile = columns) -> Any:
                values = self._kernel(anchors.tile(part), columns)
                added = _above(values, level[part, None])
                if minus is not None:
                    added -= _above(values, minus[part, None])
                added *= weights[part, None]
                return added.sum(axis=0, dtype=np.float64)

            parts = self._parts(len(weights), len(rows[block]))
            found[block] = to_numpy(sum(self.each(sums, parts), start=self.xp.zeros(1)))
        return found

    def _parts(self, n: int, width: int) -> list[slice]:
        """Slices of n anchors, larger ones where a block is narrow."""
        height, most = _BLOCK[self.xp.__name__]
        return slices(n, height * max(1, most // max(width, 16)))

    def _cover_by(self, rows: np.ndarray) -> None:
        """Raise the level of the anchors to their kernel values with a block of rows."""
        columns = self.rows.tile(self.xp.asarray(rows))
        parts = self._parts(len(self.level), len(rows))
        self.level = self.xp.maximum(
            self.level,
            joined(self.each(lambda part: self._kernel(self.anchors.tile(part), columns).max(axis=1), parts)),
        )
        self.level[self.xp.asarray(np.flatnonzero(np.isin(self.anchor_rows, rows)))] = 1  # by itself, wholly

    def _kernel(self, a: Tile, b: Tile) -> Any:
        squared = distances(a, b)
        self.xp.minimum(squared, np.float32(_FAR * self.square), out=squared)  # what is divided cannot overflow
        squared /= np.float32(-self.square)
        return self.xp.exp(squared, out=squared)


def _above(values: Any, level: Any) -> Any:
    """How much values exceed a level; no more than the rounding is nothing."""
    added = values - level
    added *= added > _ROUNDING
    return added


def _largest(bound: np.ndarray, rows: np.ndarray, size: int, ranks: np.ndarray) -> np.ndarray:
    """Of `rows`, the `size` of the largest bounds, of equal ones the lowest ranks."""
    return rows if len(rows) <= size else rows[np.lexsort((ranks[rows], -bound[rows]))[:size]]
