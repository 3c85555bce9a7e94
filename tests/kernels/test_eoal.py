"""EOAL and FINCH: published entropies, plain referees, picks cluster by cluster, and what is refused."""

import importlib

import numpy as np
import pytest
from scipy.stats import entropy

from tfal.kernels import eoal, eoal_scores, finch

from .plain import check_refusal


def test_by_hand():
    heads = np.array([[[2.0, -2.0], [0.0, 0.0], [3.0, -3.0]]])
    alone = [eoal_scores(heads[:, k : k + 1])[0] * np.log(2) for k in range(3)]
    np.testing.assert_allclose(alone, [0.090095, 0.693147, 0.017311], atol=2e-6)
    np.testing.assert_allclose(eoal_scores(heads), [0.384985], atol=2e-6)
    same = np.full((1, 4), 3.0)
    np.testing.assert_allclose(eoal_scores(heads, same), [0.384985 - 1], atol=2e-6)
    np.testing.assert_allclose(eoal_scores(heads, same[:, :1]), [0.384985], atol=2e-6)


def test_equal_the_formula_and_keep_their_digits():
    rng = np.random.default_rng(0)
    heads, distances = 4 * rng.normal(size=(50, 5, 2)), 3 * rng.random((50, 4))
    p = np.exp(heads) / np.exp(heads).sum(axis=2, keepdims=True)
    expected = entropy(p, axis=2).mean(axis=1) / np.log(2) - entropy(np.exp(-distances), axis=1) / np.log(4)
    np.testing.assert_allclose(eoal_scores(heads, distances), expected, rtol=1e-10)
    confident = eoal_scores(np.array([[[50.0, 0]], [[60.0, 0]], [[1e6, 0]]]))
    assert confident[0] > confident[1] > confident[2] >= 0


def joined_step_by_step(features, most):
    """FINCH: rows whose nearest one is the other, or the same, are one cluster; then their means."""
    labels, rows = np.arange(len(features)), features
    while len(rows) > 1:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -9)
        nearest = cosines.argmax(axis=1)
        group = np.arange(len(rows))
        for _ in range(len(rows)):
            for row, other in enumerate(nearest):
                group[row] = group[other] = min(group[row], group[other])
        _, first, place = np.unique(group, return_index=True, return_inverse=True)
        labels = np.argsort(np.argsort(first))[place][labels]
        if labels.max() < most:
            break
        rows = np.stack([features[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [1, 3, 8, 99])
def test_finch_equals_the_referee(seed, most):
    features = np.random.default_rng(seed).normal(size=(60, 3))
    found = finch(features, most)
    assert found.tolist() == joined_step_by_step(features, most).tolist()
    assert found.max() < max(most, 1)


def test_means_of_more_clusters_and_rows_than_a_tile_has(monkeypatch):
    features = np.random.default_rng(0).normal(size=(60, 3))
    monkeypatch.setattr(importlib.import_module("tfal.kernels.finch"), "_TILE", 4)
    for most in (1, 3, 8):
        assert finch(features, most).tolist() == joined_step_by_step(features, most).tolist()


def test_finch_finds_what_lies_together():
    rng = np.random.default_rng(0)
    centers = 10 * np.eye(4)
    features = np.repeat(centers, 15, axis=0) + 0.3 * rng.normal(size=(60, 4))
    found = finch(features, 20)
    assert 4 <= found.max() + 1 <= 20
    assert all(len(set((np.flatnonzero(found == label) // 15).tolist())) == 1 for label in range(found.max() + 1))
    assert finch(features[:1], 5).tolist() == [0]


def by_the_referee(scores, known, features, n):
    order = sorted(range(len(scores)), key=lambda row: scores[row])
    likely, picks = [row for row in order if known[row]], []
    if n < len(likely):
        labels = joined_step_by_step(features[likely], n)
        queues = [
            [row for row, label in zip(likely, labels, strict=True) if label == c] for c in range(max(labels) + 1)
        ]
        each = n // len(queues)
        while len(picks) < n:
            for queue in queues:
                picks += queue[:each]
                del queue[:each]
    else:
        picks = likely
    return (picks + [row for row in order if not known[row]])[:n]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 5, 20, 45, 60])
@pytest.mark.parametrize("share", [0.7, 1])
def test_picks_equal_the_referee(seed, n, share):
    """Where all rows are predicted to be known, features are clustered as they stand."""
    rng = np.random.default_rng(seed)
    features, scores, known = rng.normal(size=(60, 3)), rng.random(60), rng.random(60) < share
    rows = eoal(scores, known, features, n)
    assert len({*rows.tolist()}) == n
    assert rows.tolist() == by_the_referee(scores, known, features, n)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: eoal_scores(np.ones((3, 2, 3))), ["binary_logits:", "(n, K, 2)"]),
        (lambda: eoal_scores(np.ones((3, 2, 2)), np.ones((2, 2))), ["distances:", "(3, C)"]),
        (lambda: eoal(np.ones(3), np.ones(3), np.ones((3, 2)), 1), ["known:", "bool of shape (3,)", "float64"]),
        (lambda: eoal(np.ones(3), np.ones(3, bool), np.ones((2, 2)), 1), ["features:", "(3, d)"]),
        (lambda: eoal(np.ones(3), np.ones(3, bool), np.ones((3, 2)), 4), ["n:", "from 1 to 3"]),
        (lambda: finch(np.ones((3, 2)), 0), ["most:", "at least 1"]),
        (lambda: finch(np.full((3, 2), np.nan), 1), ["features:", "6 NaN"]),
    ],
)
def test_refusals(call, parts):
    check_refusal(parts, call)
