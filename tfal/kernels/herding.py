"""MaxHerding and UHerding: greedy cover of the rows by a smooth kernel, of all alike or of the uncertain ones first.

Sources: Bae et al., "Generalized Coverage for More Robust Low-Budget Active Learning", ECCV 2024; Bae et al.,
"Uncertainty Herding: One Active Learning Method for All Label Budgets", ICLR 2025. Differences from public code:
- No m x m kernel is held, and no random subset of candidates is needed. Columns are computed on demand; of
  those that are corrected, what still counts is kept as far as 400 MB go.
- After a pick, only what it changed is computed anew: see tfal.kernels.cover.
- The first two picks are foreseen and then held against all rows: see tfal.kernels.foresight.
- What covers a row by no more than 1e-6 adds nothing, and sums within 1e-6 of the largest (relative) are ties: both are
  float32 rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.cover import Cover
from tfal.kernels.foresight import foreseen
from tfal.kernels.parts import check
from tfal.kernels.parts.pairwise import Side, origin_for, side, taken
from tfal.kernels.parts.tiles import workers
from tfal.kernels.parts.xp import array_module
from tfal.kernels.representatives import checked_targets, positive, unlabeled
from tfal.kernels.top import tie_ranks


def max_herding(
    features: Any,
    n: int,
    *,
    labeled: Any = None,
    sigma: float = 1.0,
    weights: Any = None,
    n_anchor: int | None = None,
    targets: Any = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Pick `n` rows one by one, each the one that adds most to sum_i w_i max_{j in L} k(x_i, x_j).

    L are the labeled and picked rows, and k(x, y) = exp(-|x - y|**2 / sigma**2) as in the authors' code, without a 2;
    sigma = 1 on rows of length 1 is their MaxHerding. Weights make it UHerding. Of rows that add
    the same, perhaps nothing, chance takes one, or without `rng` the lowest.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles. Memory
            beyond them is some numbers a row, copies of anchors, and at most about 0.7 GB of kernel values on the host.
            Time is about that of log(n) times the distances of all rows to all anchors, often less.
        n: how many rows, from 1 to as many as are not labeled.
        labeled: distinct integer rows, (l,), that are labeled already, or None.
        sigma: width of the kernel, from 1e-15.
        weights: how much it is worth to cover each row, or with `targets` each of these, float (m,) or (t,), at least
            0; None is 1 for all.
        n_anchor: the sum is over so many unlabeled rows, drawn from `rng` without replacement. None, or as many as
            there are: over all rows, exactly. A million rows need some 10,000 anchors, or a day.
        targets: rows (t, d) that the sum is over, in place of those of `features`: of a pool of which `features` is a
            part. Excludes n_anchor.
        rng: draws anchors, and breaks ties (tfal.kernels.top.tie_order); needed with n_anchor only.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shapes, integer features, values not finite or above 1e15, labeled rows out of range or
            repeated, a number out of range, negative weights, n_anchor without rng or with targets.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [2.0], [6.0], [7.0]])
        >>> max_herding(features, 2).tolist(), max_herding(features, 2, weights=np.array([1.0, 0, 0, 1, 0])).tolist()
        ([1, 3], [0, 3])
    """
    xp = array_module(features, weights, targets)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    targets = checked_targets(xp, targets, features, n_anchor)
    n_weights = len(features) if targets is None else len(targets)
    left = unlabeled(len(features), labeled, n)
    sigma = positive("sigma", sigma, 1e-15)
    if weights is None:
        weights = xp.ones(n_weights, np.float32)
    weights = check.float_array(xp, "weights", weights, (n_weights,))
    if weights.min() < 0:
        raise InputError(f"weights: expected none below 0, received {float(weights.min()):g}. Give 0 for no interest.")
    anchors = np.flatnonzero(left)  # a labeled row is covered wholly, by itself
    if n_anchor is not None and check.whole_number("n_anchor", n_anchor) < len(anchors):
        anchors = np.sort(check.generator(rng).choice(anchors, n_anchor, replace=False))
    rows = side(features, origin_for("euclidean", features))
    if targets is not None:  # none of them is a row
        to_cover, anchors = side(targets, rows.origin), np.full(len(targets), -1)
    else:
        to_cover = rows if len(anchors) == len(features) else taken(rows, anchors)
        weights = weights[xp.asarray(anchors)]
    return _max_herding((rows, to_cover, anchors), n, left, sigma, weights, tie_ranks(len(features), rng))


def _max_herding(
    sides: tuple[Side, Side, np.ndarray], n: int, left: np.ndarray, sigma: float, weights: Any, ranks: np.ndarray
) -> np.ndarray:
    """sides: rows, anchors, and the row that each anchor is."""
    with workers(array_module(sides[0].rows)) as each:
        cover = Cover(*sides, weights, np.flatnonzero(~left), sigma, each)
        picks = foreseen(cover, n, ranks)
        while len(picks) < n and (pick := cover.next_pick(ranks)) is not None:
            picks.append(pick)
            cover.add(pick)
    left[picks] = False
    rest = np.flatnonzero(left)
    return np.array([*picks, *rest[ranks[rest].argsort()][: n - len(picks)]], np.int64)
