"""Weighted drawing of one row, the step that the seedings share."""

from __future__ import annotations

from typing import Any


def draw_row(xp: Any, weights: Any, u: Any) -> Any:
    """The row whose share of the cumulated `weights` contains `u` in [0, 1): one inverse-CDF draw.

    `weights` is float64 (n,), not negative, with a positive sum. side="right" passes over every row of weight
    0, at u = 0 too. The row stays on the device.
    """
    cumulated = xp.cumsum(weights)
    row = xp.searchsorted(cumulated, u * cumulated[-1], side="right").clip(0, len(weights) - 1)
    # A GPU adds in parallel: rounding may let the sum rise at a row of weight 0, or end below its peak.
    return xp.where(weights[row] > 0, row, weights.argmax())
