"""Random sampling: the baseline of every study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class Random(Strategy):
    """Picks uniformly at random without replacement.

    Paper: none; the baseline of every study.
    Definition: n of the candidates, every set of n equally likely.
    Cost: no network is read; O(m) for m candidates.
    Use: always, beside whatever is compared. Its labels are a fair sample of the pool, also for judging a model; with
        few labels it is hard to beat.
    """

    learners = ()

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return Picks(rng.choice(view.candidates, n, replace=False))
