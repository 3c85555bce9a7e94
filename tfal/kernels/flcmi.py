"""FLCMI: greedy choice of rows that cover all rows, where these are like a query set and unlike a private set.

Source: Kothawade et al., "SIMILAR: Submodular Information Measures Based Active Learning In Realistic Scenarios",
NeurIPS 2021, table 1. Differences from public code (submodlib):
- No m x m similarities are held, but on a GPU if they are few. A column of similarities is computed when a bound
  says that its row may be the next pick, and of that only the rows that it may cover further, by the cosines of its
  narrow factors.
- The first picks are guessed, and then held against all rows in a single pass over the similarities.
- The picks are those of the plain greedy algorithm, with ties to the lowest row; the lazy optimizer there takes the
  largest of them. Gains within 1e-6 of the largest (relative), which is float32 rounding, are ties.
- What covers a row by no more than 1e-6, which is rounding too, adds nothing.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tfal.kernels.flcmi_held import held_picks
from tfal.kernels.flcmi_screen import Screen
from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import Each, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.similarity import Factors, Items, checked_sets, largest_row, weight

_ROUNDING = 1e-6
_TIES = 1e-6
_LEAST_LOOK = {
    "numpy": 16,
    "cupy": 512,
}  # candidates whose gains are computed first for a pick; then four times as many, and so on
_MOST_LOOK = 4096
_BOUNDING = 1e-4  # of a bound and what is taken off it: more than rounding
_RAISED = 256  # rows that are raised before bounds are lowered, if not so much has been looked at before
_WORTH = 1 << 25  # pairs of candidates; with fewer a pass takes no time
_HELD = 1 << 25  # pairs of candidates whose similarities a GPU holds, at most: 134 MB
_GUESSED = 16  # later picks cost little
_SAMPLE = 1024  # rows at least, and one in 16, that tell which candidates are looked at for a guess
_LOOKED_AT = 128  # of the candidates, one in so many


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
            similarities, once or twice: less where a narrow factor tells that most of them are not positive. With CuPy
            all similarities of up to 5,792 candidates are held, in 0.4 GB at most.
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
        if items.xp is not np and len(items) ** 2 <= _HELD:
            picks = held_picks(items, n, ceiling, floor, _ROUNDING, _TIES)
        else:
            cover = _Cover(items, ceiling, floor, each)
            picks = _foreseen(cover, n)
            while len(picks) < n and (pick := cover.next_pick()) is not None:
                picks.append(pick)
                cover.add(pick)
    rest = np.setdiff1d(np.arange(len(items)), picks)
    return np.array([*picks, *rest[: n - len(picks)]], np.int64)


def _foreseen(cover: _Cover, n: int) -> list[int]:
    """Starts a cover, and adds up to `n` picks as far as they are foreseen.

    Each of the first picks covers most rows further. What all candidates gain before and after each of them needs the
    similarities but once, when the picks are known: they are guessed from some of the rows. What is guessed wrong costs
    time, and no pick.
    """
    floors, guessed = [cover.floor], list[int]()
    if len(cover.items) ** 2 >= _WORTH:
        guessed, floors = _guesses(cover, min(_GUESSED, n))
    gains = cover.between(cover.rows, [*floors, cover.ceiling])  # and with all that lies above:
    for below, above in reversed(list(itertools.pairwise(gains))):
        below += above
    picks: list[int] = []
    for floor, bounds in zip(floors, gains, strict=True):
        bounds[picks] = 0
        cover.start(floor, bounds)
        if len(picks) == len(guessed) or cover.next_pick() != guessed[len(picks)]:
            break
        picks.append(guessed[len(picks)])
    return picks


def _guesses(cover: _Cover, n: int) -> tuple[list[int], list[Any]]:
    """Up to `n` picks that are likely the first, and the floors before, between and after them.

    Each is the best one of those candidates that cover some of the rows best.
    """
    floors, guessed = [cover.floor], list[int]()
    some = cover.rows[:: max(1, min(16, len(cover.rows) // _SAMPLE))]
    about = cover.between(some, [cover.floor, cover.ceiling])[0]
    n_looked_at = -(-len(about) // _LOOKED_AT)
    for _ in range(n):
        candidates = np.sort(np.argpartition(about, -n_looked_at)[-n_looked_at:])
        gains = cover.gains(candidates, floors[-1])
        guessed.append(int(candidates[largest_row(gains, _TIES * gains.max())]))
        floors.append(cover.raised(floors[-1], guessed[-1]))
        about -= cover.between(some[(floors[-1] > floors[-2])[some]], floors[-2:])[0]
        about[guessed] = 0
    return guessed, floors


class _Cover:
    """How far the rows i are covered: row j covers min(S_ij, ceiling_i), of which what is above floor_i is a gain.

    The floor rises with the picks, so gains only fall, and gains of the past are bounds.
    """

    def __init__(self, items: Items, ceiling: Any, floor: Any, each: Each) -> None:
        self.items, self.ceiling, self.floor, self.each, self.xp = items, ceiling, floor, each, items.xp
        self.screen = Screen(items, each)
        self.order = self.screen.group.argsort(kind="stable")  # on the host
        self.ordered = self.xp.asarray(self.order)
        self.rows = self._coverable(self.ordered)

    def start(self, floor: Any, gains: np.ndarray) -> None:
        """Go on from a floor with the gains that all candidates have there, 0 for a pick, on the host."""
        self.floor, self.rows = floor, self._coverable(self.rows)
        self._bounds_hold((1 + _BOUNDING) * gains + _ROUNDING * len(self.rows) * (gains > 0))

    def _bounds_hold(self, bounds: np.ndarray) -> None:
        """At the present floor; above it, too, where nothing better is known."""
        self.bounds, self.held, self.held_at, self.looked_at = bounds, bounds.copy(), self.floor, 0

    def next_pick(self) -> int | None:
        """The row of the largest gain, None if all gains are 0.

        Rows of the largest bounds are looked at, until no other bound reaches the largest gain. When this has taken as
        many pairs as to lower all bounds, it is time to lower them.
        """
        gains, stale, size = np.zeros(len(self.bounds)), self.bounds > 0, _LEAST_LOOK[self.xp.__name__]
        while True:
            slack = _TIES * gains.max()
            level = gains.max() - slack
            rows = np.flatnonzero(stale & (self.bounds >= level))
            if len(rows) == 0:
                return largest_row(gains, slack) if level > 0 else None
            rows = _largest(self.bounds, rows, size)
            raised = self.ordered[(self.floor > self.held_at)[self.ordered]]
            self.looked_at += len(rows) * len(self.rows)
            if len(raised) >= _RAISED or 0 < len(raised) * np.count_nonzero(self.held) < self.looked_at:
                self._lower_bounds(raised)
                continue
            self.bounds[rows] = gains[rows] = self.gains(rows, self.floor)
            stale[rows] = False
            size = min(4 * size, _MOST_LOOK)

    def add(self, pick: int) -> None:
        """Cover rows by a pick."""
        self.floor = self.raised(self.floor, pick)
        self.bounds[pick] = self.held[pick] = 0
        self.rows = self._coverable(self.rows)

    def _lower_bounds(self, raised: Any) -> None:
        """Take what candidates have lost on the rows that were raised off the bounds that held before."""
        lost = self.between(raised, [self.held_at, self.floor], self.held > 0)[0]
        rounding = _BOUNDING * (self.held + lost) + _ROUNDING * len(raised)
        self._bounds_hold(np.minimum(self.bounds, self.held - lost + rounding))

    def between(self, rows: Any, levels: list[Any], which: Any = slice(None)) -> np.ndarray:
        """How much of some rows each candidate covers between a level and the next.

        Args:
            rows: an index array.
            levels: rising ones of all rows.
            which: bool, one a candidate; the others count as 0.

        Returns:
            float64 (levels - 1, candidates), on the host.
        """
        candidates = self.xp.asarray(self.order[which if isinstance(which, slice) else which[self.order]])
        found = self.xp.zeros((len(levels) - 1, len(self.items)))
        for block in self.screen.blocks(to_numpy(rows)):
            self._add_between(rows[self.xp.asarray(block)], levels, candidates, found)
        return to_numpy(found)

    def _add_between(self, rows: Any, levels: list[Any], candidates: Any, found: Any) -> None:
        """For a block of rows. Similarities are the same the other way around: candidates come in tiles."""
        xp, directions = self.xp, self.items.directions(rows)
        levels = [level[rows][:, None] for level in levels]
        steps = [xp.flatnonzero(high > low) for low, high in itertools.pairwise(levels)]
        coverers = self.screen.coverers(rows, candidates, levels[0], self.each)

        def work(part: slice) -> None:
            some = coverers[part]
            similarities = self.items.similarities(directions, some)
            for sums, where, low, high in zip(found, steps, levels, levels[1:], strict=False):
                covered = xp.minimum(similarities[where], high[where])
                xp.maximum(covered, low[where], out=covered)
                covered -= low[where]
                sums[some] += covered.sum(axis=0)

        self.each(work, self.items.tiles(len(coverers), len(rows)))

    def gains(self, candidates: np.ndarray, floor: Any) -> np.ndarray:
        """What candidates gain above a floor, float64, on the host."""
        gains = np.zeros(len(candidates))
        for block in self.screen.blocks(candidates):
            gains[block] = to_numpy(self._gains_together(self.xp.asarray(candidates[block]), floor))
        return gains

    def _gains_together(self, candidates: Any, floor: Any) -> Any:
        rows = self.screen.coverable(candidates, self.rows, floor, self.each)
        directions = self.items.directions(candidates)

        def work(part: slice) -> Any:
            where, gains = rows[part], self.xp.zeros(len(candidates))
            below = floor[where]
            some = self.screen.covering(where, candidates, below[:, None])
            gained = self._covered([direction[some] for direction in directions], where)
            gained -= below
            gained *= gained > _ROUNDING
            gains[some] = gained.sum(axis=1)
            return gains

        parts = self.items.tiles(len(rows), len(candidates))
        return sum(self.each(work, parts), start=self.xp.zeros(len(candidates)))

    def raised(self, floor: Any, pick: int) -> Any:
        """A floor that a pick has raised."""
        picked, after = self.xp.asarray([pick]), floor.copy()
        directions = self.items.directions(picked)
        rows = self.screen.coverable(picked, self.rows, floor, self.each)

        def work(part: slice) -> None:
            where = rows[part]
            after[where] = self.xp.maximum(floor[where], self._covered(directions, where)[0])

        self.each(work, self.items.tiles(len(rows)))
        return after

    def _covered(self, directions: list[Any], rows: Any) -> Any:
        """min(S_ij, ceiling_i), float32 (directions, rows)."""
        similarities = self.items.similarities(directions, rows)
        return self.xp.minimum(similarities, self.ceiling[rows], out=similarities)

    def _coverable(self, rows: Any) -> Any:
        """Those of some rows that can be covered further."""
        return rows[(self.ceiling - self.floor)[rows] > _ROUNDING]


def _largest(values: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Those of `rows` that have the `size` largest values, in no order; all of them when they are no more."""
    return rows if len(rows) <= size else rows[np.argpartition(values[rows], -size)[-size:]]
