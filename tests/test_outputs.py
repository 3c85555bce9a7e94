import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models import BUILDERS
from tfal.errors import InputError
from tfal.learners.outputs import NamedOutputs


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((12, 8, 8, 1), np.float32)


def _sequential(*last):
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(3, 3),
            layers.Flatten(),
            layers.Dense(7, activation="relu"),
            *last,
        ]
    )


MODELS = {
    "logits": lambda: _sequential(layers.Dropout(0.5), layers.Dense(4)),
    "softmax activation": lambda: _sequential(layers.Dense(4, activation="softmax")),
    "softmax layer": lambda: _sequential(layers.Dense(4), layers.Softmax()),
    "activation layer": lambda: _sequential(layers.Dense(4), layers.Activation("softmax")),
    "no bias": lambda: _sequential(layers.Dense(4, use_bias=False, activation="softmax")),
    "named outputs": lambda: BUILDERS["SCNN"]((8, 8, 1), 4),
}


@pytest.mark.parametrize("kind", MODELS)
def test_features_times_head_are_the_logits_of_the_model(images, kind):
    keras.utils.set_random_seed(1)
    model = MODELS[kind]()
    before = model.get_weights()
    outputs = NamedOutputs(model)
    found = {name: value.numpy() for name, value in outputs.read(images, ["features", "logits"]).items()}
    kernel, bias = outputs.head()
    assert found["logits"].dtype == np.float32
    np.testing.assert_allclose(found["features"] @ kernel + bias, found["logits"], atol=1e-5)
    predicted = model.predict(images, verbose=0)
    if kind in ("logits", "named outputs"):
        truth = predicted["logits"] if isinstance(predicted, dict) else predicted
        np.testing.assert_allclose(found["logits"], truth, atol=1e-5)
    else:
        np.testing.assert_allclose(keras.ops.softmax(found["logits"]), predicted, atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_one_by_one_equals_a_batch_and_nothing_is_traced_twice(images):
    outputs = NamedOutputs(MODELS["logits"]())
    whole = outputs.read(images, ["features"])["features"].numpy()
    single = [outputs.read(images[i : i + 1], ["features"])["features"].numpy()[0] for i in range(len(images))]
    np.testing.assert_allclose(whole, single, atol=1e-6)
    assert outputs._functions[("features",)].experimental_get_tracing_count() == 1


@pytest.mark.parametrize("half", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_gives_float32(images, half):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(half)
        outputs = NamedOutputs(MODELS["softmax activation"]())
    finally:
        keras.config.set_dtype_policy(policy)
    found = outputs.read(images, ["logits", "features"])
    assert {value.dtype for value in found.values()} == {tf.float32}


def _branches():
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten()(inputs)
    return keras.Model(inputs, [layers.Dense(2)(flat), layers.Dense(3)(flat)])


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _sequential(layers.Dense(4), layers.ReLU()), "its last layer is .* a ReLU"),
        (lambda: _sequential(layers.Dense(4, activation="sigmoid")), "has the activation 'sigmoid'"),
        (lambda: keras.Sequential([keras.Input((4,)), layers.Softmax()]), "softmax"),
        (_branches, "1 inputs and outputs of type list"),
        (Subclassed, "no built functional or Sequential"),
        (lambda: keras.Sequential([layers.Dense(3)]), "no built functional or Sequential"),
        (lambda: "resnet", "no built functional or Sequential"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused_with_the_way_out(make, message):
    with pytest.raises(InputError, match=message) as error:
        NamedOutputs(make())
    assert "outputs={'features':" in str(error.value)
    assert "\n" not in str(error.value)


def test_layers_can_be_named_by_hand(images):
    keras.utils.set_random_seed(2)
    model = _sequential(layers.Dense(4, name="scores"), layers.ReLU())
    model.layers[2].name = "hidden"
    found = NamedOutputs(model, {"features": "hidden", "logits": "scores"})
    kernel, bias = found.head()
    out = found.read(images, ["features", "logits"])
    np.testing.assert_allclose(out["features"] @ kernel + bias, out["logits"], atol=1e-5)
    with pytest.raises(InputError, match="no layer 'score'"):
        NamedOutputs(model, {"features": "hidden", "logits": "score"})
    with pytest.raises(InputError, match="has no kernel"):
        NamedOutputs(model, {"features": "hidden", "logits": model.layers[-1].name}).head()
    with pytest.raises(InputError, match="no output 'stage1'"):
        found.read(images, ["stage1"])
