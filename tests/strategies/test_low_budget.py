"""What the strategies for low budgets do with made outputs, checked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfal import kernels
from tfal.kernels.parts.pairwise import unit_rows
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.recipe import Recipe
from tfal.strategies import STRATEGIES, make_strategy
from tfal.strategies.clusters import frozen_features
from tfal.strategies.covering import MaxHerding, ProbCover, UHerding, found_radius, least_distance
from tfal.streams import Streams

CLUSTERED = ["kmeans", "multi_kmeans", "typiclust"]
FROZEN = [*CLUSTERED, "probcover", "maxherding", "uherding"]


class Made:
    """Outputs by learner and name, one row a sample."""

    def __init__(self, features, logits=None):
        self.outputs = {"encoder": {"features": np.asarray(features, np.float32)}}
        self.outputs["classifier"] = {"logits": np.zeros((len(features), 2)) if logits is None else np.asarray(logits)}

    def chunks(self, learner, outputs, ids):
        yield {name: self.outputs[learner][name][ids] for name in outputs}


def make_view(features, labeled=(), logits=None, truth=None, memory=None):
    pool, labeled = Pool.unlabeled_pool(len(features)), np.array(labeled, int)
    truth = np.zeros(len(features), np.int32) if truth is None else np.asarray(truth)
    if len(labeled):
        pool.label_samples(labeled, truth[labeled], 0)
    return PoolView(pool, pool.unlabeled, Made(features, logits), Streams(0), memory, oracle=truth)


def picks(name, view, n, **options):
    return make_strategy(name, SimpleNamespace(**options)).query(view, n, np.random.default_rng(0)).ids


def directions(*degrees):
    """Vectors of different lengths in these directions."""
    angles = np.radians(degrees)
    return (1 + np.arange(len(degrees)))[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


# Three directions: samples 0 to 2, 3 to 5 and 6 to 8 lie together.
THREE = directions(0, 1, 2, 120, 121, 122, 240, 241, 242)


@pytest.mark.parametrize("name", FROZEN)
def test_one_sample_of_every_direction(name):
    found = picks(name, make_view(THREE), 3, delta=0.1)
    assert sorted(found // 3) == [0, 1, 2]


@pytest.mark.parametrize("name", ["typiclust", "probcover", "maxherding"])
def test_labeled_samples_are_not_repeated(name):
    found = picks(name, make_view(THREE, labeled=[0, 4]), 1, delta=0.1)
    assert found[0] // 3 == 2


def test_kmeans_ignores_labeled_samples():
    assert picks("kmeans", make_view(directions(0, 1, 2, 3, 4, 120), [5]), 1).tolist() == [2]


def test_clusters_that_are_labeled_are_dropped_and_made_up_for():
    # k-means finds {0, 1}, {2, 3} and {4, 5, 6}; the first is labeled. Of the rest, 6 is farthest from 1, 2 and 5.
    view = make_view(directions(0, 1, 120, 121, 238, 240, 243), labeled=[0, 1])
    assert picks("multi_kmeans", view, 3).tolist()[-1] == 6
    assert sorted(picks("multi_kmeans", view, 3)[:2].tolist()) == [2, 5]


@pytest.mark.parametrize("name", FROZEN)
def test_zeros_and_equal_features(name):
    features = np.concatenate([np.zeros((2, 2)), np.ones((6, 2))])
    assert sorted(picks(name, make_view(features, labeled=[7]), 7).tolist()) == list(range(7))
    assert len(set(picks(name, make_view(features), 4).tolist())) == 4


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_t11_normalisation(dtype):
    view = make_view([[3.0, 4.0], [0.0, 0.0]])
    view._reader.outputs["encoder"]["features"] = view._reader.outputs["encoder"]["features"].astype(dtype)
    rows = frozen_features(view, view.candidates)
    assert rows.dtype == dtype
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], atol=1e-7 if dtype == np.float32 else 1e-3)


@pytest.mark.parametrize("name", CLUSTERED)
def test_options_come_from_the_recipe(name, monkeypatch):
    strategy = make_strategy(name, Recipe(n_redo=2, n_iter=7))
    given = {}
    kmeans = kernels.kmeans

    def watched(*args, **options):
        given.update(options)
        return kmeans(*args, **options)

    monkeypatch.setattr(kernels, "kmeans", watched)
    monkeypatch.setitem(kernels.typiclust.__globals__, "kmeans", watched)
    strategy.query(make_view(THREE), 3, np.random.default_rng(0))
    assert (given["n_init"], given["n_iter"]) == (2, 7)


def test_probcover_keeps_its_radius():
    features = np.random.default_rng(0).normal(size=(60, 4))
    first = ProbCover(n_clusters=3)
    found = first.query(make_view(features), 5, np.random.default_rng(0))
    delta = kernels.purity_radius(unit_rows(features.astype(np.float32)), 3, rng=np.random.default_rng(0))
    assert found.notes["delta"] == delta
    view = make_view(features, labeled=found.ids, memory=first.observe(make_view(features), found, None))
    later = ProbCover().query(view, 5, np.random.default_rng(1))
    assert later.notes["delta"] == delta
    assert len(np.intersect1d(found.ids, later.ids)) == 0


@pytest.mark.parametrize(("labeled", "k"), [([0, 3, 6], 3), ([0, 1], 4), ([], 2)])
def test_probcover_counts_the_classes(labeled, k, monkeypatch):
    counted = []
    radius = kernels.purity_radius
    monkeypatch.setattr(kernels, "purity_radius", lambda f, k, **rest: counted.append(k) or radius(f, k, **rest))
    picks("probcover", make_view(THREE, labeled, truth=np.arange(9) // 3), 2)
    assert counted == [k]


def test_the_radius_of_large_pools_comes_from_a_part(monkeypatch):
    asked = []
    monkeypatch.setattr(
        kernels, "purity_radius", lambda f, k, **rest: asked.append((rest["n_balls"], rest["n_train"])) or 1
    )
    for n, k in ((9, 3), (20_000, 1000)):
        found_radius(np.empty((n, 1)), k, np.random.default_rng(0))
    assert asked == [(9, 100_000), (10_000, 256_000)]


def test_anchors_are_drawn_from_large_pools():
    features = np.random.default_rng(0).normal(size=(60, 3))
    view = make_view(features, labeled=[3])
    some = MaxHerding(n_anchor=20).query(view, 10, np.random.default_rng(1)).ids
    rows = unit_rows(features.astype(np.float32))[np.append(view.candidates, 3)]
    expected = kernels.max_herding(rows, 10, labeled=[59], n_anchor=20, rng=np.random.default_rng(1))
    assert some.tolist() == view.candidates[expected].tolist()
    assert some.tolist() != MaxHerding().query(view, 10, np.random.default_rng(1)).ids.tolist()


def test_which_strategies_choose_every_budget_anew():
    assert [name for name, strategy in STRATEGIES.items() if not strategy.nested_budgets] == ["kmeans", "activeft"]


def test_uherding_prefers_the_uncertain():
    sure, unsure = [9.0, 0.0], [0.0, 0.0]
    features = directions(0, 1, 2, 120, 121, 240)
    logits = [sure, sure, sure, sure, sure, unsure]
    assert picks("maxherding", make_view(features), 1).tolist() == [2]  # of three, toward the two
    assert picks("uherding", make_view(features, logits=logits), 1).tolist() == [5]


def test_uherding_narrows_its_kernel():
    assert least_distance(unit_rows(THREE[:3].astype(np.float32))) == pytest.approx(2 * np.sin(np.radians(0.5)), 1e-3)
    assert least_distance(np.ones((3, 2))) == 1.0
    assert least_distance(np.ones((1, 2))) == least_distance(np.ones((0, 2))) == 1.0
    features = np.random.default_rng(0).normal(size=(40, 3))
    view, sigma = make_view(features, labeled=[1, 2, 3]), least_distance(unit_rows(features[1:4].astype(np.float32)))
    rng = np.random.default_rng(0)
    narrowed = UHerding().query(view, 10, rng).ids.tolist()
    assert narrowed == UHerding(sigma=sigma).query(view, 10, rng).ids.tolist()
    assert narrowed != UHerding(sigma=9.0).query(view, 10, rng).ids.tolist()


@pytest.mark.parametrize(
    ("name", "scores"),
    [("power_margin", [0.0, 1.0, 1.0, 0.0]), ("power_entropy", [0.0, np.log(2), np.log(2), 0.0])],
)
def test_power_draws_the_uncertain_first(name, scores):
    view = make_view(np.ones((4, 2)), logits=[[900.0, 0], [0, 0], [1, 1], [0, 900]])
    found = [make_strategy(name, None).query(view, 4, np.random.default_rng(seed)) for seed in range(20)]
    assert {tuple(f.ids[:2].tolist()) for f in found} == {(1, 2), (2, 1)}
    for f in found:
        np.testing.assert_allclose(f.scores, np.array(scores)[f.ids], atol=1e-9)
    rng = np.random.default_rng
    logits = np.random.default_rng(0).normal(size=(50, 3))
    view = make_view(np.ones((50, 2)), logits=logits)
    top = make_strategy(name.replace("power_", ""), None).query(view, 5, rng(0)).ids.tolist()
    assert make_strategy(name, SimpleNamespace(beta=1e6)).query(view, 5, rng(0)).ids.tolist() == top


def test_t9_uniform():
    truth = [0, 0, 0, 1, 1, 2]
    view = make_view(np.ones((6, 1)), truth=truth)
    assert np.bincount(np.array(truth)[picks("uniform", view, 5)]).tolist() == [2, 2, 1]
    assert np.bincount(np.array(truth)[picks("uniform", view, 3)]).tolist() == [1, 1, 1]
    assert sorted(picks("uniform", view, 6).tolist()) == list(range(6))  # the published buffer would repeat sample 0


def test_uniform_counts_the_labels_of_earlier_rounds():
    truth = np.array([0] * 10 + [1] * 10 + [5] * 10)
    view = make_view(np.ones((30, 1)), labeled=[0, 1, 2, 10], truth=truth)
    found = truth[picks("uniform", view, 5)]
    assert (np.bincount(found, minlength=6) + np.bincount(truth[view.labeled], minlength=6)).tolist()[:2] == [3, 3]
    assert found[:1].tolist() == [5]
    seeds = [STRATEGIES["uniform"]().query(view, 5, np.random.default_rng(seed)).ids.tolist() for seed in range(5)]
    assert len(set(map(tuple, seeds))) > 1


def test_uniform_says_that_it_is_an_oracle_and_a_view_refuses_others():
    assert [name for name, strategy in STRATEGIES.items() if getattr(strategy, "oracle", False)] == ["uniform"]
    view = PoolView(Pool.unlabeled_pool(3), np.arange(3), Made(np.ones((3, 1))), Streams(0))
    with pytest.raises(ValueError, match="oracle = True"):
        picks("uniform", view, 1)


def test_t12_random_nests_and_the_oracle_gives_labels():
    view = make_view(np.ones((6, 1)), truth=[3, 1, 4, 1, 5, 9])
    assert view.oracle_labels(np.array([5, 0])).tolist() == [9, 3]
    with pytest.raises(ValueError, match="unlabeled ids"):
        view.labels(np.array([5]))
