"""Area under the budget curve (AUBC), on three axes that are named since they disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from tfal.errors import InputError

# x of the rounds by the name of the axis, from their numbers of labels.
AXES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {
        "labels": lambda labels: labels.astype(float),
        "rounds": lambda labels: np.arange(len(labels), dtype=float),
        "log labels": lambda labels: np.log(labels.astype(float)),
    }
)


def area_under_budget_curve(labels: np.ndarray, values: np.ndarray, axis: str = "labels") -> np.ndarray:
    """Mean height of a curve, by trapezoids: sum of (x[t+1] - x[t]) (a[t] + a[t+1]) / 2, over x[-1] - x[0].

    Args:
        labels: (T,) ascending numbers of labels, at least 0; at least 1 for their logarithms.
        values: (..., T) accuracies or any other fractions.
        axis: what x is. "labels": the number of labels (Zhan et al., IJCAI 2021). "rounds": equal steps, whatever the
            budgets (realistic-al, Luth et al., NeurIPS 2023). "log labels": each doubling counts alike.

    Returns:
        (...,) floats; the values themselves where T is 1.

    Raises:
        InputError: another axis, or budgets that do not ascend.
    """
    labels, values = np.asarray(labels), np.asarray(values, float)
    if axis not in AXES:
        raise InputError(f"axis must be one of {', '.join(AXES)}. Received: {axis!r}.")
    if labels.ndim != 1 or values.shape[-1:] != labels.shape or not len(labels):
        raise InputError(
            f"labels (T,) and values (..., T) must fit. Received: {labels.shape} and {values.shape}. Cut them alike."
        )
    if labels[0] < (axis == "log labels") or np.any(np.diff(labels) <= 0):
        raise InputError(
            "numbers of labels must ascend, and be at least 1 on an axis of logarithms. "
            f"Received: {labels.tolist()[:20]}."
        )
    if len(labels) == 1:
        return values[..., 0]
    x = AXES[axis](labels)
    found: np.ndarray = np.trapezoid(values, x, axis=-1) / (x[-1] - x[0])
    return found
