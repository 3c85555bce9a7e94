"""Open sets: curves over the labels that a classifier can be trained on, in place of all that were asked for.

Of two strategies one may be better since more of what it asks for is of known classes, or since a classifier learns
more from it. At equal numbers of labels of known classes only the second is left. Of our own; no publication has it.
"""

from __future__ import annotations

import numpy as np


def known_labels(labels: np.ndarray, purity: np.ndarray) -> np.ndarray:
    """How many labels of known classes there are in each round.

    Args:
        labels: (T,) ascending numbers of all labels that were asked for.
        purity: (..., T) share of known classes among the labels that the round brought; first: of the initial ones.

    Returns:
        (..., T) floats; NaN from the first round on whose purity is NaN.
    """
    found: np.ndarray = np.cumsum(np.diff(labels, prepend=0) * purity, axis=-1)
    return found


def gain_at_equal(x: np.ndarray, values: np.ndarray, x_reference: np.ndarray, reference: np.ndarray) -> float:
    """Mean height of a curve above another one where both have been, each linear between its rounds.

    Args:
        x: (T,) numbers that do not fall, such as those of `known_labels`; rounds of the same number count by their
            mean.
        values: (T,) accuracies there.
        x_reference, reference: (S,) of the other curve.

    Returns:
        the area between the curves over its width; NaN where they share no more than a point.
    """
    curve, other = _of_distinct(x, values), _of_distinct(x_reference, reference)
    low, high = max(curve[0][0], other[0][0]), min(curve[0][-1], other[0][-1])
    if not high > low:
        return float("nan")
    places = np.unique(np.clip(np.concatenate([curve[0], other[0]]), low, high))
    return float(np.trapezoid(np.interp(places, *curve) - np.interp(places, *other), places) / (high - low))


def _of_distinct(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, which = np.unique(x, return_inverse=True)
    return found, np.bincount(which, values) / np.bincount(which)
