"""How good a trained learner is, and how good a labeled set is: scores, class coverage, nearest neighbors.

The four evaluations of a labeled set are those of a study of low budgets (Pourahmadi et al., arXiv 2110.12033) and of
its public code (UCDvision/low-budget-al): the nearest neighbors here, and low_budget/: linear_probe.py,
and two trainings in transfer.py. There as here, the last epoch counts. Scores are fractions here, percent there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels import nearest_neighbors
from tfal.kernels.parts import check

_COMPARED = 2**22  # pairs of votes that are compared at once


@dataclass(frozen=True)
class Scores:
    """Shares of the test samples whose class is the first guess, or among the first min(5, C); fractions."""

    top1: float
    top5: float

    @classmethod
    def of_ranks(cls, ranks: Any) -> Scores:
        """ranks: (N,) of the true class among the guesses, from 0."""
        ranks = np.asarray(ranks)
        return cls(float(np.mean(ranks < 1)), float(np.mean(ranks < 5)))


def predicted_classes(learner: Any, batches: Iterable[Any]) -> np.ndarray:
    """The class of the largest logit of each image, (N,) int64.

    Args:
        learner: has read(batch, ["logits"]).
        batches: of images as it takes them, at least one; see Images.batches.

    Raises TrainingError for logits that are NaN or infinite.
    """
    from tfal.training.finite import checked_logits

    return np.concatenate(
        [checked_logits(learner.read(batch, ["logits"])["logits"].numpy()).argmax(axis=1) for batch in batches]
    )


def class_recalls(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> dict[str, float]:
    """recall_0, recall_1, ...: the share of the samples of a class that are found to be of it; NaN without samples.

    And balanced_accuracy, the mean over the classes that have samples.

    Args:
        predicted: (N,) integer classes.
        labels: (N,) integer classes in 0..n_classes-1, at least one.
        n_classes: C.
    """
    counts = np.bincount(labels, minlength=n_classes)
    hits = np.bincount(labels[predicted == labels], minlength=n_classes)
    recalls = np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
    return {"balanced_accuracy": float(np.nanmean(recalls))} | {
        f"recall_{number}": recall for number, recall in enumerate(recalls.tolist())
    }


def class_coverage(labels: np.ndarray, n_classes: int) -> float:
    """Share of the classes that occur among `labels` (n,), integers in 0..n_classes-1: from 1/C to 1."""
    return len(np.unique(labels)) / n_classes


def step_rates(base: float, epochs: int, percents: Sequence[int]) -> np.ndarray:
    """The learning rate of every epoch (epochs,), float64: a tenth from each milestone on.

    percents: milestones in percent of the epochs, whole numbers; an epoch e, counted from 0, is past one when
    100 e >= percent * epochs. With 100 epochs these are the milestones of the study.
    """
    passed = (100 * np.arange(epochs)[:, None] >= np.asarray(percents) * epochs).sum(axis=1)
    return base * 0.1**passed


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


def checked_ids(name: str, ids: np.ndarray, n: int) -> np.ndarray:
    """`ids` as int64 (m,), at least one, distinct, in 0..n-1; else an InputError."""
    ids = np.asarray(ids)
    if not ids.size:
        raise InputError(f"{name}: expected at least one id, received none. Label some samples first.")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputError(
            f"{name}: expected whole numbers of shape (n,), received {ids.dtype} of shape {ids.shape}. "
            "For a mask, give np.flatnonzero(mask)."
        )
    if not 0 <= ids.min() <= ids.max() < n:
        raise InputError(
            f"{name}: expected ids in 0..{n - 1}, received {ids.min()}..{ids.max()}. Give rows of the training set."
        )
    repeated = len(ids) - len(np.unique(ids))
    if repeated:
        raise InputError(
            f"{name}: expected distinct ids, received {repeated} repeated of {len(ids)}. Give np.unique(ids)."
        )
    return ids.astype(np.int64)


def checked_labels(
    name: str, labels: np.ndarray, n: int, n_classes: int | None = None, ids: np.ndarray | None = None
) -> np.ndarray:
    """The `n` labels as int64, those of `ids` (m,) where given, all in 0..n_classes-1; else an InputError."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{name}: expected whole numbers of shape ({n},), received {labels.dtype} of shape {labels.shape}. "
            "Give every sample its class."
        )
    labels = (labels if ids is None else labels[ids]).astype(np.int64)
    least, most = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
    if least < 0 or most < 0 or (n_classes is not None and most >= n_classes):
        wanted = "0 and above" if n_classes is None else f"0..{n_classes - 1}"
        received = f"{least}..{most}" if len(labels) else "none"
        raise InputError(f"{name}: expected classes in {wanted}, received {received}. Number the classes from 0.")
    return labels
