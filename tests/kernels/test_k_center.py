"""k_center_greedy against a hand-computed vector, the definition, and its edge cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import k_center, k_center_greedy
from tfal.kernels.k_center import _greedy, _rows_of_largest
from tfal.kernels.parts import min_distance, tiles
from tfal.kernels.parts.euclidean import Points
from tfal.kernels.top import tie_order

from . import referee
from .plain import plain_map

V1_LABELED = np.array([(0, 0), (1, 0)], float)
V1_POOL = np.array([(0, 1), (3, 0), (0, 4), (5, 5), (1, 1), (4, 0)], float)


@pytest.mark.parametrize("offset", [0, 10_000])
def test_v1_with_a_tie(offset):
    picks = k_center_greedy(V1_POOL + offset, 4, centers=V1_LABELED + offset)
    assert picks.tolist() == [3, 2, 5, 0]
    assert picks.dtype == np.int64


def test_v1_distances_to_the_labeled():
    space = Points(V1_POOL, np.float32([2, 1]), plain_map)
    picks = min_distance.Nearest(space, plain_map)
    picks.lower(2, lambda block: space.as_centers(V1_LABELED[block].astype(np.float32) - space.shift))
    np.testing.assert_allclose(np.sqrt(picks.bound), [1, 2, 4, 6.403124, 1, 3], atol=1e-6)


@pytest.fixture(params=[1, 2, 7, 1000])
def groups_of(request, monkeypatch):
    """How many rows are measured at a time: 1 is the plain algorithm made lazy, 1000 measures all rows each time."""
    monkeypatch.setattr(k_center, "_group_size", lambda missing, m: request.param)


@pytest.fixture(params=[1e-9, 1, 1e9])
def refreshes_cost(request, monkeypatch):
    """From a refresh after every round to none at all."""
    cost = min_distance.Nearest.refresh_cost
    monkeypatch.setattr(min_distance.Nearest, "refresh_cost", lambda self: request.param * cost(self))


@pytest.mark.usefixtures("groups_of", "refreshes_cost")
@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_definition(seed, offset, monkeypatch):
    # Tiles and blocks smaller than the data, so that several of rows and of centers are walked.
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(tiles, "LEAST_ROWS", 30)
    monkeypatch.setattr(min_distance, "_MOST_CENTERS", 7)
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(100, 8)) + offset).astype(np.float32)
    centers = (rng.normal(size=(23, 8)) + offset).astype(np.float32)
    expected = referee.k_center_greedy(features, 40, centers)
    assert k_center_greedy(features, 40, centers=centers).tolist() == expected


@pytest.mark.usefixtures("groups_of", "refreshes_cost")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition_on_a_grid_with_ties_and_duplicates(seed, dtype):
    rng = np.random.default_rng(seed)
    features = rng.integers(-3, 4, size=(90, 2)).astype(dtype)  # 49 places, exact distances
    centers = features[rng.choice(90, 3)]
    assert k_center_greedy(features, 90, centers=centers).tolist() == referee.k_center_greedy(features, 90, centers)


@pytest.mark.parametrize(
    ("ranks", "size", "expected"),
    [
        (range(8), 3, ([0, 2, 3], 5, 5)),
        (range(8), 5, ([0, 2, 3, 5, 7], 5, 8)),
        (range(8), 8, ([*range(8)], -np.inf, 8)),
        (range(7, -1, -1), 3, ([7, 5, 2], 5, 4)),
        ([3, 0, 1, 7, 6, 5, 4, 2], 2, ([2, 7], 5, 3)),
    ],
)
def test_rows_of_largest_prefers_low_ranks_and_names_the_first_left_out(ranks, size, expected):
    bound = np.array([5.0, 2, 7, 5, -1, 5, 2, 5])
    rows, level, next_rank = _rows_of_largest(bound, size, np.array(ranks))
    assert (rows.tolist(), level, next_rank) == expected


def test_greedy_stops_where_a_row_left_out_might_be_farther():
    rows, distances = np.array([2, 5, 9]), np.array([6.0, 8, 6])
    pairs = np.array([[-1, 6, 4], [6, -1, 7], [4, 7, -1.0]])
    assert _greedy(distances, pairs, rows, 5, 7, 3)[0] == [1, 0]  # then row 9 is at 4
    assert _greedy(distances, pairs, rows, 6, 7, 3)[0] == [1, 0]  # row 2 comes before row 7
    assert _greedy(distances, pairs, rows, 6, 1, 3)[0] == [1]  # and after row 1
    taken, left = _greedy(distances, pairs, rows, -np.inf, 10, 2)
    assert (taken, left.tolist()) == ([1, 0], [-1, -1, 4])


def test_few_passes_serve_many_picks(passes):
    features = np.random.default_rng(0).normal(size=(5000, 32))
    assert len(set(k_center_greedy(features, 300).tolist())) == 300
    assert 1 <= len(passes) <= 20


def test_without_centers_starts_at_the_row_nearest_to_the_mean():
    features = np.array([(-1, 0), (1, 0), (0, 0.25), (9, 0), (-9, 0)], float)
    picks = k_center_greedy(features, 3)
    assert picks.tolist() == [2, 3, 4]
    assert k_center_greedy(features, 5).tolist() == referee.k_center_greedy(features, 4, features[[2]], picked=[2])


def test_without_centers_starts_at_a_random_row_of_rng():
    features = np.random.default_rng(0).normal(size=(10, 3))
    starts = [int(k_center_greedy(features, 1, rng=np.random.default_rng(s))[0]) for s in range(200)]
    assert starts == [int(np.random.default_rng(s).integers(10)) for s in range(200)]
    assert set(starts) == set(range(10))
    picks = k_center_greedy(features, 6, rng=np.random.default_rng(3))
    assert picks.tolist() == referee.k_center_greedy(features, 5, features[picks[:1]], picked=[picks[0]])


def test_with_centers_rng_is_not_used():
    rng = np.random.default_rng(0)
    picks = k_center_greedy(V1_POOL, 4, centers=V1_LABELED, rng=rng)
    assert picks.tolist() == [3, 2, 5, 0]
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("value", [0.0, 0.1, -1234.567])
def test_equal_rows_are_picked_in_row_order(value):
    features = np.full((67, 33), value)
    assert k_center_greedy(features, 67).tolist() == list(range(67))
    assert k_center_greedy(features, 67, centers=features[:3]).tolist() == list(range(67))


def test_repeated_rows_wait_until_all_others_are_picked():
    rng = np.random.default_rng(0)
    features = np.tile(rng.normal(size=(8, 40)), (3, 1))
    picks = k_center_greedy(features, 24, centers=rng.normal(size=(1, 40)))
    assert set((picks[:8] % 8).tolist()) == set(range(8))
    assert np.all(picks[:8] < 8)  # the first of every three equal rows
    assert picks[8:].tolist() == sorted(set(range(24)) - set(picks[:8].tolist()))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 40), labeled=st.integers(0, 5), data=st.data())
def test_ties_go_to_the_lowest_rank_and_no_row_is_picked_twice(seed, m, labeled, data):
    rng = np.random.default_rng(seed)
    features = rng.integers(-2, 3, size=(m, 2)).astype(np.float32)  # exact distances, many ties
    centers = rng.integers(-2, 3, size=(labeled, 2)).astype(np.float32) if labeled else None
    n = data.draw(st.integers(1, m))
    picks = k_center_greedy(features, n, centers=centers, rng=np.random.default_rng(seed))
    assert len(set(picks.tolist())) == n
    order = tie_order(m, np.random.default_rng(seed))
    if centers is None:
        start = int(np.flatnonzero(order == picks[0])[0])
        expected = referee.k_center_greedy(features[order], n - 1, features[[picks[0]]], picked=[start])
    else:
        expected = referee.k_center_greedy(features[order], n, centers)
        lowest = k_center_greedy(features, n, centers=centers)
        assert lowest.tolist() == referee.k_center_greedy(features, n, centers)
    assert picks.tolist() == order[expected].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_permuting_the_samples_permutes_the_picks(seed):
    rng = np.random.default_rng(seed)
    features, centers, permutation = rng.normal(size=(60, 4)), rng.normal(size=(3, 4)), rng.permutation(60)
    picks = k_center_greedy(features, 20, centers=centers)
    np.testing.assert_array_equal(permutation[k_center_greedy(features[permutation], 20, centers=centers)], picks)


def test_dtypes_agree_and_inputs_stay_as_they_are():
    picks = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = [a.astype(dtype) for a in (V1_POOL, V1_LABELED)]
        for a in arrays:
            a.flags.writeable = False
        picks.append(k_center_greedy(arrays[0], 6, centers=arrays[1]).tolist())
    assert picks[0] == picks[1] == picks[2]


def test_tiny_and_large_scales_pick_alike():
    rng = np.random.default_rng(0)
    features, centers = rng.normal(size=(40, 5)), rng.normal(size=(4, 5))
    expected = k_center_greedy(features, 10, centers=centers).tolist()
    for scale in (2.0**-60, 2.0**40):
        assert k_center_greedy(scale * features, 10, centers=scale * centers).tolist() == expected


def test_a_vector_of_the_initial_pools_study():
    labeled, candidates = np.zeros((1, 2)), np.array([[1.0, 0], [0, 3], [4, 0], [4, 1], [-2, -2]])
    assert k_center_greedy(candidates, 3, centers=labeled, rng=np.random.default_rng(0)).tolist() == [3, 1, 4]
