"""Selection by shards against one process, against optima found by trying everything, and what it refuses."""

import itertools

import numpy as np
import pytest

import tfal
from tests.kernels import stand_in
from tests.kernels.plain import check_refusal
from tfal.reading.tables import CHUNK
from tfal.sharded import select
from tfal.strategies import STRATEGIES

ROUNDS = {
    "coreset": {},
    "badge": {},
    "kmeans": {"n_redo": 1},
    "probcover": {"delta": 0.5},
    "maxherding": {"n_anchor": 300},
    "uherding": {"n_anchor": 300},
}
SCORES = ("entropy", "margin", "least_confidence", "max_logit", "power_margin", "power_entropy")


def rng(seed=0):
    return np.random.default_rng(seed)


def pool(n=2000, d=6, seed=0):
    centers = rng(seed).normal(size=(25, d))
    return (centers[rng(seed + 1).integers(25, size=n)] + 0.3 * rng(seed + 2).normal(size=(n, d))).astype(np.float32)


@pytest.fixture(scope="module")
def lab():
    """Arrays, and what is known of them; what a strategy reads, by its name."""
    features, logits = pool(), 3 * rng(5).normal(size=(2000, 4)).astype(np.float32)
    labeled = rng(6).choice(2000, 40, replace=False)
    known = {"labeled": labeled, "labels": labeled % 4, "rejected": np.setdiff1d([5, 6, 7, 8], labeled)}

    def given(strategy):
        reads = {"coreset": {"features": features}, "badge": {"features": features, "logits": logits}}
        reads |= {name: {"features": features} for name in ("kmeans", "probcover", "maxherding")}
        reads |= {name: {"logits": logits} for name in SCORES}
        reads |= {"uherding": {"features": features, "logits": logits}}
        return reads[strategy] | known

    return given


def asked_of_one(strategy, n, given, **options):
    """tfal.query about the same."""
    given = dict(given)
    features, logits = given.pop("features", None), given.pop("logits", None)
    model = None if logits is None else {"classifier": {"logits": logits}}
    if strategy == "badge":
        model["classifier"]["features"], features = features, None
    return tfal.query(strategy, model, None, n, features=features, **given, **options).tolist()


def test_all_strategies_that_say_so_are_tested():
    splits = {
        name for name, kind in STRATEGIES.items() if kind.splits and {*kind.learners} <= {"classifier", "encoder"}
    }
    assert splits - {"dbal", "bald", "consistency", "epig"} == {
        *ROUNDS,
        *SCORES,
    }  # of these, outputs are arrays of passes


@pytest.mark.parametrize("strategy", [*ROUNDS, *SCORES])
def test_one_shard_is_one_process(strategy, lab):
    options = ROUNDS.get(strategy, {})
    expected = asked_of_one(strategy, 30, lab(strategy), seed=3, **options)
    assert select(strategy, 30, seed=3, **lab(strategy), **options).tolist() == expected


@pytest.mark.parametrize("strategy", [*ROUNDS, *SCORES])
def test_a_device_picks_alike(strategy, lab, monkeypatch):
    options = {"n_shard": 3 if strategy in ROUNDS else 1, "seed": 1, **ROUNDS.get(strategy, {})}
    on_host = select(strategy, 20, backend="numpy", **lab(strategy), **options)
    stand_in.installed(monkeypatch)
    on_device = select(strategy, 20, backend="cupy", **lab(strategy), **options)
    assert on_device.tolist() == on_host.tolist()


def test_one_shard_finds_the_radius_as_one_process_does(lab):
    expected = asked_of_one("probcover", 5, lab("probcover"))
    assert select("probcover", 5, **lab("probcover")).tolist() == expected


@pytest.mark.parametrize("strategy", SCORES)
def test_scores_merge_exactly(strategy):
    size = 7 * CHUNK
    logits = rng().integers(-2, 3, size=(size, 3)).astype(np.float16)  # of at most 125 kinds: nearly all are ties
    given = {"logits": logits, "labeled": np.arange(0, size, 70), "rejected": [1, 2]}
    expected = asked_of_one(strategy, 400, given)
    for n_shard in (1, 2, 3, 7):
        assert select(strategy, 400, n_shard=n_shard, **given).tolist() == expected


def test_scores_of_a_linear_head_merge_exactly():
    features = rng().normal(size=(3 * CHUNK, 5)).astype(np.float32)
    labeled = rng(1).choice(len(features), 60, replace=False)
    given = {"features": features, "labeled": labeled, "labels": (features[labeled, 0] > 0).astype(int)}
    expected = asked_of_one("margin", 500, given)
    for n_shard in (2, 3):
        assert select("margin", 500, n_shard=n_shard, **given).tolist() == expected


@pytest.mark.parametrize("n_shard", [2, 3, 7])
@pytest.mark.parametrize("strategy", ROUNDS)
def test_two_rounds(strategy, n_shard, lab):
    options, given = ROUNDS[strategy], lab(strategy)
    picks = select(strategy, 40, n_shard=n_shard, **given, **options)
    assert picks.dtype == np.int64
    assert len(set(picks.tolist())) == 40
    assert not set(picks.tolist()) & {*given["labeled"].tolist(), *given["rejected"].tolist()}
    assert select(strategy, 40, n_shard=n_shard, **given, **options).tolist() == picks.tolist()
    assert select(strategy, 40, n_shard=n_shard, seed=1, **given, **options).tolist() != picks.tolist()


@pytest.mark.parametrize("strategy", ROUNDS)
def test_all_candidates(strategy):
    features = pool(24)
    given = {"features": features, "labeled": [0, 1], "labels": [0, 1]}
    for n_shard in (1, 2):
        picks = select(strategy, 22 // n_shard, n_shard=n_shard, **given, **ROUNDS[strategy])
        assert len(set(picks.tolist()) - {0, 1}) == 22 // n_shard


def radius(features, centers):
    return np.sqrt(np.square(features[:, None] - features[centers]).sum(axis=2).min(axis=1).max())


@pytest.mark.parametrize("labeled", [[], [2, 9]])
@pytest.mark.parametrize("seed", range(6))
def test_k_center_is_within_four_times_the_optimum(seed, labeled):
    features = np.round(10 * pool(18, 2, seed), 3)
    others = np.setdiff1d(np.arange(18), labeled)
    best = min(radius(features, [*labeled, *some]) for some in itertools.combinations(others, 3))
    for n_shard in (2, 3, 5):
        picks = select("coreset", 3, features=features, labeled=labeled, n_shard=n_shard, seed=seed)
        assert best <= radius(features, [*labeled, *picks]) <= 4 * best * (1 + 1e-5)


def unit(features):
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def in_balls(features, picks):
    return (np.linalg.norm(unit(features)[:, None] - unit(features)[picks], axis=2) <= 0.3).any(axis=1).sum()


def kernel_sum(features, picks):
    squares = np.square(unit(features)[:, None] - unit(features)[picks]).sum(axis=2)
    return np.exp(-squares).max(axis=1, initial=0).sum()


@pytest.mark.parametrize(
    ("strategy", "options", "value"),
    [("probcover", {"delta": 0.3}, in_balls), ("maxherding", {}, kernel_sum)],
)
@pytest.mark.parametrize("labeled", [[], [4]])
def test_what_is_covered_is_within_the_bound_of_greedi(strategy, options, value, labeled):
    n, ratios = 3, []
    for seed in range(4):
        features = pool(16, 3, seed).astype(np.float64)
        others = np.setdiff1d(np.arange(16), labeled)
        before = value(features, labeled) if labeled else 0
        best = max(value(features, [*labeled, *some]) for some in itertools.combinations(others, n)) - before
        for n_shard in (2, 3, 5):
            given = {"features": features, "labeled": labeled, "labels": [0] * len(labeled), "n_shard": n_shard}
            picks = select(strategy, n, seed=seed, **given, **options)
            added = value(features, [*labeled, *picks]) - before
            assert added >= (1 - 1 / np.e) ** 2 / min(n_shard, n) * best
            ratios.append(added / best)
    assert np.mean(ratios) > 0.9  # the bound is for the worst pools


def test_k_means_picks_stand_for_their_clusters():
    # Shards of 90 + 10 samples: were each pick alike, either group would count for half.
    heavy, light = np.array([1.0, 0.0]), np.array([[0.0, 1.0], [0.1, 1.0], [0.2, 1.0], [0.3, 1.0], [0.4, 1.0]])
    features = np.concatenate([heavy + 0.001 * rng().normal(size=(900, 2)), np.repeat(light, 4, axis=0)])
    picks = select("kmeans", 2, features=features, n_shard=4, n_redo=3)
    assert sorted((picks >= 900).tolist()) == [False, True]


def test_labels_keep_centers_away():
    features = np.array([[0.0], [0.1], [10.0], [10.1], [20.0], [20.1]], np.float32)
    picks = select("coreset", 1, features=features, labeled=[0, 2], n_shard=2)
    assert picks.tolist() in ([4], [5])


REFUSED = [
    ({"strategy": "typiclust"}, ["typiclust", "in parts", "coreset", "tfal.query"]),
    ({"strategy": "similar"}, ["similar", "in parts"]),
    ({"strategy": "bald"}, ["mc_logits"]),
    ({"n_shard": 0}, ["n_shard", "0"]),
    ({"n_shard": 13}, ["n_shard", "at most 12", "each shard must have 5 candidates", "13"]),
    ({"strategy": "margin", "n_shard": 2}, ["n_shard", "at most 1", "8,192"]),
    ({"n": 61}, ["n must be", "60", "61"]),
    ({"features": None}, ["features"]),
    ({"strategy": "probcover", "n_shard": 2, "labels": None}, ["probcover", "needs labels"]),
    ({"strategy": "probcover", "n_shard": 2}, ["probcover", "needs delta"]),
    ({"strategy": "margin", "labels": None}, ["labels"]),
    ({"strategy": "margin", "labels": [1] * 4}, ["two classes"]),
    ({"labeled": [70]}, ["labeled", "from 0 to 63", "70"]),
    ({"rejected": [0]}, ["labeled or rejected", "[0]"]),
    ({"delta": 0.5}, ["argument", "'delta'"]),
    ({"n_shards": 2}, ["argument", "'n_shards'", "n_shard"]),
    ({"logits": np.ones((64, 3))}, ["coreset", "would not look at logits"]),
    ({"strategy": "margin", "logits": 2 * np.eye(64, 3)}, ["margin", "would not look at features"]),
    ({"strategy": "kmeans", "logits": np.ones((64, 3))}, ["kmeans", "classifier"]),
    ({"strategy": "badge", "logits": np.eye(63, 3)}, ["64", "63"]),
    ({"features": np.where(np.arange(64)[:, None] == 61, np.nan, pool(64))}, ["features", "finite", "[61]"]),
    ({"labeled": range(64), "labels": [0] * 64}, ["leave a sample to pick"]),
    ({"seed": -1}, ["seed", "-1"]),
]


@pytest.mark.parametrize(("given", "parts"), REFUSED)
def test_refusals(given, parts, tmp_path):
    given = {"strategy": "coreset", "n": 5, "features": pool(64), "labeled": range(4), "labels": [0, 1, 0, 1]} | given
    if given["features"] is None:
        del given["features"]
    check_refusal(parts, select, folder=tmp_path / "new", **given)
    assert not (tmp_path / "new").exists()
