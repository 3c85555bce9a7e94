"""Label efficiency: how many labels random sampling needs for what a strategy reaches with fewer.

Beck et al., Effective Evaluation of Deep Active Learning on Image Classification Tasks, 2021: labels of random over
labels of the strategy at the same accuracy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEVELS = 101  # accuracies between random's first and last one at which the median is taken


class Efficiency(NamedTuple):
    """median: over the levels; NaN where random's curve does not rise. reached: share of the levels that the strategy
    reaches at all; the others count as an efficiency of 0. beyond: labels with which the strategy reaches random's last
    accuracy, inf: never."""

    median: float
    reached: float
    beyond: float


def labels_needed(labels: np.ndarray, accuracy: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The number of labels with which a curve first reaches each accuracy; inf where it never does.

    A curve is its running maximum, linear between rounds: what was reached once counts as reached.

    Args:
        labels: (T,) ascending.
        accuracy: (T,).
        levels: (L,).

    Returns:
        (L,) float64; the first number of labels for levels at or below the first accuracy.
    """
    labels, levels = np.asarray(labels, float), np.asarray(levels, float)
    best = np.maximum.accumulate(np.asarray(accuracy, float))
    place = np.searchsorted(best, levels, side="left")
    found = np.full(len(levels), np.inf)
    found[place == 0] = labels[0]
    inside = np.flatnonzero((place > 0) & (place < len(best)))
    after = place[inside]
    share = (levels[inside] - best[after - 1]) / (best[after] - best[after - 1])
    found[inside] = labels[after - 1] + share * (labels[after] - labels[after - 1])
    return found


def label_efficiency(labels: np.ndarray, accuracy: np.ndarray, reference: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Labels that the reference needs over labels that the strategy needs, at each accuracy: above 1 is better.

    Args:
        labels: (T,) of both. accuracy, reference: (T,) mean curves of the strategy and of random. levels: (L,).

    Returns:
        (L,): 0 where the strategy never gets there, inf where the reference alone does not, NaN where neither does.
    """
    with np.errstate(invalid="ignore"):
        found: np.ndarray = labels_needed(labels, reference, levels) / labels_needed(labels, accuracy, levels)
    return found


def efficiency(labels: np.ndarray, accuracy: np.ndarray, reference: np.ndarray) -> Efficiency:
    """The median over accuracies from the reference's first to its last one, and how far the strategy gets.

    Args: see `label_efficiency`.
    """
    best = np.maximum.accumulate(np.asarray(reference, float))
    if best[-1] <= best[0]:
        nan = float("nan")
        return Efficiency(nan, nan, nan)
    levels = np.linspace(best[0], best[-1], LEVELS)[1:]
    found = label_efficiency(labels, accuracy, reference, levels)
    last = labels_needed(labels, accuracy, best[-1:])[0]
    return Efficiency(float(np.median(found)), float(np.mean(found > 0)), float(last))
