"""EOAL: of candidates predicted to be known, cluster by cluster, those that binary heads and clusters call known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.finch import finch, numbered
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import tie_ranks
from tfal.kernels.uncertainty import log_entropy

NO_CENTER = 1e6  # distance to a center that there is not


def eoal_scores(binary_logits: Any, distances: Any = None) -> Any:
    """How unsure it is that a sample is of a known class: SMALLER is surer.

    Safaei et al., "Entropic Open-Set Active Learning", AAAI 2024: the mean entropy of K binary heads, over log 2, less
    the entropy of softmax(-distance) to the centers of C clusters of rejected samples, over log C. The public code
    leaves the second one out, though it computes it.

    Args:
        binary_logits: (n, K, 2), float16/32/64, finite, NumPy or CuPy: not of the class, and of it.
        distances: (n, C), C >= 1, at least 0; None as long as nothing is rejected. One center tells nothing.

    Returns:
        float64 (n,), from -1 to 1, in the array module of the logits.

    Raises:
        InputError: wrong shapes or dtypes, NaN or infinite values.

    Example:
        >>> import numpy as np
        >>> eoal_scores(np.array([[[2.0, -2.0], [0.0, 0.0], [3.0, -3.0]]])).round(4).tolist()
        [0.385]
    """
    xp = array_module(binary_logits, distances)
    heads = check.float_rows(xp, "binary_logits", binary_logits, ("n", "K", 2)).astype(np.float64)
    found = _entropy(heads).mean(axis=1) / math.log(2)
    if distances is None:
        return found
    distances = check.float_rows(xp, "distances", distances, (len(heads), "C")).astype(np.float64)
    return found if distances.shape[1] == 1 else found - _entropy(-distances) / math.log(distances.shape[1])


def eoal(scores: Any, known: Any, features: Any, n: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """`n` rows by EOAL: of each cluster of the rows that are predicted to be known, as many of the smallest scores.

    Clusters are those of tfal.kernels.finch, at most n. Each in turn gives its floor(n / clusters) surest rows, again
    and again until there are n; where too few are predicted to be known, the surest others follow. Differs from the
    public code, whose loop does not end where clusters run out before the budget.

    Args:
        scores: (m,) finite, see eoal_scores, NumPy or CuPy.
        known: (m,) bool, whether a row is predicted to be of a known class.
        features: (m, d), float16/32/64.
        n: how many rows, from 1 to m.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, on the host.

    Raises:
        InputError: wrong shapes or dtypes, values not finite, n out of range.
    """
    xp = array_module(scores, features)
    scores = to_numpy(check.float_rows(xp, "scores", scores, ("m",)))
    features = check.float_rows(xp, "features", features, (len(scores), "d"))
    known = to_numpy(known)
    if known.shape != scores.shape or known.dtype != bool:
        raise InputError(f"known: expected bool of shape {scores.shape}, received {known.dtype.name} {known.shape}.")
    n = check.whole_number("n", n, most=len(scores))
    order = np.lexsort((tie_ranks(len(scores), rng), scores))
    likely, others = order[known[order]], order[~known[order]]
    if 0 < n < len(likely):
        labels = _clusters(features, likely, n)
        each = n // (int(labels.max()) + 1)
        place = np.empty(len(likely), np.int64)  # of a row in its own cluster
        for label in range(int(labels.max()) + 1):
            place[labels == label] = np.arange(np.count_nonzero(labels == label))
        likely = likely[np.lexsort((place, labels, place // each))]
    picks: np.ndarray = np.concatenate([likely, others])[:n].astype(np.int64)
    return picks


def _clusters(features: Any, rows: np.ndarray, most: int) -> np.ndarray:
    """Clusters of some rows, numbered by where the first of each stands among them."""
    if len(rows) == len(features):  # in their own order, so that none is copied
        return numbered(finch(features, most)[rows])
    return finch(features[array_module(features).asarray(rows)], most)


def _entropy(logits: Any) -> Any:
    """Entropy of the softmax over the last axis, in nats."""
    rows = logits.reshape(-1, logits.shape[-1])
    return array_module(logits).exp(log_entropy(rows)).reshape(logits.shape[:-1])
