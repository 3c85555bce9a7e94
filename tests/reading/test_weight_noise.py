"""Noise on all weights of a network: against weights that are set by hand, and nothing of the model touched."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from tfal.errors import InputError
from tfal.kernels import noise_deviations, noise_stability
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.weight_noise import WeightNoise

SCALE = 0.05


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((11, 6, 6, 1), np.float32)


def _model(last=None):
    """BatchNormalization, a layer that is called twice, a nested model, dropout."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 1))
    twice = layers.Dense(9, activation="relu")
    inner = keras.Sequential([layers.Flatten(), layers.LayerNormalization(), layers.Dense(9), layers.Dropout(0.5)])
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3)(layers.Conv2D(3, 3)(inputs)))
    x = twice(twice(inner(x)))
    return keras.Model(inputs, (last or layers.Dense(4))(x), name="lab")


def _by_hand(model, images, seed, n_noise, logits):
    """Weights are set to what the definition says, and back."""
    fold_in = tf.random.experimental.stateless_fold_in
    noisy = [weight for layer in model._flatten_layers() for weight in layer._trainable_variables]
    noisy = list({id(w): w for w in noisy if w.name in ("kernel", "depthwise_kernel", "gamma")}.values())
    places = {id(weight): place for place, weight in enumerate(WeightNoise(NamedOutputs(model), 1, 0.1)._weights)}
    assert places.keys() == {id(weight) for weight in noisy}
    found = []
    for draw in range(n_noise):
        before = [weight.numpy() for weight in noisy]
        for weight, value in zip(noisy, before, strict=True):
            key = fold_in(fold_in(tf.constant([seed, 0], tf.int64), draw), places[id(weight)])
            noise = tf.random.stateless_normal(value.shape, key).numpy()
            weight.assign(value + SCALE * np.linalg.norm(value) * noise / np.linalg.norm(noise))
        found.append(logits(model, images))
        for weight, value in zip(noisy, before, strict=True):
            weight.assign(value)
    return np.stack(found, axis=1)


def _logits(model, images):
    return model(images, training=False).numpy()


def _before_softmax(model, images):
    return np.log(model(images, training=False).numpy())


@pytest.mark.parametrize(
    ("last", "logits"),
    [(lambda: None, _logits), (lambda: layers.Dense(4, activation="softmax"), _before_softmax)],
)
def test_it_is_what_weights_set_by_hand_give(images, last, logits):
    model = _model(last())
    expected = _by_hand(model, images, 5, 3, logits)
    before = [variable.numpy() for variable in model.variables]
    reader = WeightNoise(NamedOutputs(model), 3, SCALE)
    found = reader.read(images, 5).numpy()
    assert found.shape == (11, 3, 4)
    centered = [each - each.mean(axis=2, keepdims=True) for each in (found, expected)]  # a softmax forgets a shift
    np.testing.assert_allclose(*centered, rtol=1e-4, atol=1e-4)
    assert np.abs(found[:, 0] - found[:, 1]).max() > 1e-3  # draws differ
    np.testing.assert_allclose(reader.read(images[4:7], 5).numpy(), found[4:7], rtol=1e-5, atol=1e-5)  # in any batch
    assert np.abs(reader.read(images, 6).numpy() - found).max() > 1e-3
    assert all(map(np.array_equal, before, [variable.numpy() for variable in model.variables]))


def test_a_reading_that_breaks_off_leaves_the_model_as_it_is(images):
    model = _model()
    before = [variable.numpy() for variable in model.variables]
    reader = WeightNoise(NamedOutputs(model), 3, SCALE)
    with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError)):
        reader.read(images[:, :5, :5], 0)
    assert all(map(np.array_equal, before, [variable.numpy() for variable in model.variables]))
    assert keras.src.backend.common.stateless_scope.get_stateless_scope() is None
    plain = model(images, training=False).numpy()
    assert np.abs(plain - _logits(model, images)).max() == 0


def test_half_precision_is_refused():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, dtype="mixed_bfloat16"), layers.Dense(2)], name="lab")
    with pytest.raises(InputError, match=r"of model 'lab' computes in bfloat16, which rounds away the noise"):
        WeightNoise(NamedOutputs(model), 3, SCALE)


def test_a_strangers_model_is_asked_and_stays_as_it_is(images):
    model = _model()
    before = [variable.numpy() for variable in model.variables]
    ids = tfal.query("noise_stability", model, images, 4, labeled=[0, 3], seed=2, n_noise=6, noise_scale=SCALE)
    assert (
        ids.tolist()
        == tfal.query(
            "noise_stability", model, images, 4, labeled=[0, 3], seed=2, n_noise=6, noise_scale=SCALE, batch_size=3
        ).tolist()
    )
    noisy = WeightNoise(NamedOutputs(model), 6, SCALE)
    candidates = np.setdiff1d(np.arange(11), [0, 3])
    seed = tfal.streams.Streams(2).integer("dropout")
    moved = noise_deviations(_logits(model, images)[candidates], noisy.read(images, seed).numpy()[candidates])
    assert ids.tolist() == candidates[noise_stability(moved, 4)].tolist()
    assert all(map(np.array_equal, before, [variable.numpy() for variable in model.variables]))
