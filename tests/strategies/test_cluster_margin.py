"""cluster_margin: clusters are made once of the whole pool, and stay."""

import numpy as np

from tests.strategies.test_low_budget import Made
from tfal import kernels
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies.cluster_margin import ClusterMargin
from tfal.streams import Streams

FEATURES = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
LOGITS = FEATURES[:, :3]


def rng():
    return np.random.default_rng(0)


def a_view(features, labeled=(), memory=None, candidates=None):
    made, pool = Made(features, LOGITS), Pool.unlabeled_pool(len(FEATURES))
    made.outputs["classifier"]["features"] = np.asarray(features)
    pool.label_samples(np.array(labeled, int), np.zeros(len(labeled), np.int32), 0)
    return PoolView(pool, pool.unlabeled if candidates is None else candidates, made, Streams(0), memory)


def test_clusters_are_those_of_the_whole_pool_and_stay():
    strategy, some = ClusterMargin(), np.arange(0, 60, 2)
    first = strategy.query(a_view(FEATURES, candidates=some), 5, rng())
    memory = strategy.observe(a_view(FEATURES), first, rng())
    assert memory["clusters"].tolist() == kernels.average_linkage(FEATURES, rng=rng()).tolist()
    other = a_view(FEATURES[::-1].copy(), first.ids, memory)  # the features of a later network
    assert strategy.query(other, 5, rng()).notes["clusters"].tolist() == memory["clusters"].tolist()


def test_a_pool_that_has_grown_is_clustered_anew():
    strategy = ClusterMargin()
    short = {"clusters": np.zeros(50, np.int32)}
    found = strategy.query(a_view(FEATURES, memory=short), 5, rng()).notes["clusters"]
    assert found.tolist() == kernels.average_linkage(FEATURES, rng=rng()).tolist()
    unknown = {"clusters": np.where(np.arange(60) == 7, -1, 0).astype(np.int32)}
    assert strategy.query(a_view(FEATURES, memory=unknown), 5, rng()).notes["clusters"].tolist() == found.tolist()


def test_picks_are_those_of_the_kernel():
    view, strategy = a_view(FEATURES, [3, 8]), ClusterMargin(margin_factor=3.0, margin_member="margin")
    clusters = kernels.average_linkage(FEATURES, rng=(stream := rng()))[view.candidates]
    odds = kernels.margin_log_odds(LOGITS[view.candidates])
    rows = kernels.cluster_margin(odds, clusters, 6, factor=3.0, member="margin", rng=stream)
    assert strategy.query(view, 6, rng()).ids.tolist() == view.candidates[rows].tolist()
