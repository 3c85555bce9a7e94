"""TypiClust: the most typical row of every cluster, clusters that lack labels first.

Source: Hacohen et al., "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets", ICML 2022.
Differences from public code:
- Neighbors are looked for among all rows of the cluster, as in the paper. The authors' code takes the unlabeled rows
  alone, and only the nearest half of small clusters; so typicality there changes with every pick.
- Typicality comes from the mean distance to the neighbors, as in the paper; that code takes the mean squared distance.
- Clusters of fewer than 5 rows are passed over, as in the paper; that code drops those of 5, too (min_size=6).
- Lloyd's algorithm at any number of clusters, where that code goes over to mini-batches above 50.
- When large clusters run out of rows, those that were passed over are used, so that `n` rows always come.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfal.kernels.kmeans import kmeans
from tfal.kernels.neighbors import nearest_neighbors
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.representatives import unlabeled
from tfal.kernels.top import tie_ranks


def typiclust(
    features: Any,
    n: int,
    *,
    labeled: Any = None,
    rng: np.random.Generator,
    max_clusters: int = 500,
    min_size: int = 5,
    n_neighbors: int = 20,
    n_iter: int = 20,
    n_init: int = 1,
    backend: str = "auto",
) -> np.ndarray:
    """Pick `n` rows, in rounds: each cluster in turn gives its most typical row that is left.

    The rows are clustered by k-means into as many clusters as there are labels, old and new, at most `max_clusters`.
    Clusters with the fewest labeled rows come first, of these the largest, of these the lowest number. Clusters of
    fewer than `min_size` rows have their turn when the others are used up. A row is typical if its mean distance
    (Euclidean) to its nearest neighbors in the cluster is small; of equal rows chance takes one.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy. Memory beyond them is that of k-means,
            and float32 or shorter copies of the rows of one cluster at a time.
        n: how many rows, from 1 to as many as are not labeled.
        labeled: distinct integer rows, (l,), that are labeled already, or None.
        rng: where k-means draws its first centers from, and what breaks ties (tfal.kernels.top.tie_order).
        max_clusters: most clusters.
        min_size: least size of a cluster that is not passed over.
        n_neighbors: neighbors that count; all others in the cluster when there are fewer.
        n_iter, n_init, backend: see tfal.kernels.kmeans; the backend also finds the neighbors.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shape, integer features, values not finite or above 1e15, labeled rows out of range or
            repeated, n or another number out of range, unknown backend or one that is not installed.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [2.0], [9.0], [9.5], [10.5], [11.5]])
        >>> typiclust(features, 1, labeled=[1], rng=np.random.default_rng(0), min_size=3).tolist()
        [4]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    left = unlabeled(len(features), labeled, n)
    for name, value in (("max_clusters", max_clusters), ("min_size", min_size), ("n_neighbors", n_neighbors)):
        check.whole_number(name, value)
    k = min(len(features) - int(left.sum()) + n, max_clusters)
    found = kmeans(features, k, rng=rng, n_iter=n_iter, n_init=n_init, backend=backend)
    ranks = np.where(left, tie_ranks(len(features), rng), -1)
    return _typiclust(features, n, to_numpy(found.labels), k, ranks, min_size, n_neighbors, backend)


def _typiclust(
    features: Any, n: int, labels: np.ndarray, k: int, ranks: np.ndarray, min_size: int, n_neighbors: int, backend: str
) -> np.ndarray:
    """ranks: of rows that are alike, the lowest comes first; -1 for those that are labeled."""
    sizes, known = np.bincount(labels, minlength=k), np.bincount(labels[ranks < 0], minlength=k)
    order = np.lexsort((-sizes, known))  # stable: of equal ones the lowest number
    members = np.split(labels.argsort(kind="stable"), np.cumsum(sizes)[:-1])

    @functools.cache  # made when the turn of a cluster comes, as few of them may be asked
    def queue(cluster: int) -> Iterator[int]:
        return iter(_by_typicality(features, members[cluster], ranks, n_neighbors, backend))

    large, small = order[sizes[order] >= min_size], order[sizes[order] < min_size]
    picks = itertools.chain(_in_turns(large.tolist(), queue), _in_turns(small.tolist(), queue))
    return np.fromiter(itertools.islice(picks, n), np.int64, n)


def _in_turns(clusters: list[int], queue: Callable[[int], Iterator[int]]) -> Iterator[int]:
    """One row of every cluster, then the next of every cluster, until all queues are empty."""
    while clusters:
        some_left = []
        for cluster in clusters:
            row = next(queue(cluster), None)
            if row is not None:
                some_left.append(cluster)
                yield row
        clusters = some_left


def _by_typicality(features: Any, rows: np.ndarray, ranks: np.ndarray, n_neighbors: int, backend: str) -> list[int]:
    """The rows of a cluster that are left, the most typical first. Rows must ascend."""
    left = ranks[rows] >= 0
    if len(rows) < 2 or not left.any():
        alone: list[int] = rows[left].tolist()
        return alone
    points = features[array_module(features).asarray(rows)]
    k = min(n_neighbors, len(rows) - 1)
    near = nearest_neighbors(points, points, k, exclude_self=True, backend=backend).distances
    away = to_numpy(near).mean(axis=1, dtype=np.float64)  # 1 / typicality, which may be infinite
    found: list[int] = rows[left][np.lexsort((ranks[rows[left]], away[left]))].tolist()
    return found
