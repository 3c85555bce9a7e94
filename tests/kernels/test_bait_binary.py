"""bait_binary: the vector, two rows a sample, dense matrices, the exact bait of two classes, bad inputs."""

import numpy as np
import pytest

from tfal.kernels import bait, bait_binary
from tfal.kernels.bait_binary import _Candidates

from .plain import check_refusal, greedy_traces

X, P = np.array([[1.0, 2], [2, 0], [0.5, 0.5]]), np.array([0.8, 0.6, 0.95])


def logits_of(p):
    return np.stack([np.log(p), np.log(1 - p)], axis=1)


LABELED = np.eye(2), logits_of(np.array([0.9, 0.7]))


def fisher_of_each(features, logits):
    """From the two gradients of each sample, by the probabilities of their classes."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = (p / p.sum(axis=1, keepdims=True)).max(axis=1)
    rows = np.stack([np.sqrt(p) * (1 - p), -np.sqrt(1 - p) * p], axis=1)[:, :, None] * features[:, None]
    return np.einsum("nri,nrj->nij", rows, rows)


def dense(features, logits, n, labeled=None, ridge=1.0, published=True):
    """See greedy_traces."""
    each, known = fisher_of_each(features, logits), [] if labeled is None else fisher_of_each(*labeled)
    fisher, known_too = (sum(each) + sum(known)) / (len(each) + len(known)), len(known)
    total = np.eye(len(fisher)) * ridge + sum(known) / (known_too + n if published else 1)
    each = each * (n / (known_too + n) if published else 1)
    return greedy_traces(each, total, fisher, n)


def case(seed, m=14, d=3, classes=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)) * 2, rng.normal(size=(m, classes)) * 2


def test_vector(monkeypatch):
    seen = {}
    made = _Candidates.__init__

    def kept(self, features, scale, fisher, total, each):
        made(self, features, scale, fisher, total.copy(), each)
        seen.setdefault("first", (fisher, total.copy(), self.gains().copy()))

    monkeypatch.setattr(_Candidates, "__init__", kept)
    assert bait_binary(X, logits_of(P), 1, labeled=LABELED).tolist() == [1]
    fisher, total, gains = seen["first"]
    np.testing.assert_allclose(fisher, [[0.244375, 0.066375], [0.066375, 0.172375]], atol=1e-12)
    np.testing.assert_allclose(total, np.diag([1.03, 1.07]), atol=1e-12)
    np.testing.assert_allclose(gains, [0.045760, 0.056239, 0.001970], atol=5e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 3, 7, 14])
def test_equals_dense_matrices(seed, n):
    features, logits = case(seed)
    labeled = case(seed + 10, m=5)
    assert bait_binary(features, logits, n).tolist() == dense(features, logits, n)
    assert bait_binary(features, logits, n, labeled=labeled).tolist() == dense(features, logits, n, labeled)
    given = {"labeled": labeled, "ridge": 0.05}
    counted = dense(features, logits, n, published=False, **given)
    assert bait_binary(features, logits, n, weights="counts", **given).tolist() == counted


@pytest.mark.parametrize("seed", range(3))
def test_of_two_classes_it_is_bait_with_half_the_ridge(seed):
    features, logits = case(seed, m=30, classes=2)
    labeled = case(seed + 10, m=5, classes=2)
    exact = bait(features, logits, 6, labeled=labeled, ridge=1.0)
    assert bait_binary(features, logits, 6, labeled=labeled, ridge=0.5, weights="counts").tolist() == exact.tolist()


def test_a_labeled_direction_is_not_bought_again():
    features, logits = np.array([[3.0, 0.0], [2.9, 0.0], [0.0, 2.0], [0.0, 2.1]]), np.zeros((4, 2))
    assert bait_binary(features, logits, 1).tolist() == [0]
    known = np.array([[9.0, 0.0]] * 9), np.zeros((9, 2))
    assert bait_binary(features, logits, 1, labeled=known, weights="counts").tolist() == [3]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [1e-3, 30.0, 1e3])
def test_large_and_small_features(seed, scale):
    features, logits = case(seed)
    assert bait_binary(features * scale, logits, 5).tolist() == dense(features * scale, logits, 5)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_copies_zeros_sure_predictions_and_any_scale(scale):
    features, logits = case(5, m=30)
    features[:5], features[5:10] = 0, features[10:15]
    logits[5:10], logits[20:25] = logits[10:15], [1e300, 0, 0, 0]
    picks = bait_binary(features * scale, logits, 12, labeled=(features[:3] * scale, logits[:3]))
    assert len(set(picks.tolist())) == 12
    assert sorted(bait_binary(features * scale, logits, 30).tolist()) == list(range(30))


def test_tiles_equal_the_whole(monkeypatch):
    features, logits = case(4, m=200, d=6)
    whole = bait_binary(features, logits, 20)
    monkeypatch.setitem(_Candidates.__init__.__globals__, "_ROWS", {"numpy": 7})
    monkeypatch.setattr("tfal.kernels.parts.tiles._TILE_BYTES", {"numpy": 1})
    assert bait_binary(features, logits, 20).tolist() == whole.tolist()


def test_dtypes_agree_and_inputs_stay_as_they_are(tmp_path):
    features, logits = (np.round(a * 8) / 8 for a in case(6))
    found = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = features.astype(dtype), logits.astype(dtype)
        for array in arrays:
            array.flags.writeable = False
        found.append(bait_binary(*arrays, 5, labeled=(arrays[0][:2], arrays[1][:2])).tolist())
    np.save(tmp_path / "half.npy", features.astype(np.float16))
    mapped = np.load(tmp_path / "half.npy", mmap_mode="r")
    found.append(bait_binary(mapped, logits, 5, labeled=(features[:2], logits[:2])).tolist())
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones((4, 3))}, ["features", "(5, d)", "(4, 3)"]),
        ({"logits": np.full((5, 2), np.nan)}, ["logits", "10 NaN or infinite of 10"]),
        ({"max_features": 2}, ["at most 2 columns", "received 3"]),
        ({"labeled": (np.ones((2, 4)), np.zeros((2, 2)))}, ["labeled features", "(2, 3)", "(2, 4)"]),
        ({"n": 6}, ["n:", "1 to 5", "received 6"]),
        ({"features": np.full((5, 3), 1e9)}, ["squared norms", "1e+10", "Scale the features down"]),
        ({"ridge": 0}, ["ridge", "0.001", "received 0"]),
        ({"weights": "mean"}, ["weights", "mean", "published"]),
    ],
)
def test_errors(given, parts):
    given = {"features": np.ones((5, 3)), "logits": np.zeros((5, 2)), "n": 1} | given
    check_refusal(parts, bait_binary, given.pop("features"), given.pop("logits"), given.pop("n"), **given)
