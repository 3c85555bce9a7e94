"""When labeling could have stopped: criteria of the literature, read off what rounds recorded. They end nothing.

Each takes what one repetition has of every round, and returns the first round, from 0, at which it would have stopped,
or None.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

AGREEMENT, WINDOW = 0.99, 3
UNCERTAINTY = 0.05
PATIENCE, LEAST_GAIN = 10, 1e-4
_SLACK = 1e-12  # of a mean of floats


def stabilised(kappas: Sequence[float] | np.ndarray, level: float = AGREEMENT, window: int = WINDOW) -> int | None:
    """Stabilising predictions: the mean kappa of the last `window` pairs of successive models reaches `level`.

    Bloodgood and Vijay-Shanker, CoNLL 2009: predictions for a stop set of 2,000 samples, drawn once.

    Args:
        kappas: (T,) of each round with the one before; NaN in round 0.
    """
    given = np.asarray(kappas, float)
    for last in range(window, len(given)):
        if np.mean(given[last - window + 1 : last + 1]) >= level - _SLACK:
            return last
    return None


def unchanged(changes: Sequence[float] | np.ndarray, level: float = 0.0) -> int | None:
    """Classification change: at most this share of predictions differs from those of the round before (small-text).

    Args:
        changes: (T,) shares; NaN in round 0.
    """
    return _first(np.asarray(changes, float) <= level)


def certain(entropies: Sequence[float] | np.ndarray, n_classes: int, level: float = UNCERTAINTY) -> int | None:
    """Overall uncertainty: the mean entropy of the pool, over its largest possible value, falls below `level`
    (small-text).

    Args:
        entropies: (T,) mean entropies of the pool [nats].
        n_classes: C, at least 2.
    """
    return _first(np.asarray(entropies, float) / np.log(n_classes) < level)


def no_gain(
    accuracies: Sequence[float] | np.ndarray, patience: int = PATIENCE, least: float = LEAST_GAIN
) -> int | None:
    """Early stopping: `patience` rounds without a gain of more than `least` over the best accuracy before (baal).

    Args:
        accuracies: (T,) on validation samples.
    """
    best, waited = -np.inf, 0
    for place, value in enumerate(np.asarray(accuracies, float)):
        best, waited = (value, 0) if value > best + least else (best, waited + 1)
        if waited >= patience:
            return place
    return None


def _first(holds: np.ndarray) -> int | None:
    places = np.flatnonzero(holds)
    return int(places[0]) if len(places) else None
