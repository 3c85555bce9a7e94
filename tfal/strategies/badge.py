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
    """BADGE: k-means++ seeding on gradient embeddings, kept as their two factors.

    Paper: Ash et al., Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, ICLR 2020.
    Formula: `g(x)`: outer product of `p - onehot(argmax p)` and the features f(x). First the largest `|g|`, then each
        candidate with a probability proportional to `min_v |g(x) - g(v)|**2` over the picks v.
    Cost: one pass over the candidates; at most m n (d + C) operations, m (d + C) numbers in memory: g itself, d C
        numbers a candidate, is never built.
    Use: for batches of any size without anything to set: doubt and diversity at once. For single picks or a pool
        without near copies margin does as well, and is cheaper.

    In two rounds (tfal.sharded) a pick of the first is drawn in the second as often as there are samples of its shard
    nearest to it. Seeds within b times the least sum of squared distances in each shard, and within c times in the
    second round, are within 2 b + 4 c (b + 1) times of it in all, however the pool is parted: Ailon et al., Streaming
    k-means Approximation, NeurIPS 2009, theorem 3.1. For k-means++ b and c are 8 (ln n + 2) on average; for BADGE's own
    first seed, the largest embedding, nobody has shown them.
    """

    splits = "rounds"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        out = view.read("classifier", ["features", "logits"], view.candidates)
        rows = kernels.badge_seeding(out["features"], out["logits"], n, weights=view.weights, rng=rng)
        return Picks(view.candidates[rows])

    def stands_for(self, view: PoolView, picks: np.ndarray) -> np.ndarray:
        out = view.read("classifier", ["features", "logits"], view.candidates)
        nearest = kernels.badge_nearest(out["features"], out["logits"], np.searchsorted(view.candidates, picks))
        weights = np.ones(len(nearest)) if view.weights is None else view.weights
        return np.bincount(nearest, weights, minlength=len(picks))
