"""draw_spread: many draws from one pass over the rows must have the law of one draw after the other."""

import numpy as np
import pytest

from tfal.kernels import badge_seeding, ldm_seeding
from tfal.kernels.parts import d2_sampling
from tfal.kernels.parts.d2_sampling import _accepted, draw_rows, draw_spread

from . import referee
from .plain import Matrix, check_law, plain_map


def clustered_points():
    """Seven points of three directions, two of which lie so close that a pick takes most of its neighbour's weight."""
    return np.array([(3, 0.1), (3, 0), (2, 0.9), (0, 2), (0.1, 3), (0.7, 1), (1, 0.9)])


GAMMA = np.array([1, 1, 1, 0.8, 0.5, 0.2, 0.05])


@pytest.mark.parametrize("refresh", ["always", "by cost", "when nothing passes"])
@pytest.mark.parametrize("batch", [1, 4, 64])
def test_sequences_follow_the_sequential_law(batch, refresh, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: batch)
    if refresh != "by cost":
        monkeypatch.setattr(d2_sampling, "_refresh_pays", lambda _, __, taken, ___: refresh == "always" or taken == 0)
    distances = referee.cosine_distances(clustered_points())
    order, rng = np.array([2, 0, 1, 6, 5, 4, 3]), np.random.default_rng(batch)
    drawn = [
        draw_spread(Matrix(distances), 2, 4, np.log(GAMMA)[order], order, rng, plain_map)  # gamma in `order`
        for _ in range(4000)
    ]
    check_law(drawn, referee.sequences(distances, GAMMA, 2, 4))


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_rows_without_distance_follow_gamma_when_all_others_are_picked(batch, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: batch)
    points = np.array([(1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3)])
    gamma = np.array([1, 0.9, 0.5, 0.7, 0.3, 0.1])
    distances = referee.cosine_distances(points)
    rng = np.random.default_rng(batch)
    drawn = [draw_spread(Matrix(distances), 0, 4, np.log(gamma), np.arange(6), rng, plain_map) for _ in range(4000)]
    check_law(drawn, referee.sequences(distances, gamma, 0, 4))


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_ldm_seeding_follows_the_sequential_law(batch, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: batch)
    ldm, features = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.9]), clustered_points()
    drawn = [ldm_seeding(ldm, features, 4, rng=np.random.default_rng(seed)) for seed in range(1500)]
    law = referee.sequences(referee.cosine_distances(features), referee.ldm_gamma(ldm, 4), 0, 4)
    check_law(drawn, law)


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_badge_seeding_follows_the_sequential_law(batch, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: batch)
    features = clustered_points()
    logits = np.array([(1, 0), (1, 0.2), (0, 0.3), (0.5, 0), (0.4, 0), (0, 1), (0, 2)])
    drawn = [badge_seeding(features, logits, 4, rng=np.random.default_rng(seed)) for seed in range(1500)]
    first = int(np.linalg.norm(referee.badge_embedding(features, logits), axis=1).argmax())
    check_law(drawn, referee.sequences(referee.badge_distances(features, logits), np.ones(7), first, 4))


def test_accepted_by_hand():
    # Old weights 1, 1, 1, 4, 2; coins .5, .2, .9, .5, .99. Row 1 falls to .3 with pick 0, rows 2 and 3 to .8 and 2.5.
    pairs = np.array([[-1, 0.3, 0.8, 2.5, 3], [0.3, -1, 0.7, 9, 9], [9] * 5, [2.5, 9, 9, -1, 1.9], [9] * 5], float)
    thresholds = np.array([0.5, 0.2, 0.9, 2, 1.98])
    new = np.array([1, 1, 1, 4, 2.0])
    assert _accepted(thresholds, new, pairs.T, 9) == [0, 1, 3]  # 2: .9 > .7; 4: 1.98 > 1.9
    assert _accepted(thresholds, new, pairs.T, 2) == [0, 1]
    assert new.tolist() == [1, 1, 1, 4, 2]


def test_a_batch_never_takes_a_row_twice():
    old = np.ones(40)
    pairs = np.full((40, 40), 7.0)
    rows = np.arange(40) % 4
    pairs[rows[:, None] == rows] = -1
    assert _accepted(np.zeros(40), old, pairs, 40) == [0, 1, 2, 3]


def test_after_a_refresh_the_first_proposal_is_always_taken():
    largest_coin = 1 - 2**-53
    old = np.random.default_rng(0).exponential(size=10_000)
    assert np.all(largest_coin * old < old)


def test_draw_rows_never_takes_weight_zero():
    weights = np.array([0, 0, 2.0, 0, 1e-30, 0])
    places = np.r_[0.0, 1 - 2**-53, np.random.default_rng(0).random(1000)]
    rows = draw_rows(weights, np.cumsum(weights), places)
    assert rows[0] == 2
    assert rows[1] in (2, 4)
    assert set(rows[2:].tolist()) == {2}


def test_draw_rows_where_a_parallel_sum_rises_at_weight_zero_or_ends_low():
    weights, cumulated = np.array([1.0, 0, 2, 0]), np.array([1.0, 1.1, 3, 2.9])
    assert draw_rows(weights, cumulated, np.array([1.05 / 2.9, 0.999])).tolist() == [2, 2]


def test_a_steep_fall_of_gamma_makes_progress_without_underflow():
    distances = 1.0 - np.eye(6)
    log_gamma = -1000.0 * np.arange(6)  # relative to the one before, every row has the weight exp(-2000)
    picks = draw_spread(Matrix(distances), 0, 6, log_gamma, np.arange(6), np.random.default_rng(0), plain_map)
    assert picks.tolist() == list(range(6))


def test_few_passes_serve_many_picks(passes):
    features = np.random.default_rng(0).normal(size=(5000, 32)).astype(np.float32)
    picks = ldm_seeding(np.arange(5000) / 5000, features, 300, rng=np.random.default_rng(0))
    assert len(set(picks.tolist())) == 300
    assert 1 <= len(passes) <= 5
