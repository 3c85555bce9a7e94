"""FLCMI: greedy choice of rows that cover all rows, where these are like a query set and unlike a private set.

Source: Kothawade et al., "SIMILAR: Submodular Information Measures Based Active Learning In Realistic Scenarios",
NeurIPS 2021, table 1. Differences from public code (submodlib):
- No m x m similarities are held. A column of similarities is computed when a bound says that its row may be the next
  pick, and of that only the rows that it may cover further, by the cosines of its narrow factors.
- The picks are those of the plain greedy algorithm, with ties to the lowest row; the lazy optimizer there takes the
  largest of them. Gains within 1e-6 of the largest (relative), which is float32 rounding, are ties.
- What covers a row by no more than 1e-6, which is rounding too, adds nothing.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import LEAST_ROWS, Each, slices, tiles, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.similarity import Factors, Items, checked_sets, largest_row, weight

_ROUNDING = 1e-6
_TIES = 1e-6
_BLOCK = 512  # candidates that are compared with a tile of rows at a time
_LEAST_LOOK = 4  # candidates whose gains are computed first for a pick; then four times as many, and so on
_MOST_LOOK = 4096
_BOUNDING = 1e-4  # of a bound and what is taken off it: more than rounding
_NARROW = 1 / 4  # of the widest factor: factors of which it is worth while to look at their cosines first
_MANY = 0.8  # of some candidates: when so many may cover rows, all are compared with them
_SLACK = 1.001  # more than rounding adds to a cosine


def flcmi_greedy(
    candidates: Factors,
    n: int,
    *,
    query: Factors,
    private: Factors | None = None,
    eta: float = 1.0,
    nu: float = 1.0,
) -> np.ndarray:
    """Pick `n` rows one by one, each the one that adds most to the information A has on Q given P.

    That is I(A; Q | P) = sum_i max_{j in A} max(min(S_ij, eta * q_i) - nu * p_i, 0) over all candidates i, for the rows
    A picked, the query set Q and the private set P: facility location, in which q_i and p_i are the largest
    similarities of row i to Q and to P, or 0 if all are negative. Once no row adds anything, the lowest rows follow.
    The similarity of two samples is the product of the cosines of their rows in every factor.

    Args:
        candidates: one array a factor, shapes (m, d_k), float16/32/64, NumPy (memory-mapped too) or CuPy. They are
            read as float32 in tiles: memory beyond them does not grow with the widest d_k. Time is that of all m * m
            similarities, once or several times: less where a narrow factor tells that most of them are not positive.
        n: how many rows, from 1 to m.
        query: the same factors of the query set, shapes (q, d_k), q >= 1.
        private: those of the private set, (p, d_k); None or no rows means that there is none.
        eta: weight of similarity to the query set, at least 0.
        nu: weight of similarity to the private set, at least 0.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: sets or factors that disagree, integer arrays, values not finite or above 1e15, an empty query
            set, n out of range, a negative weight.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, -0.8]])
        >>> query, private = np.array([[1.0, 0.2]]), np.array([[-0.2, 1.0]])
        >>> flcmi_greedy((rows,), 2, query=(query,), private=(private,)).tolist()
        [0, 1]
    """
    candidates, query, private = checked_sets(candidates, query, private)
    n = check.whole_number("n", n, most=len(candidates[0]))
    return _flcmi_greedy(candidates, n, query, private, weight("eta", eta), weight("nu", nu))


def _flcmi_greedy(candidates: Factors, n: int, query: Factors, private: Factors, eta: float, nu: float) -> np.ndarray:
    with workers(array_module(*candidates)) as each:
        items = Items(candidates, each)
        ceiling = np.float32(eta) * items.nearest(Items(query, each), each)
        floor = np.float32(nu) * items.nearest(Items(private, each), each) if private else 0 * ceiling
        cover = _Cover(items, ceiling, floor, each)
        picks: list[int] = []
        while len(picks) < n and (pick := cover.next_pick()) is not None:
            picks.append(pick)
            cover.add(pick)
    rest = np.setdiff1d(np.arange(len(items)), picks)
    return np.array([*picks, *rest[: n - len(picks)]], np.int64)


class _Cover:
    """How far the rows i are covered: row j covers min(S_ij, ceiling_i), of which what is above floor_i is a gain.

    The floor rises with the picks, so gains only fall, and gains of the past are bounds.
    """

    def __init__(self, items: Items, ceiling: Any, floor: Any, each: Each) -> None:
        self.items, self.ceiling, self.floor, self.each, self.xp = items, ceiling, floor, each, items.xp
        self.screen = _Screen(items, each)
        self.order = self.screen.group.argsort(kind="stable")  # on the host
        self.rows = self.xp.asarray(self.order)
        self._leave_out()
        self.bounds = self._gains(np.arange(len(items)))  # on the host; 0 for a pick

    def next_pick(self) -> int | None:
        """The row of the largest gain, None if all gains are 0.

        Rows of the largest bounds are looked at, until no other bound reaches the largest gain.
        """
        gains, stale, size = np.zeros(len(self.bounds)), self.bounds > 0, _LEAST_LOOK
        while True:
            slack = _TIES * gains.max()
            level = gains.max() - slack
            rows = np.flatnonzero(stale & (self.bounds >= level))
            if len(rows) == 0:
                return largest_row(gains, slack) if level > 0 else None
            rows = _largest(self.bounds, rows, size)
            self.bounds[rows] = gains[rows] = self._gains(rows)
            stale[rows] = False
            size = min(4 * size, _MOST_LOOK)

    def add(self, pick: int) -> None:
        """Cover rows by a pick."""
        picked, before = self.xp.asarray([pick]), self.floor.copy()
        directions = self.items.directions(picked)
        rows = self.screen.coverable(picked, self.rows, before, self.each)

        def work(part: slice) -> None:
            where = rows[part]
            self.floor[where] = self.xp.maximum(before[where], self._covered(directions, where)[0])

        self.each(work, self.items.tiles(len(rows)))
        self.bounds[pick] = 0
        self._lower_bounds(rows[self.floor[rows] > before[rows]], before)
        self._leave_out()

    def _lower_bounds(self, raised: Any, before: Any) -> None:
        """Take what candidates have lost on the rows that were raised off their bounds."""
        some = self.order[self.bounds[self.order] > 0]
        on_device, lost = self.xp.asarray(some), self.xp.zeros(len(some))
        for block in slices(len(raised), _BLOCK):
            self._add_lost(raised[block], before, on_device, lost)
        bounds, lost = self.bounds[some], to_numpy(lost)
        rounding = _BOUNDING * (bounds + lost) + _ROUNDING * len(raised)
        self.bounds[some] = np.minimum(bounds, bounds - lost + rounding)

    def _add_lost(self, raised: Any, before: Any, candidates: Any, lost: Any) -> None:
        """Compared the other way around, as similarities are the same: candidates in tiles with a block of rows."""
        directions = self.items.directions(raised)
        before, floor, ceiling = (levels[raised][:, None] for levels in (before, self.floor, self.ceiling))

        def work(part: slice) -> None:
            some = self.screen.coverers(raised, candidates[part], before)
            covered = self.items.similarities(directions, candidates[part][some])
            self.xp.minimum(covered, ceiling, out=covered)
            lost[part][some] += _gained(covered, before).sum(axis=0) - _gained(covered, floor).sum(axis=0)

        self.each(work, self.items.tiles(len(candidates), len(raised)))

    def _leave_out(self) -> None:
        """Go on with the rows that can be covered further."""
        self.rows = self.rows[(self.ceiling - self.floor)[self.rows] > _ROUNDING]

    def _gains(self, candidates: np.ndarray) -> np.ndarray:
        """float64, one a candidate."""
        gains = np.zeros(len(candidates))
        for block in self.screen.blocks(candidates):
            gains[block] = to_numpy(self._gains_together(self.xp.asarray(candidates[block])))
        return gains

    def _gains_together(self, candidates: Any) -> Any:
        rows = self.screen.coverable(candidates, self.rows, self.floor, self.each)
        directions = self.items.directions(candidates)

        def work(part: slice) -> Any:
            where, gains = rows[part], self.xp.zeros(len(candidates))
            floor = self.floor[where]
            some = self.screen.coverers(where, candidates, floor[:, None])
            covered = self._covered([direction[some] for direction in directions], where)
            gains[some] = _gained(covered, floor).sum(axis=1)
            return gains

        parts = self.items.tiles(len(rows), len(candidates))
        return sum(self.each(work, parts), start=self.xp.zeros(len(candidates)))

    def _covered(self, directions: list[Any], rows: Any) -> Any:
        """min(S_ij, ceiling_i), float32 (directions, rows)."""
        similarities = self.items.similarities(directions, rows)
        return self.xp.minimum(similarities, self.ceiling[rows], out=similarities)


class _Screen:
    """Bounds of similarities by their narrow factors alone: the cosines of the others are at most 1."""

    def __init__(self, items: Items, each: Each) -> None:
        widths = [factor.shape[1] for factor in items.factors]
        self.narrow = [k for k, width in enumerate(widths) if width <= _NARROW * max(widths)]
        self.units = [items.unit(k, slice(None)) for k in self.narrow]
        # Where no other cosine is negative, a similarity is above 0 only if the product of the narrow ones is.
        wide = [factor for k, factor in enumerate(items.factors) if k not in self.narrow]
        self.one_sign = bool(self.narrow) and all(_not_negative(factor, each) for factor in wide)
        self.group = np.zeros(len(items), np.int64)  # samples of one group are similar to much the same samples
        for unit in self.units:
            parts = tiles(items.xp, len(unit), 8 * unit.shape[1])
            pairs = np.concatenate(each(functools.partial(_two_largest, unit), parts))
            self.group = self.group * unit.shape[1] ** 2 + pairs

    def blocks(self, candidates: np.ndarray) -> list[np.ndarray]:
        """Positions of candidates, in blocks of about the same group each."""
        order = self.group[candidates].argsort(kind="stable")
        ends = [*np.flatnonzero(np.diff(self.group[candidates[order]])) + 1, len(order)]
        blocks, start = [], 0
        for end in ends:
            if end - start >= LEAST_ROWS or end == len(order):
                blocks += [order[start:end][part] for part in slices(end - start, _BLOCK)]
                start = end
        return blocks

    def coverable(self, candidates: Any, rows: Any, floor: Any, each: Each) -> Any:
        """Those rows that the candidates may cover further, all by index array."""

        def work(part: slice) -> Any:
            where = rows[part]
            return where[self._most(candidates, where).max(axis=0) > floor[where]]

        if not self.narrow:
            return rows
        xp = array_module(rows)
        return xp.concatenate([rows[:0], *each(work, tiles(xp, len(rows), 4 * len(candidates)))])

    def coverers(self, rows: Any, candidates: Any, floor: Any) -> Any:
        """Which of the candidates may cover some rows further, whose floor is (rows, 1): an index array or slice."""
        if not self.narrow or len(candidates) < LEAST_ROWS:
            return slice(None)
        some = array_module(rows).flatnonzero((self._most(rows, candidates) > floor).any(axis=0))
        return some if len(some) < _MANY * len(candidates) else slice(None)

    def _most(self, directions: Any, rows: Any) -> Any:
        """At least the similarities of two sets of rows, float32 (directions, rows)."""
        cosines = functools.reduce(operator.imul, [unit[directions] @ unit[rows].T for unit in self.units])
        cosines *= _SLACK
        return cosines if self.one_sign else abs(cosines)


def _two_largest(unit: Any, part: slice) -> np.ndarray:
    """Which numbers of every row are largest, first and second, as one number, on the host."""
    sizes = abs(unit[part])
    every = array_module(unit).arange(len(sizes))
    first = sizes.argmax(axis=1)
    sizes[every, first] = -1
    return to_numpy(first * unit.shape[1] + sizes.argmax(axis=1))


def _gained(covered: Any, floor: Any) -> Any:
    """What is above the floor by more than rounding, 0 elsewhere."""
    gained = covered - floor
    gained *= gained > _ROUNDING
    return gained


def _not_negative(factor: Any, each: Each) -> bool:
    parts = tiles(array_module(factor), len(factor), 4 * factor.shape[1])
    return all(each(lambda part: bool((factor[part] >= 0).all()), parts))


def _largest(values: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Those of `rows` that have the `size` largest values, in no order; all of them when they are no more."""
    return rows if len(rows) <= size else rows[np.argpartition(values[rows], -size)[-size:]]
