"""As many candidates of each cluster: drawn at random, or the best ones by a score.

Source: Chandra et al., On Initial Pools for Deep Active Learning, 2021; balanced rankings as in Chen et al., Making
Your First Choice, 2022. Differences from public code: exactly n picks, where clusters run short too; random numbers
come from the round's stream; no NaN ranks first; the losses are those of tfal's learners, where a SimCLR loss has
negatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tfal import kernels
from tfal.errors import resolve_name
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.uncertainty import checked_logits
from tfal.learners.specs import ScanOptions
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy, warn_if_alike
from tfal.strategies.clusters import KMeans, frozen_features
from tfal.strategies.ranking import Ranking, places, ranked_ids
from tfal.strategies.top_scores import LOSS_OF, losses

CLUSTERS_OF = {"kmeans": "encoder", "scan": "scan", "self_label": "self_label"}  # clusters -> their learner
_published = partial(option, protocol=True)


class _Quotas(Strategy):
    """Random candidates, as many of each predicted cluster."""

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return Picks(view.candidates[kernels.quota_picks(predicted_clusters(view, self.learners[0]), n, rng=rng)])


@dataclass(frozen=True)
class Scan(_Quotas):
    """Random candidates, as many of each cluster of SCAN.

    Paper: Chandra et al., On Initial Pools for Deep Active Learning, 2021; SCAN: Van Gansbeke et al., SCAN: Learning
        to Classify Images without Labels, ECCV 2020.
    Definition: as many random candidates of each cluster that SCAN predicts.
    Cost: SimCLR and SCAN are trained on the images of the pool once, which takes longest, and kept; then one pass
        over them.
    Use: for first labels, where classes are clear clusters and their number is known. typiclust needs no second
        training.
    """

    learners = ("scan",)


@dataclass(frozen=True)
class SelfLabel(_Quotas):
    """Random candidates, as many of each cluster of SCAN after its self-label stage.

    Paper: Chandra et al., On Initial Pools for Deep Active Learning, 2021; the stage: Van Gansbeke et al., SCAN:
        Learning to Classify Images without Labels, ECCV 2020.
    Definition: as many random candidates of each cluster that SCAN predicts after it was trained on its own sure
        predictions.
    Cost: that of scan, and one more training.
    Use: as scan, whose clusters it sharpens.
    """

    learners = ("self_label",)


@dataclass(frozen=True)
class KMeansClusters(Strategy):
    """Random candidates, as many of each k-means cluster of the encoder's features, scaled to length 1.

    Paper: Chandra et al., On Initial Pools for Deep Active Learning, 2021.
    Definition: as many random candidates of each of n_cluster k-means clusters.
    Cost: features are read once; n_redo n_iter m n_cluster d operations.
    Use: for first labels that hold every class; it has chance in it, so repetitions differ. kmeans and typiclust take
        typical samples instead.

    n_cluster: 0, outside of a run, which knows the classes: as many as classes that labels are known of, or, when these
    are fewer than two, as many as picks.
    """

    n_cluster: int = shared(ScanOptions, "n_cluster")
    n_redo: int = shared(KMeans, "n_redo")
    n_iter: int = shared(KMeans, "n_iter")

    learners = ("encoder",)
    uses_labels = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return Picks(view.candidates[kernels.quota_picks(kmeans_clusters(view, n, self, rng), n, rng=rng)])


@dataclass(frozen=True)
class ClusterRanking(KMeansClusters):
    """Candidates of highest score, as many of each cluster.

    Paper: Chen et al., Making Your First Choice: To Address Cold Start Problem in Vision Active Learning, 2022;
        Chandra et al., On Initial Pools for Deep Active Learning, 2021.
    Definition: the candidates of largest rank_score in each cluster, as many of each.
    Cost: what the learners of score and clusters cost, each trained on the images of the pool once, and kept.
    Use: to keep a ranking of one's own from asking for one class alone, and to compare first choices.

    rank_score: "simclr_loss", "vae_loss", or "ranking" for any other: the order of a file. rank_clusters: "kmeans",
    "scan" or "self_label". ranking: that file, see Ranking; candidates that it does not name come last. The other
    fields are those of KMeansClusters, for "kmeans" alone.
    """

    rank_score: str = _published(
        "simclr_loss", "score, or ranking: the order in the file of --ranking", choices=(*LOSS_OF, "ranking")
    )
    rank_clusters: str = _published("kmeans", "clusters", choices=(*CLUSTERS_OF,))
    ranking: str | None = shared(Ranking, "ranking")

    def __post_init__(self) -> None:
        if resolve_name("score", self.rank_score, [*LOSS_OF, "ranking"]) == "ranking":
            ranked_ids(self.ranking)
        resolve_name("clusters", self.rank_clusters, CLUSTERS_OF)

    @property
    def learners(self) -> tuple[str, ...]:  # type: ignore[override]
        """That of the score, and that of the clusters."""
        clusters = CLUSTERS_OF[self.rank_clusters]
        return (clusters,) if self.rank_score == "ranking" else (LOSS_OF[self.rank_score], clusters)

    @property
    def options_used(self) -> frozenset[str]:
        """Without the file of other scores, and without the options of k-means where others make the clusters."""
        idle = {"ranking"} if self.rank_score != "ranking" else set()
        return super().options_used - idle - ({"n_redo", "n_iter"} if self.rank_clusters != "kmeans" else set())

    def check_pool(self, candidates: np.ndarray, n: int, size: int) -> None:
        if self.rank_score == "ranking":
            ranked_ids(self.ranking, size)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        if self.rank_score == "ranking":
            scores = places(view, self.ranking)
        else:
            scores = losses(view, self.rank_score)
        if self.rank_clusters == "kmeans":
            clusters = kmeans_clusters(view, n, self, rng)
        else:
            clusters = predicted_clusters(view, CLUSTERS_OF[self.rank_clusters])
        warn_if_alike(scores, n)
        rows = kernels.cluster_ranking(scores, clusters, n, rng=rng)
        return Picks(view.candidates[rows], scores[rows])


def predicted_clusters(view: PoolView, learner: str) -> np.ndarray:
    """The cluster of every candidate: that of its largest logit."""

    def of_chunk(out: Mapping[str, Any]) -> Any:
        logits = out["logits"]
        return checked_logits(array_module(logits), logits).argmax(axis=1)

    return to_numpy(view.map(learner, ["logits"], of_chunk, view.candidates))


def kmeans_clusters(view: PoolView, n: int, by: KMeansClusters, rng: np.random.Generator) -> np.ndarray:
    """The k-means cluster of every candidate."""
    features = frozen_features(view, view.candidates)
    classes = len(np.unique(view.labels(view.labeled)))
    k = min(by.n_cluster or (classes if classes > 1 else n), len(features))
    return to_numpy(kernels.kmeans(features, k, rng=rng, n_iter=by.n_iter, n_init=by.n_redo).labels)
