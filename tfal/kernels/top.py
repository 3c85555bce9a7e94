"""The n largest scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels import check
from tfal.kernels.xp import array_module, to_numpy


def top_n(scores: Any, n: int) -> np.ndarray:
    """Rows of the `n` largest scores, largest first; of equal scores the lower row comes first.

    Args:
        scores: shape (m,), any real dtype, NumPy or CuPy. Infinite scores are ranked, NaN is refused.
        n: how many rows, from 1 to m.

    Returns:
        int64 rows of shape (n,), on the host.

    Raises:
        InputError: wrong shape or dtype, NaN, or n out of range.

    Example:
        >>> top_n([0.5, 2.0, 2.0, 1.0], 3).tolist()
        [1, 2, 3]
    """
    xp = array_module(scores)
    scores = xp.asarray(scores)
    if scores.ndim != 1 or scores.dtype.kind not in "fiu":
        raise InputError(
            f"scores: expected real numbers of shape (m,), received {scores.dtype.name} {scores.shape}. "
            "Give every sample one score."
        )
    n = check.whole_number("n", n, most=len(scores))
    nans = int(xp.count_nonzero(scores != scores))
    if nans:
        raise InputError(
            f"scores: expected numbers, received {nans} NaN of {len(scores)}. "
            "Look for a diverged network or a division by zero."
        )
    return _top_n(scores, n)


def _top_n(scores: Any, n: int) -> np.ndarray:
    # A stable ascending sort of the reversed scores, read backwards: descending with ties by lowest row, and
    # unlike a sort of -scores right for unsigned integers too.
    backwards = scores[::-1].argsort(kind="stable")[::-1]
    return to_numpy(len(scores) - 1 - backwards[:n]).astype(np.int64, copy=False)
