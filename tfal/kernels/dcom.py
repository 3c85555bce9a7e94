"""DCoM: balls of a radius of their own around labeled rows, and picks between coverage and doubt by how much they hold.

Source: Mishal & Weinshall, "DCoM: Active Learning for All Learners", 2024, arXiv 2407.01804. Differences from its
public code:
- Every row counts: that code drops the last, partial batch of its graph.
- The competence is not rounded to three decimals, at which it is 0 while little is covered and hides all doubt.
- Classes of rows in a ball are predicted ones, and the known ones of labeled rows; of true ones nothing is read.
- Balls are closed, and degrees are scaled over the rows that can still be picked. Of equal rows chance takes one.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.balls import ROUNDING, Balls
from tfal.kernels.parts.pairwise import Side, Tile, distances, fold, joined, origin_for, side, taken
from tfal.kernels.parts.tiles import slices, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.representatives import checked_rows, positive, unlabeled
from tfal.kernels.top import tie_ranks

_HELD = 1 << 24  # distances that are in memory while radii are looked for, as float32
_MOST_PAIRS = 1 << 28  # of rows and anchors within delta of each other: 1 GB
_SAMPLE = 512  # rows and anchors that tell how many there are


def competence(coverage: float, *, at: float = 0.8, slope: float = 50.0) -> float:
    """How far doubt counts, from 0 to 1: (1 + exp(-slope (1 - at))) / (1 + exp(-slope (coverage - at))).

    Args:
        coverage: share of the rows that balls of labeled ones hold, from 0 to 1.
        at: the coverage at which it is about a half.
        slope: how fast it rises there, above 0.

    Raises:
        InputError: a number out of its range.

    Example:
        >>> [round(competence(coverage), 6) for coverage in (0.5, 0.8, 1.0)]
        [0.0, 0.500023, 1.0]
    """
    from scipy.special import expit  # takes longer to load than everything else that --help needs

    if not 0 <= coverage <= 1:
        raise InputError(f"coverage: expected a share from 0 to 1, received {coverage!r}. Give that of ball_coverage.")
    slope = positive("slope", slope)
    return float(expit(slope * (coverage - at)) / expit(slope * (1 - at)))


def ball_coverage(features: Any, labeled: Any, radii: Any) -> Any:
    """Which rows lie in the ball of a labeled row, each with a radius of its own.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles.
        labeled: distinct integer rows, (l,), perhaps none.
        radii: (l,) Euclidean, at least 0; a ball of radius 0 holds its row and copies of it.

    Returns:
        bool of shape (m,), in the array module of the features.

    Raises:
        InputError: wrong shapes, integer features, values not finite or above 1e15, rows out of range or repeated,
            radii below 0.

    Example:
        >>> import numpy as np
        >>> ball_coverage(np.array([[0.0], [1.0], [5.0], [7.0]]), [0, 3], [1.0, 0.5]).tolist()
        [True, True, False, True]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    rows, radii = _checked_balls(features, labeled, radii)
    return _ball_coverage(features, rows, radii)


def _ball_coverage(features: Any, rows: np.ndarray, radii: np.ndarray) -> Any:
    xp, m = array_module(features), len(features)
    if not len(rows):
        return xp.zeros(m, bool)
    every = side(features, origin_for("euclidean", features))
    limits = xp.asarray((radii**2 * (1 + ROUNDING)).astype(np.float32))

    def within(state: Any, a: Any, b: Any, start: int) -> Any:
        held = (distances(a, b) <= limits[start : start + len(b.points)]).any(axis=1)
        return held if state is None else state | held

    found = joined(fold(every, taken(every, rows), within))
    found[xp.asarray(rows)] = True  # whatever rounding says of a row and itself
    return found


def pure_radii(
    features: Any, rows: Any, classes: Any, *, least: float, most: float = 1.1, step: float = 0.05
) -> np.ndarray:
    """The radius of the ball around each of some rows that a binary search finds pure enough.

    Of the radii from 0 to `most` the middle is tried again and again: where a share of at least `least` of the rows in
    the ball has the class of its center, larger ones are tried, else smaller ones, until both sides are within `step`.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles.
        rows: distinct integer rows, (l,), perhaps none.
        classes: whole numbers (m,), predicted, or known where they are.
        least: share from 0 to 1.
        most, step: Euclidean, above 0.

    Returns:
        float64 of shape (l,), on the host; 0 where no ball that was tried is pure enough.

    Raises:
        InputError: wrong shapes, integer features, values not finite or above 1e15, a number out of its range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [0.2], [0.9], [1.0]])
        >>> pure_radii(features, [0], [1, 1, 0, 0], least=0.9).round(4).tolist()
        [0.8938]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    rows, _ = _checked_balls(features, rows, np.zeros(len(to_numpy(rows))))
    found = to_numpy(classes)
    if found.shape != (len(features),) or found.dtype.kind not in "iu":
        raise InputError(
            f"classes: expected integers of shape ({len(features)},), received {found.dtype.name} {found.shape}. Give "
            "one a row."
        )
    if not 0 <= least <= 1:
        raise InputError(f"least: expected a share from 0 to 1, received {least!r}. Choose such a share.")
    return _pure_radii(
        features, rows, xp.asarray(found), (float(least), positive("most", most), positive("step", step))
    )


def _pure_radii(features: Any, rows: np.ndarray, classes: Any, limits: tuple[float, float, float]) -> np.ndarray:
    (least, most, step), m = limits, len(features)
    xp, every = array_module(features), side(features, origin_for("euclidean", features))
    radii = np.zeros(len(rows))
    with workers(xp) as each:
        for some in slices(len(rows), max(1, _HELD // m)):
            part = xp.asarray(rows[some])
            measure = functools.partial(_distances, taken(every, part).tile(), every)
            apart = xp.concatenate(each(measure, slices(m, 8192)), axis=1)
            apart[xp.arange(len(part)), part] = 0
            same = classes[part][:, None] == classes
            low, high = xp.zeros(len(part)), xp.full(len(part), most)
            while float(high[0] - low[0]) > step:  # as wide for all
                middle = (low + high) / 2
                held = apart <= (middle**2 * (1 + ROUNDING)).astype(np.float32)[:, None]
                pure = (held & same).sum(axis=1) >= least * held.sum(axis=1)
                low, high = xp.where(pure, middle, low), xp.where(pure, high, middle)
            radii[some] = to_numpy(low)
    return radii


def _distances(tile: Tile, every: Side, part: slice) -> Any:
    return distances(tile, every.tile(part))


def dcom(
    features: Any,
    n: int,
    *,
    delta: float,
    uncertainty: Any,
    skill: float,
    labeled: Any = None,
    radii: Any = None,
    n_anchor: int | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Pick `n` rows one by one: the largest skill * uncertainty + (1 - skill) * how many rows its ball would add.

    Both are scaled to 0 to 1 over the rows that can be picked: uncertainty once, the rows that are not covered in a
    ball of radius `delta` before each pick. What a pick holds is covered then.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles; time and
            memory are those of probcover. Where the pairs within `delta` would take more than about 1 GB, as balls
            that hold most of a large pool do, every k-th row alone is counted, so that they do not.
        n: how many rows, from 1 to as many as are not labeled.
        delta: radius of the balls of candidates (Euclidean), at least 0, such as the mean of `radii`.
        uncertainty: (m,), the larger the more uncertain; that of labeled rows is not looked at.
        skill: from 0 to 1, such as competence gives it.
        labeled: distinct integer rows, (l,), that are labeled already, or None.
        radii: (l,), of the balls of labeled rows; None: delta.
        n_anchor: count only rows of a ball that are among so many unlabeled ones, drawn from `rng`; None: all.
        rng: draws anchors, and breaks ties (tfal.kernels.top.tie_order); needed with n_anchor only.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shapes, integer features, values not finite or above 1e15, rows out of range or repeated, a
            number out of its range, n_anchor without rng.

    Example:
        >>> import numpy as np
        >>> features, doubt = np.array([[0.0], [1.0], [2.0], [5.0], [6.0]]), np.array([0.0, 0.0, 0.0, 0.2, 0.9])
        >>> [dcom(features, 1, delta=1.0, uncertainty=doubt, skill=skill).tolist() for skill in (0.0, 1.0)]
        [[1], [4]]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    left = unlabeled(len(features), labeled, n)
    rows, own = _checked_balls(features, [] if labeled is None else labeled, radii, delta)
    doubt = to_numpy(check.float_array(xp, "uncertainty", xp.asarray(uncertainty), (len(features),), dtype=np.float64))
    if not 0 <= skill <= 1:
        raise InputError(f"skill: expected a share from 0 to 1, received {skill!r}. Give that of competence.")
    anchors = np.flatnonzero(left)
    if n_anchor is None or check.whole_number("n_anchor", n_anchor) >= len(anchors):
        anchors = np.arange(len(features))
    else:
        anchors = np.sort(check.generator(rng).choice(anchors, n_anchor, replace=False))
    covered = to_numpy(_ball_coverage(features, rows, own))
    balls = Balls(features, float(delta), _fewer(features, anchors, float(delta)), None, 1 << 31)
    return _dcom(balls, n, left, covered, skill * _scaled(doubt, left), 1 - skill, tie_ranks(len(features), rng))


def _fewer(features: Any, anchors: np.ndarray, delta: float) -> np.ndarray:
    """Every k-th anchor, where all of them would have more pairs than memory is spent on."""
    every = side(features, origin_for("euclidean", features))
    some = [rows[:: -(-len(rows) // _SAMPLE)] for rows in (np.arange(len(features)), anchors)]
    rows, few = (taken(every, part).tile() for part in some)
    share = float((distances(rows, few) <= np.float32(delta**2 * (1 + ROUNDING))).mean())
    return anchors[:: max(1, math.ceil(share * len(features) * len(anchors) / _MOST_PAIRS))]


def _dcom(
    balls: Balls, n: int, left: np.ndarray, covered: np.ndarray, doubt: np.ndarray, weight: float, ranks: np.ndarray
) -> np.ndarray:
    counts, open_ = balls.lists.counts(len(left)).astype(np.int64), np.ones(balls.n_anchor, bool)

    def cover(anchors: np.ndarray) -> None:
        open_[anchors] = False
        for anchor in anchors.tolist():
            counts[balls.lists.of(anchor)] -= 1

    cover(np.flatnonzero(covered[balls.anchor_rows]))
    left, picks = left.copy(), list[int]()
    while True:
        scores = np.where(left, doubt + weight * _scaled(counts, left), -1.0)
        best = np.flatnonzero(scores == scores.max())
        picks.append(int(best[ranks[best].argmin()]))
        if len(picks) == n:
            return np.array(picks, np.int64)
        left[picks[-1]] = False
        cover(np.flatnonzero(balls.around(picks[-1]) & open_))


def _scaled(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """From 0 to 1 over some of the rows; 0 where they are all the same."""
    low, high = values[among].min(), values[among].max()
    return (values - low) / (high - low) if high > low else np.zeros(len(values))


def _checked_balls(features: Any, labeled: Any, radii: Any, delta: Any = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows and radii, int64 and float64 on the host; `delta` for each where radii are None."""
    rows = checked_rows("labeled", labeled, len(features))
    if isinstance(delta, bool) or not (isinstance(delta, (int, float, np.number)) and 0 <= delta <= check.LARGEST):
        raise InputError(f"delta: expected a radius of at least 0, received {delta!r}. Choose one.")
    found = np.full(len(rows), float(delta)) if radii is None else to_numpy(radii).astype(np.float64)
    if found.shape != (len(rows),) or not (len(found) == 0 or 0 <= found.min() <= found.max() <= check.LARGEST):
        raise InputError(
            f"radii: expected {len(rows)} numbers of at least 0, one for each labeled row, received shape {found.shape}"
            f"{'' if not found.size else f', from {found.min():g}'}. Give those of pure_radii."
        )
    return rows, found
