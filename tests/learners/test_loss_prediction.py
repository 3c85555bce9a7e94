import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import spearmanr

from models import BUILDERS
from tests.learners.test_ranking_loss import by_hand
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import loss_prediction
from tfal.learners.classifier import Classifier
from tfal.learners.loss_prediction import LossPredictor, ranking_loss
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


@pytest.fixture
def make(digits, small, change):
    """(network, class, changes of the recipe) -> a learner on digits."""

    def make(network, kind=LossPredictor, **changes):
        prepare_tensorflow()
        build = BUILDERS[network] if isinstance(network, str) else network
        return kind(build, Images(digits.x_train), 10, change(small, **{"n_batch": 16, **changes}))

    return make


@pytest.fixture
def pool(digits):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(50), digits.y_train[:50], 0)
    return pool


def tiny(shape, n_classes):
    """Convolutions, batch normalisation, dropout and two stages, quick to compile."""
    layers = keras.layers
    images = keras.Input(shape, name="images")
    stage1 = layers.ReLU()(layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, name="conv1")(images)))
    stage2 = layers.Conv2D(16, 3, 2, activation="relu", name="conv2")(stage1)
    features = layers.GlobalAveragePooling2D(name="features")(stage2)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(layers.Dropout(0.3)(features))
    return keras.Model(images, {"logits": logits, "features": features, "stage1": stage1, "stage2": stage2})


def _size(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("network", "module"),
    [
        ("ResNet18", 123_905),
        ("SCNN", (32 + 64 + 2) * 128 + 257),
        ("MLP", 257 * 128 + 129),  # without stages: its features
    ],
)
def test_size_of_the_module(make, network, module):
    learner = make(network)
    assert _size(learner._engine.model) == _size(BUILDERS[network]((8, 8, 1), 10)) + module
    limits = (
        {"loss_features": 1 / 16} if network == "MLP" else {"loss_stage2": 1 / math.sqrt(64 * (1 + (module > 1e5)))}
    )
    for name, limit in limits.items():
        kernel, bias = learner._network.get_layer(name).get_weights()
        assert 0.95 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
        assert 0 < np.abs(bias).max() <= limit


def test_predicted_losses_follow_the_true_ones_on_new_images(make, digits):
    """On 360 held-out digits; and the training loss falls."""
    learner = make(tiny, n_epoch=20, n_epoch_loss=13, learning_rate=0.003)
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(150), digits.y_train[:150], 0)
    epochs, losses = [], []
    history = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    callbacks = learner._callbacks
    learner._callbacks = lambda *given: [*callbacks(*given), history]
    found = learner.fit(pool, Streams(0, 1, 0), lambda *epoch: epochs.append(epoch))
    assert epochs[:2] == [("loss_predictor", 1, 20), ("loss_predictor", 2, 20)]
    assert found == {"best_epoch": 20, "train_loss": losses[-1]}
    assert losses[-1] < 0.7 * losses[0]
    images = digits.x_test.astype(np.float32) / 255
    read = {name: v.numpy() for name, v in learner.read(images, ["logits", "predicted_loss", "features"]).items()}
    assert read["predicted_loss"].shape == digits.y_test.shape
    assert {values.dtype for values in read.values()} == {np.dtype(np.float32)}
    kernel, bias = learner.head()
    np.testing.assert_allclose(read["features"] @ kernel + bias, read["logits"], atol=1e-4)
    assert (read["logits"].argmax(axis=1) == digits.y_test).mean() > 0.5
    truth = keras.losses.sparse_categorical_crossentropy(digits.y_test, read["logits"], from_logits=True)
    assert spearmanr(truth, read["predicted_loss"]).statistic > 0.3


def _gradients(learner, digits, loss):
    """Of loss(model, x, y, outputs) over the variables of the network and of the module."""
    model = learner._engine.model
    x, y = digits.x_train[:16].astype(np.float32) / 255, digits.y_train[:16]
    names = {layer.name for layer in model.layers if layer.name.startswith("loss_")} | {"predicted_loss"}
    module = [v for layer in model.layers if layer.name in names for v in layer.trainable_variables]
    network = [v for v in model.trainable_variables if all(v is not other for other in module)]
    assert module
    assert network
    with tf.GradientTape() as tape:
        value = loss(model, x, y, model([x], training=False))
    found = tape.gradient(
        value, [v.value for v in network + module], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return [g.numpy() for g in found[: len(network)]], [g.numpy() for g in found[len(network) :]]


def _ranking(model, x, y, outputs):
    return ranking_loss(outputs["predicted_loss"], np.arange(16) % 7)


def _entropy(model, x, y, outputs):
    losses = keras.losses.sparse_categorical_crossentropy(y, outputs["logits"], from_logits=True)
    return tf.reduce_mean(losses)


def _total(model, x, y, outputs):
    return model.compute_loss(x, y, outputs)


@pytest.mark.parametrize("network", ["SCNN", "MLP"])
def test_after_the_cut_the_module_alone_learns_from_the_ranking(make, digits, network):
    learner = make(network)
    cut = loss_prediction._Cut(learner._network.get_layer("loss_switch"), 120)
    cut.on_epoch_begin(120)
    of_network, of_module = _gradients(learner, digits, _ranking)
    assert any(gradient.any() for gradient in of_network)
    before = learner.read(digits.x_train[:5] / np.float32(255), ["predicted_loss"])["predicted_loss"].numpy()
    cut.on_epoch_begin(121)
    cut_network, cut_module = _gradients(learner, digits, _ranking)
    assert not any(gradient.any() for gradient in cut_network)
    for a, b in zip(of_module, cut_module, strict=True):
        assert b.any() or b.shape == (1,)  # the last bias has no part in differences
        np.testing.assert_array_equal(a, b)
    for a, b in zip(_gradients(learner, digits, _total)[0], _gradients(learner, digits, _entropy)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    after = learner.read(digits.x_train[:5] / np.float32(255), ["predicted_loss"])["predicted_loss"].numpy()
    np.testing.assert_array_equal(before, after)


def test_the_cut_comes_anew_in_every_round_and_nothing_is_retraced(make, pool):
    learner = make(tiny, n_epoch=4, n_epoch_loss=1)
    metrics, traced, counts = learner._engine.model.compute_metrics, [], []
    learner._engine.model.compute_metrics = lambda *given, **named: (traced.append(1), metrics(*given, **named))[1]
    switch, seen = learner._network.get_layer("loss_switch"), []
    for step in range(3):
        learner.fit(pool, Streams(0, 1, step), lambda *_: seen.append(float(switch.on.numpy())))
        counts.append(len(traced))
    assert seen == [1, 1, 0, 0] * 3
    assert counts == [counts[0]] * 3
    assert counts[0] > 0


def _weights(learner):
    return learner._network.get_weights()


def test_cut_from_the_start_the_network_is_that_of_a_classifier(make, pool, monkeypatch):
    """The same start, batches and dropout, so that strategies compare; and the cut lets nothing through."""
    names = ("conv1", "norm", "conv2", "logits")

    def trained(kind):
        learner = make(tiny, kind)
        learner.fit(pool, Streams(0, 1, 0))
        return [weights for name in names for weights in learner._network.get_layer(name).get_weights()]

    plain, joint = trained(Classifier), trained(LossPredictor)
    monkeypatch.setattr(
        loss_prediction._Cut, "on_epoch_begin", lambda self, epoch, logs=None: self._switch.on.assign(0)
    )
    alone = trained(LossPredictor)
    assert len(alone) == 10
    for ours, theirs in zip(alone, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert not all(np.allclose(ours, theirs, atol=1e-3) for ours, theirs in zip(joint, plain, strict=True))


def test_a_round_does_not_depend_on_the_rounds_before(make, pool, digits):
    """With all that the published recipe asks for, and a validation set."""
    pool.set_validation(np.arange(60, 100), digits.y_train[60:100])
    changes = {
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "multistep",
        "augment": "flip_crop",
    }
    changes |= {"learning_rate": 0.05, "n_step_epoch": 5, "normalize": "channels", "n_epoch": 4, "n_epoch_loss": 1}
    learner = make(tiny, **changes)
    first = learner.fit(pool, Streams(0, 1, 3)), _weights(learner)
    other = learner.fit(pool, Streams(0, 1, 4)), _weights(learner)
    again = learner.fit(pool, Streams(0, 1, 3)), _weights(learner)
    assert first[0].keys() == {"best_epoch", "train_loss", "val_accuracy"}
    assert first[0] == again[0]
    assert all(np.array_equal(a, b) for a, b in zip(first[1], again[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first[1], other[1], strict=True))


def test_the_bias_of_the_head_can_be_left_out(make, pool):
    with_bias, without = make(tiny), make(tiny, classifier_bias="code")
    assert _size(with_bias._engine.model) == _size(without._engine.model) + 10
    without.fit(pool, Streams(0, 1, 0))
    kernel, bias = without.head()
    assert kernel.shape == (16, 10)
    assert kernel.any()
    assert bias.tolist() == [0] * 10
    with_bias.fit(pool, Streams(0, 1, 0))
    assert with_bias.head()[1].any()
    images = np.random.default_rng(0).random((4, 8, 8, 1), dtype=np.float32)
    read = without.read(images, ["features", "logits"])
    np.testing.assert_allclose(read["features"] @ kernel, read["logits"], atol=1e-5)


def _sequential(*last):
    layers = keras.layers
    return lambda shape, n: keras.Sequential(
        [keras.Input(shape), layers.Flatten(), layers.Dense(9), layers.ReLU(), layers.Dense(n, name="scores"), *last]
    )


@pytest.mark.parametrize("last", [[], [keras.layers.Softmax]])
def test_networks_without_named_outputs_can_be_had(make, pool, last):
    learner = make(lambda shape, n: _sequential(*(layer() for layer in last))(shape, n), n_epoch=1)
    learner.fit(pool, Streams(0, 1, 0))
    images = np.random.default_rng(0).random((4, 8, 8, 1), dtype=np.float32)
    read = learner.read(images, ["features", "logits", "predicted_loss"])
    kernel, bias = learner.head()
    np.testing.assert_allclose(read["features"] @ kernel + bias, read["logits"], atol=1e-5)
    assert np.unique(read["predicted_loss"]).size > 1


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (lambda n: keras.layers.Dense(n, "softmax"), "ends in a softmax; let its builder return the logits"),
        (lambda n: keras.layers.Dense(n, keras.ops.softmax), "ends in a softmax; let its builder return the logits"),
        (lambda n: keras.layers.Dense(n, "sigmoid"), "multi-label head, 10 units"),
        (lambda n: keras.layers.Dense(n + 1), "expected logits of 10 classes, received 11 units"),
        (lambda n: keras.layers.Dense(1, "sigmoid"), "expected logits of 10 classes, received 1 units"),
    ],
)
def test_a_network_without_the_logits_of_all_classes_is_refused(make, last, message):
    def build(shape, n):
        return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), last(n)])

    with pytest.raises(InputError, match=message):
        make(build)


class Hidden(keras.layers.Layer):
    """A Dense layer with a softmax, which nobody can see from outside, or with noise."""

    def __init__(self, n, *, noise):
        super().__init__(name="hidden")
        self.dense, self.noise = keras.layers.Dense(n), noise

    def call(self, x):
        z = self.dense(x)
        return z + keras.random.normal(keras.ops.shape(z)) if self.noise else keras.ops.softmax(z)


@pytest.mark.parametrize("noise", [False, True])
def test_a_network_whose_answers_mean_nothing_is_refused_before_it_is_trained(make, noise):
    def build(shape, n):
        images = keras.Input(shape)
        flat = keras.layers.Flatten()(images)
        return keras.Model(images, {"features": flat, "logits": Hidden(n, noise=noise)(flat)}, name="mine")

    message = (
        "'mine' cannot be read: its layer 'hidden'" if noise else "'mine': expected logits, received probabilities"
    )
    with pytest.raises(InputError, match=message):
        make(build, Classifier)


def test_regularizers_of_the_network_count(make, digits):
    def build(shape, n):
        images = keras.Input(shape)
        hidden = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1))(keras.layers.Flatten()(images))
        return keras.Model(images, keras.layers.Dense(n)(hidden))

    model = make(build)._engine.model
    x, y = digits.x_train[:16].astype(np.float32) / 255, digits.y_train[:16]
    outputs = model([x])
    losses = keras.losses.sparse_categorical_crossentropy(y, outputs["logits"], from_logits=True).numpy()
    ranked = by_hand(outputs["predicted_loss"].numpy(), losses, "mask")
    penalty = 0.1 * (model.get_layer(index=2).get_weights()[0] ** 2).sum()
    assert penalty > 0.1
    assert float(model.compute_loss(x, y, outputs)) == pytest.approx(losses.mean() + ranked + penalty, rel=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_half_precision_and_a_last_batch_of_one_image_do_no_harm(make, digits, policy):
    pool = Pool.unlabeled_pool(len(digits.y_train))
    pool.label_samples(np.arange(33), digits.y_train[:33], 0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        learner = make(tiny, n_epoch=2, optimizer="sgd", momentum=0.9, schedule="multistep")
        found = learner.fit(pool, Streams(0, 1, 0))
    finally:
        keras.config.set_dtype_policy(before)
    assert math.isfinite(found["train_loss"])
    assert all(np.isfinite(weights).all() for weights in _weights(learner))
    images = np.random.default_rng(0).random((4, 8, 8, 1), dtype=np.float32)
    assert {v.dtype for v in learner.read(images, ["predicted_loss", "features"]).values()} == {tf.float32}
