"""Class-balanced picks: scores or distances, less how far the classes that are expected miss what each class lacks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.euclidean import Points, near_mean, shifted
from tfal.kernels.parts.min_distance import Nearest
from tfal.kernels.parts.tiles import threads, tiles, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import tie_order, tie_ranks
from tfal.kernels.uncertainty import log_entropy, log_softmax

_MOST_CUTS, _CLOSE = 200, 1e-3  # of the search for prices, and how near to its end it stops [nats]


def class_needs(counts: Any, n: int) -> np.ndarray:
    """What each class lacks of an equal share of the labels that there are after n more, float64 (C,), at least 0.

    counts: (C,) integers, how many labels each class has. Differs from the public code, which rounds the share down.

    Example:
        >>> class_needs([5, 1, 0], 6).tolist()
        [0.0, 3.0, 4.0]
    """
    found = to_numpy(counts).astype(np.float64)
    share = (found.sum() + n) / len(found)
    needs: np.ndarray = np.maximum(share - found, 0)
    return needs


def balanced_entropy(
    logits: Any, n: int, *, needs: Any, weight: float = 0.6, rng: np.random.Generator | None = None
) -> np.ndarray:
    """`n` rows of large entropy whose expected classes are what the classes lack.

    Bengar et al., "Class-Balanced Active Learning for Image Classification", WACV 2022: the largest
    sum of entropies - weight * |needs - sum of p|_1, p the class probabilities of a row. Their code gives this integer
    program to a commercial solver. Here each class has a price, from -weight to weight, at which the n rows of the
    largest entropy + p . price are taken; prices are found by cutting planes, to within 1e-3 nats of what fractions of
    rows could reach, and the few rows that are still fractions are then taken one by one.

    Args:
        logits: (m, C), float16/32/64, finite, C >= 2, NumPy or CuPy.
        n: how many rows, from 1 to m.
        needs: (C,) finite numbers, see class_needs.
        weight: at least 0. 0.6 as in the code for CIFAR-10; 2 for CIFAR-100.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, those of the largest entropy + p . price first, on the host.

    Raises:
        InputError: wrong shapes or dtypes, NaN or infinite values, n out of range, a weight below 0.
    """
    xp = array_module(logits)
    entropy = xp.exp(log_entropy(logits))  # which checks them
    n = check.whole_number("n", n, most=len(logits))
    needs, weight = _checked(needs, logits.shape[1], weight)
    order = xp.asarray(tie_order(len(logits), rng))
    rows = _best_rows(entropy[order], _probabilities(logits)[order], n, needs, weight)
    return to_numpy(order[xp.asarray(rows)]).astype(np.int64)


def balanced_k_center(
    features: Any,
    logits: Any,
    n: int,
    *,
    centers: Any,
    needs: Any,
    weight: float = 5.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """`n` rows, one by one far from all centers and picks, with expected classes that are what the classes lack.

    Bengar et al., "Class-Balanced Active Learning for Image Classification", WACV 2022, the greedy form of their code:
    the next row has the largest d - weight / C * |needs - sum of p|_1, d its distance to the nearest center or pick,
    the sum over the picks so far and itself. Differs from that code: features are not rounded to two decimals, and no
    matrix of all distances is held.

    Args:
        features: (m, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        logits: (m, C), finite, C >= 2.
        n: how many rows, from 1 to m.
        centers: (l, d), l >= 1, such as those of the labeled samples.
        needs: (C,) finite numbers, see class_needs.
        weight: at least 0, in units of distance. 5 as in the code for CIFAR-10; 50 for CIFAR-100.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, in the order of picking, on the host.

    Raises:
        InputError: see balanced_entropy; no centers, shapes that disagree, features above 1e15.
    """
    xp = array_module(features, logits, centers)
    logits = check.float_rows(xp, "logits", logits, ("m", "C"), limit=np.finfo(np.float64).max)
    check.two_classes("logits", logits)
    features = check.float_rows(xp, "features", features, (len(logits), "d"))
    centers = check.float_rows(xp, "centers", centers, ("l", features.shape[1]))
    n = check.whole_number("n", n, most=len(logits))
    needs, weight = _checked(needs, logits.shape[1], weight)
    probabilities, left = _probabilities(logits), xp.asarray(needs)
    ranks = xp.asarray(tie_ranks(len(logits), rng))
    with workers(xp) as each:
        space = Points(features, near_mean(features), each)
        nearest = Nearest(space, each)
        nearest.lower(len(centers), lambda block: space.as_centers(shifted(centers, block, space.shift)))
        while len(nearest.picks) < n:
            worth = xp.empty(len(logits))

            def work(tile: slice, worth: Any = worth, left: Any = left) -> None:
                missed = xp.abs(left - probabilities[tile]).sum(axis=1)
                bound = nearest.bound[tile]
                worth[tile] = xp.where(bound < 0, -np.inf, xp.sqrt(xp.maximum(bound, 0)) - weight / len(needs) * missed)

            each(work, tiles(xp, len(logits), 24 * len(needs)))
            best = xp.flatnonzero(worth == worth.max())
            row = int(best[ranks[best].argmin()])
            left = left - probabilities[row]
            nearest.add([row])
            nearest.refresh()
    return np.array(nearest.picks, np.int64)


class _Cut(NamedTuple):
    """A choice of n rows: their sum of scores, and what of the needs (C,) they leave."""

    rows: np.ndarray
    score: float
    short: np.ndarray


def _best_rows(scores: Any, probabilities: Any, n: int, needs: np.ndarray, weight: float) -> np.ndarray:
    """Rows of about the largest sum of scores - weight * |needs - sum of p|_1."""
    xp = array_module(scores)
    price, cuts, reached = np.zeros(len(needs)), list[_Cut](), np.inf
    while True:
        priced = scores + probabilities @ xp.asarray(price, np.float32)
        rows = xp.argpartition(priced, len(priced) - n)[len(priced) - n :].copy()  # of all of them no more is kept
        short = needs - to_numpy(probabilities[rows].astype(np.float64).sum(axis=0))
        cuts.append(_Cut(to_numpy(rows), float(scores[rows].sum()), short))
        reached = min(reached, cuts[-1].score - float(price @ short))
        price, least, shares = _prices(cuts, weight)
        if reached - least < _CLOSE or len(cuts) == _MOST_CUTS:
            break
    whole = _rounded(scores, probabilities, n, needs, weight, cuts, shares)
    found = max([*cuts, whole], key=lambda cut: _worth(cut, weight))
    priced = to_numpy(scores[xp.asarray(found.rows)] + probabilities[xp.asarray(found.rows)] @ xp.asarray(price))
    return found.rows[np.lexsort((found.rows, -priced))]


def _worth(cut: _Cut, weight: float) -> float:
    return cut.score - weight * float(np.abs(cut.short).sum())


def _prices(cuts: list[_Cut], weight: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Prices at which the best of these choices is worth least, that worth, and the shares of choices that reach it."""
    from scipy.optimize import linprog

    # The least t such that t >= score - price . short for every choice.
    found = linprog(
        np.append(np.zeros(len(cuts[0].short)), 1),
        A_ub=np.array([[*-cut.short, -1] for cut in cuts]),
        b_ub=[-cut.score for cut in cuts],
        bounds=[(-weight, weight)] * len(cuts[0].short) + [(None, None)],
        method="highs",
    )
    return found.x[:-1], float(found.x[-1]), -found.ineqlin.marginals


def _rounded(
    scores: Any, probabilities: Any, n: int, needs: np.ndarray, weight: float, cuts: list[_Cut], shares: np.ndarray
) -> _Cut:
    """Rows that all shares of choices have, and then one by one the best of those that some have."""
    xp = array_module(scores)
    rows, place = np.unique(np.concatenate([cut.rows for cut in cuts]), return_inverse=True)
    taken = np.bincount(place, np.repeat(shares, n))
    whole = taken > 1 - 1e-6
    some, p = to_numpy(scores[xp.asarray(rows)]), to_numpy(probabilities[xp.asarray(rows)]).astype(np.float64)
    chosen, open_ = list(np.flatnonzero(whole)[:n]), np.flatnonzero(~whole & (taken > 1e-6))
    left = needs - p[chosen].sum(axis=0)
    while len(chosen) < n:
        best = int((some[open_] - weight * np.abs(left - p[open_]).sum(axis=1)).argmax())
        chosen.append(open_[best])
        left = left - p[open_[best]]
        open_ = np.delete(open_, best)
    return _Cut(rows[chosen], float(some[chosen].sum()), left)


def _probabilities(logits: Any) -> Any:
    """float32 (m, C)."""
    xp = array_module(logits)
    found = xp.empty(logits.shape, np.float32)

    def work(tile: slice) -> None:
        found[tile] = xp.exp(log_softmax(xp, logits[tile].astype(np.float64)))

    with threads(xp) as each:
        each(work, tiles(xp, len(logits), 32 * logits.shape[1]))
    return found


def _checked(needs: Any, n_classes: int, weight: Any) -> tuple[np.ndarray, float]:
    found = to_numpy(needs)
    if found.shape != (n_classes,) or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise InputError(
            f"needs: expected finite numbers of shape ({n_classes},), received {found.dtype.name} {found.shape}. Give "
            "every class what it lacks, see class_needs."
        )
    if isinstance(weight, bool) or not (isinstance(weight, (int, float, np.number)) and 0 <= weight < np.inf):
        raise InputError(f"weight: expected a number of at least 0, received {weight!r}. 0 leaves the balance out.")
    return found.astype(np.float64), float(weight)
