import math

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal.images import Images
from tfal.learners.classifier import Classifier
from tfal.learners.runtime import prepare_tensorflow
from tfal.pool import Pool
from tfal.streams import Streams


@pytest.fixture
def pool(digits):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(50), digits.y_train[:50], 0)
    pool.set_validation(np.arange(60, 100), digits.y_train[60:100])
    return pool


@pytest.fixture
def classifier(digits, small, change):
    prepare_tensorflow()
    recipe = change(small, n_batch=16, n_epoch=4, learning_rate=0.01)
    return Classifier(BUILDERS["SCNN"], Images(digits.x_train), 10, recipe)


def _weights(classifier):
    return classifier._network.get_weights()


def test_a_round_does_not_depend_on_the_rounds_before(classifier, pool):
    """Weights, optimizer state and dropout all start anew, so a resumed run trains the same network."""
    first = classifier.fit(pool, Streams(0, 1, 3)), _weights(classifier)
    other = classifier.fit(pool, Streams(0, 1, 4)), _weights(classifier)
    again = classifier.fit(pool, Streams(0, 1, 3)), _weights(classifier)
    assert first[0] == again[0]
    assert all(np.array_equal(a, b) for a, b in zip(first[1], again[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first[1], other[1], strict=True))


def test_the_training_is_that_of_keras_by_hand(digits, small, change, pool):
    """One epoch in one batch: the loss before the step, and Adam's first step, from Keras alone."""
    prepare_tensorflow()
    recipe = change(small, n_batch=50, n_epoch=1, learning_rate=0.01)
    classifier = Classifier(BUILDERS["MLP"], Images(digits.x_train), 10, recipe)
    found = classifier.fit(pool, Streams(0, 1, 0))

    keras.utils.set_random_seed(Streams(0, 1, 0).integer("model"))
    network = BUILDERS["MLP"]((8, 8, 1), 10)
    model = keras.Model(network.input, network.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    expected = model.train_on_batch(digits.x_train[:50].astype(np.float32) / 255, digits.y_train[:50])
    assert math.isclose(found["train_loss"], float(np.ravel(expected)[0]), rel_tol=1e-4)
    for ours, theirs in zip(_weights(classifier), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_reading_in_batches_equals_reading_one_by_one(classifier, pool, digits):
    classifier.fit(pool, Streams(0, 1, 0))
    images = digits.x_train[:9].astype(np.float32) / 255
    whole = classifier.read(images, ["features", "logits"])
    for i in range(9):
        single = classifier.read(images[i : i + 1], ["features", "logits"])
        for name in ("features", "logits"):
            np.testing.assert_allclose(whole[name][i], single[name][0], atol=1e-5)
