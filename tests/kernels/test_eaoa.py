"""EAOA: published energies and doubts, votes one by one, and picks by a plain referee."""

import numpy as np
import pytest

from tfal.kernels import confidence_log_odds, eaoa, energy_uncertainty, reverse_neighbor_votes
from tfal.kernels.parts.mixture import log_odds_of_upper, two_normals
from tfal.kernels.uncertainty import log_complement

from .plain import check_refusal


def test_by_hand():
    found = energy_uncertainty(np.array([[8.0, 1, 0], [2, 2, 0], [1, 0, 5]]))
    np.testing.assert_allclose(found, [-7.307764, -2, 3.693454], atol=1e-6)
    doubt = log_complement(confidence_log_odds(np.array([[4.0, 1, 0], [2, 2, 1]])))
    np.testing.assert_allclose(doubt, [-2.752622, -0.548733], atol=1e-6)


def test_large_logits_do_not_overflow():
    found = energy_uncertainty(np.array([[1e4, 0, 1e4], [-1e4, -1e4, 0], [0, 1e4, -1e4]], np.float32))
    np.testing.assert_allclose(found, [0, 1e4, -1e4], atol=1)


def case(seed, m=90, b=30, classes=4, d=5):
    rng = np.random.default_rng(seed)
    features, bought = rng.normal(size=(m, d)), rng.normal(size=(b, d))
    labels = rng.integers(-1, classes, b)
    labels[labels == 2] = 1  # a class without labels
    return features, bought, labels, 3 * rng.normal(size=(m, classes + 1)), 3 * rng.normal(size=(m, classes))


def votes_one_by_one(features, bought, labels, n_classes, k):
    found = np.zeros((len(features), n_classes + 1))
    sizes = [np.sum(labels == c) for c in range(n_classes)]
    mean = np.mean([size for size in sizes if size])
    for row, label in zip(bought, labels, strict=True):
        cosines = features @ row / np.linalg.norm(features, axis=1)
        size = np.sum(labels == label)
        for place in np.argsort(-cosines)[:k]:
            found[place, label] += mean / size
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 20, 500])
def test_votes_equal_the_loop(seed, k):
    features, bought, labels, *_ = case(seed)
    found = reverse_neighbor_votes(features, bought, labels, 4, k=k)
    np.testing.assert_allclose(found, votes_one_by_one(features, bought, labels, 4, k), rtol=1e-5)
    assert found.dtype == np.float32


def by_the_referee(energies, logits, n, factor):
    def odds(values):
        scaled = (values - values.min()) / (values.max() - values.min())
        return log_odds_of_upper(scaled, two_normals(scaled))

    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    clean = np.prod([1 / (1 + np.exp(odds(energy))) for energy in energies], axis=0)
    informative, each = odds(np.log(1 - p.max(axis=1))), -(-n // logits.shape[1])
    queues = []
    for label in range(logits.shape[1]):
        own = sorted(np.flatnonzero(p.argmax(axis=1) == label), key=lambda row: -clean[row])[: factor * each]
        queues.append(sorted(own, key=lambda row: -informative[row])[:each])
    picks = [queue[turn] for turn in range(each) for queue in queues if turn < len(queue)][:n]
    others = sorted(set(range(len(p))) - {*picks}, key=lambda row: -clean[row])
    return [*picks, *others][:n]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n", "factor"), [(1, 1), (10, 2), (30, 5), (90, 1)])
def test_picks_equal_the_referee(seed, n, factor):
    features, bought, labels, detector, logits = case(seed)
    votes = reverse_neighbor_votes(features, bought, labels, 4, k=20)
    energies = energy_uncertainty(detector), energy_uncertainty(votes)
    rows = eaoa(detector, votes, logits, n, factor=factor)
    assert len({*rows.tolist()}) == n
    assert rows.tolist() == by_the_referee(energies, logits, n, factor)


def test_a_class_that_nothing_is_predicted_of_leaves_its_share_to_the_cleanest():
    _, _, _, detector, logits = case(0)
    logits[:, 3] = -99
    rows = eaoa(detector, detector, logits, 40)
    assert len({*rows.tolist()}) == 40


def test_equal_values_part_nothing_and_are_drawn():
    zeros = np.zeros((40, 4))
    drawn = [eaoa(zeros, zeros, zeros[:, :3], 5, rng=np.random.default_rng(seed)).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: eaoa(np.ones((3, 3)), np.ones((2, 3)), np.ones((3, 2)), 1), ["as many rows", "3, 2 and 3"]),
        (lambda: eaoa(np.ones((3, 3)), np.ones((3, 3)), np.ones((3, 2)), 4), ["n:", "from 1 to 3"]),
        (lambda: eaoa(np.ones((3, 3)), np.ones((3, 3)), np.ones((3, 2)), 1, factor=0), ["factor:", "at least 1"]),
        (lambda: energy_uncertainty(np.ones((3, 1))), ["logits:", "at least 2"]),
        (lambda: energy_uncertainty(np.full((3, 2), np.nan)), ["logits:", "6 NaN"]),
        (lambda: reverse_neighbor_votes(np.ones((3, 2)), np.ones((0, 2)), np.zeros(0, int), 2), ["bought:"]),
        (lambda: reverse_neighbor_votes(np.ones((3, 2)), np.ones((1, 2)), np.array([2]), 2), ["labels:", "2 to 2"]),
        (lambda: reverse_neighbor_votes(np.ones((3, 2)), np.ones((1, 2)), np.array([1]), 2, k=0), ["k:"]),
    ],
)
def test_refusals(call, parts):
    check_refusal(parts, call)
