"""BADGE: k-means++ on the gradients that the predicted labels would cause in the last layer.

Source: Ash et al., Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, ICLR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class Badge(Strategy):
    """k-means++ seeding on gradient embeddings, kept as their two factors."""

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        out = view.read("classifier", ["features", "logits"], view.candidates)
        rows = kernels.badge_seeding(out["features"], out["logits"], n, rng=rng)
        return Picks(view.candidates[rows])
