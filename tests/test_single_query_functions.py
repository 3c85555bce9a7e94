"""tfal.query on a model behind a function of a batch: subclassed, wrapped, or of another framework."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfal
from tfal import kernels
from tfal.errors import InputError

N = 40
IMAGES = np.random.default_rng(0).random((N, 4, 4, 1), np.float32)
FEATURES = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
LABELED = [3, 8, 21, 30]
CLASSES = [0, 1, 2, 1]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    return keras.Model(inputs, layers.Dense(3)(layers.Dense(5, activation="relu")(layers.Flatten()(inputs))))


class Subclassed(keras.Model):
    """A model that has no graph; with drop, it drops values also when it is called in inference mode."""

    def __init__(self, inner, *, drop=False):
        super().__init__()
        self.features, self.logits = keras.Model(inner.inputs, inner.layers[-1].input), inner.layers[-1]
        self.drop = drop

    def call(self, x, training=False):
        features = self.features(x)
        features = tf.nn.dropout(features, 0.5) if self.drop else features
        return self.logits(features), features


def _function(model):
    def read(batch):
        assert isinstance(batch, np.ndarray)
        logits, features = model(batch, training=False)
        return {"logits": logits, "features": features}

    return read


@pytest.mark.parametrize("strategy", ["margin", "coreset", "badge", "bait", "similar", "uherding"])
def test_a_function_gives_the_picks_of_its_model(model, strategy):
    more = {"features": FEATURES} if strategy == "uherding" else {}
    given = {"labeled": LABELED, "labels": CLASSES, "batch_size": 16, **more}
    expected = tfal.query(strategy, model, IMAGES, 8, **given).tolist()
    assert tfal.query(strategy, _function(Subclassed(model)), IMAGES, 8, **given).tolist() == expected
    data = tf.data.Dataset.from_tensor_slices(IMAGES).batch(7)
    assert tfal.query(strategy, _function(Subclassed(model)), data, 8, **given).tolist() == expected


def test_a_function_may_give_the_passes_of_dropout_itself():
    logits = np.random.default_rng(2).normal(size=(N, 4, 3))
    place = {row.tobytes(): number for number, row in enumerate(IMAGES)}
    ids = tfal.query("bald", lambda batch: {"mc_logits": logits[[place[row.tobytes()] for row in batch]]}, IMAGES, 6)
    assert ids.tolist() == kernels.top_n(kernels.bald(logits), 6).tolist()


@pytest.mark.parametrize(
    ("strategy", "make", "message"),
    [
        (
            "margin",
            lambda f: lambda x: f(x)["logits"],
            r"must give a dict of arrays .* Received: a EagerTensor of shape",
        ),
        ("margin", lambda f: lambda x: {}, "Received: an empty dict"),
        (
            "margin",
            lambda f: lambda x: x.numpy(),
            r"NumPy array. Received: AttributeError: .* for float32 of shape \(40, 4, 4",
        ),
        ("margin", lambda f: lambda x: {0: f(x)["logits"]}, "a dict whose keys are no names"),
        (
            "margin",
            lambda f: lambda x: {"logits": tf.nn.softmax(f(x)["logits"])},
            "Received: probabilities, values from",
        ),
        (
            "margin",
            lambda f: lambda x: {"logits": f(x)["logits"][:-1]},
            "one row for each of 40 images. Received: float32",
        ),
        ("margin", lambda f: lambda x: {"logits": f(x)["logits"][:, :1]}, r"at least two. Received: \(40, 1\)"),
        (
            "margin",
            lambda f: lambda x: {"logits": f(x)["logits"][..., None]},
            r"of shape \(B, C\). Received: \(40, 3, 1\)",
        ),
        ("margin", lambda f: lambda x: {"logits": [["a"]] * len(x)}, "must be an array of numbers. Received: list"),
        ("margin", lambda f: lambda x: {"logits": [object()] * len(x)}, "must be numbers, one row .* Received: object"),
        (
            "margin",
            lambda f: lambda x: {"features": f(x)["features"]},
            "reads 'logits' of the classifier. Received: a fu",
        ),
        (
            "badge",
            lambda f: lambda x: {"logits": f(x)["logits"]},
            "reads 'features' of the classifier. Received: a func",
        ),
        (
            "badge",
            lambda f: lambda x: {**f(x), "features": x},
            r"of shape \(B, d\). Received: \(40, 4, 4, 1\). Pool it",
        ),
        ("ldms", lambda f: f, "multiplies features by the kernel .* Received: a function, whose kernel cannot be had"),
        ("bald", lambda f: f, "reads 'mc_logits' of the classifier. Received: a function that gives logits, features"),
        (
            "margin",
            lambda f: lambda x: {"logits": f(x)["logits"] - np.mean(f(x)["logits"], axis=0)},
            "Received: other logits for the first 20",
        ),
        (
            "margin",
            lambda f: lambda x: {"logits": np.random.default_rng().random((len(x), 3))},
            r"the same answer each time, .* \(Keras: model\(batch, training=False\)",
        ),
    ],
)
def test_what_a_function_must_not_give_is_named(model, strategy, make, message):
    function = make(_function(Subclassed(model)))
    with pytest.raises(InputError, match=message) as error:
        tfal.query(strategy, function, IMAGES, 3)
    assert "\n" not in str(error.value)


def test_a_function_that_drops_values_or_overflows_is_refused(model):
    with pytest.raises(InputError, match="must give an image the same answer each time"):
        tfal.query("margin", _function(Subclassed(model, drop=True)), IMAGES, 3)
    loud = [[0.0, 1.0]] * 7 + [[0.0, np.inf]] + [[0.0, 1.0]] * 32
    with pytest.raises(InputError, match=r"logits of the network must be finite.* for ids \[7\]"):
        tfal.query("margin", lambda batch: {"logits": loud[: len(batch)]}, IMAGES, 3)
    shapes = iter([3, 3, 3, 4])
    with pytest.raises(InputError, match=r"one shape in all batches. Received: \(3,\), and \(4,\)"):
        tfal.query("margin", lambda batch: {"logits": np.eye(len(batch), next(shapes)) + 1}, IMAGES, 3, batch_size=20)
