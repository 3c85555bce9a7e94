"""Cells leave out no pair within the radius, whatever the rows are like, and visit each pair once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import squared_distances
from tfal.kernels.parts import cells, neighbor_lists
from tfal.kernels.parts.cells import Cells, pivots_of, single_pivot
from tfal.kernels.parts.neighbor_lists import pair_lists
from tfal.kernels.parts.pairwise import distances, origin_for, side, taken


def made(kind, seed, m, d):
    rng = np.random.default_rng(seed)
    rows = {
        "random": lambda: rng.normal(size=(m, d)),
        "clusters": lambda: 3 * rng.normal(size=(6, d))[rng.integers(6, size=m)] + 0.1 * rng.normal(size=(m, d)),
        "ties": lambda: rng.integers(-1, 2, size=(m, d)),
        "copies": lambda: rng.normal(size=(5, d))[rng.integers(5, size=m)],
        "zeros": lambda: rng.normal(size=(m, d)) * (rng.random((m, 1)) < 0.5),
        "common mean": lambda: rng.normal(size=(m, d)) + 30,
        "one far row": lambda: rng.normal(size=(m, d)) * np.where(np.arange(m) == m // 2, 1e3, 1)[:, None],
    }
    return rows[kind]()


KINDS = ["random", "clusters", "ties", "copies", "zeros", "common mean", "one far row"]


def listed(rows, points, pivots, radius):
    """Which rows are in the list of each point, bool, and how often each pair was looked at."""
    found = Cells(points, pivots(points))
    looked = np.zeros((len(points.rows), len(rows.rows)), int)

    def within(a, b, part, names):
        looked[np.ix_(found.order[part], names)] += 1
        return distances(a, b) <= np.float32(radius**2)

    lists = pair_lists(found, rows, found.reach(radius, rows), within, lambda count: None)
    answer = np.zeros(looked.shape, bool)
    for place, point in enumerate(found.order):
        names = lists.of(place)
        assert np.all(np.diff(names) > 0)
        answer[point, names] = True
    np.testing.assert_array_equal(lists.counts(len(rows.rows)), answer.sum(axis=0))
    return answer, looked


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([np.float16, np.float32]))
def test_no_pair_within_the_radius_is_left_out(kind, data, seed, dtype):
    m, d = data.draw(st.integers(2, 60)), data.draw(st.integers(1, 5))
    features = made(kind, seed, m, d).astype(dtype)
    every = side(features, origin_for("euclidean", features))
    some = np.random.default_rng(seed).permutation(m)[: data.draw(st.integers(1, m))]
    exact = squared_distances(features[some], features).astype(np.float64)
    radius = data.draw(st.sampled_from([0.0, *np.sqrt(np.quantile(exact, [0.02, 0.1, 0.5])), 1e15]))
    sizes = [data.draw(st.integers(1, 9)) for _ in range(5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_POINTS", sizes[0])
        patch.setattr(cells, "_BLOCK", {"numpy": (sizes[1], sizes[2])})
        patch.setattr(neighbor_lists, "_ROWS", {"numpy": 4 * sizes[3]})
        patch.setattr(neighbor_lists, "_GROUP", sizes[4])
        patch.setattr(neighbor_lists, "LEAST_ROWS", 3)
        points = taken(every, some)
        answer, looked = listed(every, points, pivots_of, radius)
        plain, all_pairs = listed(every, points, single_pivot, radius)
    assert all_pairs.min() == all_pairs.max() == 1
    assert looked.max() <= 1
    edge = np.abs(exact - radius**2) <= 1e-4 * (1 + exact)  # there, rounding decides
    np.testing.assert_array_equal(answer | edge, plain | edge)


def test_most_pairs_of_clusters_are_left_out():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 64))[rng.integers(20, size=4000)] + 0.7 * rng.normal(size=(4000, 64))
    every = side(rows, origin_for("euclidean", rows))
    radius = 0.7 * np.sqrt(2 * 64)  # of two rows of a cluster; the centers are twice as far apart
    _, looked = listed(every, taken(every, np.arange(0, 4000, 3)), pivots_of, radius)
    assert looked.mean() < 0.15
