"""ranked, in_turn, quota_picks, cluster_ranking: vectors 13 to 15, equal quotas by a loop, chances, bad inputs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import cluster_ranking, in_turn, quota_picks, ranked

from .plain import check_law, check_refusal

lists = st.lists(st.integers(0, 6), min_size=1, max_size=40)


def fair_shares(sizes, n):
    """How many each cluster gives at least, and which give one more if there are some left over."""
    level = max(level for level in range(n + 1) if sum(min(size, level) for size in sizes) <= n)
    return [min(size, level) for size in sizes], [size > level for size in sizes]


def check_shares(clusters, picks, n):
    assert len(picks) == n == len(set(picks.tolist()))
    assert picks.dtype == np.int64
    sizes = np.bincount(clusters)
    least, more = fair_shares(sizes.tolist(), n)
    given_more = np.bincount(clusters[picks], minlength=len(sizes)) - least
    assert given_more.sum() == n - sum(least)
    assert np.all((given_more == 0) | ((given_more == 1) & more))


def test_v13_round_robin():
    rows = np.array([5, 1, 3, 4, 0, 2])  # of cluster 2, then of 0, then of 1
    assert rows[in_turn([2, 2, 0, 1, 1, 1], order=[2, 0, 1])].tolist() == [5, 3, 4, 1, 0, 2]
    assert rows[in_turn([2, 2, 0, 1, 1, 1])].tolist() == [3, 4, 5, 0, 1, 2]
    assert rows[in_turn([2, 2, 0, 1, 1, 1], order=[8, 2, 0, 1])].tolist() == [5, 3, 4, 1, 0, 2]


@given(lists)
def test_in_turn_equals_taking_turns(clusters):
    queues = {c: [row for row, of in enumerate(clusters) if of == c] for c in sorted(set(clusters))}
    turns = itertools.zip_longest(*queues.values())
    assert in_turn(clusters).tolist() == [row for turn in turns for row in turn if row is not None]


def test_v14_nan_is_refused_and_ties_go_to_the_lower_row():
    check_refusal(["scores", "1 NaN of 4"], ranked, [0.3, np.nan, 0.9, 0.1])
    assert ranked([0.3, 0.9, 0.1]).tolist() == [1, 0, 2]  # as vector 14 without its NaN: rows 2, 0, 3 there
    assert ranked(np.array([1, 2, 2, 0], np.uint8)).tolist() == [1, 2, 0, 3]
    assert ranked([0.0, -np.inf, np.inf]).tolist() == [2, 0, 1]


def test_v15_cluster_balanced_ranking():
    assert cluster_ranking([5, 4, 3, 2, 1, 0], [0, 0, 0, 1, 1, 1], 4).tolist() == [0, 1, 3, 4]


def test_cluster_ranking_by_hand():
    scores, clusters = [9.0, 8.0, 7.0, 6.0, 1.0, 5.0], [0, 0, 0, 0, 4, 7]
    assert cluster_ranking(scores, clusters, 1).tolist() == [0]  # of three clusters, the one with the largest score
    assert cluster_ranking(scores, clusters, 2).tolist() == [0, 5]
    assert cluster_ranking(scores, clusters, 4).tolist() == [0, 1, 5, 4]  # 4 and 7 have no more than one
    assert cluster_ranking(scores, clusters, 6).tolist() == [0, 1, 2, 3, 5, 4]


@settings(deadline=None)
@given(lists, st.data())
def test_cluster_ranking_gives_equal_shares_and_the_best_of_each(clusters, data):
    n = data.draw(st.integers(1, len(clusters)))
    scores = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(clusters), max_size=len(clusters))), float)
    clusters = np.array(clusters)
    picks = cluster_ranking(scores, clusters, n)
    check_shares(clusters, picks, n)
    assert picks.tolist() == sorted(picks.tolist(), key=lambda row: (-scores[row], row))
    left = np.setdiff1d(np.arange(len(clusters)), picks)
    for row, other in itertools.product(picks, left):
        if clusters[row] == clusters[other]:
            assert (-scores[row], row) < (-scores[other], other)


@settings(deadline=None)
@given(lists, st.integers(0, 2**32 - 1), st.data())
def test_quotas_are_equal_and_picks_take_turns(clusters, seed, data):
    n = data.draw(st.integers(1, len(clusters)))
    clusters = np.array(clusters)
    picks = quota_picks(clusters, n, rng=np.random.default_rng(seed))
    for first in range(1, n + 1):
        check_shares(clusters, picks[:first], first)


def test_fewer_picks_than_clusters_come_from_distinct_random_clusters():
    clusters = np.repeat(np.arange(10), 5)
    found = [quota_picks(clusters, 3, rng=np.random.default_rng(seed)) for seed in range(50)]
    assert all(len(set(clusters[picks])) == 3 for picks in found)
    assert set(clusters[np.concatenate(found)]) == set(range(10))


def test_rows_and_remainders_are_drawn_alike():
    clusters = np.array([0, 0, 0, 1, 1, 1])
    generator = np.random.default_rng(0)
    drawn = [np.sort(quota_picks(clusters, 3, rng=generator)) for _ in range(6000)]
    law = {rows: 1 / 18 for rows in itertools.combinations(range(6), 3) if 0 < sum(row < 3 for row in rows) < 3}
    check_law(drawn, law)


def test_the_same_seed_gives_the_same_picks_and_any_numbers_will_do():
    clusters = np.random.default_rng(0).integers(0, 7, 100)
    clusters.flags.writeable = False
    picks = quota_picks(clusters, 20, rng=np.random.default_rng(1)).tolist()
    assert quota_picks(clusters * 2**40, 20, rng=np.random.default_rng(1)).tolist() == picks
    assert quota_picks(clusters.astype(np.uint8), 20, rng=np.random.default_rng(1)).tolist() == picks
    assert quota_picks(clusters, 20, rng=np.random.default_rng(2)).tolist() != picks


@pytest.mark.parametrize(
    ("clusters", "n", "parts"),
    [
        ([0.0, 1.0], 1, ["clusters:", "integers", "float64 (2,)"]),
        ([[0, 1]], 1, ["clusters:", "(m,)", "(1, 2)"]),
        (np.zeros(0, int), 1, ["clusters:", "(0,)"]),
        ([0, -1], 1, ["clusters:", "at least 0", "received -1"]),
        ([0, 1], 3, ["n:", "1 to 2", "received 3"]),
        ([0, 1], 0, ["n:", "received 0"]),
    ],
)
def test_refusals(clusters, n, parts):
    check_refusal(parts, quota_picks, clusters, n, rng=np.random.default_rng(0))
    scores = np.zeros(np.shape(clusters)[-1])
    if len(scores):
        check_refusal([part for part in parts if part != "(m,)"], cluster_ranking, scores, clusters, n)


def test_more_refusals():
    check_refusal(["rng", "int"], quota_picks, [0, 1], 1, rng=3)
    check_refusal(["clusters:", "(3,)", "(2,)"], cluster_ranking, [1.0, 2.0, 3.0], [0, 1], 1)
    check_refusal(["scores", "NaN"], cluster_ranking, [1.0, np.nan], [0, 1], 1)
    check_refusal(["order:", "none of [1]"], in_turn, [0, 1], order=[0])
    check_refusal(["order:", "distinct", "Name every cluster once"], in_turn, [0, 1], order=[0, 1, 1])
    check_refusal(["order:", "float64"], in_turn, [0, 1], order=[0.0, 1.0])
