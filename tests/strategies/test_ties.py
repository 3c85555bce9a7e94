"""What strategies do where scores saturate or are equal: order, chance, and one warning."""

import warnings

import numpy as np
import pytest

from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies import make_strategy
from tfal.streams import Streams

BY_LOGITS = ["entropy", "margin", "least_confidence", "max_logit", "power_margin", "power_entropy"]
BY_OUTPUT = {
    **dict.fromkeys(BY_LOGITS, "logits"),
    "uherding": "logits",
    "dbal": "mc_logits",
    "bald": "mc_logits",
    "batchbald": "mc_logits",
    "consistency": "view_logits",
    "variation_ratio": "member_logits",
    "ensemble_entropy": "member_logits",
    "ll": "predicted_loss",
    "vaal": "labeled_logit",
    "simclr_loss": "simclr_loss",
    "vae_loss": "vae_loss",
    "cluster_ranking": "simclr_loss",
}


class Made:
    """One array an output, whoever is asked."""

    def __init__(self, **outputs):
        self.outputs = outputs

    def chunks(self, learner, outputs, ids):
        for some in np.array_split(ids, 3):
            yield {name: self.outputs[name][some] for name in outputs}


def view_of(n, **outputs):
    features = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    return PoolView(Pool.unlabeled_pool(n), np.arange(n), Made(**{"features": features} | outputs), Streams(0))


def equal_scores(name, n=40):
    output = BY_OUTPUT[name]
    shape = {"logits": (n, 3), "mc_logits": (n, 4, 3), "view_logits": (n, 4, 3), "member_logits": (n, 4, 3)}
    return view_of(n, **{output: np.zeros(shape.get(output, (n,)), np.float32)})


def query(name, view, n=5, seed=0):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ids = make_strategy(name, None).query(view, n, np.random.default_rng(seed)).ids
    return ids.tolist(), [str(warning.message) for warning in caught]


@pytest.mark.parametrize("name", BY_OUTPUT)
def test_one_warning_where_all_scores_are_equal(name):
    _, said = query(name, equal_scores(name))
    assert len(said) == 1
    assert all(cause in said[0] for cause in ("same score", "not scaled", "diverged", "last layer")), said
    assert query(name, equal_scores(name), n=40)[1] == []  # all are picked: nothing is chosen


@pytest.mark.parametrize("name", [name for name in BY_OUTPUT if name != "uherding"])
def test_equal_scores_are_picked_at_random(name):
    counts = np.zeros(40, int)
    for seed in range(60):
        ids, _ = query(name, equal_scores(name), n=10, seed=seed)
        counts[ids] += 1
    assert counts.min() > 0  # 15 is expected
    assert counts.max() < 32


@pytest.mark.parametrize("name", ["margin", "least_confidence", "entropy", "bald", "dbal", "consistency"])
@pytest.mark.parametrize("top", [20, 40, 1000, 1e6])
def test_confident_samples_keep_their_order(name, top):
    gaps = np.linspace(1.5 * top, top, 40).astype(np.float32)  # the last sample is the least certain
    logits = np.stack([gaps, 0 * gaps, -gaps], axis=1)
    passes = np.stack([logits, 1.125 * logits], axis=1)
    ids, said = query(name, view_of(40, logits=logits, mc_logits=passes, view_logits=passes), n=3)
    assert (ids, said) == ([39, 38, 37], [])


@pytest.mark.parametrize("name", ["coreset", "badge", "bait", "ldms", "maxherding", "probcover", "typiclust", "kmeans"])
def test_equal_samples_are_picked_at_random(name):
    view = view_of(30, features=np.ones((30, 2), np.float32), logits=np.zeros((30, 3), np.float32))
    view._reader.head = lambda learner: (np.eye(2, 3, dtype=np.float32), np.zeros(3, np.float32))
    counts = sum(np.bincount(query(name, view, n=10, seed=seed)[0], minlength=30) for seed in range(60))
    assert counts.min() > 4  # 20 is expected
    assert counts.max() < 40


@pytest.mark.parametrize("name", ["power_margin", "power_entropy"])
def test_power_draws_by_relative_scores_however_confident(name):
    gaps = np.repeat(np.float32([2000, 1000]), 20)
    logits = np.stack([gaps, 0 * gaps], axis=1)
    ids, said = query(name, view_of(40, logits=logits), n=20)
    assert (sorted(ids), said) == (list(range(20, 40)), [])


def test_uherding_covers_the_less_certain_however_confident():
    features, gaps = np.eye(6, dtype=np.float32), np.float32([2000, 2000, 1000, 2000, 2000, 2000])
    logits = np.stack([gaps, 0 * gaps], axis=1)
    assert query("uherding", view_of(6, features=features, logits=logits), n=1) == ([2], [])


def test_scores_of_the_answer_are_those_that_are_known():
    logits = np.float32([[2, 1, 0], [0, 0, 0], [9, 0, 0]])
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    known = {
        "entropy": -(p * np.log(p)).sum(axis=1),
        "margin": np.sort(p)[:, 2] - np.sort(p)[:, 1],
        "least_confidence": p.max(axis=1),
        "max_logit": logits.max(axis=1),
        "power_margin": 1 - np.sort(p)[:, 2] + np.sort(p)[:, 1],
        "power_entropy": -(p * np.log(p)).sum(axis=1),
    }
    for name, scores in known.items():
        picks = make_strategy(name, None).query(view_of(3, logits=logits), 3, np.random.default_rng(0))
        np.testing.assert_allclose(picks.scores, scores[picks.ids], rtol=1e-9, atol=1e-15, err_msg=name)


@pytest.mark.parametrize(
    "name", ["coreset", "badge", "bait", "ldms", "typiclust", "kmeans", "probcover", "maxherding", "similar"]
)
def test_one_warning_where_all_features_are_equal(name):
    n = 40
    view = view_of(n, features=np.ones((n, 4), np.float32), logits=np.ones((n, 3), np.float32))
    view._reader.head = lambda learner: (np.ones((4, 3), np.float32), np.zeros(3, np.float32))
    view._reader.outputs["features"][30:] = np.eye(4, dtype=np.float32)[0]
    view._pool.label_samples(np.arange(30, n), np.arange(10) % 3, 0)
    view.candidates, view.labeled = view._pool.unlabeled, view._pool.labeled  # which are not the same
    _, said = query(name, view)
    told = [line for line in said if "same features" in line]
    assert len(told) == 1, said
    assert all(cause in told[0] for cause in ("all the same", "not scaled", "diverged")), said
    view._reader.outputs["features"][7] += 1
    view._reader.outputs["features"][7, 0] = 0
    assert not [line for line in query(name, view)[1] if "same features" in line]


@pytest.mark.parametrize("at", [0, 1, 13, 14, 29, 39])
def test_features_are_not_alike_where_one_sample_differs(at):
    view = view_of(40, features=np.zeros((40, 2), np.float32))
    view._reader.outputs["features"][at, 1] = 1
    assert query("coreset", view)[1] == []
