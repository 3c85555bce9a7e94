"""How good a classifier is by the labels that are there: cross-validation, and how far its figure can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedKFold

LEAST = 2  # labels of each class, to train on some and test on others
# Of logits, from cross-validation: never below 1, since a few labels that are all right would make a classifier as sure
# as can be.
TEMPERATURES = 1.0, 1000.0
FEW = 100  # labels: with fewer, the interval of a fraction is 20 points wide or more


class Accuracy(NamedTuple):
    """n labeled pictures, the share that was classified rightly when left out, its 95 % interval; all fractions.

    low, high: Wilson's interval, as if the pictures were drawn at random. largest: the share of the largest class, what
    always naming that class would reach.
    """

    n: int
    accuracy: float
    low: float
    high: float
    largest: float

    def __str__(self) -> str:
        interval = f"{100 * self.low:.0f} to {100 * self.high:.0f}"
        return f"{100 * self.accuracy:.1f} % ({interval}; always the largest class: {100 * self.largest:.1f} %)"


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> Accuracy:
    """The share of `labels` (n,), whole numbers, at least one, that `predicted` (n,) has right; see Accuracy."""
    n, right = len(labels), int(np.count_nonzero(labels == predicted))
    interval = binomtest(right, n).proportion_ci(0.95, method="wilson")
    largest = float(np.unique(labels, return_counts=True)[1].max() / n)
    return Accuracy(n, right / n, float(interval.low), float(interval.high), largest)


def too_few(labels: np.ndarray, names: Sequence[str]) -> list[str]:
    """The classes of which there are fewer than LEAST labels, with their number, in words."""
    counts = np.bincount(labels, minlength=len(names))
    return [f"{name} has {count}" for name, count in zip(names, counts, strict=True) if count < LEAST]


def folds(labels: np.ndarray, most: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows to train on, rows to test on), of every class alike: as many as the smallest class has, at most `most`.

    labels: (n,) whole numbers, at least LEAST of each that occurs.
    """
    n = min(most, int(np.unique(labels, return_counts=True)[1].min()))
    return list(StratifiedKFold(n, shuffle=True, random_state=seed % 2**32).split(labels, labels))
