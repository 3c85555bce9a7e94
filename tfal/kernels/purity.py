"""Purity of candidates: how near the nearest labeled sample is, by angle."""

from __future__ import annotations

from typing import Any

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.pairwise import Tile, fold, joined, side
from tfal.kernels.parts.xp import array_module


def purity(candidates: Any, labeled: Any) -> Any:
    """Largest cosine of every candidate to any labeled row: LARGER is more likely of a known class.

    The purity score of MQ-Net: Park et al., "Meta-Query-Net: Resolving Purity-Informativeness Dilemma in Open-set
    Active Learning", NeurIPS 2022, which takes it on the projections of a CSI coder, with the labeled
    in-distribution samples. As in its public code, the cosine alone counts: the norm, the other rotations and the
    shift term of CSI's score are left out. That code loops over the candidates; this one takes products tile by tile.

    Args:
        candidates: shape (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        labeled: shape (m, d), m >= 1.

    Returns:
        float32 of shape (n,), in [-1, 1], in the array module of the inputs. A row of zeros, candidate or labeled, has
        cosine 0. Beyond inputs and result, memory holds tiles.

    Raises:
        InputError: no labeled rows, shapes that disagree, integer arrays, values not finite or above 1e15.

    Example:
        >>> import numpy as np
        >>> labeled = np.array([[1.0, 0.0], [0.0, 2.0]])
        >>> purity(np.array([[3.0, 3.0], [-1.0, 0.0], [0.0, 5.0]]), labeled).astype(float).round(4).tolist()
        [0.7071, 0.0, 1.0]
    """
    return largest_cosines(*checked_pair(candidates, labeled))


def checked_pair(candidates: Any, labeled: Any) -> tuple[Any, Any]:
    """Rows of both, (n, d) and (m, d), in the dtypes that they have."""
    xp = array_module(candidates, labeled)
    candidates = check.float_rows(xp, "candidates", candidates, ("n", "d"))
    some_labeled(xp, labeled)
    return candidates, check.float_rows(xp, "labeled", labeled, ("m", candidates.shape[1]))


def some_labeled(xp: Any, labeled: Any) -> None:
    """Refuse a labeled set without rows, with a better hint than that for an empty pool."""
    shape = xp.shape(labeled)
    if not shape or shape[0] == 0:
        raise InputError(
            f"labeled: expected at least one labeled row, received shape {shape}. "
            "Label some samples of the known classes first, or score without them in this round."
        )


def largest_cosines(candidates: Any, labeled: Any) -> Any:
    """`purity` of rows that are checked: the largest cosine of each candidate to a labeled row, float32 (n,)."""
    xp = array_module(candidates)

    def step(largest: Any, rows: Tile, columns: Tile, start: int) -> Any:
        found = (rows.points @ columns.points.T).max(axis=1)
        return found if largest is None else xp.maximum(largest, found)

    return xp.clip(joined(fold(side(candidates, None), side(labeled, None), step)), -1, 1)
