"""neat_scores and neat: the published numbers by hand, a loop over candidates, tiles, and what is refused."""

import numpy as np
import pytest

from tfal.kernels import neat, neat_scores
from tfal.kernels.parts import tiles

from .plain import check_refusal


def one_at_a_time(features, logits, bought, labels, k):
    """The definition: sorted cosines, counts, a cross-entropy."""
    known, scores = [], []
    for row, z in zip(features.astype(float), logits.astype(float), strict=True):
        cosines = bought @ row / (np.linalg.norm(bought, axis=1) * np.linalg.norm(row))
        near = [labels[place] for place in np.argsort(-cosines)[:k]]
        counts = np.array([near.count(c) for c in range(len(z))])
        q = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        known.append(sum(label >= 0 for label in near))
        scores.append(-sum(q * np.log(np.exp(counts) / np.exp(counts).sum())))
    return np.array(known), np.array(scores)


def picked_one_by_one(known, scores, k, n, factor):
    """Shortlist, then scores, then what is left of the order."""
    order = sorted(range(len(known)), key=lambda row: (-known[row], row))[: max(n, factor * n)]
    likely = [row for row in order if known[row] > k - known[row]]
    first = sorted(likely, key=lambda row: -scores[row])[:n]
    return [*first, *(row for row in order if row not in likely)][:n]


def random_case(seed, n=60, m=25, d=5, classes=4, dtype=np.float32):
    rng = np.random.default_rng(seed)
    features, bought = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(m, d)).astype(dtype)
    return features, (3 * rng.normal(size=(n, classes))).astype(dtype), bought, rng.integers(-1, classes, m)


def test_by_hand():
    """Four neighbors, of classes 0, 0, 0 and 1."""
    bought, labels = np.ones((4, 2)), np.array([0, 0, 1, 0])
    found = neat_scores(np.ones((2, 2)), np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0]]), bought, labels)
    np.testing.assert_allclose(found.inconsistency, [0.929395, 2.234513], atol=1e-6)
    assert found.n_known.tolist() == [4, 4]
    assert neat(np.ones((2, 2)), np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0]]), bought, labels, 1).tolist() == [1]


@pytest.mark.parametrize("k", [1, 10, 99])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equal_the_loop(k, dtype):
    case = random_case(k, dtype=dtype)
    known, scores = one_at_a_time(*(part.astype(np.float64) for part in case[:3]), case[3].tolist(), k)
    found = neat_scores(*case, k=k)
    assert found.n_known.tolist() == known.tolist()
    np.testing.assert_allclose(found.inconsistency, scores, rtol=1e-9)
    for n, factor in ((1, 1), (7, 2), (25, 3), (60, 2)):
        rows = neat(*case, n, k=k, factor=factor).tolist()
        assert rows == picked_one_by_one(known, scores, min(k, 25), n, factor)
        assert len(set(rows)) == n


def test_rejected_neighbors_keep_a_candidate_out_and_fill_up_when_nothing_else_is_left():
    bought = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    candidates, logits = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.3]]), np.array([[0.0, 5.0], [4.0, 0.0], [0.0, 4.0]])
    labels = np.array([0, 0, -1, -1])
    assert neat(candidates, logits, bought, labels, 1, k=2).tolist() == [2]  # 0 is farthest from what 2 is near to
    assert neat(candidates, logits, bought, labels, 3, k=2).tolist() == [2, 1, 0]
    assert sorted(neat(candidates, logits, bought, np.full(4, -1), 3, k=2).tolist()) == [0, 1, 2]


def test_ties_are_drawn_and_the_draw_repeats():
    case = np.ones((40, 2)), np.zeros((40, 3)), np.ones((3, 2)), np.array([0, 1, 2])
    drawn = [neat(*case, 5, rng=np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert neat(*case, 5).tolist() == [0, 1, 2, 3, 4]


def test_tiles_equal_the_whole(monkeypatch):
    case = random_case(3, n=200)
    whole = neat_scores(*case)
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    found = neat_scores(*case)
    assert np.array_equal(found.n_known, whole.n_known)
    np.testing.assert_allclose(found.inconsistency, whole.inconsistency, rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"bought": np.ones((0, 5))}, ["bought:", "(0, 5)"]),
        ({"bought": np.ones((25, 4))}, ["bought:", "(m, 5)", "(25, 4)"]),
        ({"features": np.ones((59, 5))}, ["features:", "(60, d)", "(59, 5)"]),
        ({"logits": np.ones((60, 1))}, ["logits:", "at least 2 classes"]),
        ({"logits": np.full((60, 4), np.nan)}, ["logits:", "240 NaN or infinite"]),
        ({"labels": np.full(25, 4)}, ["labels:", "from 0 to 3, or -1", "4 to 4", "rejected rows -1"]),
        ({"labels": np.full(25, -2)}, ["labels:", "-2 to -2"]),
        ({"labels": np.zeros(25)}, ["labels:", "integers", "float64"]),
        ({"labels": np.zeros(24, int)}, ["labels:", "(25,)", "(24,)"]),
        ({"k": 0}, ["k:", "at least 1"]),
        ({"factor": 0}, ["factor:", "at least 1"]),
        ({"n": 61}, ["n:", "from 1 to 60"]),
    ],
)
def test_refusals(changed, parts):
    given = dict(zip(("features", "logits", "bought", "labels"), random_case(0), strict=True)) | {"n": 5} | changed
    check_refusal(parts, neat, **given)
