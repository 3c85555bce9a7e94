"""FLCMI of few candidates on a GPU: it reads all similarities sooner than it finds out which of them count."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.parts.xp import to_numpy
from tfal.kernels.similarity import Items, largest_row


def held_picks(items: Items, n: int, ceiling: Any, floor: Any, rounding: float, ties: float) -> list[int]:
    """Up to `n` picks, as long as some row adds something, from all similarities of the items, held at once.

    Row j covers min(S_ij, ceiling_i) of row i, of which what is above floor_i is a gain. No more than `rounding` is
    nothing, and gains within the share `ties` of the largest are equal to it: the lowest row is taken.
    """
    xp, picks = items.xp, list[int]()
    covered = items.similarities(items.directions(slice(None)), slice(None))
    xp.minimum(covered, ceiling, out=covered)
    while len(picks) < n:
        gained = covered - floor
        gained *= gained > rounding
        gains = to_numpy(gained.sum(axis=1, dtype=np.float64))
        gains[picks] = 0
        slack = ties * gains.max()
        if gains.max() <= slack:
            break
        picks.append(largest_row(gains, slack))
        floor = xp.maximum(floor, covered[picks[-1]])
    return picks
