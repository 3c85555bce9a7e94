"""LfOSA: of a detector's largest logits, class by class, those that belong to the upper of two normal distributions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.mixture import log_odds_of_upper, two_normals
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import tie_ranks


class LfosaScores(NamedTuple):
    """What LfOSA knows of every candidate, in the array module of the logits.

    log_odds: (n,) float64, LARGER is surer of a known class; -inf where the detector says unknown. largest: (n,)
    float64, the largest logit. predicted: (n,) int64, its class, K for unknown.
    """

    log_odds: Any
    largest: Any
    predicted: Any


def lfosa_scores(logits: Any) -> LfosaScores:
    """How surely every candidate is of a known class, by a detector with an output for unknown ones.

    Ning et al., "Active Learning for Open-set Annotation", CVPR 2022. Of the candidates that the detector predicts to
    be of one class, the largest logits are taken for draws from two normal distributions, and the score is the
    probability s of that with the larger mean, here as log(s / (1 - s)), which does not saturate. The mixtures are
    fitted by 10 rounds of expectation and maximization, as in the public code, but start from the best cut of the
    values in two, so that nothing is drawn. A class with fewer than two different values has s = 1/2; in the public
    code such classes are lost.

    Args:
        logits: (n, K + 1), float16/32/64, finite, NumPy or CuPy; K >= 1 known classes, the last column is unknown.

    Returns:
        LfosaScores(log_odds, largest, predicted).

    Raises:
        InputError: wrong shape or dtype, fewer than two columns, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> found = lfosa_scores(np.array([[9.0, 0.0], [8.0, 1.0], [2.0, 1.0], [0.0, 5.0]]))
        >>> found.predicted.tolist(), (found.log_odds > 0).tolist()
        ([0, 0, 0, 1], [True, True, False, False])
    """
    xp = array_module(logits)
    logits = check.float_rows(xp, "logits", logits, ("n", "K + 1"))
    check.two_classes("logits", logits)
    predicted, largest = logits.argmax(axis=1).astype(np.int64), logits.max(axis=1).astype(np.float64)
    log_odds = xp.full(len(logits), -np.inf)
    for known in range(logits.shape[1] - 1):
        rows = xp.flatnonzero(predicted == known)
        mixture = two_normals(largest[rows])
        log_odds[rows] = 0.0 if mixture is None else log_odds_of_upper(largest[rows], mixture)
    return LfosaScores(log_odds, largest, predicted)


def lfosa(logits: Any, n: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """`n` rows by LfOSA: those that are surest of a known class, of equally sure ones those of the largest logits.

    Where fewer are predicted to be of a known class, others follow, in random order.

    Args:
        logits: see lfosa_scores.
        n: how many rows, from 1 to the number of candidates.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, on the host.

    Raises:
        InputError: see lfosa_scores; n out of range.
    """
    scores = lfosa_scores(logits)
    log_odds, largest = to_numpy(scores.log_odds), to_numpy(scores.largest)
    n = check.whole_number("n", n, most=len(log_odds))
    largest = np.where(np.isinf(log_odds), 0, largest)
    return np.lexsort((tie_ranks(len(log_odds), rng), -largest, -log_odds))[:n]
