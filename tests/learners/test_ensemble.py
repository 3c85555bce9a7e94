import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import LEARNERS, ensemble
from tfal.learners.classifier import Classifier
from tfal.learners.ensemble import Ensemble
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


@pytest.fixture
def pool(digits):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(60), digits.y_train[:60], 0)
    pool.set_validation(np.arange(60, 100), digits.y_train[60:100])
    return pool


@pytest.fixture
def recipe(small, change):
    prepare_tensorflow()
    return change(small, n_member=2, n_epoch=2, n_batch=30, learning_rate=0.01)


@pytest.fixture
def build():
    """A network with moving statistics and dropout."""

    def make(shape, n_classes):
        images = keras.Input(shape)
        x = keras.layers.Dense(20, activation="relu")(keras.layers.Flatten()(images))
        features = keras.layers.BatchNormalization(name="features")(x)
        logits = keras.layers.Dense(n_classes, name="logits")(keras.layers.Dropout(0.2)(features))
        return keras.Model(images, {"features": features, "logits": logits})

    return make


def _softmax(logits):
    values = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return values / values.sum(axis=-1, keepdims=True)


def test_members_are_the_classifiers_that_their_streams_train(digits, recipe, build, pool):
    """A slow referee: each member on its own, with the weights of the network alone."""
    images, batch = Images(digits.x_train), digits.x_test[:30].astype(np.float32) / 255
    learner = Ensemble(build, images, 10, recipe)
    found = learner.fit(pool, Streams(0, 1, 2))
    read = learner.read(batch, ["logits", "features", "member_logits"])
    read = {name: value.numpy() for name, value in read.items()}
    expected, accuracies = [], []
    for member in range(2):
        alone = Classifier(build, images, 10, recipe)
        accuracies.append(alone.fit(pool, ensemble._of_member(Streams(0, 1, 2), member)))
        expected.append(alone.read(batch, ["logits"])["logits"].numpy())
        if member == 0:
            np.testing.assert_allclose(read["features"], alone.read(batch, ["features"])["features"], atol=1e-6)
            assert all(np.array_equal(a, b) for a, b in zip(learner.head(), alone.head(), strict=True))
    np.testing.assert_allclose(read["member_logits"], np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(np.exp(read["logits"]), _softmax(np.stack(expected)).mean(axis=0), atol=1e-5)
    assert found == pytest.approx({name: np.mean([log[name] for log in accuracies]) for name in accuracies[0]})
    assert ensemble._of_member(Streams(0, 1, 2), 0) == Streams(0, 1, 2)
    assert np.abs(np.diff(read["member_logits"], axis=1)).max() > 0.1


def test_what_is_read_does_not_depend_on_what_was_read_before(digits, recipe, build, pool):
    learner = Ensemble(build, Images(digits.x_train), 10, recipe)
    learner.fit(pool, Streams(0, 1, 0))
    batch = digits.x_test[:5].astype(np.float32) / 255
    orders = (["features"], ["member_logits"], ["logits"], ["features", "mc_logits"])
    first = [learner.read(batch, names) for names in orders]
    for names, before in reversed(list(zip(orders, first, strict=True))):
        for name, value in learner.read(batch, names).items():
            np.testing.assert_array_equal(value, before[name])
    assert [value.shape for read in first for value in read.values()] == [
        (5, 20),
        (5, 2, 10),
        (5, 10),
        (5, 20),
        (5, 25, 10),
    ]


def test_large_members_wait_in_files_that_go_with_the_object(digits, recipe, build, pool, monkeypatch):
    learner, batch = Ensemble(build, Images(digits.x_train), 10, recipe), digits.x_test[:9].astype(np.float32) / 255
    learner.fit(pool, Streams(0, 1, 0))
    assert learner._folder is None
    expected, weights = learner.read(batch, ["member_logits"])["member_logits"], learner.weights()
    monkeypatch.setattr(ensemble, "IN_MEMORY", 0)
    for step in (1, 0):
        learner.fit(pool, Streams(0, 1, step))
    assert all(isinstance(values, np.memmap) for member in learner._members for values in member)
    np.testing.assert_array_equal(learner.read(batch, ["member_logits"])["member_logits"], expected)
    assert all(np.array_equal(a, b) for a, b in zip(learner.weights(), weights, strict=True))
    folder = learner._folder.name
    assert len(list(ensemble.Path(folder).iterdir())) == len(weights)
    learner._folder.cleanup()
    assert not ensemble.Path(folder).exists()


def test_an_epoch_is_over_when_the_members_took_one_each(digits, recipe, build, pool, change):
    seen = []
    recipe = change(recipe, n_member=2, n_epoch=2)
    Ensemble(build, Images(digits.x_train), 10, recipe).fit(pool, Streams(0), lambda *epoch: seen.append(epoch))
    assert seen == [("ensemble", 1, 2), ("ensemble", 2, 2)]


def test_a_warm_start_begins_with_the_weights_of_each_member(digits, recipe, build, pool, change):
    """At a learning rate near 0 nothing but the moving statistics changes."""
    images = Images(digits.x_train)
    trained = Ensemble(build, images, 10, recipe)
    trained.fit(pool, Streams(0, 1, 0))
    still = Ensemble(build, images, 10, change(recipe, learning_rate=1e-12, n_epoch=1))
    still.start_from(trained.weights())
    still.fit(pool, Streams(0, 1, 1))
    fixed = [i for i, v in enumerate(still._classifier._network.weights) if "moving" not in v.path]
    size = len(still._classifier._network.weights)
    for member in range(2):
        for i in fixed:
            np.testing.assert_allclose(
                still.weights()[member * size + i], trained.weights()[member * size + i], atol=1e-6
            )
    with pytest.raises(InputError, match=rf"the {size} arrays of each of 2 members. Received: {size} arrays"):
        still.start_from(trained.weights()[:size])


def test_it_goes_by_name_and_learns(digits, recipe, pool, change):
    learner = LEARNERS["ensemble"](BUILDERS["MLP"], Images(digits.x_train), 10, change(recipe, n_epoch=25))
    learner.fit(pool, Streams(0, 1, 0))
    found = learner.read(digits.x_test.astype(np.float32) / 255, ["logits", "member_logits"])
    hits = [
        (logits.argmax(axis=1) == digits.y_test).mean()
        for logits in (found["logits"].numpy(), *np.moveaxis(found["member_logits"].numpy(), 1, 0))
    ]
    assert hits[0] > 0.7
    assert hits[0] >= np.mean(hits[1:]) - 0.01
