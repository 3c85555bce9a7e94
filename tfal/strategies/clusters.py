"""Strategies that cluster the features of a frozen encoder: k-means, multi k-means, TypiClust.

Sources: Pourahmadi et al., A Simple Baseline for Low-Budget Active Learning, 2021; Hacohen et al., Active Learning on a
Budget: Opposite Strategies Suit High and Low Budgets, ICML 2022. Rows are scaled to length 1; a row of zeros, which
becomes NaN in the public code of the first, stays one. Where clusters give fewer than n picks, the rows farthest from
all picks follow. Starts are those of k-means++, not random rows as in that code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.parts.pairwise import unit_rows
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.pool.view import PoolView
from tfal.recipe.options import LOW_BUDGET, option, shared
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class KMeans(Strategy):
    """The candidates nearest to the centers of n clusters of candidates.

    Paper: Pourahmadi et al., A Simple Baseline for Low-Budget Active Learning, 2021.
    Formula: n centers c with a small `sum_x min_c |f(x) - c|**2` over the candidates; the candidate nearest to each.
        f: the encoder's features, scaled to length 1.
    Cost: features are read once; n_redo n_iter m n d operations, which grows with the batch: minutes for a million
        candidates and 1,000 picks.
    Use: for the first labels, all at once. For more batches multi_kmeans or typiclust, which know what is labeled.

    As published it is for a single batch: it clusters the whole data set and ignores earlier picks. Here it clusters
    the candidates of the round, which are not labeled; labeled samples still have no influence.

    In two rounds (tfal.sharded) a pick of the first counts in the second as often as there are samples of its shard
    nearest to it. Picks within b times the least sum of squared distances in each shard, and within c times in the
    second round, are within 2 b + 4 c (b + 1) times of it in all, however the pool is parted: Ailon et al., Streaming
    k-means Approximation, NeurIPS 2009, theorem 3.1.

    n_redo, n_iter: restarts and iterations of k-means.
    """

    n_redo: int = option(5, "k-means restarts, of which the best counts", least=1, protocol=True, source=LOW_BUDGET)
    n_iter: int = option(20, "k-means iterations", least=1, protocol=True, source=LOW_BUDGET)

    learners = ("encoder",)
    nested_budgets = False
    splits: ClassVar[str | None] = "rounds"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = frozen_features(view, view.candidates), np.zeros(0, np.int64)
        return Picks(view.candidates[_nearest_to_centers(features, n, labeled, rng, self, view.weights)])

    def stands_for(self, view: PoolView, picks: np.ndarray) -> np.ndarray:
        features, rows = frozen_features(view, view.candidates), np.searchsorted(view.candidates, picks)
        points = features[array_module(features).asarray(rows)]
        nearest = to_numpy(kernels.nearest_neighbors(features, points, 1).rows[:, 0])
        nearest[rows] = np.arange(len(rows))  # where two picks are the same point, too
        weights = np.ones(len(nearest)) if view.weights is None else view.weights
        return np.bincount(nearest, weights, minlength=len(picks))


@dataclass(frozen=True)
class MultiKMeans(KMeans):
    """The candidates nearest to the centers of n clusters of candidates and labeled samples together.

    Paper: Pourahmadi et al., A Simple Baseline for Low-Budget Active Learning, 2021.
    Formula: centers c with a small `sum_x min_c |f(x) - c|**2` over candidates and labeled samples; the candidate
        nearest to each. f: the encoder's features, scaled to length 1.
    Cost: as kmeans: n_redo n_iter m n d operations.
    Use: as kmeans, when labels are bought in several batches.

    Clusters without a candidate are dropped. As published, but for the rest of the pool, which is not clustered here.
    """

    nested_budgets = True
    splits = None

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = with_labeled(view)
        return Picks(view.candidates[_nearest_to_centers(features, n, labeled, rng, self)])


@dataclass(frozen=True)
class TypiClust(Strategy):
    """TypiClust: typical candidates of clusters without labels; see tfal.kernels.typiclust.

    Paper: Hacohen et al., Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets, ICML 2022.
    Formula: `1 / mean distance of f(x) to its 20 nearest neighbors in its cluster`, largest first, cluster by
        cluster, those with the fewest labels and of these the largest first. f: the encoder's features, scaled to
        length 1; as many clusters as labels, old and new, at most 500.
    Cost: features are read once; k-means, n_redo n_iter m k d operations for k clusters, then the distances within
        clusters.
    Use: from no labels to some ten a class, with an encoder that has seen such images. Later, doubt tells more:
        margin, badge, ldms.

    n_redo, n_iter: restarts and iterations of k-means.
    """

    n_redo: int = shared(KMeans, "n_redo")
    n_iter: int = shared(KMeans, "n_iter")

    learners = ("encoder",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = with_labeled(view)
        options: dict[str, Any] = {"n_iter": self.n_iter, "n_init": self.n_redo}
        return Picks(view.candidates[kernels.typiclust(features, n, labeled=labeled, rng=rng, **options)])


def frozen_features(view: PoolView, ids: np.ndarray) -> Any:
    """Features of the encoder scaled to length 1, chunk by chunk, in the dtype that they have."""

    def scaled(out: Mapping[str, Any]) -> Any:
        return unit_rows(out["features"].astype(np.float32)).astype(out["features"].dtype)

    return view.map("encoder", ["features"], scaled, ids)


def with_labeled(view: PoolView) -> tuple[Any, np.ndarray]:
    """Features of the encoder, length 1, of the candidates, then of the labeled samples; and the rows of the latter."""
    ids = np.concatenate([view.candidates, view.labeled])
    return frozen_features(view, ids), np.arange(len(view.candidates), len(ids))


def _nearest_to_centers(
    features: Any, n: int, labeled: np.ndarray, rng: np.random.Generator, by: KMeans, weights: np.ndarray | None = None
) -> np.ndarray:
    found = kernels.kmeans(features, n, rng=rng, n_iter=by.n_iter, n_init=by.n_redo, weights=weights)
    eligible = ~np.isin(np.arange(len(features)), labeled)
    rows = kernels.representatives(features, found.centers, to_numpy(found.labels), eligible, rng=rng)
    if len(rows) == n:
        return rows
    return np.append(rows, kernels.farthest_first(features, n - len(rows), np.append(labeled, rows), rng=rng))
