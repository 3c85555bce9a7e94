"""Data maps: how a network's answer to every image develops over the epochs of a training. Arrays only.

Supervised: Swayamdipta et al., Dataset Cartography, EMNLP 2020. Contrastive, without labels: Chen et al., Making Your
First Choice: To Address Cold Start Problem in Medical Active Learning, 2022 (arXiv 2210.02442).

Differences from the public code of the latter: moments are updated epoch by epoch, so that nothing grows with the
number of epochs; a NaN is refused, where reversing an ascending sort puts it first; equal scores keep the order of the
rows; clusters are those of the self-supervised features themselves, without UMAP before k-means.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.kernels import check

TEMPERATURES = (0.2, 0.1, 0.05, 0.01)  # of contrastive maps, each kept through one training
NEVER_CORRECT = 1000  # forgetfulness of what no epoch had right, as in the published code


class RunningMoments:
    """Mean and population standard deviation over calls of `add`, by Welford's recurrence.

    shape: of one call's values. The three attributes are all of the state, to be saved and given back.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.n = 0
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape)  # sums of squared differences from the mean

    def add(self, values: np.ndarray) -> None:
        """values: finite, of the shape. Raises InputError for others."""
        values = check.float_array(np, "values", values, self.mean.shape, dtype=np.float64)
        self.n += 1
        difference = values - self.mean
        self.mean += difference / self.n
        self.squares += difference * (values - self.mean)

    @property
    def std(self) -> np.ndarray:
        """With n in the denominator; 0 before the second call."""
        return np.sqrt(self.squares / max(self.n, 1))


class DataMap(NamedTuple):
    """One number for every sample, float64 (N,).

    confidence: mean over epochs of the probability of the true class, or of the positive pair, in [0, 1].
    variability: its population standard deviation, in [0, 0.5]. threshold_closeness: c (1 - c) of the confidence c.
    """

    confidence: np.ndarray
    variability: np.ndarray
    threshold_closeness: np.ndarray


class SupervisedMap(NamedTuple):
    """A DataMap's numbers of the true class, and two more.

    correctness: epochs in which the largest probability was that of the true class; forgetfulness: how often such an
    epoch was followed by one that was wrong, 1000 where none was right.
    """

    confidence: np.ndarray
    variability: np.ndarray
    threshold_closeness: np.ndarray
    correctness: np.ndarray
    forgetfulness: np.ndarray


class SupervisedDynamics:
    """A supervised data map of n samples, epoch by epoch."""

    def __init__(self, n: int) -> None:
        self._moments = RunningMoments((n,))
        self._correct, self._forgotten = np.zeros(n), np.zeros(n)
        self._was_correct = np.zeros(n, bool)

    def add(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """The answers of one epoch.

        Args:
            probabilities: (N, C) float, in [0, 1].
            labels: (N,) integer classes 0..C-1.

        Raises:
            InputError: shapes that disagree, values not finite.
        """
        n = len(self._correct)
        probabilities = check.float_array(np, "probabilities", probabilities, (n, "C"), dtype=np.float64)
        labels = np.asarray(labels)
        n_classes = probabilities.shape[1]
        if labels.shape != (n,) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
            raise InputError(
                f"labels: expected {n} classes in 0..{n_classes - 1}, received {labels.dtype} of shape {labels.shape}. "
                "Give every sample its class."
            )
        self._moments.add(probabilities[np.arange(n), labels])
        correct = probabilities.argmax(axis=1) == labels
        self._correct += correct
        self._forgotten += self._was_correct & ~correct
        self._was_correct = correct

    def map(self) -> SupervisedMap:
        """Of the epochs so far."""
        forgetfulness = np.where(self._correct > 0, self._forgotten, NEVER_CORRECT)
        return SupervisedMap(*data_map(self._moments), self._correct.copy(), forgetfulness)


def data_map(moments: RunningMoments) -> DataMap:
    """The map of the probabilities that were added, one for every sample and epoch."""
    mean = moments.mean.copy()
    return DataMap(mean, moments.std, mean * (1 - mean))


def ranked(scores: Any) -> np.ndarray:
    """Rows in the order of their scores, LARGER first, equal ones by row: int64 (N,).

    Args:
        scores: (N,) real numbers; infinite ones are ranked.

    Raises:
        InputError: another shape or dtype, or a NaN.
    """
    scores = np.asarray(scores)
    if scores.ndim != 1 or scores.dtype.kind not in "fiu" or not scores.size:
        raise InputError(
            f"scores: expected real numbers of shape (N,), received {scores.dtype} of shape {scores.shape}. "
            "Give every sample one number."
        )
    scores = scores.astype(np.float64)
    n_bad = int(np.isnan(scores).sum())
    if n_bad:
        raise InputError(
            f"scores: expected numbers that can be ordered, received {n_bad} NaN of {len(scores)}. "
            "Look for a diverged network."
        )
    return np.argsort(-scores, kind="stable")


def in_turns(rows: np.ndarray, clusters: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`rows` so that the clusters take turns: the first row of each, then the second of each, and so on.

    Clusters that are used up are passed over. The published ranking does the same with K-means clusters, so its "hard"
    is not the reverse of its "easy".

    Args:
        rows: (n,) distinct integers, best first.
        clusters: (N,) integer cluster 0..K-1 of every sample; row r is of cluster clusters[r].
        order: (K,) the clusters in the order in which they take their turns.

    Returns:
        int64 (n,), the same rows.

    Raises:
        InputError: rows that repeat or are out of range, a cluster that has no or more than one place in `order`.

    Example:
        >>> clusters = np.array([1, 2, 1, 0, 1, 2])
        >>> in_turns(np.array([5, 4, 3, 1, 0, 2]), clusters, np.array([2, 0, 1])).tolist()
        [5, 3, 4, 1, 0, 2]
    """
    rows, clusters, order = np.asarray(rows), np.asarray(clusters), np.asarray(order)
    inside = rows.ndim == 1 and np.all((rows >= 0) & (rows < len(clusters)))
    if not inside or len(np.unique(rows)) < len(rows):
        raise InputError(
            f"rows: expected distinct rows in 0..{len(clusters) - 1}, received shape {rows.shape}. Give a ranking."
        )
    if not np.array_equal(np.sort(order), np.arange(len(order))) or clusters.min() < 0 or clusters.max() >= len(order):
        raise InputError(
            f"order: expected every cluster 0..{int(clusters.max())} once, received {order.tolist()}. "
            "Give a permutation of the clusters."
        )
    place = np.argsort(order)[clusters[rows]]
    by_cluster = np.argsort(place, kind="stable")
    sizes = np.bincount(place, minlength=len(order))
    turn = np.empty(len(rows), np.int64)
    turn[by_cluster] = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rows[np.lexsort((place, turn))].astype(np.int64)
