"""Random sampling: the baseline of every study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class Random(Strategy):
    """Picks uniformly at random without replacement."""

    learners = ()

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return Picks(rng.choice(view.candidates, n, replace=False))
