"""k-means: Lloyd's algorithm from k-means++ centers.

Sources: Lloyd, "Least squares quantization in PCM", 1982; Arthur & Vassilvitskii, "k-means++: The Advantages of Careful
Seeding", SODA 2007. Differences from public code:
- k-means++ draws from all rows, not from a subsample, and one candidate a center (scikit-learn tries several). Many
  draws share one pass over the rows, by rejection, which leaves their law as it is.
- Only the search for the nearest center is done by faiss: with it and without it the same algorithm runs, up to ties
  within float32 rounding. Sums of rows are float32 within a tile and float64 beyond.
- A cluster that runs empty takes the row that is farthest from its own center, see `_refill`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check, faiss_backend
from tfal.kernels.parts.d2_sampling import draw_apart
from tfal.kernels.parts.euclidean import Points, near_mean
from tfal.kernels.parts.tiles import Each, slices, workers
from tfal.kernels.parts.xp import array_module, row_squares, to_numpy
from tfal.kernels.top import tie_ranks

_ROWS = {"numpy": 2048, "cupy": 16384}  # of a tile
_CENTERS = 2048  # of a block of distances
_PARTS, _SUM_BYTES = 64, 1 << 26  # the rows are summed in so many parts at most, whose sums take so much memory


class KMeans(NamedTuple):
    """Arrays are in the array module of the features."""

    centers: Any  # float32 (k, d)
    labels: Any  # int64 (n,): the nearest center, ties to the lowest
    distances: Any  # float32 (n,): Euclidean, to that center
    inertia: float  # sum of the squared distances


def kmeans(
    features: Any,
    k: int,
    *,
    rng: np.random.Generator,
    n_iter: int = 20,
    n_init: int = 1,
    init: Any = "k-means++",
    weights: Any = None,
    backend: str = "auto",
) -> KMeans:
    """Cluster the rows: `k` centers with a small sum of squared distances to the nearest one.

    Stops when an iteration changes no label. Then every center is the mean of its rows; when `n_iter` comes first,
    the labels belong to the last centers, and a cluster may be empty.

    Args:
        features: shape (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        k: how many clusters, from 1 to n.
        rng: where "k-means++" draws from, and what breaks ties where a cluster runs empty.
        n_iter: most iterations, each of which labels all rows and moves all centers.
        n_init: starts, of which the one with the smallest inertia is returned.
        init: "k-means++", or the first centers, shape (k, d).
        weights: how many rows each row stands for, shape (n,), above 0; None: itself alone. Centers are weighted means,
            and what is made small is the weighted sum.
        backend: "faiss" (NumPy only), "array", or "auto": faiss for NumPy arrays when it is installed.

    Returns:
        KMeans(centers, labels, distances, inertia). Beyond inputs and result, memory holds tiles, a few numbers a row
        and some copies of the centers.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15, k, n_iter or n_init out of
            range, unknown backend or one that is not installed.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [9.0], [10.0]])
        >>> found = kmeans(features, 2, rng=np.random.default_rng(0), init=np.array([[0.0], [9.0]]))
        >>> found.centers.tolist(), found.labels.tolist(), found.inertia
        ([[0.5], [9.5]], [0, 0, 1, 1], 1.0)
    """
    xp = array_module(features, None if isinstance(init, str) else init)
    features = check.float_rows(xp, "features", features, ("n", "d"))
    k = check.whole_number("k", k, most=len(features))
    n_iter, n_init = check.whole_number("n_iter", n_iter), check.whole_number("n_init", n_init)
    check.generator(rng)
    if isinstance(init, str):
        if init != "k-means++":
            raise InputError(
                f"init: expected 'k-means++' or an array of centers, received {init!r}. Choose one of them."
            )
        init = None
    else:
        init = check.float_array(xp, "init", init, (k, features.shape[1]))
        if n_init > 1:
            raise InputError(
                f"n_init: expected 1 with given centers, received {n_init}. Every start would be the same."
            )
    weights = None if weights is None else check.weights(xp, weights, len(features))
    return _kmeans(features, k, rng, (n_iter, n_init), init, weights, faiss_backend.use_faiss(backend, xp))


def kmeans_plusplus(features: Any, k: int, *, weights: Any = None, rng: np.random.Generator) -> np.ndarray:
    """Draw `k` rows far apart: each with a probability proportional to its squared distance to the nearest drawn.

    The first row is drawn uniformly. When all rows left coincide with drawn ones, the lowest rows are taken.

    Args:
        features: shape (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        k: how many rows, from 1 to n.
        weights: how many rows each row stands for, shape (n,), above 0: it is drawn that many times as often. None:
            itself alone.
        rng: uniform numbers are drawn from it; how many depends on how many proposals are refused.

    Returns:
        Unique int64 rows of shape (k,), in the order drawn, on the host.

    Raises:
        InputError: wrong shape, integer arrays, values not finite or above 1e15, k out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [0.0], [5.0], [5.0]])
        >>> sorted(features[kmeans_plusplus(features, 2, rng=np.random.default_rng(0))].ravel().tolist())
        [0.0, 5.0]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("n", "d"))
    k = check.whole_number("k", k, most=len(features))
    weights = None if weights is None else check.weights(xp, weights, len(features))
    check.generator(rng)
    with workers(xp) as each:
        return _plus_plus(Points(features, near_mean(features), each), k, weights, rng, each)


def _kmeans(
    features: Any, k: int, rng: np.random.Generator, times: tuple[int, int], init: Any, weights: Any, use_faiss: bool
) -> KMeans:
    """times: n_iter and n_init."""
    xp, best, ranks = array_module(features), None, tie_ranks(len(features), rng)
    n_iter, n_init = times
    with workers(xp) as each:
        data = Points(features, near_mean(features), each)
        for _ in range(n_init):
            if init is None:
                start = data.moved(xp.asarray(_plus_plus(data, k, weights, rng, each)))
            else:
                start = init - data.shift
            centers, labels = _lloyd(data, start, n_iter, weights, use_faiss, ranks, each)
            away = _to_own_center(data, labels, centers)
            squared = xp.square(away, dtype=np.float64)
            inertia = float((squared if weights is None else squared * weights).sum())
            if best is None or inertia < best.inertia:
                best = KMeans(centers + data.shift, labels, away, inertia)
    return best  # type: ignore[return-value]


def _plus_plus(data: Points, k: int, weights: Any, rng: np.random.Generator, each: Each) -> np.ndarray:
    xp, n = array_module(data.features), len(data.features)
    if weights is None:
        first, log_gamma = int(rng.integers(n)), xp.zeros(n)
    else:
        shares = to_numpy(weights)
        first, log_gamma = int(rng.choice(n, p=shares / shares.sum())), xp.log(weights) / 2
    picks = draw_apart(data, first, k, log_gamma, xp.arange(n), rng, each)
    if len(picks) < k:  # all other rows coincide with picks
        picks += np.setdiff1d(np.arange(n), picks)[: k - len(picks)].tolist()
    return np.array(picks, np.int64)


def _lloyd(
    data: Points, centers: Any, n_iter: int, weights: Any, use_faiss: bool, ranks: np.ndarray, each: Each
) -> tuple[Any, Any]:
    xp = array_module(centers)
    labels = None
    for _ in range(n_iter):
        found, sums = _labels_and_sums(data, centers, weights, use_faiss, each)
        counts = xp.bincount(found, minlength=len(centers))
        if not counts.all():
            _refill(data, centers, found, sums, counts, weights, ranks)
        if labels is not None and not (found != labels).any():
            return centers, labels
        masses = counts if weights is None else xp.bincount(found, weights, minlength=len(centers))
        labels, centers = found, (sums / masses[:, None]).astype(np.float32)
    return centers, _labels_and_sums(data, centers, weights, use_faiss, each)[0]


def _labels_and_sums(data: Points, centers: Any, weights: Any, use_faiss: bool, each: Each) -> tuple[Any, Any]:
    """The nearest center of every row, and the weighted sum of the rows of every center, float64 (k, d)."""
    xp, n = array_module(centers), len(data.features)
    nearest = _faiss_search(centers) if use_faiss else _array_search(centers)
    labels, total, height = xp.empty(n, np.int64), xp.zeros(centers.shape), _ROWS[xp.__name__]

    def partial(part: slice) -> Any:
        sums = xp.zeros(centers.shape)
        for start in range(part.start, part.stop, height):
            rows = slice(start, min(start + height, part.stop))
            points = data.moved(rows)
            labels[rows] = nearest(points)
            add_rows(sums, labels[rows], points if weights is None else points * weights[rows][:, None])
        return sums

    # How the rows are split depends on shapes alone: the sums are rounded alike on any number of cores.
    parts = min(_PARTS, max(1, _SUM_BYTES // total.nbytes))
    for sums in each(partial, slices(n, max(height, -(-n // parts)))):
        total += sums
    return labels, total


def _array_search(centers: Any) -> Callable[[Any], Any]:
    xp = array_module(centers)
    half, negative = (row_squares(centers) / 2).astype(np.float32), -centers.T

    def nearest(points: Any) -> Any:
        lowest = labels = None
        for part in slices(len(centers), _CENTERS):
            scores = points @ negative[:, part]
            scores += half[part]  # half the squared distance, but for the point's own norm
            found, least = scores.argmin(axis=1) + part.start, scores.min(axis=1)
            if labels is not None:
                found, least = xp.where(least < lowest, found, labels), xp.minimum(least, lowest)
            labels, lowest = found, least
        return labels

    return nearest


def _faiss_search(centers: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda points: faiss_backend.nearest(points, centers, 1)[1][:, 0]


def add_rows(sums: Any, labels: Any, points: Any) -> None:
    """Adds every row of `points` (n, d) to the row of `sums`, float64 (k, d), that its label names; in place."""
    xp = array_module(sums)
    if xp is not np:
        xp.add.at(sums, labels, points.astype(np.float64))
        return
    from scipy import sparse  # takes longer to load than everything else that --help needs

    # add.at is far slower on a CPU than the product with a sparse matrix of ones.
    present, place = np.unique(labels, return_inverse=True)
    ones = np.ones(len(labels), np.float32)
    ones = sparse.csr_matrix((ones, (place, np.arange(len(labels)))), (len(present), len(labels)))
    sums[present] += ones @ points


def _refill(data: Points, centers: Any, labels: Any, sums: Any, counts: Any, weights: Any, ranks: np.ndarray) -> None:
    """Give every empty cluster, in order, the row farthest from its center, of equal ones the lowest rank; in place.

    A row that is alone in its cluster stays there. As k <= n, there is always another.
    """
    xp = array_module(counts)
    away = _to_own_center(data, labels, centers)
    for cluster in to_numpy(xp.flatnonzero(counts == 0)).tolist():
        left = xp.where(counts[labels] > 1, away, -1)
        equal = to_numpy(xp.flatnonzero(left == left.max()))
        row = int(equal[ranks[equal].argmin()])
        point, before = data.moved(slice(row, row + 1))[0], int(labels[row])
        point = point if weights is None else point * weights[row]
        sums[before] -= point
        sums[cluster] = point
        counts[before] -= 1
        counts[cluster] = 1
        labels[row] = cluster


def _to_own_center(data: Points, labels: Any, centers: Any) -> Any:
    """Euclidean distance of every row to the center of its label, from differences, float32 (n,)."""
    xp = array_module(centers)
    away = xp.empty(len(labels), np.float32)
    for part in slices(len(labels), _ROWS[xp.__name__]):
        away[part] = xp.sqrt(row_squares(data.moved(part) - centers[labels[part]]))
    return away
