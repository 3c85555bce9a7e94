"""Data maps: how a network's answer to every image develops over the epochs of a training. Arrays only.

Supervised: Swayamdipta et al., Dataset Cartography, EMNLP 2020. Contrastive, without labels: Chen et al., Making Your
First Choice: To Address Cold Start Problem in Medical Active Learning, 2022 (arXiv 2210.02442).

Differences from the public code of the latter: moments are updated epoch by epoch, so that nothing grows with the
number of epochs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check

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
        """The map of the epochs so far, of the probability of the label and of forgetting."""
        forgetfulness = np.where(self._correct > 0, self._forgotten, NEVER_CORRECT)
        return SupervisedMap(*data_map(self._moments), self._correct.copy(), forgetfulness)


def data_map(moments: RunningMoments) -> DataMap:
    """The map of the probabilities that were added, one for every sample and epoch."""
    mean = moments.mean.copy()
    return DataMap(mean, moments.std, mean * (1 - mean))
