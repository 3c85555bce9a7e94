import numpy as np
import pytest

from tfal.errors import InputError
from tfal.evaluation.knn import knn_scores
from tfal.evaluation.scores import Scores

TRAIN = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
QUERIES = np.array([[0.8, 0.6], [0, 1], [1, 0]], np.float32)


def _one(votes, truth, k=None, seed=0, n=1):
    """Scores of n equal queries, whose neighbors are samples with these labels, all at the same place."""
    votes = np.array(votes)
    points = np.ones((len(votes), 2), np.float32)
    rng = np.random.default_rng(seed)
    return knn_scores(
        points, votes, np.arange(len(votes)), points[:1].repeat(n, 0), np.full(n, truth), k or len(votes), rng
    )


def test_nearest_neighbor_vectors():
    """T7: predictions 2, 1, 0, whatever the lengths of the rows."""
    for scale in (1, 5):
        for truth, hits in (([2, 1, 0], 3), ([2, 1, 1], 2), ([0, 0, 1], 0)):
            found = knn_scores(scale * TRAIN, np.arange(3), np.arange(3), QUERIES, np.array(truth))
            assert found.top1 == pytest.approx(hits / 3)
            assert np.isnan(found.top5)


def test_only_the_selection_votes():
    labels = np.array([0, 1, -1])  # the last one is not known
    found = knn_scores(TRAIN, labels, np.array([1, 0]), QUERIES, np.array([0, 1, 0]))
    assert found.top1 == 1


def test_the_majority_wins_and_more_neighbors_than_samples_are_all():
    for k in (5, 50):
        assert _one([4, 2, 2, 7, 4, 2], 2, k=max(k, 6)) == Scores(1, 1)
    assert _one([4, 2, 2, 7, 4, 2], 4) == Scores(0, 1)
    assert _one([4, 2, 2, 7, 4, 2], 3) == Scores(0, 0)  # no vote
    assert np.isnan(_one([1, 2, 2], 2, k=9).top5)


def test_ties_are_broken_at_random():
    """Two classes of two votes each, ahead of one: half of the queries each, whatever the order of the votes."""
    for votes in ([3, 3, 8, 8, 1], [8, 3, 1, 3, 8]):
        found = _one(votes, 3, n=4000)
        assert found.top1 == pytest.approx(0.5, abs=0.04)
        assert found.top5 == 1
        assert _one(votes, 1, n=4000).top1 == 0
    assert _one([3, 8], 3, seed=1, n=99).top1 == _one([3, 8], 3, seed=1, n=99).top1


def test_top_5_leaves_the_sixth_class_out():
    """Two votes for each of classes 0..4, one for 5; then six equal classes, of which five are drawn."""
    assert _one([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5], 5).top5 == 0
    assert _one([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5], 4).top5 == 1
    assert _one([0, 1, 2, 3, 4, 5], 2, n=6000).top5 == pytest.approx(5 / 6, abs=0.03)


def test_parts_of_the_queries_make_no_difference(monkeypatch):
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(60, 3)).astype(np.float16), rng.integers(0, 9, 60)
    given = points, labels, np.arange(40), points[40:], labels[40:], 7
    whole = knn_scores(*given, np.random.default_rng(1))
    monkeypatch.setattr("tfal.evaluation.knn._COMPARED", 100)
    assert knn_scores(*given, np.random.default_rng(1)) == whole


def test_votes_against_a_slow_count():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(80, 3)).astype(np.float32), rng.integers(0, 3, 80)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    hits, k = 0, 5
    for query, truth in zip(unit[50:], labels[50:], strict=True):
        near = np.argsort(((unit[:50] - query) ** 2).sum(axis=1))[:k]
        counts = np.bincount(labels[near], minlength=3)
        hits += (counts == counts.max()).sum() == 1 and counts.argmax() == truth
    lower = hits / 30  # ties count as misses here
    found = knn_scores(points, labels, np.arange(50), points[50:], labels[50:], k, np.random.default_rng(0))
    assert lower <= found.top1 <= lower + 0.4


def test_digits_by_their_nearest_neighbor(digits):
    pixels, test = (images.reshape(len(images), -1).astype(np.float32) for images in (digits.x_train, digits.x_test))
    ids = np.random.default_rng(0).permutation(len(pixels))[:500]
    found = knn_scores(pixels, digits.y_train, ids, test, digits.y_test)
    assert found.top1 > 0.93


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array([], int)}, "ids: expected at least one id, received none"),
        ({"ids": np.array([0, 0])}, "received 1 repeated of 2"),
        ({"ids": np.array([3])}, r"ids in 0..2, received 3..3"),
        ({"ids": np.array([[0]])}, r"received int64 of shape \(1, 1\)"),
        ({"ids": np.array([0.5])}, "received float64"),
        ({"labels": np.array([0, -1, 2])}, r"classes in 0 and above, received -1..2"),
        ({"labels": np.array([0.0, 1.0, 2.0])}, "received float64"),
        ({"test_labels": np.arange(2)}, r"test_labels: expected whole numbers of shape \(3,\)"),
        ({"k": 0}, "k: expected an integer of at least 1"),
        ({"rng": 0.5}, "rng: expected a numpy.random.Generator"),
    ],
)
def test_bad_input_is_refused(change, message):
    given = {"features": TRAIN, "labels": np.arange(3), "ids": np.arange(3), "test_features": QUERIES}
    given |= {"test_labels": np.arange(3)}
    with pytest.raises(InputError, match=message):
        knn_scores(**{**given, **change})
