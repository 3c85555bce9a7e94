"""ldm_seeding against hand-computed vectors, explicit probabilities, and its edge cases."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import ldm_seeding
from tfal.kernels.ldm_seeding import _Directions, _ldm_seeding, _log_gamma
from tfal.kernels.parts import d2_sampling
from tfal.kernels.parts.d2_sampling import _weights

from . import referee
from .plain import plain_map, squared_distances

V1_LDM = np.array([0, 0.1, 0.2, 0.4, 0.8])
V7_FEATURES = np.array([(1, 0), (1, 1), (0, 1), (1, 2), (3, 1)], np.float32)
V7_P = [0, 0.073441, 0.856086, 0.070462, 0.000011]
# Probabilities of the third pick, given the second.
V7_NEXT = {
    1: [0, 0, 0.991650, 0.008199, 0.000150],
    2: [0, 0.966047, 0, 0.033807, 0.000146],
    3: [0, 0.190937, 0.808121, 0, 0.000942],
}


class Place:
    """A generator that always draws the same place, with coins that accept everything."""

    def __init__(self, place):
        self.place = place

    def random(self, shape):
        return np.tile([[self.place], [0.0]], shape[1])


def cosine_distances(features):
    """As the kernel computes them, but a row is not at distance 0 from itself if it is 0."""
    return np.sqrt(squared_distances(_Directions(np.asarray(features, np.float32), plain_map)))


GAMMA_VECTORS = {
    "V1 gamma": (V1_LDM, 2, [1, 1, 1, 0.518993, 0.070238]),
    "V2 level 0": ([0, 0, 0, 0.1, 0.3], 2, [1, 1, 0.936621, 0.936621, 0.126758]),
    "V3 many zeros": ([0, 0, 0, 0, 0.5, 1], 2, [1, 1, 0.593845, 0.593845, 0.593845, 0.218464]),
    "V4 all equal": ([1] * 6, 2, [1, 1, 0.5, 0.5, 0.5, 0.5]),
    "V5 n = all but one": ([0.1, 0.2, 0.3, 0.4], 3, [1, 1, 1, 1]),
    "V6 unsorted": (
        [0.3, 0.1, 0.2, 0.2, 0.05, 0.9, 0.6, 0.4],
        3,
        [1, 1, 1, 1, 0.850299, 0.515733, 0.189727, 0.042334],
    ),
    "all zero": ([0] * 4, 2, [1, 1, 1, 1]),
}


@pytest.mark.parametrize(("ldm", "n", "gamma"), GAMMA_VECTORS.values(), ids=GAMMA_VECTORS)
def test_gamma_vectors(ldm, n, gamma):
    np.testing.assert_allclose(np.exp(_log_gamma(np.sort(np.array(ldm, float)), n)), gamma, atol=5e-7)


def test_v6_order_is_stable():
    ldm = np.array([0.3, 0.1, 0.2, 0.2, 0.05, 0.9, 0.6, 0.4])
    picks = ldm_seeding(ldm, np.eye(8), 8, rng=np.random.default_rng(0))
    assert picks.tolist() == [4, 1, 2, 3, 0, 7, 6, 5]


def test_gamma_does_not_underflow():
    log_gamma = _log_gamma(np.r_[0.0, 1e-4, np.ones(3)], 1)
    np.testing.assert_allclose(log_gamma[2:], -9999, rtol=1e-3)  # exp of it would be 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=3, max_size=20).filter(any), st.data())
def test_gamma_equals_the_formula_and_tail_mass_is_bounded(counts, data):
    ldm = np.sort(np.array(counts) / 50)
    n = data.draw(st.integers(1, len(ldm) - 1))
    gamma = np.exp(_log_gamma(ldm, n))
    np.testing.assert_allclose(gamma, referee.ldm_gamma(ldm, n), atol=1e-12)
    assert gamma[n:].sum() <= n * (1 + 1e-9)
    assert np.all(gamma <= 1)


def test_v11_a_row_of_zeros_is_at_distance_one():
    distances = cosine_distances([(0, 0), (0, 0), (1, 0)])
    assert distances.tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]  # to itself never matters: a pick is left out


def test_cosine_distances_equal_the_matrix_and_stay_in_range():
    features = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    features[7] = -3 * features[3]
    features[9] = 1e-25 * features[3]  # its squares underflow in float32
    distances = cosine_distances(features)
    np.testing.assert_allclose(distances, referee.cosine_distances(features), atol=1e-6)
    assert (distances[3, 7], distances[3, 9], distances[9, 3]) == (2, 0, 0)


# --- V7: the draws ------------------------------------------------------------------------------------------


def v7_weights(picks):
    squared = squared_distances(_Directions(V7_FEATURES, plain_map))[:, picks].min(axis=1)
    squared[picks] = -1
    weights = _weights(squared, _log_gamma(V1_LDM, 2))
    return weights / weights.sum()


def test_v7_probabilities():
    np.testing.assert_allclose(v7_weights([0]), V7_P, atol=1e-6)
    np.testing.assert_allclose(np.cumsum(v7_weights([0])), [0, 0.073441, 0.929527, 0.999989, 1], atol=1e-6)
    for second, expected in V7_NEXT.items():
        np.testing.assert_allclose(v7_weights([0, second]), expected, atol=1e-6)


@pytest.mark.parametrize(("u", "pick"), [(0.0, 1), (0.05, 1), (0.25, 2), (0.9, 2), (0.99, 3), (1 - 2**-53, 4)])
def test_v7_inverse_cdf(u, pick):
    assert _ldm_seeding(V1_LDM, V7_FEATURES, 2, Place(u)).tolist() == [0, pick]


def test_ii_v7_frequencies_over_seeds():
    picks = np.array([ldm_seeding(V1_LDM[:4], V7_FEATURES[:4], 3, rng=np.random.default_rng(s)) for s in range(5000)])
    gamma = referee.ldm_gamma(V1_LDM[:4], 3)
    distances = referee.cosine_distances(V7_FEATURES[:4])
    check_frequencies(np.bincount(picks[:, 1], minlength=4), referee.probabilities(distances, gamma, [0]))
    for second in (1, 2, 3):
        chosen = picks[picks[:, 1] == second]
        p = referee.probabilities(distances, gamma, [0, second])
        check_frequencies(np.bincount(chosen[:, 2], minlength=4), p)


def check_frequencies(counts, p):
    total = counts.sum()
    assert np.all(np.abs(counts - total * p) <= 3 * np.sqrt(total * p * (1 - p)) + 1e-9)


# --- the whole function -------------------------------------------------------------------------------------


def case(seed, m=60, d=8):
    rng = np.random.default_rng(seed)
    return rng.permutation(m) / m, np.maximum(rng.normal(size=(m, d)), 0).astype(np.float32)


@pytest.mark.parametrize("seed", range(10))
def test_one_proposal_at_a_time_equals_explicit_probabilities(seed, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: 1)
    monkeypatch.setattr(d2_sampling, "_refresh_pays", lambda *_: True)
    ldm, features = case(seed)
    rng = np.random.default_rng(seed)
    expected = referee.ldm_seeding(ldm, features, [rng.random((2, 1))[0, 0] for _ in range(14)])
    picks = ldm_seeding(ldm, features, 15, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(picks, expected)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 40), d=st.integers(1, 4), data=st.data())
def test_rows_are_unique_in_range_and_repeatable(seed, m, d, data):
    rng = np.random.default_rng(seed)
    ldm = rng.integers(0, 6, size=m) / 5
    features = rng.integers(0, 2, size=(m, d)).astype(np.float32)  # many equal directions and rows of zeros
    n = data.draw(st.integers(1, m))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        first, second = (ldm_seeding(ldm, features, n, rng=np.random.default_rng(seed)) for _ in range(2))
    assert first.dtype == np.int64
    assert len(set(first.tolist())) == n
    assert set(first.tolist()) <= set(range(m))
    assert ldm[first[0]] == ldm.min()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("seed", range(5))
def test_permuting_distinct_samples_permutes_the_picks(seed):
    ldm, features = case(seed)
    permutation = np.random.default_rng(seed + 100).permutation(len(ldm))
    picks = ldm_seeding(ldm, features, 10, rng=np.random.default_rng(seed))
    permuted = ldm_seeding(ldm[permutation], features[permutation], 10, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(permutation[permuted], picks)


def test_easily_flipped_samples_come_first():
    # 20 of 1000: head and tail have equal mass, and the tail falls by 1/e every 20 rows. A uniform draw would
    # take a tenth of its picks from the first 100.
    rng = np.random.default_rng(0)
    ldm, features = np.arange(1000) / 1000, rng.normal(size=(1000, 30))
    picks = np.concatenate([ldm_seeding(ldm, features, 20, rng=np.random.default_rng(s)) for s in range(20)])
    assert np.mean(picks < 100) > 0.9


def test_n_one_is_the_smallest_and_draws_nothing():
    ldm, features = case(1)
    rng = np.random.default_rng(0)
    assert ldm_seeding(ldm, features, 1, rng=rng).tolist() == [int(np.argmin(ldm))]
    assert rng.random() == np.random.default_rng(0).random()


def test_n_all_is_ascending_and_stable():
    ldm = np.array([0.2, 0.1, 0.2, 0.1, 0.0])
    assert ldm_seeding(ldm, np.ones((5, 2)), 5, rng=np.random.default_rng(0)).tolist() == [4, 1, 3, 0, 2]


def test_all_zero_warns_and_uses_the_distances_alone():
    ldm, features = np.zeros(4), np.array([(1, 0), (1, 0), (1, 0), (0, 1)], np.float32)
    for seed in range(20):
        with pytest.warns(UserWarning, match="more candidates are at 0 than are to be picked"):
            assert (ldm_seeding(ldm, features, 2, rng=np.random.default_rng(seed)) == 3).sum() == 1


def test_more_zeros_than_picks_warns_in_one_line():
    ldm = np.array([0, 0, 0, 0, 0.5, 1])
    with pytest.warns(UserWarning, match="cannot be ranked") as caught:
        ldm_seeding(ldm, np.eye(6), 2, rng=np.random.default_rng(0))
    message = str(caught[0].message)
    assert "Monte-Carlo" in message
    assert "\n" not in message
    assert caught[0].filename == __file__


def test_as_many_zeros_as_picks_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ldm_seeding(np.array([0, 0, 0.5, 1]), np.eye(4), 2, rng=np.random.default_rng(0))


def test_one_direction_only_falls_back_to_gamma():
    # Every distance is 0: the second pick follows gamma among the rows not chosen.
    ldm = V1_LDM
    features = np.outer([1, 2, 3, 4, 5], [1.0, 2.0])
    picks = np.array([ldm_seeding(ldm, features, 2, rng=np.random.default_rng(s)) for s in range(2000)])
    assert np.all(picks[:, 0] == 0)
    p = np.array([0, 1, 1, 0.518993, 0.070238])
    check_frequencies(np.bincount(picks[:, 1], minlength=5), p / p.sum())


def test_fewer_directions_than_picks_first_takes_them_all():
    ldm = np.arange(10) / 10
    features = np.eye(3)[[0, 0, 0, 1, 1, 1, 2, 2, 2, 2]]
    for seed in range(20):
        picks = ldm_seeding(ldm, features, 5, rng=np.random.default_rng(seed))
        assert {int(features[i].argmax()) for i in picks[:3]} == {0, 1, 2}
        assert len(set(picks.tolist())) == 5


def test_tiny_weights_still_count_when_nothing_else_is_left():
    # gamma of the last two rows is about exp(-9999); the head has one direction only.
    ldm = np.array([0, 1e-4, 1e-4, 1.0, 1.0])
    features = np.array([(1, 0), (1, 0), (1, 0), (0, 1), (1, 1)], float)
    picks = [ldm_seeding(ldm, features, 2, rng=np.random.default_rng(s))[1] for s in range(50)]
    assert set(picks) == {3, 4}


def test_dtypes_agree_and_inputs_stay_as_they_are():
    ldm = np.arange(32)[::-1] / 32
    features = np.random.default_rng(0).integers(0, 5, size=(32, 6))
    picks = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = [a.astype(dtype) for a in (ldm, features)]
        for a in arrays:
            a.flags.writeable = False
        picks.append(ldm_seeding(*arrays, 8, rng=np.random.default_rng(0)).tolist())
    assert picks[0] == picks[1] == picks[2]


def test_rows_that_share_the_last_place_are_as_likely():
    ldm = np.array([0.1, *[0.2] * 6, 0.9])  # of 3 picks, the second and third smallest are shared by six rows
    picks = np.array([ldm_seeding(ldm, np.eye(8), 3, rng=np.random.default_rng(s)) for s in range(1500)])
    assert np.all(picks[:, 0] == 0)
    counts = np.bincount(picks[:, 1:].ravel(), minlength=8)[1:7]
    assert np.all(np.abs(counts - counts.mean()) < 4 * np.sqrt(counts.mean()))


def test_rows_that_share_the_first_place_are_as_likely():
    ldm = np.array([0.5, *[0.2] * 4])
    for n in (1, 2):
        first = [ldm_seeding(ldm, np.eye(5), n, rng=np.random.default_rng(s))[0] for s in range(800)]
        counts = np.bincount(first, minlength=5)
        assert counts[0] == 0
        assert np.all(np.abs(counts[1:] - 200) < 4 * np.sqrt(150))
