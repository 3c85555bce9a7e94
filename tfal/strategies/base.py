"""What a query strategy is, and the check of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfal.view import PoolView


@dataclass(frozen=True)
class Picks:
    """An answer: ids (n,) int64 in pick order, and the score of each when the strategy has one."""

    ids: np.ndarray
    scores: np.ndarray | None = None


class Strategy:
    """Base of all query strategies.

    A strategy is a frozen dataclass; its fields are its options. A field that the recipe has too, such as
    `n_sample`, is filled from there. It keeps no state between rounds, so a resumed run needs none.

    learners: names of the learners that it reads; trained for it by the loop.
    original_path: whether its accuracies are written where the method's public code puts them, too.
    """

    learners: ClassVar[tuple[str, ...]] = ("classifier",)
    original_path: ClassVar[bool] = False

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        """n distinct ids out of view.candidates; the same view and rng give the same picks."""
        raise TypeError(f"{type(self).__name__} does not define query(view, n, rng)")

    def observe(self, view: PoolView, picks: Picks) -> None:
        """Called after the picks' labels are revealed, while this round's networks are still there."""


def check_picks(picks: Picks, candidates: np.ndarray, n: int, strategy: str) -> Picks:
    """The picks, if they are n distinct candidates; ValueError otherwise."""
    ids = picks.ids
    expected = f"strategy {strategy!r} must answer {n} distinct ids out of view.candidates as an int64 array"
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.shape != (n,):
        raise ValueError(f"{expected}. Received: {getattr(ids, 'dtype', type(ids).__name__)} {np.shape(ids)}")
    if len(np.unique(ids)) != n:
        raise ValueError(f"{expected}. Received: {n - len(np.unique(ids))} repeated ids")
    foreign = ids[~np.isin(ids, candidates)]
    if len(foreign):
        raise ValueError(f"{expected}. Received: {foreign[:5].tolist()}, which are no candidates")
    return picks
