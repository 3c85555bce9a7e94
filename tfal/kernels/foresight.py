"""The first picks of MaxHerding, guessed from a part of the anchors and held against all rows in a single pass.

Each of the first picks covers most anchors better, which takes a pass over all kernel values for each of them. The
gains of all rows at several levels need these values but once. What is guessed wrong costs time, and no pick.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.cover import Cover

_WORTH = 1 << 28  # pairs of row and anchor; with fewer a pass takes no time
_GUESSED = 2  # later ones hang on the few anchors that are near them, which a part of the anchors does not tell
_SHARE = 16  # of the anchors, one in so many tells which rows are looked at
_LOOKED_AT = 128  # of the rows, one in so many


def foreseen(cover: Cover, n: int, ranks: np.ndarray) -> list[int]:
    """Starts a cover, and adds up to `n` picks as far as they are foreseen."""
    levels, guessed = [cover.level], list[int]()
    if len(cover.rows.rows) * len(cover.level) >= _WORTH:
        for _ in range(min(_GUESSED, n)):
            guessed.append(_guess(cover, levels[-1], guessed, ranks))
            levels.append(cover.raised(levels[-1], np.array(guessed[-1:])))
    picks: list[int] = []
    for gains, level in zip(cover.start(levels), levels, strict=True):
        gains[picks] = 0
        cover.gains, cover.level = gains, level
        if len(picks) == len(guessed) or cover.next_pick(ranks) != guessed[len(picks)]:
            break
        picks.append(guessed[len(picks)])
    return picks


def _guess(cover: Cover, level: Any, taken: list[int], ranks: np.ndarray) -> int:
    """The row that adds most to a level, of those that add most to it at some of the anchors."""
    some = np.random.default_rng(0).permutation(len(level))[: -(-len(level) // _SHARE)]
    about = cover.added(np.sort(some), [level])[0][0]
    about[taken] = 0
    n_looked_at = -(-len(about) // _LOOKED_AT)
    rows = np.argpartition(-about, n_looked_at - 1)[:n_looked_at]
    gains = cover.sums(rows, level)
    best = rows[gains >= gains.max()]
    return int(best[ranks[best].argmin()])
