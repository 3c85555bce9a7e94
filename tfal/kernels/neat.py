"""NEAT: which candidates are of known classes by their nearest bought samples, and how far the classifier disagrees."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.kernels.neighbors import nearest_neighbors
from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import slices, threads, tiles
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import top_n
from tfal.kernels.uncertainty import log_softmax

_PART = 1 << 15  # candidates whose neighbors are in memory at a time


class NeatScores(NamedTuple):
    """What NEAT knows of every candidate, in the array module of the inputs.

    n_known: (n,) int64, how many of its nearest bought samples are of a known class. inconsistency: (n,) float64,
    LARGER where the classifier expects other classes than these have.
    """

    n_known: Any
    inconsistency: Any


def neat_scores(features: Any, logits: Any, bought: Any, labels: Any, *, k: int = 10) -> NeatScores:
    """The classes of the k nearest bought samples of every candidate, held against what the classifier says of it.

    Mao et al., "Inconsistency-Based Data-Centric Active Open-Set Annotation", AAAI 2024. Nearest is by cosine, in
    features that stay what they are, such as CLIP's. The inconsistency is the cross-entropy
    -sum_c q_c log softmax(count)_c, q the classifier's probabilities of the known classes, count_c how many of the
    neighbors are of class c. As in the paper, the counts are the logits of a softmax.

    Args:
        features: (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        logits: (n, C), float16/32/64, finite, C >= 2, of the known classes.
        bought: (m, d), m >= 1, features of all samples whose label was bought.
        labels: integers of shape (m,), on the host or the device: a class from 0 to C - 1, or -1 for a rejected sample.
        k: neighbors; all bought samples where these are fewer.

    Returns:
        NeatScores(n_known, inconsistency). Beyond inputs and result, memory holds tiles, and the neighbors of
        some candidates.

    Raises:
        InputError: no bought rows, shapes that disagree, integer features, values not finite or above 1e15, labels that
            are none of these, k below 1.

    Example:
        >>> import numpy as np
        >>> bought, labels = np.array([[1.0, 0.1], [1.0, 0.2], [0.0, 1.0]]), np.array([0, 0, -1])
        >>> candidates, logits = np.array([[1.0, 0.0], [0.1, 1.0]]), np.array([[2.0, 0.0], [0.0, 2.0]])
        >>> found = neat_scores(candidates, logits, bought, labels, k=2)
        >>> found.n_known.tolist(), found.inconsistency.round(3).tolist()
        ([2, 1], [0.365, 1.194])
    """
    xp = array_module(features, logits, bought)
    logits = check.float_rows(xp, "logits", logits, ("n", "C"), limit=np.finfo(np.float64).max)
    check.two_classes("logits", logits)
    features = check.float_rows(xp, "features", features, (len(logits), "d"))
    bought = check.float_rows(xp, "bought", bought, ("m", features.shape[1]))
    labels = checked_classes(labels, len(bought), logits.shape[1])
    return _neat_scores(features, logits, bought, labels, min(check.whole_number("k", k), len(bought)))


def neat(
    features: Any,
    logits: Any,
    bought: Any,
    labels: Any,
    n: int,
    *,
    k: int = 10,
    factor: int = 2,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """`n` rows by NEAT: of the factor * n that are most likely of known classes, the most inconsistent ones.

    Likely of a known class is a candidate most of whose k nearest bought samples are; the more of them are, the
    likelier. Differs from the public code, which gives fewer than n rows where it finds fewer of that kind: the rest
    follow here by how many of their neighbors are of known classes.

    Args:
        features, logits, bought, labels, k: see neat_scores.
        n: how many rows, from 1 to the number of candidates.
        factor: at least 1.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, on the host.

    Raises:
        InputError: see neat_scores; n out of range, factor below 1.
    """
    scores = neat_scores(features, logits, bought, labels, k=k)
    n = check.whole_number("n", n, most=len(scores.n_known))
    k, factor = min(int(k), len(bought)), check.whole_number("factor", factor)
    order = top_n(scores.n_known, min(factor * n, len(scores.n_known)), rng=rng)
    likely = order[2 * to_numpy(scores.n_known)[order] > k]
    inconsistency = to_numpy(scores.inconsistency)[likely]
    first = likely[top_n(inconsistency, min(n, len(likely)))] if len(likely) else likely
    return np.concatenate([first, order[len(likely) :]])[:n]


def _neat_scores(features: Any, logits: Any, bought: Any, labels: np.ndarray, k: int) -> NeatScores:
    xp, (n, n_classes) = array_module(features), logits.shape
    found = NeatScores(xp.empty(n, np.int64), xp.empty(n))
    for part in slices(n, _PART):
        rows = nearest_neighbors(features[part], bought, k, metric="cosine").rows
        classes, some = xp.asarray(labels)[rows], logits[part]  # (rows, k), (rows, C)
        found.n_known[part], inconsistency = (classes >= 0).sum(axis=1), found.inconsistency[part]

        def work(tile: slice, classes: Any = classes, some: Any = some, inconsistency: Any = inconsistency) -> None:
            counts, every = xp.zeros((tile.stop - tile.start, n_classes)), xp.arange(tile.stop - tile.start)
            for nearest in classes[tile].T:
                counts[every, xp.maximum(nearest, 0)] += nearest >= 0
            expected = xp.exp(log_softmax(xp, some[tile].astype(np.float64)))
            inconsistency[tile] = -(expected * log_softmax(xp, counts)).sum(axis=1)

        with threads(xp) as each:
            each(work, tiles(xp, len(some), 48 * n_classes))
    return found


def checked_classes(labels: Any, m: int, n_classes: int) -> np.ndarray:
    """Host int64 (m,) of classes, -1 for rejected samples. Raises InputError for anything else."""
    found = to_numpy(labels)
    if found.shape != (m,) or found.dtype.kind not in "iu":
        raise InputError(
            f"labels: expected integers of shape ({m},), received {found.dtype.name} {found.shape}. "
            "Give every bought row its class, or -1 where it is rejected."
        )
    if found.min() < -1 or found.max() >= n_classes:
        raise InputError(
            f"labels: expected classes from 0 to {n_classes - 1}, or -1, received {found.min()} to {found.max()}. "
            "Number the known classes from 0, and give rejected rows -1."
        )
    return found.astype(np.int64, copy=False)
