"""Cluster-Margin: rows of small margin, drawn in turn from small clusters to large ones.

Source: Citovsky et al., "Batch Active Learning at Scale", NeurIPS 2021. The authors' code is not public; what is meant
by public code is that of GALAXY's authors (Zhang et al., ICML 2022), whose numbers are the defaults. Differences from
it:
- A cluster gives a random one of its rows when its turn comes, as in the paper; that code takes the smallest margin.
- Margins are ranked by log-odds, in which confident rows are not equal; clusters of equal size come in random order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.errors import InputError, resolve_name
from tfal.kernels.neighbors import nearest_neighbors
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.quotas import checked_clusters, in_turn
from tfal.kernels.similarity import weight
from tfal.kernels.top import top_n

MEMBERS = ("random", "margin")
_MOST_LINKED = 20_000  # whose pairs take 1.6 GB


def average_linkage(
    features: Any, *, n_linked: int = 1000, mean_size: float = 2.0, rng: np.random.Generator
) -> np.ndarray:
    """Clusters of the rows by average linkage (Euclidean), cut where they are of `mean_size` rows on average.

    The cut is at the least distance at which there are at most m / mean_size clusters. Where there are more than
    n_linked rows, so many are drawn at random and linked; every other row is of the cluster with the nearest mean.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy. The linked rows are copied to the
            host, where all pairs of them are held, 8 bytes each; others are read in tiles.
        n_linked: at least 2, at most 20,000.
        mean_size: at least 1.
        rng: draws the linked rows, where they are not all.

    Returns:
        int64 of shape (m,) on the host, from 0 on.

    Raises:
        InputError: wrong shape, integer arrays, values not finite or above 1e15, n_linked or mean_size out of range.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[0.0], [1.0], [8.0], [9.5]])
        >>> average_linkage(rows, rng=np.random.default_rng(0)).tolist()
        [0, 0, 1, 1]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    n_linked, mean_size = check.whole_number("n_linked", n_linked), weight("mean_size", mean_size, least=1)
    if not 2 <= n_linked <= _MOST_LINKED:
        raise InputError(
            f"n_linked: expected 2 to {_MOST_LINKED:,} rows, received {n_linked}. All pairs of them are held."
        )
    rows = np.arange(len(features))
    if len(features) > n_linked:
        rows = np.sort(check.generator(rng).choice(len(features), n_linked, replace=False))
    linked = to_numpy(features[xp.asarray(rows)]).astype(np.float64)
    clusters = _linked(linked, mean_size)
    if len(rows) == len(features):
        return clusters
    means = np.stack([linked[clusters == cluster].mean(axis=0) for cluster in range(clusters.max() + 1)])
    found = to_numpy(nearest_neighbors(features, xp.asarray(means.astype(np.float32)), 1).rows[:, 0]).astype(np.int64)
    found[rows] = clusters
    return found


def _linked(rows: np.ndarray, mean_size: float) -> np.ndarray:
    from scipy.cluster.hierarchy import fcluster, linkage  # takes long to load

    merges = math.ceil(len(rows) - len(rows) / mean_size)
    if not merges or len(rows) < 2:
        return np.arange(len(rows))
    tree = linkage(rows, "average")
    found: np.ndarray = fcluster(tree, tree[min(merges, len(tree)) - 1, 2], "distance")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def cluster_margin(
    scores: Any, clusters: Any, n: int, *, factor: float = 1.25, member: str = "random", rng: np.random.Generator
) -> np.ndarray:
    """Pick `n` of the factor * n rows of largest score: the clusters give one each in turn, the smallest first.

    The size of a cluster is how many of these rows it has. One that has none left is passed over.

    Args:
        scores: shape (m,), any real dtype, NumPy or CuPy, LARGER is more uncertain: margin_log_odds, or minus the
            margin.
        clusters: integers (m,) of at least 0, of average_linkage.
        n: how many rows, from 1 to m.
        factor: at least 1; factor * n is rounded up, and is at most m.
        member: which of its rows a cluster gives: "random", or "margin": the one of largest score.
        rng: draws members, breaks ties of scores and of sizes.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shapes or dtypes, NaN, a negative cluster, n or factor out of range, another member.

    Example:
        >>> import numpy as np
        >>> scores, clusters = -np.array([0.1, 0.2, 0.3, 0.4, 0.9]), np.array([0, 0, 0, 1, 1])
        >>> cluster_margin(scores, clusters, 2, factor=2, member="margin", rng=np.random.default_rng(0)).tolist()
        [3, 0]
    """
    n, factor = check.whole_number("n", n, most=len(scores)), weight("factor", factor, least=1)
    member = resolve_name("member", member, MEMBERS)
    clusters = checked_clusters(clusters, len(scores))
    rows = top_n(scores, min(math.ceil(factor * n), len(scores)), rng=check.generator(rng))
    if member == "random":
        rows = rng.permutation(rows)
    present, sizes = np.unique(clusters[rows], return_counts=True)
    order = present[np.lexsort((rng.permutation(len(present)), sizes))]
    found: np.ndarray = rows[in_turn(clusters[rows], order=order)][:n]
    return found
