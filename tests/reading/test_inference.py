"""One image, one answer: layers that are always on, and layers that are random or keep a state."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from tfal.errors import InputError
from tfal.reading.mc_dropout import MonteCarlo
from tfal.reading.named_outputs import NamedOutputs


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, 6, 6, 2), np.float32)


def _always(kind):
    """A layer of this kind whose call is always that of training."""

    class Always(kind):
        def call(self, x, training=None):
            return super().call(x, training=True)

    return Always


MCDropout = _always(layers.Dropout)


class OwnDropout(layers.Dropout):
    def call(self, x):
        return tf.nn.dropout(x, self.rate)


class Hidden(layers.Layer):
    """Dropout that is told to train inside another layer."""

    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.5)

    def call(self, x):
        return self.drop(x, training=True)


class Untold(layers.Layer):
    """Calls a layer that trains unless it is told not to, and does not tell it."""

    def __init__(self):
        super().__init__()
        self.inner = layers.RandomTranslation(0.5, 0.5)

    def call(self, x):
        return self.inner(x)


def _inner(x):
    inputs = keras.Input(x.shape[1:])
    return keras.Model(inputs, layers.Dropout(0.5)(inputs))(x, training=True)


ALWAYS_ON = {
    "MCDropout": lambda: MCDropout(0.5),
    "SpatialDropout2D": lambda: _always(layers.SpatialDropout2D)(0.5),
    "GaussianDropout": lambda: _always(layers.GaussianDropout)(0.5),
    "AlphaDropout": lambda: _always(layers.AlphaDropout)(0.5),
    "GaussianNoise": lambda: _always(layers.GaussianNoise)(1.0),
    "own": lambda: OwnDropout(0.5),
    "inside": Hidden,
    "in a wrapper": lambda: layers.TimeDistributed(MCDropout(0.5)),
    "untold": Untold,
    "told in the graph": lambda: lambda x: layers.Dropout(0.5)(x, training=True),
    "noise, told in the graph": lambda: lambda x: layers.GaussianNoise(1.0)(x, training=True),
    "norm, told in the graph": lambda: lambda x: layers.BatchNormalization(epsilon=0)(x, training=True),
    "nested and told": lambda: _inner,
}


def _model(*between, head=()):
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((6, 6, 2))
    for layer in (*between, layers.Flatten(), layers.Dense(8, activation="relu", name="hid"), *head):
        x = layer(x)
    return keras.Model(inputs, layers.Dense(3, name="out")(x), name="lab")


@pytest.mark.parametrize("kind", ALWAYS_ON)
def test_what_is_always_on_is_put_to_rest(images, kind):
    model, plain = _model(ALWAYS_ON[kind]()), _model()
    for name in ("hid", "out"):
        model.get_layer(name).set_weights(plain.get_layer(name).get_weights())
    parts = model._flatten_layers()
    rates = [(getattr(layer, "rate", None), getattr(layer, "stddev", None)) for layer in parts]
    before = [variable.numpy() for variable in model.variables]
    outputs = NamedOutputs(model)
    first = outputs.read(images, ["features", "logits"])
    again = outputs.read(images, ["features", "logits"])
    truth = NamedOutputs(plain).read(images, ["features", "logits"])
    for name in truth:
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_allclose(first[name], truth[name], atol=1e-5)
    assert rates == [(getattr(layer, "rate", None), getattr(layer, "stddev", None)) for layer in parts]
    assert all(np.array_equal(a, b) for a, b in zip(before, [v.numpy() for v in model.variables], strict=True))


class Noise(layers.Layer):
    """Adds random numbers from `draw`, whatever it is told."""

    def __init__(self, draw):
        super().__init__(name="noise")
        self.draw = draw

    def call(self, x):
        return x + self.draw(tf.shape(x))


class Counting(layers.Layer):
    """Counts how often it is called, for nothing."""

    def __init__(self):
        super().__init__(name="count")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x):
        self.calls.assign_add(1.0)
        return x


GENERATOR = np.random.default_rng(0)


def _python_noise(shape):
    return tf.ensure_shape(tf.py_function(lambda: np.float32(GENERATOR.normal()), [], tf.float32), [])


SEEDED = keras.random.SeedGenerator(3)
RANDOM = {
    "noise": {
        "keras": lambda: Noise(keras.random.normal),
        "seed generator": lambda: Noise(lambda shape: keras.random.normal(shape, seed=SEEDED)),
        "tf.random": lambda: Noise(tf.random.normal),
        "operation seed": lambda: Noise(lambda shape: tf.random.uniform(shape, seed=3)),
        "global generator": lambda: Noise(lambda shape: tf.random.get_global_generator().normal(shape)),
        "tf.function": lambda: Noise(tf.function(tf.random.normal)),
        "python": lambda: Noise(_python_noise),
    },
    "count": {"state": Counting},
    "norm": {"norm": lambda: _always(layers.BatchNormalization)(name="norm")},
}


@pytest.mark.parametrize(("layer", "kind"), [(layer, kind) for layer, kinds in RANDOM.items() for kind in kinds])
@pytest.mark.parametrize("output", ["logits", "mc_logits"])
def test_what_is_random_or_has_a_state_is_refused_before_it_changes_anything(images, layer, kind, output):
    tf.random.set_global_generator(tf.random.Generator.from_seed(3))  # a deterministic TensorFlow makes none of itself
    model = _model(RANDOM[layer][kind](), head=(layers.Dropout(0.5),))
    before = [variable.numpy() for variable in model.variables]
    outputs = NamedOutputs(model)
    with pytest.raises(InputError, match=r"model 'lab' cannot be read: .* in inference mode") as error:
        outputs.read(images, ["logits"]) if output == "logits" else MonteCarlo(outputs, 3).read(images, 0)
    assert "\n" not in str(error.value)
    assert (f"layer '{layer}', a " in str(error.value)) == (kind not in ("python", "tf.function"))
    assert all(np.array_equal(a, b) for a, b in zip(before, [v.numpy() for v in model.variables], strict=True))


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_layers_draw_no_masks(kind):
    x = inputs = keras.Input((6, 2))
    layer = kind(3, dropout=0.3, recurrent_dropout=0.2)
    model = keras.Model(inputs, layers.Dense(2)(layer(x)))
    before = [variable.numpy() for variable in model.variables]
    rows = np.random.default_rng(0).random((4, 6, 2), np.float32)
    found = NamedOutputs(model).read(rows, ["logits"])["logits"]
    assert all(np.array_equal(a, b) for a, b in zip(before, [v.numpy() for v in model.variables], strict=True))
    assert (layer.dropout, layer.recurrent_dropout) == (0.3, 0.2)
    np.testing.assert_allclose(found, model.predict(rows, verbose=0), atol=1e-6)


def test_a_recurrent_layer_that_remembers_the_last_batch_is_refused():
    x = inputs = keras.Input((6, 2), batch_size=4)
    for layer in (layers.LSTM(3, stateful=True, name="lstm"), layers.Dense(2)):
        x = layer(x)
    with pytest.raises(InputError, match="its layer 'lstm', a LSTM, draws random numbers or keeps a state"):
        NamedOutputs(keras.Model(inputs, x)).read(np.zeros((4, 6, 2), np.float32), ["logits"])


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Noise(lambda shape: keras.random.normal(shape, seed=3)),
        lambda: Noise(lambda shape: tf.random.stateless_normal(shape, [1, 2])),
        lambda: Noise(lambda shape: tf.ensure_shape(tf.numpy_function(lambda: np.float32(1), [], "float32"), [])),
        lambda: layers.RandomFlip(),
        lambda: layers.Reshape((36, 2)),
    ],
)
def test_random_numbers_that_are_the_same_each_time_are_none(images, layer):
    outputs = NamedOutputs(_model(layer()))
    first = outputs.read(images, ["logits"])["logits"]
    np.testing.assert_array_equal(first, outputs.read(images, ["logits"])["logits"])


@pytest.mark.parametrize(
    ("always", "plain"),
    [
        (lambda: MCDropout(0.4), lambda: layers.Dropout(0.4)),
        (lambda: type("Renamed", (layers.Dropout,), {})(0.4), lambda: layers.Dropout(0.4)),
        (lambda: OwnDropout(0.4), lambda: layers.Dropout(0.4)),
        (lambda: _always(layers.SpatialDropout2D)(0.4), lambda: layers.SpatialDropout2D(0.4)),
    ],
)
def test_passes_take_the_masks_of_a_subclass_that_drops_values(images, always, plain):
    model = _model(always())
    before = [variable.numpy() for variable in model.variables]
    found = MonteCarlo(NamedOutputs(model), 4).read(images, 2)
    np.testing.assert_array_equal(found, MonteCarlo(NamedOutputs(_model(plain())), 4).read(images, 2))
    assert found.numpy().std(axis=1).max() > 0.01
    assert all(np.array_equal(a, b) for a, b in zip(before, [v.numpy() for v in model.variables], strict=True))


class Halving(layers.Dropout):
    def call(self, x, training=None):
        return 0.5 * super().call(x, training=True)


@pytest.mark.parametrize("make", [lambda: Halving(0.4), lambda: _always(layers.GaussianDropout)(0.4), Hidden])
def test_passes_refuse_a_subclass_that_does_something_else(make):
    with pytest.raises(InputError, match="whose masks cannot be set"):
        MonteCarlo(NamedOutputs(_model(make())), 4)


@pytest.mark.parametrize("strategy", ["margin", "badge", "bald", "consistency"])
def test_the_same_query_has_the_same_answer(images, strategy):
    model = _model(head=(MCDropout(0.5),))
    picks = [tfal.query(strategy, model, images, 5, seed=1).tolist() for _ in range(2)]
    assert picks[0] == picks[1]


def test_weights_that_are_no_numbers_are_refused_though_a_relu_hides_them(images):
    model = _model()
    model.get_layer("hid").kernel.assign(np.full((72, 8), np.nan))
    with pytest.raises(
        InputError, match=r"model 'lab': expected finite weights, but 576 of 576 values of 'hid/kernel'"
    ):
        tfal.query("margin", model, images, 3)
    assert len(tfal.query("random", model, images, 3)) == 3
