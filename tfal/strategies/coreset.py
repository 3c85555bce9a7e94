"""CoreSet: cover the pool with balls around the labeled samples.

Source: Sener & Savarese, Active Learning for Convolutional Neural Networks, ICLR 2018 (the greedy variant).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class CoreSet(Strategy):
    """CoreSet: k-center greedy on the classifier's features; the labeled samples are the first centers.

    Paper: Sener & Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, ICLR 2018; the
        greedy variant.
    Formula: the next pick is `argmax_u min_v |f(u) - f(v)|` over candidates u; v: labeled samples and picks so far,
        f: the classifier's features, Euclidean distance.
    Cost: one pass over candidates and labeled samples; at most m (l + n) d operations for l labels, n picks and d
        features, m d numbers in memory.
    Use: for large batches that must not repeat themselves; in the reference results it is the best in the small
        open set of digits, too. It sees no doubt, and is drawn to outliers.

    In two rounds (tfal.sharded) the radius, that of the largest distance to the nearest label, is at most 4 times the
    least that n labels reach: Malkomes et al., Fast Distributed k-Center Clustering with Outliers on Massive Data,
    NeurIPS 2015. Labeled samples do not change that: in each round the greedy choice is at most twice the least.
    """

    splits = "rounds"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        ids = np.concatenate([view.candidates, view.labeled])
        features = view.read("classifier", ["features"], ids)["features"]
        candidates, labeled = features[: len(view.candidates)], features[len(view.candidates) :]
        rows = kernels.k_center_greedy(candidates, n, centers=labeled if len(labeled) else None, rng=rng)
        return Picks(view.candidates[rows])
