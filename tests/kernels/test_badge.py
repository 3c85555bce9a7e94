"""badge_seeding against hand-computed vectors and k-means++ on the full embedding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import badge, badge_nearest, badge_seeding
from tfal.kernels.badge import _Embeddings, _softmax_errors
from tfal.kernels.parts import d2_sampling

from . import referee
from .plain import check_refusal, plain_map, squared_distances

V2_FEATURES = np.array([(1, 0), (0, 2), (1, 1)], np.float32)
V2_LOGITS = np.array([(2, 0), (0, 1), (0.5, 0.5)])


def case(seed, m=80, d=6, classes=5):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(m, d)), 0).astype(np.float32), 3 * rng.normal(size=(m, classes))


def test_v2_embeddings_distances_and_probabilities():
    errors = _softmax_errors(V2_LOGITS)
    np.testing.assert_allclose(errors, [(-0.119203, 0.119203), (0.268941, -0.268941), (-0.5, 0.5)], atol=1e-6)
    space = _Embeddings(V2_FEATURES, V2_LOGITS, plain_map)
    np.testing.assert_allclose(np.sqrt(space.squares), [0.168578, 0.760681, 1], atol=1e-6)
    squared = squared_distances(space)[:, 2]
    np.testing.assert_allclose(np.sqrt(squared), [0.888827, 1.629233, 0], atol=1e-6)
    np.testing.assert_allclose(squared / squared.sum(), [0.229361, 0.770639, 0], atol=1e-6)


def test_v2_frequencies():
    picks = np.array([badge_seeding(V2_FEATURES, V2_LOGITS, 2, rng=np.random.default_rng(s)) for s in range(3000)])
    assert np.all(picks[:, 0] == 2)
    assert abs(np.mean(picks[:, 1] == 0) - 0.229361) <= 3 * np.sqrt(0.229361 * 0.770639 / 3000)


def test_distances_equal_those_of_the_full_embedding():
    features, logits = case(0)
    space = _Embeddings(features, logits, plain_map)
    expected = referee.badge_distances(features, logits) ** 2
    np.testing.assert_allclose(squared_distances(space), expected, rtol=1e-4, atol=1e-6 * space.squares.max())


@pytest.mark.parametrize("seed", range(10))
def test_one_proposal_at_a_time_equals_k_means_plus_plus_on_the_full_embedding(seed, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: 1)
    monkeypatch.setattr(d2_sampling, "_refresh_pays", lambda *_: True)
    features, logits = case(seed)
    rng = np.random.default_rng(seed)
    expected = referee.badge_seeding(features, logits, [rng.random((2, 1))[0, 0] for _ in range(19)])
    np.testing.assert_array_equal(badge_seeding(features, logits, 20, rng=np.random.default_rng(seed)), expected)


def test_a_row_that_stands_for_many_is_drawn_so_much_more_often():
    weights = np.array([5.0, 1, 7])  # the first pick has the largest embedding, whatever it stands for
    share = 5 * 0.229361 / (5 * 0.229361 + 0.770639)
    picks = [
        badge_seeding(V2_FEATURES, V2_LOGITS, 2, weights=weights, rng=np.random.default_rng(s)) for s in range(3000)
    ]
    assert np.all(np.array(picks)[:, 0] == 2)
    assert abs(np.mean(np.array(picks)[:, 1] == 0) - share) <= 3 * np.sqrt(share * (1 - share) / 3000)
    check_refusal(["weights:", "above 0"], badge_seeding, V2_FEATURES, V2_LOGITS, 2, weights=0 * weights, rng=None)


@pytest.mark.parametrize("blocks", [2, 512])
def test_the_nearest_picks_are_those_of_the_full_embedding(blocks, monkeypatch):
    monkeypatch.setattr(badge, "_MOST_CENTERS", blocks)
    features, logits = case(1)
    picks = np.array([7, 3, 50, 12, 70])
    expected = referee.badge_distances(features, logits)[:, picks].argmin(axis=1)
    np.testing.assert_array_equal(badge_nearest(features, logits, picks), expected)
    assert badge_nearest(features[[0, 0]], logits[[0, 0]], [1, 0]).tolist() == [1, 0]
    check_refusal(["picks:", "from 0 to 79"], badge_nearest, features, logits, np.array([80]))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 40), data=st.data())
def test_rows_are_unique_in_range_and_repeatable(seed, m, data):
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 2, size=(m, 2)).astype(np.float32)
    logits = rng.integers(0, 2, size=(m, 3)).astype(np.float32)  # many equal embeddings
    n = data.draw(st.integers(1, m))
    first, second = (badge_seeding(features, logits, n, rng=np.random.default_rng(seed)) for _ in range(2))
    assert first.dtype == np.int64
    assert len(set(first.tolist())) == n
    assert set(first.tolist()) <= set(range(m))
    np.testing.assert_array_equal(first, second)


def test_equal_samples_are_drawn_uniformly():
    features, logits = np.full((5, 64), 0.3, np.float32), np.tile([1.0, 0.3, -2.0], (5, 1))
    picks = np.array([badge_seeding(features, logits, 2, rng=np.random.default_rng(s)) for s in range(2000)])
    assert np.all(picks[:, 0] != picks[:, 1])
    for place in (0, 1):
        assert np.all(np.abs(np.bincount(picks[:, place], minlength=5) - 400) < 4 * np.sqrt(320))


def test_equal_samples_wait_until_all_others_are_picked():
    features, logits = case(1, m=12)
    features[6:], logits[6:] = features[:6], logits[:6]
    for seed in range(20):
        picks = badge_seeding(features, logits, 12, rng=np.random.default_rng(seed))
        assert set((picks[:6] % 6).tolist()) == set(range(6))
        assert sorted(picks.tolist()) == list(range(12))


def test_no_row_is_picked_twice_when_rounding_makes_equal_rows_differ(monkeypatch):
    monkeypatch.setattr(badge, "rounding", lambda d: 0)  # distances of equal rows keep their rounding
    features, logits = np.full((7, 50), 0.3, np.float32), np.tile([1.0, 0.3, -2.0], (7, 1))
    for seed in range(20):
        picks = badge_seeding(features, logits, 7, rng=np.random.default_rng(seed))
        assert sorted(picks.tolist()) == list(range(7))


def test_very_confident_samples_are_still_told_apart():
    # softmax errors of about 1e-26: their squares vanish in float32, and 1 - p vanishes in float64.
    logits = np.array([(60.0, 0, 0), (60.0, 0, 0), (0, 60.0, 0)])
    features = np.array([(1.0, 0), (1.0, 0), (0, 1.0)])
    for seed in range(10):
        assert (badge_seeding(features, logits, 2, rng=np.random.default_rng(seed)) == 2).sum() == 1


@pytest.mark.parametrize("gap", [400, 1000, 1e6])
def test_confident_samples_keep_their_weights_at_any_gap(gap):
    features, logits = case(4, m=30)
    logits[:, 0] += 20
    confident = logits.copy()
    confident[:, 0] += gap
    confident = np.round(confident * 2**20) / 2**20  # differences of logits stay what they are
    logits = confident - [gap, 0, 0, 0, 0]
    for seed in range(5):
        picks = [badge_seeding(features, z, 10, rng=np.random.default_rng(seed)).tolist() for z in (confident, logits)]
        assert picks[0] == picks[1]


def test_huge_logits():
    picks = badge_seeding(np.eye(3), np.diag([1e300, -1e300, 1.0]), 3, rng=np.random.default_rng(0))
    assert sorted(picks.tolist()) == [0, 1, 2]


def test_dtypes_agree_and_inputs_stay_as_they_are():
    rng = np.random.default_rng(0)
    features, logits = rng.integers(0, 5, size=(30, 4)), rng.integers(-3, 4, size=(30, 3))
    picks = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = [a.astype(dtype) for a in (features, logits)]
        for a in arrays:
            a.flags.writeable = False
        picks.append(badge_seeding(*arrays, 10, rng=np.random.default_rng(0)).tolist())
    assert picks[0] == picks[1] == picks[2]
