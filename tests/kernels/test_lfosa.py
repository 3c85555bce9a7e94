"""lfosa: what it makes of logits class by class, and the order of its picks."""

import numpy as np
import pytest

from tfal.kernels import lfosa, lfosa_scores
from tfal.kernels.parts.mixture import log_odds_of_upper, two_normals

from .plain import check_refusal


@pytest.fixture
def logits():
    """3 known classes and the unknown one, 400 candidates."""
    return np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32) * 3


def test_each_class_has_a_mixture_of_its_own(logits):
    found = lfosa_scores(logits)
    assert np.array_equal(found.predicted, logits.argmax(axis=1))
    for known in range(3):
        rows = np.flatnonzero(logits.argmax(axis=1) == known)
        values = logits[rows].max(axis=1).astype(np.float64)
        np.testing.assert_array_equal(found.log_odds[rows], log_odds_of_upper(values, two_normals(values)))
    assert np.array_equal(np.isneginf(found.log_odds), logits.argmax(axis=1) == 3)


def test_picks_are_the_surest_and_unknown_ones_come_last_at_random(logits):
    log_odds = lfosa_scores(logits).log_odds
    n_known = np.count_nonzero(np.isfinite(log_odds))
    rows = lfosa(logits, 400, rng=np.random.default_rng(1))
    assert np.all(np.diff(log_odds[rows[:n_known]]) <= 0)
    assert np.isneginf(log_odds[rows[n_known:]]).all()
    assert sorted(rows.tolist()) == list(range(400))
    assert rows[:50].tolist() == lfosa(logits, 50).tolist()
    assert rows[n_known:].tolist() != lfosa(logits, 400)[n_known:].tolist() == sorted(rows[n_known:].tolist())


def test_a_class_of_one_prediction_is_not_lost():
    logits = np.array([[5.0, 0, 0], [0, 3.0, 0], [4.9, 0, 0], [1.0, 0, 0], [0, 0, 9.0]])
    found = lfosa_scores(logits)
    assert found.log_odds[1] == 0
    assert found.log_odds[3] < 0 < found.log_odds[2]
    assert lfosa(logits, 5).tolist() == [0, 2, 1, 3, 4]


def test_equal_scores_go_by_the_largest_logit():
    logits = np.array([[2.0, 0, 0], [0, 3.0, 0], [2.0, 0, 0]])  # two classes without a mixture
    assert lfosa(logits, 3, rng=np.random.default_rng(0))[0] == 1


@pytest.mark.parametrize(
    ("given", "n", "parts"),
    [
        (np.ones((3, 1)), 1, ["logits:", "at least 2"]),
        (np.ones(3), 1, ["logits:", "(n, K + 1)", "(3,)"]),
        (np.full((3, 3), np.inf), 1, ["logits:", "9 NaN or infinite"]),
        (np.ones((3, 3)), 4, ["n:", "from 1 to 3"]),
    ],
)
def test_refusals(given, n, parts):
    check_refusal(parts, lfosa, given, n)
