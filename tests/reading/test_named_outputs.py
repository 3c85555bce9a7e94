import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models import BUILDERS
from tfal.errors import InputError
from tfal.reading.mc_dropout import MonteCarlo
from tfal.reading.named_outputs import NamedOutputs


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


def _functional(*last):
    x = inputs = keras.Input((8, 8, 1))
    for layer in (layers.Flatten(), layers.Dense(7, activation="relu"), *last):
        x = layer(x)
    return keras.Model(inputs, x)


def _nested(*last):
    """A model whose head is a model of its own, inside another one."""
    head = keras.Sequential([keras.Input((7,)), layers.Dropout(0.5), layers.Dense(5, activation="relu"), *last])
    inner = keras.Input((7,))
    return _functional(keras.Model(inner, head(inner)))


def _reused():
    """Layers of a model in a second one, as transfer learning takes them."""
    old = _functional(layers.Dense(9, name="old"))
    return keras.Sequential([*old.layers[:-1], layers.Dense(4, name="new")])


MODELS = {
    "logits": lambda: _sequential(layers.Dropout(0.5), layers.Dense(4)),
    "softmax activation": lambda: _sequential(layers.Dense(4, activation="softmax")),
    "softmax layer": lambda: _sequential(layers.Dense(4), layers.Softmax()),
    "activation layer": lambda: _sequential(layers.Dense(4), layers.Activation("softmax")),
    "no bias": lambda: _sequential(layers.Dense(4, use_bias=False, activation="softmax")),
    "tf.nn.softmax": lambda: _sequential(layers.Dense(4, activation=tf.nn.softmax)),
    "keras.ops.softmax": lambda: _sequential(layers.Dense(4, activation=keras.ops.softmax)),
    "an operation": lambda: _functional(layers.Dense(4), keras.ops.softmax),
    "Lambda": lambda: _sequential(layers.Dense(4), layers.Lambda(lambda z: tf.nn.softmax(z))),
    "clipped": lambda: _functional(layers.Dense(4, activation="softmax"), lambda p: keras.ops.clip(p, 1e-7, 1)),
    "float32 behind": lambda: _sequential(layers.Dense(4), layers.Activation("softmax", dtype="float32")),
    "nested head, softmax": lambda: _nested(layers.Dense(4, activation="softmax")),
    "log_softmax": lambda: _sequential(layers.Dense(4, activation="log_softmax")),
    "LogSoftmax behind": lambda: _functional(layers.Dense(4), keras.ops.log_softmax),
    "linear behind": lambda: _sequential(layers.Dense(4), layers.Activation("linear", dtype="float32")),
    "dropout behind": lambda: _sequential(layers.Dense(4), layers.Dropout(0.1)),
    "nested head": lambda: _nested(layers.Dense(4)),
    "reused layers": _reused,
    "named outputs": lambda: BUILDERS["SCNN"]((8, 8, 1), 4),
}
LOGITS = ("logits", "linear behind", "dropout behind", "nested head", "reused layers", "named outputs")


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
    if kind in LOGITS:
        truth = predicted["logits"] if isinstance(predicted, dict) else predicted
        np.testing.assert_allclose(found["logits"], truth, atol=1e-5)
    elif "log" in kind.lower():
        np.testing.assert_allclose(keras.ops.log_softmax(found["logits"]), predicted, atol=1e-5)
    else:
        np.testing.assert_allclose(keras.ops.softmax(found["logits"]), predicted, atol=1e-5)
    assert outputs.n_classes == 4
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
        model = _nested(layers.Dense(4), layers.Activation("linear", dtype="float32"))
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(NamedOutputs(model).read(images, ["logits"])["logits"], model(images))
    found = outputs.read(images, ["logits", "features"])
    assert {value.dtype for value in found.values()} == {tf.float32}


def _branches():
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten()(inputs)
    return keras.Model(inputs, [layers.Dense(2)(flat), layers.Dense(3)(flat)])


class Subclassed(keras.Model):
    def call(self, x):
        return x


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.out = layers.Flatten(), layers.Dense(4, activation="softmax")

    def call(self, x):
        return self.out(self.flat(x))


class Doubled(keras.Model):
    """A functional model whose call is not that of its graph."""

    def call(self, x, training=None):
        return 2 * super().call(x, training=training)


class Half(layers.Layer):
    def call(self, x):
        return x / 2


def _ends(model):
    return model.inputs, model.outputs


def _two_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], layers.Dense(3, name="dense")(layers.Concatenate()([a, b])))


def _named(**heads):
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten()(inputs)
    return keras.Model(inputs, {name: head(flat) for name, head in heads.items()})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _sequential(layers.Dense(4), layers.ReLU()), "its last layer is .* a ReLU"),
        (lambda: _sequential(layers.Dense(4, activation="tanh")), "has the activation 'tanh'"),
        (lambda: _sequential(layers.Dense(4, activation="sigmoid")), "multi-label head, 4 units with a sigmoid each"),
        (lambda: _sequential(layers.Dense(4), layers.Activation("sigmoid")), "multi-label head"),
        (lambda: _sequential(layers.Dense(1, activation="softmax")), "a softmax of one unit, which is always 1"),
        (lambda: _sequential(layers.Dense(1, activation="relu")), "what follows the one unit .* is neither"),
        (lambda: _sequential(layers.Dense(4, activation="softmax"), layers.Softmax()), "behind its softmax follow"),
        (lambda: _sequential(layers.Dense(4, activation="softmax"), Half()), "behind its softmax follow"),
        (lambda: keras.Sequential([keras.Input((4,)), layers.Softmax()]), "no Dense layer makes .* but its input"),
        (lambda: _sequential(layers.BatchNormalization(name="norm")), "no Dense layer .* but 'norm', a BatchNorm"),
        (lambda: keras.Sequential([keras.Input((5, 3)), layers.Dense(4, name="out")]), "'out', a Dense, gives"),
        (_branches, r"it has several outputs \(2\), none of them called 'logits'"),
        (lambda: _named(a=layers.Dense(2), b=layers.Dense(3)), r"several outputs \('a', 'b'\)"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused_with_the_way_out(make, message):
    with pytest.raises(InputError, match=message) as error:
        NamedOutputs(make())
    assert "outputs={'features':" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Subclassed, r"no built functional or Sequential .*keras.Model\(x, model.call\(x\)\)"),
        (lambda: keras.Sequential([layers.Dense(3)]), "no built functional or Sequential"),
        (lambda: "resnet", "no built functional or Sequential .* Received: str"),
        (lambda: Doubled(*_ends(_sequential(layers.Dense(3)))), "Received: Doubled"),
        (_two_inputs, r"it has 2 inputs \(.*\), but a sample is one array"),
    ],
)
def test_what_no_names_can_help_is_refused_with_another_way_out(make, message):
    for names in (None, {"logits": "dense"}):
        with pytest.raises(InputError, match=message) as error:
            NamedOutputs(make(), names)
        assert "\n" not in str(error.value)


def test_a_subclassed_model_can_be_made_functional_as_the_message_says(images):
    model = Net()
    model(images)
    x = keras.Input((8, 8, 1))
    found = NamedOutputs(keras.Model(x, model.call(x))).read(images, ["logits"])["logits"]
    np.testing.assert_allclose(keras.ops.softmax(found), model.predict(images, verbose=0), atol=1e-5)


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
    with pytest.raises(InputError, match=r"has no output 'logits'\. It has: none"):
        NamedOutputs(model, {}).read(images, ["logits"])
    with pytest.raises(InputError, match="no output 'stage1'"):
        found.read(images, ["stage1"])


@pytest.mark.parametrize(
    "last",
    [
        lambda: (layers.Dense(1),),
        lambda: (layers.Dense(1, activation="sigmoid"),),
        lambda: (layers.Dense(1, use_bias=False), layers.Activation("sigmoid")),
        lambda: (layers.Dense(1), layers.Activation("sigmoid"), layers.Reshape((1,))),
        lambda: (layers.Dense(1, activation=tf.nn.sigmoid), lambda x: keras.ops.squeeze(x, axis=1)),
    ],
)
def test_one_unit_is_two_classes(images, last):
    """Its z is the logits (0, z), of which a softmax gives the sigmoid of z."""
    model = _functional(*last())
    outputs = NamedOutputs(model)
    found = outputs.read(images, ["features", "logits"])
    assert outputs.n_classes == 2
    assert not found["logits"].numpy()[:, 0].any()
    kernel, bias = outputs.head()
    assert kernel.shape == (7, 2)
    assert not kernel[:, 0].any()
    np.testing.assert_allclose(found["features"] @ kernel + bias, found["logits"], atol=1e-5)
    z, predicted = found["logits"].numpy()[:, 1], model.predict(images, verbose=0).ravel()
    is_logit = len(model.layers) == 4 and model.layers[-1].activation is keras.activations.linear
    np.testing.assert_allclose(z if is_logit else 1 / (1 + np.exp(-z)), predicted, atol=1e-5)


class Hidden(layers.Layer):
    """A softmax that cannot be seen from outside."""

    def __init__(self, divisor=1.0):
        super().__init__(name="hidden")
        self.dense, self.divisor = layers.Dense(4), divisor

    def call(self, x):
        return keras.ops.softmax(self.dense(x)) / self.divisor


@pytest.mark.parametrize("n", [1, 12])
def test_probabilities_are_not_taken_for_logits(images, n):
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten(name="flat")(inputs)
    twice = layers.Average(name="mean")([layers.Dense(4, activation="softmax")(flat) for _ in range(2)])
    model = keras.Model(inputs, {"logits": Hidden()(flat), "mean": twice})
    for outputs in (NamedOutputs(model), *(NamedOutputs(model, {"logits": name}) for name in ("hidden", "mean"))):
        for _ in range(2):
            with pytest.raises(InputError, match="expected logits, received probabilities"):
                outputs.read(images[:n], ["logits"])
    keras.utils.set_random_seed(0)
    named = NamedOutputs(keras.Model(inputs, {"logits": Hidden(0.5)(flat)}))
    assert named.read(images, ["logits"])["logits"].shape == (12, 4)  # they have a sum of 2: who knows


def test_a_softmax_named_for_the_logits_is_read_before_it(images):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Dense(6, activation="relu", name="hid")(layers.Flatten()(inputs))
    z = layers.Dense(3, name="z")(hidden)
    model = keras.Model(inputs, {"logits": layers.Softmax(name="p")(z), "features": hidden})
    truth = keras.Model(inputs, z).predict(images, verbose=0)
    for outputs in (NamedOutputs(model), NamedOutputs(model, {"logits": "p"}), NamedOutputs(model, {"logits": "z"})):
        np.testing.assert_allclose(outputs.read(images, ["logits"])["logits"], truth, atol=1e-6)
        assert outputs.head()[0].shape == (6, 3)


def test_features_of_another_place_do_not_go_with_the_head(images):
    model = _functional(layers.Dense(7, name="second"), layers.Dropout(0.5), layers.Dense(4, name="out"))
    model.layers[2].name = "first"
    assert NamedOutputs(model, {"features": "second", "logits": "out"}).head()[0].shape == (7, 4)
    outputs = NamedOutputs(model, {"features": "first", "logits": "out"})
    assert outputs.read(images, ["features"])["features"].shape == (12, 7)
    with pytest.raises(InputError, match=r"kernel of layer 'out', .* outputs={'logits': 'out'}"):
        outputs.head()
    maps = _sequential(layers.Dense(4, name="out"))
    maps.layers[0].name = "maps"
    with pytest.raises(InputError, match=r"features must be one row \(B, d\) for each sample"):
        NamedOutputs(maps, {"features": "maps", "logits": "out"}).read(images, ["features"])


def test_layers_of_nested_models_have_names_with_a_slash(images):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((7,)), layers.Dense(4, name="out", activation="softmax")], name="inner")
    model = _functional(layers.Dense(7, name="out"), inner)
    by_path = NamedOutputs(model, {"logits": "inner/out"})
    np.testing.assert_array_equal(
        by_path.read(images, ["logits"])["logits"], NamedOutputs(model).read(images, ["logits"])["logits"]
    )
    assert NamedOutputs(model, {"logits": "out"}).n_classes == 7
    with pytest.raises(InputError, match=r"no layer 'inner/ou'\. Did you mean 'inner/out'"):
        NamedOutputs(model, {"logits": "inner/ou"})
    shared = layers.Dense(7, name="twice")
    with pytest.raises(InputError, match="layer 'twice' gives 2 outputs in this model"):
        NamedOutputs(_functional(shared, shared, layers.Dense(4)), {"features": "twice"})


def test_reading_adds_no_calls_to_layers(images):
    model = _nested(layers.Dense(4, activation="softmax"))
    before = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    outputs = NamedOutputs(model)
    outputs.read(images, ["features", "logits"])
    outputs.head()
    assert before == [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    assert outputs.features.shape == (None, 5)


def test_masks_of_sequences_are_kept():
    keras.utils.set_random_seed(0)
    words = np.random.default_rng(0).integers(0, 5, (9, 6))
    x = inputs = keras.Input((6,), dtype="int32")
    inner = keras.Sequential([layers.Embedding(5, 4, mask_zero=True), layers.SpatialDropout1D(1e-7), layers.LSTM(3)])
    model = keras.Model(inputs, layers.Dense(4)(inner(x)))
    predicted = model.predict(words, verbose=0)
    outputs = NamedOutputs(model)
    np.testing.assert_allclose(outputs.read(words, ["logits"])["logits"], predicted, atol=1e-5)
    np.testing.assert_allclose(MonteCarlo(outputs, 2).read(words, 0)[:, 1], predicted, atol=1e-5)
