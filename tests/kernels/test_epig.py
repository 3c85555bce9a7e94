"""epig: the vector, a plain referee, sure networks, tiles, dtypes, bad inputs."""

import sys

import numpy as np
import pytest
from scipy.stats import entropy

from tfal.kernels import bald, epig

from .plain import check_refusal

POOL = np.log([[(0.9, 0.1), (0.1, 0.9)], [(0.5, 0.5), (0.5, 0.5)], [(0.9, 0.1), (0.8, 0.2)]])
TARGETS = np.log([[(0.8, 0.2), (0.2, 0.8)], [(0.7, 0.3), (0.7, 0.3)]])


def case(seed, n=40, m=9, passes=5, classes=3, scale=2.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, passes, classes)) * scale, rng.normal(size=(m, passes, classes)) * scale


def plain(mc_logits, targets):
    """The definition by entropies, one pair at a time."""

    def softmax(z):
        p = np.exp(z - z.max(axis=-1, keepdims=True))
        return p / p.sum(axis=-1, keepdims=True)

    found = []
    for p in softmax(mc_logits.astype(float)):
        pairs = []
        for q in softmax(targets.astype(float)):
            joint = np.mean([np.outer(one, other) for one, other in zip(p, q, strict=True)], axis=0)
            pairs.append(entropy(p.mean(axis=0)) + entropy(q.mean(axis=0)) - entropy(joint.ravel()))
        found.append(np.mean(pairs))
    return np.array(found)


def test_the_vector():
    assert epig(POOL, TARGETS) == pytest.approx([0.060045, 0, 0.001775], abs=1e-6)
    assert epig(POOL, TARGETS)[1] == 0
    assert bald(POOL) == pytest.approx([0.368064, 0, 0.009966], abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_the_plain_referee(dtype):
    pool, targets = (each.astype(dtype) for each in case(0))
    np.testing.assert_allclose(epig(pool, targets), plain(pool, targets), rtol=1e-9, atol=1e-14)


def test_what_a_label_tells_of_its_own_class_again_is_bald():
    """Where a target is always as sure as can be, its class is the pass."""
    pool, _ = case(1, passes=2)
    sides = np.array([[[800.0, 0, 0], [0, 800.0, 0]]])
    np.testing.assert_allclose(epig(pool, sides), bald(pool), rtol=1e-9)


def test_sure_networks_keep_their_order():
    """Entropies of such distributions are all 0 to rounding."""
    gaps = np.array([50.0, 60.0, 100.0, 600.0])
    pool = np.stack([[(gap, 0.0), (gap + 1, 0.0)] for gap in gaps])
    found = epig(pool, np.array([[(1.0, 0.0), (0.0, 1.0)]]))
    assert (np.diff(found) < 0).all()
    assert found[-1] > 0
    assert found[0] / found[1] == pytest.approx(np.exp(10), rel=1e-3)


def test_passes_that_agree_tell_nothing():
    pool, targets = case(2)
    assert epig(np.repeat(pool[:, :1], 5, axis=1), targets).tolist() == [0] * len(pool)
    assert epig(np.array([[(2000.0, 0.0), (0.0, 2000.0)]]), np.zeros((1, 2, 2))).tolist() == [0]


def test_tiles_change_nothing(monkeypatch):
    pool, targets = case(3)
    whole = epig(pool, targets)
    monkeypatch.setitem(sys.modules["tfal.kernels.epig"]._BLOCK_BYTES, "numpy", 4 * 8 * 9)
    np.testing.assert_allclose(epig(pool, targets), whole, rtol=1e-12)


@pytest.mark.parametrize(
    ("pool", "targets", "parts"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4, 2)), ["mc_logits: expected shape (n, T, C)"]),
        (np.zeros((3, 4, 2)), np.zeros((3, 5, 2)), ["target_mc_logits: expected shape (m, 4, 2), received (3, 5, 2)"]),
        (np.zeros((3, 4, 2)), np.zeros((3, 4, 3)), ["same passes and classes"]),
        (np.zeros((3, 4, 2)), np.zeros((0, 4, 2)), ["target_mc_logits", "at least one row"]),
        (np.zeros((3, 4, 1)), np.zeros((3, 4, 1)), ["at least 2 classes"]),
        (np.zeros((3, 4, 2)), np.full((3, 4, 2), np.inf), ["infinite"]),
    ],
)
def test_what_cannot_be_used_is_named(pool, targets, parts):
    check_refusal(parts, epig, pool, targets)
