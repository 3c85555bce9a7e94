"""How good a labeled set is, by its nearest neighbors: each test sample is judged by the labels next to it.

One of the four evaluations of a study of low budgets (Pourahmadi et al., arXiv 2110.12033; public code
UCDvision/low-budget-al).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.evaluation.scores import Scores, checked_ids, checked_labels
from tfal.kernels import nearest_neighbors
from tfal.kernels.parts import check

_COMPARED = 2**22  # pairs of votes that are compared at once


def knn_scores(
    features: Any,
    labels: np.ndarray,
    ids: np.ndarray,
    test_features: Any,
    test_labels: np.ndarray,
    k: int = 1,
    rng: np.random.Generator | None = None,
) -> Scores:
    """Every test sample gets the class that most of its k nearest labeled samples have.

    Nearest by angle, which is nearest by distance for rows of length 1; the study scales features to that length. The
    search is exact in float32; the study's runs in float16. As there, ties between classes are broken at random.

    Args:
        features: (N, D) float16/32/64, in memory or memory-mapped; only the rows `ids` are read.
        labels: (N,) integer classes; only those of `ids` are read.
        ids: (n,) the labeled samples, distinct.
        test_features: (T, D) float, in memory or memory-mapped.
        test_labels: (T,) integer classes.
        k: neighbors that vote; with fewer labeled samples than that, all of them do.
        rng: breaks ties; without it default_rng(0). With k = 1 there are none: of equally near samples the first of
            `ids` counts.

    Returns:
        top1, and top5 by the order of the votes; a class without a vote is not among the five. NaN where fewer than
        five samples vote.

    Raises:
        InputError: no ids, ids that repeat or are out of range, shapes that disagree, values that are not finite.
    """
    k = check.whole_number("k", k)
    ids = checked_ids("ids", ids, len(features))
    votes = checked_labels("labels", labels, len(features), ids=ids)
    truth = checked_labels("test_labels", test_labels, len(test_features))
    k = min(k, len(ids))
    neighbors = nearest_neighbors(test_features, features[ids], k, metric="cosine").rows
    draws = check.generator(rng or np.random.default_rng(0)).random((len(truth), k))
    ranks, step = [], max(1, _COMPARED // k**2)
    for start in range(0, len(truth), step):
        part = slice(start, start + step)
        ranks.append(_vote_ranks(votes[neighbors[part]], draws[part], truth[part]))
    scores = Scores.of_ranks(np.concatenate(ranks))
    return scores if k >= 5 else Scores(scores.top1, float("nan"))


def _vote_ranks(votes: np.ndarray, draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Rank (t,) of the true class by number of votes (t, k), ties by draws (t, k) in [0, 1); k without a vote.

    A class is drawn by the largest draw of its voters. Tied classes have equally many, so none is preferred.
    """
    same = votes[:, :, None] == votes[:, None, :]
    strength = same.sum(axis=2) + np.where(same, draws[:, None, :], 0).max(axis=2)  # one number for each class
    first = ~np.tril(same, -1).any(axis=2)  # the first voter of each class
    own = np.where(votes == truth[:, None], strength, 0).max(axis=1)
    ahead = (first & (strength > own[:, None])).sum(axis=1)
    return np.where(own > 0, ahead, np.iinfo(ahead.dtype).max)
