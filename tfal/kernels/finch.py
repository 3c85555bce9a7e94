"""FINCH: clusters without a parameter, from first neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.kmeans import add_rows
from tfal.kernels.neighbors import nearest_neighbors
from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import float32_rows, slices
from tfal.kernels.parts.xp import array_module, to_numpy

_TILE = 1 << 12  # clusters and rows of which sums are made at a time


def finch(features: Any, most: int) -> np.ndarray:
    """Clusters of rows, at most `most` of them: the finest partition of FINCH that has no more.

    Sarfraz, Sharma & Stiefelhagen, "Efficient Parameter-free Clustering Using First Neighbor Relations", CVPR 2019.
    Rows are joined with their nearest row by cosine, and what hangs together is a cluster; then the means of the
    clusters are treated alike, until few enough are left.

    Args:
        features: (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        most: at least 1.

    Returns:
        int64 (n,), numbers from 0, on the host; a cluster is numbered by where its first row stands. Memory beyond the
        features holds the means of the clusters of one round, of the first about a third as many as rows, neighbors and
        tiles; the time grows with n squared.

    Raises:
        InputError: wrong shape or dtype, values not finite or above 1e15, most below 1.

    Example:
        >>> import numpy as np
        >>> finch(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]]), 3).tolist()
        [0, 1, 0, 1]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("n", "d"))
    most = check.whole_number("most", most)
    labels, rows = np.arange(len(features)), features
    while len(rows) > 1:
        joined = _components(to_numpy(nearest_neighbors(rows, rows, 1, metric="cosine", exclude_self=True).rows[:, 0]))
        labels = joined[labels]
        if int(joined.max()) < most:
            break
        rows = _means(features, labels)
    return labels.astype(np.int64)


def _components(nearest: np.ndarray) -> np.ndarray:
    """The number of the connected part of each row, when all are joined with their nearest one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    every = np.arange(len(nearest))
    graph = coo_array((np.ones(len(nearest), np.int8), (every, nearest)), shape=(len(nearest), len(nearest)))
    return numbered(connected_components(graph, directed=False)[1])


def numbered(labels: np.ndarray) -> np.ndarray:
    """Clusters of rows, labels as integers (n,), numbered from 0 by where the first row of each stands, int64 (n,)."""
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    numbers: np.ndarray = np.argsort(np.argsort(first))[place]
    return numbers


def _means(features: Any, labels: np.ndarray) -> Any:
    """Mean of the rows of each cluster, float32 (clusters, d)."""
    xp, counts = array_module(features), np.bincount(labels)
    order, ends = labels.argsort(kind="stable"), counts.cumsum()
    means = xp.empty((len(counts), features.shape[1]), np.float32)
    for part in slices(len(counts), _TILE):
        sums = xp.zeros((part.stop - part.start, features.shape[1]))
        members = order[ends[part.start] - counts[part.start] : ends[part.stop - 1]]
        for tile in slices(len(members), _TILE):
            rows = members[tile]
            add_rows(sums, xp.asarray(labels[rows] - part.start), float32_rows(features, xp.asarray(rows)))
        means[part] = sums / xp.asarray(counts[part])[:, None]
    return means
