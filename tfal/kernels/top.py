"""The n largest scores, or rows drawn by their scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import array_module, to_numpy


def top_n(scores: Any, n: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """Rows of the `n` largest scores, largest first; equal ones in random order, or the lower row first without `rng`.

    Args:
        scores: shape (m,), any real dtype, NumPy or CuPy. Infinite scores are ranked, NaN is refused.
        n: how many rows, from 1 to m.
        rng: breaks ties; None is for callers whose rows are in random order already. See tie_order.

    Returns:
        int64 rows of shape (n,), on the host.

    Raises:
        InputError: wrong shape or dtype, NaN, or n out of range.

    Example:
        >>> top_n([0.5, 2.0, 2.0, 1.0], 3).tolist()
        [1, 2, 3]
    """
    scores = array_module(scores).asarray(scores)
    n = _checked(scores, n)
    if rng is None:
        return _top_n(scores, n)
    order = tie_order(len(scores), rng)
    found: np.ndarray = order[_top_n(scores[array_module(scores).asarray(order)], n)]
    return found


def tie_order(m: int, rng: np.random.Generator | None) -> np.ndarray:
    """The rows 0 to m - 1 in the order in which they are taken when nothing tells them apart, int64 (m,).

    Data sets are often sorted by class: ties that went to the lowest row would all go to one class. The order comes
    from a child of `rng`, so that whatever else is drawn from `rng` stays the same. None: ascending.
    """
    return np.arange(m) if rng is None else check.generator(rng).spawn(1)[0].permutation(m)


def tie_ranks(m: int, rng: np.random.Generator | None) -> np.ndarray:
    """The place of each row in a tie_order: of equal rows, that of the lowest rank is taken."""
    ranks = np.empty(m, np.int64)
    ranks[tie_order(m, rng)] = np.arange(m)
    return ranks


def largest(scores: Any, rng: np.random.Generator | None) -> int:
    """The row of the largest score; of equal ones that which comes first in a tie_order."""
    xp = array_module(scores)
    rows = to_numpy(xp.flatnonzero(scores == scores.max()))
    return int(rows[0] if len(rows) == 1 else rows[tie_order(len(rows), rng)[0]])


def _top_n(scores: Any, n: int) -> np.ndarray:
    # A stable ascending sort of the reversed scores, read backwards: descending with ties by lowest row, and
    # unlike a sort of -scores right for unsigned integers too.
    backwards = scores[::-1].argsort(kind="stable")[::-1]
    return to_numpy(len(scores) - 1 - backwards[:n]).astype(np.int64, copy=False)


def power_top_n(scores: Any, n: int, *, beta: float = 1.0, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` rows without replacement, one by one, with probabilities proportional to score ** beta.

    Power acquisition: Kirsch et al., "Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning", TMLR
    2023. Drawn by the Gumbel top-k trick: the n largest of beta * log(score) + Gumbel noise. Rows of score 0 come after
    all others, in random order; public code adds a small number to the scores instead.

    Args:
        scores: shape (m,), any real dtype, finite, none below 0, NumPy or CuPy. LARGER is more likely.
        n: how many rows, from 1 to m.
        beta: at least 0. At 0 all rows of a positive score are alike; the larger, the nearer to top_n.
        rng: one Gumbel number a row is drawn from it.

    Returns:
        Unique int64 rows of shape (n,), in the order drawn, on the host.

    Raises:
        InputError: wrong shape or dtype, scores or beta below 0 or not finite, n out of range.

    Example:
        >>> import numpy as np
        >>> power_top_n([0.0, 1e-9, 1.0], 3, beta=4.0, rng=np.random.default_rng(0)).tolist()
        [2, 1, 0]
    """
    scores = array_module(scores).asarray(scores)
    n = _checked(scores, n)
    least, largest = float(scores.min()), float(scores.max())
    if least < 0 or largest == np.inf:
        raise InputError(
            f"scores: expected finite numbers of at least 0, received {least:g} to {largest:g}. "
            "Give a score that is 0 for no interest, such as 1 - margin."
        )
    if isinstance(beta, bool) or not (isinstance(beta, (int, float, np.number)) and 0 <= beta < np.inf):
        raise InputError(
            f"beta: expected a number of at least 0, received {beta!r}. Choose 1 for the scores themselves."
        )
    check.generator(rng)
    return _power_top_n(to_numpy(scores).astype(np.float64), n, float(beta), rng)


def _power_top_n(scores: np.ndarray, n: int, beta: float, rng: np.random.Generator) -> np.ndarray:
    keys = rng.gumbel(size=len(scores)) + beta * np.log(np.where(scores > 0, scores, 1))
    return np.lexsort((-keys, scores == 0))[:n]


def _checked(scores: Any, n: Any) -> int:
    """`n`; refuses scores that cannot be ranked."""
    if scores.ndim != 1 or scores.dtype.kind not in "fiu":
        raise InputError(
            f"scores: expected real numbers of shape (m,), received {scores.dtype.name} {scores.shape}. "
            "Give every sample one score."
        )
    n = check.whole_number("n", n, most=len(scores))
    nans = int(array_module(scores).count_nonzero(scores != scores))
    if nans:
        raise InputError(
            f"scores: expected numbers, received {nans} NaN of {len(scores)}. "
            "Look for a diverged network or a division by zero."
        )
    found: int = n
    return found
