"""bait: the definition with dense matrices, what is hand-made, extreme inputs, bad inputs."""

import numpy as np
import pytest

from tfal.kernels import bait
from tfal.kernels.bait import _information
from tfal.kernels.parts import tiles

from .plain import check_refusal, greedy_traces


def fisher_of_each(features, logits):
    """(diag(p) - p p^T) times f f^T of every sample, from the gradients of all its classes."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    found = []
    for f, q in zip(features, p, strict=True):
        gradients = [np.kron(np.eye(len(q))[k] - q, f) for k in range(len(q))]
        found.append(sum(q[k] * np.outer(g, g) for k, g in enumerate(gradients)))
    return np.array(found)


def dense(features, logits, n, labeled=None, ridge=1.0):
    """See greedy_traces."""
    each, known = fisher_of_each(features, logits), [] if labeled is None else fisher_of_each(*labeled)
    fisher = (sum(each) + sum(known)) / (len(each) + len(known))
    total = np.eye(len(fisher)) * ridge + sum(known)
    return greedy_traces(each, total, fisher, n)


def case(seed, m=14, d=3, classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)) * 2, rng.normal(size=(m, classes)) * 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 3, 7, 10, 14])
def test_equals_dense_matrices(seed, n):
    features, logits = case(seed)
    labeled = case(seed + 10, m=5)
    assert bait(features, logits, n).tolist() == dense(features, logits, n)
    assert bait(features, logits, n, labeled=labeled).tolist() == dense(features, logits, n, labeled)
    assert bait(features, logits, n, ridge=0.05).tolist() == dense(features, logits, n, ridge=0.05)


def test_rows_are_taken_out_again():
    features, logits = case(1)
    added = bait(features, logits, 14)[:4].tolist()  # all 14 rows, in the order in which they were added
    assert bait(features, logits, 4).tolist() == dense(features, logits, 4) != added


def test_information_of_a_set():
    features, logits = case(3)
    np.testing.assert_allclose(_information(features, logits), fisher_of_each(features, logits).sum(axis=0), atol=1e-12)


def test_a_labeled_direction_is_not_bought_again():
    features = np.array([[3.0, 0.0], [2.9, 0.0], [0.0, 2.0], [0.0, 2.1]])
    logits = np.zeros((4, 2))
    assert bait(features, logits, 1).tolist() == [0]
    assert bait(features, logits, 1, labeled=(np.array([[9.0, 0.0]] * 9), np.zeros((9, 2)))).tolist() == [3]
    assert bait(features, logits, 2).tolist() == [0, 3]


def test_tiles_equal_the_whole(monkeypatch):
    features, logits = case(4, m=200, d=6, classes=3)
    whole = bait(features, logits, 20)
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(tiles, "LEAST_ROWS", 7)
    assert bait(features, logits, 20).tolist() == whole.tolist()


@pytest.mark.parametrize("scale", [1e-3, 30.0, 1e3])
@pytest.mark.parametrize("seed", range(3))
def test_large_and_small_features(seed, scale):
    features, logits = case(seed)
    features = features * scale
    assert bait(features, logits, 5).tolist() == dense(features, logits, 5)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_copies_zeros_sure_predictions_and_any_scale(scale):
    features, logits = case(5, m=30)
    features[:5], features[5:10] = 0, features[10:15]
    logits[5:10], logits[20:25] = logits[10:15], [1e300, 0, 0, 0]
    picks = bait(features * scale, logits, 12, labeled=(features[:3] * scale, logits[:3]))
    assert len(set(picks.tolist())) == 12
    assert sorted(bait(features * scale, logits, 30).tolist()) == list(range(30))


def test_dtypes_agree_and_inputs_stay_as_they_are():
    features, logits = (np.round(a * 8) / 8 for a in case(6))
    found = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = features.astype(dtype), logits.astype(dtype)
        for array in arrays:
            array.flags.writeable = False
        found.append(bait(*arrays, 5, labeled=(arrays[0][:2], arrays[1][:2])))
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()
    assert found[0].dtype == np.int64


def test_no_labeled_rows_are_no_labeled_set():
    features, logits = case(7)
    assert bait(features, logits, 5, labeled=(features[:0], logits[:0])).tolist() == bait(features, logits, 5).tolist()


ROWS, LOGITS = np.ones((5, 3)), np.zeros((5, 2))


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones((4, 3))}, ["features", "(5, d)", "(4, 3)"]),
        ({"features": np.ones((5, 3), int)}, ["features", "int64", "astype"]),
        ({"logits": np.zeros((5, 1))}, ["logits", "2 classes"]),
        ({"logits": np.full((5, 2), np.nan)}, ["logits", "10 NaN or infinite of 10"]),
        ({"features": np.ones((5, 1300))}, ["at most 2560", "2 * 1300 = 2600", "max_size"]),
        ({"max_size": 5}, ["at most 5", "2 * 3 = 6"]),
        ({"labeled": (np.ones((2, 4)), np.zeros((2, 2)))}, ["labeled features", "(2, 3)", "(2, 4)"]),
        ({"labeled": (np.ones((2, 3)), np.zeros((2, 4)))}, ["labeled logits", "(l, 2)", "(2, 4)"]),
        ({"n": 6}, ["n:", "1 to 5", "received 6"]),
        ({"features": np.full((5, 3), 1e9)}, ["squared norms", "1e+10", "3e+18", "Scale the features down"]),
        ({"ridge": 0}, ["ridge", "0.001", "received 0"]),
    ],
)
def test_errors(given, parts):
    given = {"features": ROWS, "logits": LOGITS, "n": 1} | given
    check_refusal(parts, bait, given.pop("features"), given.pop("logits"), given.pop("n"), **given)
