"""batchbald: joint entropies by enumeration, sampled configurations, what it reduces to, bad inputs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import bald, batchbald, top_n
from tfal.kernels.batchbald import _Joint

from .plain import check_refusal, plain_map


def probabilities(seed, n=7, passes=4, classes=3):
    powers = np.exp(np.random.default_rng(seed).normal(size=(n, passes, classes)) * 1.5)
    return powers / powers.sum(axis=2, keepdims=True)


def information(p, batch):
    """Mutual information of the classes of a batch and the pass: all configurations, by the definition."""
    joint = []
    for classes in itertools.product(range(p.shape[2]), repeat=len(batch)):
        given_pass = [np.prod([p[row, t, c] for row, c in zip(batch, classes, strict=True)]) for t in range(p.shape[1])]
        joint.append(np.mean(given_pass))
    each = [-np.mean(np.sum(p[row] * np.log(p[row]), axis=1)) for row in batch]
    return -np.sum(joint * np.log(joint)) - sum(each)


def greedy(p, n):
    picks = []
    for _ in range(n):
        gains = [-1 if row in picks else information(p, [*picks, row]) for row in range(len(p))]
        picks.append(int(np.argmax(gains)))
    return picks


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [2, 3])
def test_equals_enumeration(seed, classes):
    p = probabilities(seed, classes=classes)
    assert batchbald(np.log(p), 4, rng=generator()).tolist() == greedy(p, 4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_gains_add_up_to_the_information(seed):
    p = probabilities(seed)
    joint, total = _Joint(p, -(p * np.log(p)).sum(axis=2).mean(axis=1)), 0.0
    for row in (3, 1, 6, 3):
        total += joint.gains(np.array([row]), plain_map)[0]
        joint.add(row, generator(), 10_000)
    assert total == pytest.approx(information(p, [3, 1, 6, 3]), abs=1e-12)
    assert joint.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(joint.given.sum(axis=1), 1)


def test_sampled_configurations_are_unbiased():
    p = probabilities(0, passes=6)
    rows, found = np.arange(7), []
    exact = [information(p, [0, 2, 5, row]) - information(p, [0, 2, 5]) for row in rows]
    for seed in range(300):
        joint = _Joint(p, -(p * np.log(p)).sum(axis=2).mean(axis=1))
        rng = generator(seed)
        for row in (0, 2, 5):
            joint.add(row, rng, 8)
        assert len(joint.weights) <= 8
        found.append(joint.gains(rows, plain_map))
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - exact) < 4 * error + 1e-12)
    assert np.all(error > 0)


def test_few_configurations_find_nearly_the_best_batch():
    p = probabilities(1, n=12, passes=8)
    best = information(p, batchbald(np.log(p), 5, rng=generator()))
    sampled = [information(p, batchbald(np.log(p), 5, rng=generator(seed), n_joint=30)) for seed in range(5)]
    assert min(sampled) > 0.97 * best


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_first_pick_has_the_largest_bald(seed):
    mc_logits = np.log(probabilities(seed, n=100))
    assert batchbald(mc_logits, 1, rng=generator())[0] == top_n(bald(mc_logits), 1)[0]


def test_copies_are_worth_less_than_another_informative_row():
    p = np.array([[(0.9, 0.1), (0.1, 0.9), (0.9, 0.1)], [(0.7, 0.3), (0.7, 0.3), (0.1, 0.9)]])[[0, 0, 0, 1]]
    assert top_n(bald(np.log(p)), 2).tolist() == [0, 1]
    assert batchbald(np.log(p), 4, rng=generator()).tolist() == [0, 3, 1, 2]


def test_skipped_rows_are_not_better(monkeypatch):
    # Blocks of two rows skip most of them, one block skips none.
    mc_logits = np.random.default_rng(0).normal(size=(200, 10, 3))
    found = []
    for size in (2, 200):
        monkeypatch.setitem(batchbald.__globals__, "_BLOCK", {"numpy": size})
        found.append(batchbald(mc_logits, 7, rng=generator()).tolist())
    assert found[0] == found[1]


def test_many_picks_and_sure_passes_neither_underflow_nor_repeat():
    mc_logits = np.random.default_rng(0).normal(size=(300, 5, 10)) * 200
    picks = batchbald(mc_logits, 300, rng=generator(), n_joint=100)
    assert sorted(picks.tolist()) == list(range(300))
    same = np.repeat(mc_logits[:20, :1], 4, axis=1)  # passes that agree: nothing is informative
    assert batchbald(same, 20, rng=generator()).tolist() == list(range(20))


def test_the_same_seed_gives_the_same_picks_and_inputs_stay_as_they_are():
    mc_logits = np.random.default_rng(0).normal(size=(50, 6, 4)).astype(np.float32)
    mc_logits.flags.writeable = False
    found = [batchbald(mc_logits, 20, rng=generator(3), n_joint=50) for _ in range(2)]
    assert found[0].tolist() == found[1].tolist()
    assert found[0].dtype == np.int64


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"mc_logits": np.zeros((3, 2))}, ["mc_logits", "(n, T, C)"]),
        ({"mc_logits": np.zeros((3, 2, 1))}, ["mc_logits", "2 classes"]),
        ({"mc_logits": np.full((1, 2, 2), np.inf)}, ["mc_logits", "finite"]),
        ({"n": 6}, ["n:", "1 to 5", "received 6"]),
        ({"n_joint": 0}, ["n_joint:", "at least 1"]),
        ({"rng": 3}, ["rng", "int"]),
    ],
)
def test_errors(given, parts):
    given = {"mc_logits": np.zeros((5, 3, 2)), "n": 1, "rng": generator()} | given
    check_refusal(parts, batchbald, given.pop("mc_logits"), given.pop("n"), **given)
