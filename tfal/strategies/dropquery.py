"""DropQuery: samples whose prediction changes when features are dropped, one of each cluster.

Source: Gupte et al., Revisiting Active Learning in the Era of Vision Foundation Models, TMLR 2024. Differences from its
public code: see tfal.kernels.dropquery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.clusters import KMeans

DROPQUERY = "DropQuery paper"


@dataclass(frozen=True)
class DropQuery(Strategy):
    """DropQuery: candidates whose class changes in most of a few passes with dropout, one of each of n clusters.

    Paper: Gupte et al., Revisiting Active Learning in the Era of Vision Foundation Models, TMLR 2024.
    Definition: candidates whose predicted class changes in more than half of n_drop passes with dropout on the features
        that the last layer reads, whatever the network has itself, are clustered by their features, scaled to length 1;
        one of each of n clusters is picked. While fewer than n_contested * n candidates count, fewer changes suffice;
        when fewer than n change at all, random ones follow.
    Cost: one pass over the candidates; n_drop products of all of them with the last layer, and k-means on those that
        count.
    Use: for frozen features of a foundation model and a linear head, at any budget. First labels are those of kmeans,
        as published: where nothing is labeled, all candidates count.
    """

    n_drop: int = option(3, "passes with dropout on the features", least=1, source=DROPQUERY)
    drop_rate: float = option(0.75, "share of the features that dropout sets to 0", above=0, below=1, source=DROPQUERY)
    n_contested: int = option(
        25, "candidates a pick that are clustered, where so many change", least=1, source=DROPQUERY
    )
    n_redo: int = shared(KMeans, "n_redo", 1)
    n_iter: int = shared(KMeans, "n_iter")

    first = "kmeans"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features = view.read("classifier", ["features"], view.candidates)["features"]
        times = {"n_iter": self.n_iter, "n_init": self.n_redo}
        if not len(view.labeled):
            return Picks(view.candidates[kernels.kmeans_directions(features, n, rng=rng, **times)])
        kernel, bias = view.head("classifier")
        flips = kernels.dropout_flips(features, kernel, bias, n_pass=self.n_drop, rate=self.drop_rate, rng=rng)
        options = {"n_pass": self.n_drop, "factor": self.n_contested, **times}
        return Picks(view.candidates[kernels.dropquery(to_numpy(flips), features, n, rng=rng, **options)])
