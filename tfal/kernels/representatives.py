"""Rows that stand for clusters, and what several methods for low budgets share: unlabeled rows, farthest rows.

Source: Pourahmadi et al., "A Simple Baseline for Low-Budget Active Learning", 2021 (k-means and multi k-means).
Differences from its public code:
- Each row knows its cluster and its distance to the center already, so one pass finds the nearest row of every cluster.
  The code looks for it among the 200 nearest rows of every center, in float16, and stops where there is none.
- Distances within 1e-6 of the least (relative), which is float32 rounding, are ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.k_center import _k_center_greedy, k_center_greedy
from tfal.kernels.kmeans import _kmeans
from tfal.kernels.parts import check, faiss_backend
from tfal.kernels.parts.euclidean import Directions, inverse_norms
from tfal.kernels.parts.tiles import fill, float32_rows, workers
from tfal.kernels.parts.xp import array_module, row_squares, to_numpy
from tfal.kernels.top import tie_order

_TIES = 2e-6  # of squared distances


def representatives(
    features: Any, centers: Any, labels: Any, eligible: Any = None, *, rng: np.random.Generator | None = None
) -> np.ndarray:
    """The eligible row of every cluster that is nearest (Euclidean) to its center.

    With `centers` and `labels` of tfal.kernels.kmeans these are the picks of the k-means baseline, and with the
    unlabeled rows eligible those of multi k-means.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles.
        centers: shape (k, d).
        labels: the cluster of every row, integers (m,) from 0 to k - 1.
        eligible: bool (m,); None means all rows.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lowest row.

    Returns:
        Unique int64 rows in the order of the clusters, on the host: one for every cluster that has an eligible row.

    Raises:
        InputError: shapes that disagree, integer features, values not finite or above 1e15, labels out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[0.0], [1.0], [8.0], [9.0]])
        >>> representatives(features, np.array([[0.9], [8.1]]), np.array([0, 0, 1, 1])).tolist()
        [1, 2]
    """
    xp = array_module(features, centers)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    centers = check.float_array(xp, "centers", centers, ("k", features.shape[1]))
    labels = check.numbers("labels", labels, len(features), len(centers), "Give the centers that belong to the labels.")
    eligible = np.ones(len(features), bool) if eligible is None else to_numpy(eligible)
    if eligible.shape != labels.shape or eligible.dtype != bool:
        raise InputError(
            f"eligible: expected bool of shape {labels.shape}, received {eligible.dtype.name} {eligible.shape}. "
            "Give every row True or False."
        )
    return _representatives(features, centers, labels, eligible, tie_order(len(features), rng))


def _representatives(
    features: Any, centers: Any, labels: np.ndarray, eligible: np.ndarray, order: np.ndarray
) -> np.ndarray:
    xp, on_device = array_module(features), array_module(features).asarray(labels)

    def squared(tile: slice) -> Any:
        return row_squares(float32_rows(features, tile) - centers[on_device[tile]])

    with workers(xp) as each:
        away = to_numpy(fill(xp, len(features), 8 * features.shape[1], each, squared))
    least = np.full(len(centers), np.inf)
    np.minimum.at(least, labels[eligible], away[eligible])
    nearest = order[(eligible & (away <= (1 + _TIES) * least[labels]))[order]]
    found: np.ndarray = nearest[np.unique(labels[nearest], return_index=True)[1]]
    return found


def kmeans_directions(
    features: Any, n: int, *, among: Any = None, rng: np.random.Generator, n_iter: int = 20, n_init: int = 1
) -> np.ndarray:
    """Pick `n` rows: of each of `n` k-means clusters of directions, the member nearest to the center.

    What DropQuery and ALFA-Mix do with their candidates. Rows are scaled to length 1 as they are read, and a row of
    zeros stays one. No row is picked twice: each knows its cluster. Where a cluster is empty, which only copies of rows
    or few iterations bring about, the row farthest from all picks takes its place.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy. Neither the scaled rows nor those of
            `among` are held: memory beyond the inputs is that of k-means.
        n: how many rows, from 1 to as many as there are in `among`.
        among: distinct integer rows (k,) to pick from; None: all.
        rng: where the first centers come from, and what breaks ties.
        n_iter, n_init: see tfal.kernels.kmeans.

    Returns:
        Unique int64 rows of shape (n,), on the host.

    Raises:
        InputError: wrong shape, integer arrays, values not finite or above 1e15, rows of `among` out of range or
            repeated, n, n_iter or n_init out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [9.0, 0.5], [0.0, 2.0], [0.1, 7.0], [-3.0, 0.0]])
        >>> rows = kmeans_directions(features, 2, among=[0, 1, 2, 3], rng=np.random.default_rng(0))
        >>> sorted((rows // 2).tolist())
        [0, 1]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    among = np.arange(len(features)) if among is None else checked_rows("among", among, len(features))
    n = check.whole_number("n", n, most=len(among))
    n_iter, n_init = check.whole_number("n_iter", n_iter), check.whole_number("n_init", n_init)
    return _kmeans_directions(features, n, among, check.generator(rng), (n_iter, n_init))


def _kmeans_directions(
    features: Any, n: int, among: np.ndarray, rng: np.random.Generator, times: tuple[int, int]
) -> np.ndarray:
    xp = array_module(features)
    with workers(xp) as each:
        inverse = inverse_norms(features, each)
    whole = len(among) == len(features)
    rows = Directions(features, inverse, None if whole else xp.asarray(among))
    found = _kmeans(rows, n, rng, times, None, None, faiss_backend.use_faiss("auto", xp))
    everyone = np.ones(len(rows), bool)
    picks = _representatives(rows, found.centers, to_numpy(found.labels), everyone, tie_order(len(rows), rng))
    if len(picks) < n:
        left = np.setdiff1d(np.arange(len(rows)), picks)
        others, centers = rows.some(xp.asarray(left)), rows.some(xp.asarray(picks))
        picks = np.append(picks, left[_k_center_greedy(others, n - len(picks), centers, rng)])
    return picks if whole else among[picks]


def one_of_each(features: Any, rows: np.ndarray, n: int, rng: np.random.Generator, **times: int) -> np.ndarray:
    """`kmeans_directions` among `rows`; where these are fewer than n, all of them and random others, none twice."""
    if len(rows) >= n:
        return kmeans_directions(features, n, among=rows, rng=rng, **times)
    others = np.setdiff1d(np.arange(len(features)), rows)
    return np.append(rows, rng.permutation(others)[: n - len(rows)])


def farthest_first(features: Any, n: int, taken: Any, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """`n` more rows beside the `taken` ones, one by one the farthest from all of these: how a shortfall is made up.

    As k_center_greedy with the taken rows for centers, of which it tells the ties and the first row when none is taken.
    The rows that are left are copied, in the dtype that they have.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy.
        n: how many rows, from 1 to as many as are left.
        taken: integer rows, (t,), perhaps none.
        rng: as there.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: taken rows out of range or repeated, n out of range, and as k_center_greedy.

    Example:
        >>> import numpy as np
        >>> farthest_first(np.array([[0.0], [4.0], [9.0], [1.0]]), 2, np.array([0])).tolist()
        [2, 1]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    left = unlabeled(len(features), taken, n, "taken")
    rows, others = np.flatnonzero(left), np.flatnonzero(~left)
    centers = features[xp.asarray(others)] if len(others) else None
    found: np.ndarray = rows[k_center_greedy(features[xp.asarray(rows)], n, centers=centers, rng=rng)]
    return found


def unlabeled(m: int, labeled: Any, n: int, name: str = "labeled") -> np.ndarray:
    """Which of `m` rows are not `labeled`, bool (m,) on the host; refuses `n` when fewer are left.

    labeled: distinct integer rows, or None, and its name in errors.
    """
    rows = checked_rows(name, [] if labeled is None else labeled, m)
    if len(rows) == m:
        raise InputError(f"{name}: expected fewer than all {m} rows, received {len(rows)}. There is nothing to pick.")
    check.whole_number("n", n, most=m - len(rows))
    left = np.ones(m, bool)
    left[rows] = False
    return left


def checked_rows(name: str, rows: Any, m: int) -> np.ndarray:
    """Distinct rows of m, perhaps none, int64 on the host."""
    rows = to_numpy(rows)
    if rows.ndim != 1 or (rows.dtype.kind not in "iu" and len(rows)):
        raise InputError(
            f"{name}: expected integer rows of shape (l,), received {rows.dtype.name} {rows.shape}. "
            "Give positions among the rows."
        )
    found: np.ndarray = rows.astype(np.int64)
    if len(found) and (found.min() < 0 or found.max() >= m or len(np.unique(found)) < len(found)):
        raise InputError(
            f"{name}: expected distinct rows from 0 to {m - 1}, received {len(found)} from {found.min()} to "
            f"{found.max()}. Name each row once."
        )
    return found


def checked_targets(xp: Any, targets: Any, features: Any, n_anchor: Any) -> Any:
    """Rows to be covered in place of those of `features`, as given; refuses a number of anchors beside them."""
    if targets is None:
        return None
    if n_anchor is not None:
        raise InputError(
            f"n_anchor: expected None with targets, received {n_anchor}. Rows to be covered are drawn or given."
        )
    return check.float_rows(xp, "targets", targets, ("t", features.shape[1]))


def positive(name: str, value: Any, least: float = 0.0) -> float:
    """`value` as a float above 0, or from `least` on when that is above 0; at most 1e15."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (max(least, 0) <= number <= check.LARGEST and number > 0):
        wanted = f"from {least:g}" if least > 0 else "above 0"
        raise InputError(
            f"{name}: expected a number {wanted} to {check.LARGEST:g}, received {value!r}. Choose one in that range."
        )
    return number
