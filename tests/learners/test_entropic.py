"""EOAL's detector: its losses by hand, what it tells apart, and where the centers of rejected samples lie."""

import numpy as np
import pytest

from models import BUILDERS
from tfal.data.images import Images
from tfal.kernels.eoal import NO_CENTER
from tfal.learners.entropic import EntropicDetector, clusters_loss, heads_loss
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


def heads_by_hand(labels, heads, alpha, any_rejected):
    loss = -np.log(np.exp(heads) / np.exp(heads).sum(axis=2, keepdims=True))
    k, known, unsure = heads.shape[1], [], []
    for label, own in zip(labels, loss, strict=True):
        if label < k:
            known.append(own[label, 1] + max(own[other, 0] for other in range(k) if other != label))
        else:
            unsure.append(own.sum() / k)
    alpha = alpha * any_rejected
    return (np.mean(known or [0]) * (1 - alpha) + np.mean(unsure or [0]) * alpha) / 2


@pytest.mark.parametrize("labels", [[0, 2, 3, 1, 3], [0, 1, 2, 0, 1], [3, 3, 3, 3, 3]])
@pytest.mark.parametrize("any_rejected", [0.0, 1.0])
def test_losses_by_hand(labels, any_rejected):
    rng = np.random.default_rng(0)
    heads, distances = rng.normal(size=(5, 3, 2)).astype(np.float32), rng.random((5, 3)).astype(np.float32)
    found = float(heads_loss(np.array(labels), heads, 0.8, any_rejected))
    assert found == pytest.approx(heads_by_hand(labels, heads.astype(float), 0.8, any_rejected), rel=1e-5, abs=1e-6)
    terms = [0.1 * d.min() + np.log(np.exp(d.min() - d).sum()) for d in distances[np.array(labels) == 3]]
    assert float(clusters_loss(np.array(labels), distances, 3)) == pytest.approx(np.mean(terms or [0]), abs=1e-6)


@pytest.fixture
def learner(digits, small, change):
    prepare_tensorflow()
    given = {"n_batch": 16, "n_epoch_entropic": 12, "lr_entropic": 0.02}
    return EntropicDetector(BUILDERS["MLP"], Images(digits.x_train), 4, change(small, **given))


def _pool(digits, n_known=4):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    ids = np.flatnonzero(digits.y_train[:260] < (10 if n_known == 4 else 4))[:150]
    pool.label_samples(ids, np.minimum(digits.y_train[ids], 4), 0, 4)
    return pool


def test_it_tells_classes_apart_and_places_centers_among_rejected_samples(learner, digits):
    pool = _pool(digits)
    learner.fit(pool, Streams(0, 1, 0))
    names = ["logits", "features", "binary_logits", "center_distances"]
    read = {name: v.numpy() for name, v in learner.read(digits.x_test.astype(np.float32) / 255, names).items()}
    n = len(digits.x_test)
    shapes = {name: values.shape[1:] for name, values in read.items() if name != "features"}
    assert shapes == {"logits": (5,), "binary_logits": (4, 2), "center_distances": (4,)}
    assert np.mean(read["logits"].argmax(axis=1) == np.minimum(digits.y_test, 4)) > 0.6
    known = digits.y_test < 4
    own = read["binary_logits"][np.arange(n)[known], digits.y_test[known]]
    assert np.mean(own[:, 1] > own[:, 0]) > 0.7
    centers = learner._network.get_layer("centers").get_weights()[0]
    by_hand = np.linalg.norm(read["features"][:, None] - centers, axis=2)
    np.testing.assert_allclose(read["center_distances"], by_hand, rtol=1e-3, atol=1e-3)
    assert read["center_distances"][~known].min(axis=1).mean() < read["center_distances"][known].min(axis=1).mean()


def test_without_rejected_samples_there_are_no_centers_and_it_trains(learner, digits):
    pool = _pool(digits, n_known=0)
    assert not len(pool.rejected)
    first = learner.fit(pool, Streams(0, 1, 0)), learner.weights()
    distances = learner.read(digits.x_test[:5].astype(np.float32) / 255, ["center_distances"])["center_distances"]
    assert (distances.numpy() == NO_CENTER).all()
    again = learner.fit(pool, Streams(0, 1, 0)), learner.weights()
    assert first[0] == again[0]
    assert all(map(np.array_equal, first[1], again[1]))
