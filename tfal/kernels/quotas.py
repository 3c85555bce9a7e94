"""Rows picked by clusters in turn, so that each gives its share of them: at random, or by a score.

Where n is no multiple of the number of clusters, or a cluster has too few rows, the others give one more each: the
picks are always n. Public code takes floor(n / clusters) of each and ends with fewer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import top_n


def ranked(scores: Any, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """All rows, largest score first; equal scores in random order, or the lower row first without `rng`.

    Args:
        scores: shape (m,), m >= 1, any real dtype, NumPy or CuPy. Infinite scores are ranked. NaN is refused: in an
            ascending sort read backwards it would come first.
        rng: breaks ties, see tfal.kernels.top.tie_order.

    Returns:
        int64 rows of shape (m,), on the host.

    Raises:
        InputError: wrong shape or dtype, or NaN.

    Example:
        >>> ranked([0.3, 0.9, 0.1, 0.9]).tolist()
        [1, 3, 0, 2]
    """
    scores = array_module(scores).asarray(scores)
    return top_n(scores, scores.size, rng=rng)


def in_turn(clusters: Any, *, order: Any = None) -> np.ndarray:
    """All rows in the order in which the clusters give them: one each in turn, as long as they have some.

    Args:
        clusters: integers of shape (m,), m >= 1, at least 0, NumPy or CuPy: the cluster of each row. A cluster gives
            its rows in the order in which they stand here.
        order: the clusters in the order of their turns, each once; ascending where it is None.

    Returns:
        int64 rows of shape (m,), on the host.

    Raises:
        InputError: wrong shape or dtype, a negative cluster, an order that repeats or lacks one.

    Example:
        >>> in_turn([7, 7, 0, 3, 3, 3], order=[7, 0, 3]).tolist()
        [0, 2, 3, 1, 4, 5]
    """
    clusters = checked_clusters(clusters)
    present, inverse = np.unique(clusters, return_inverse=True)
    turns = np.arange(len(present)) if order is None else _places(present, order)
    return np.lexsort((turns[inverse], _turns(inverse)))


def quota_picks(clusters: Any, n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Pick `n` rows at random, as many of every cluster as of the others, as far as it has so many.

    The clusters give one row each in turn, in random order; a cluster without rows left is passed over. With fewer rows
    than clusters, random clusters give one each.

    Args:
        clusters: integers of shape (m,), at least 0, NumPy or CuPy: the cluster of each row.
        n: how many rows, from 1 to m.
        rng: a permutation of the rows and one of the clusters are drawn from it.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shape or dtype, a negative cluster, n out of range.

    Example:
        >>> import numpy as np
        >>> clusters = np.array([0, 0, 0, 0, 5, 5, 5, 9])
        >>> np.bincount(clusters[quota_picks(clusters, 6, rng=np.random.default_rng(0))]).tolist()
        [3, 0, 0, 0, 0, 2, 0, 0, 0, 1]
    """
    clusters = checked_clusters(clusters)
    n = check.whole_number("n", n, most=len(clusters))
    check.generator(rng)
    rows = rng.permutation(len(clusters))
    present, inverse = np.unique(clusters[rows], return_inverse=True)
    return rows[np.lexsort((rng.permutation(len(present))[inverse], _turns(inverse)))[:n]]


def cluster_ranking(scores: Any, clusters: Any, n: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """Pick the rows of largest score in every cluster, as many of each as of the others, as far as it has so many.

    Where they cannot all give as many, those whose next row has the larger score give one more.

    Args:
        scores: shape (m,), any real dtype, NumPy or CuPy. Infinite scores are ranked, NaN is refused.
        clusters: integers of shape (m,), at least 0, NumPy or CuPy: the cluster of each row.
        n: how many rows, from 1 to m.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        Unique int64 rows of shape (n,), largest score first, on the host.

    Raises:
        InputError: wrong shapes or dtypes, NaN, a negative cluster, n out of range.

    Example:
        >>> cluster_ranking([5, 4, 3, 2, 1, 0], [0, 0, 0, 1, 1, 1], 4).tolist()
        [0, 1, 3, 4]
    """
    rows = ranked(scores, rng=rng)
    clusters = checked_clusters(clusters, len(rows))
    n = check.whole_number("n", n, most=len(clusters))
    taken = _turns(clusters[rows]).argsort(kind="stable")[:n]
    return rows[np.sort(taken)]


def _turns(clusters: np.ndarray) -> np.ndarray:
    """How many rows of its cluster stand before each row."""
    _, inverse, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = inverse.argsort(kind="stable")
    turns = np.empty(len(clusters), np.int64)
    turns[order] = np.arange(len(clusters)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return turns


def _places(present: np.ndarray, order: Any) -> np.ndarray:
    """The place in `order` of every cluster that is present, ascending."""
    order = to_numpy(order)
    if order.ndim != 1 or order.dtype.kind not in "iu" or len(np.unique(order)) < len(order):
        raise InputError(
            f"order: expected distinct integers of shape (k,), received {order.dtype.name} {order.shape}. "
            "Name every cluster once."
        )
    lacking = np.setdiff1d(present, order)
    if len(lacking):
        raise InputError(f"order: expected every cluster, received none of {lacking[:5].tolist()}. Add them.")
    by_cluster = order.argsort()
    found: np.ndarray = by_cluster[np.searchsorted(order[by_cluster], present)]
    return found


def checked_clusters(clusters: Any, m: int | None = None) -> np.ndarray:
    """int64 (m,) of at least 0, on the host."""
    found = to_numpy(clusters)
    if found.ndim != 1 or found.dtype.kind not in "iu" or len(found) == 0 or len(found) != (m or len(found)):
        raise InputError(
            f"clusters: expected integers of shape ({m or 'm'},), received {found.dtype.name} {found.shape}. "
            "Give every row the number of its cluster."
        )
    if found.min() < 0:
        raise InputError(
            f"clusters: expected numbers of at least 0, received {found.min()}. Leave out rows that are in no cluster."
        )
    return found.astype(np.int64, copy=False)
