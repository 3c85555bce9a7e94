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


def _network(*between, last=None, head=()):
    keras.utils.set_random_seed(3)
    inputs = x = keras.Input((8, 8, 1))
    for layer in (layers.Conv2D(6, 3, activation="relu"), *between, layers.Flatten(), layers.Dense(9), *head):
        x = layer(x)
    return keras.Model(inputs, (last or layers.Dense(4))(x), name="lab")


def _residual():
    """Dropout inside one of two branches, a nested model with a shared dropout layer, and BatchNormalization."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(6, 3)(inputs)
    relu = layers.ReLU()  # before and behind the masks
    x = relu(layers.BatchNormalization()(x))
    x = x + relu(layers.Conv2D(6, 3, padding="same")(layers.SpatialDropout2D(0.3)(x)))
    inner_input, drop = keras.Input((6, 6, 6)), layers.Dropout(0.2)
    inner = keras.Model(inner_input, drop(layers.Conv2D(5, 3)(drop(inner_input))))
    tail = keras.Sequential([layers.Flatten(), layers.GaussianDropout(0.3), layers.Dense(7)])
    return keras.Model(inputs, layers.Dense(4)(tail(inner(x))))


MODELS = {
    "behind the features": lambda: _network(head=(layers.Dropout(0.5),)),
    "before": lambda: _network(layers.Dropout(0.25), head=(layers.Dropout(0.5),)),
    "before a softmax": lambda: _network(last=layers.Dense(4, activation="softmax"), head=(layers.Dropout(0.5),)),
    "noise shape": lambda: _network(layers.Dropout(0.4, noise_shape=(None, 1, None, None))),
    "S-CNN": lambda: BUILDERS["SCNN"]((8, 8, 1), 4),
    "residual": _residual,
}


@pytest.mark.parametrize("kind", MODELS)
def test_shared_passes_equal_whole_ones_and_touch_nothing(images, kind):
    model = MODELS[kind]()
    for variable in model.variables:
        if "moving" in variable.path:
            variable.assign(np.full(variable.shape, 0.3))
    before = [variable.numpy() for variable in model.variables]
    outputs = NamedOutputs(model)
    shared, whole = MonteCarlo(outputs, 7), MonteCarlo(outputs, 7, whole=True)
    found = shared.read(images, 5).numpy()
    assert found.shape == (12, 7, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, whole.read(images, 5), atol=1e-5)
    assert found.std(axis=1).min() > 1e-4
    assert all(np.array_equal(a, b) for a, b in zip(before, [v.numpy() for v in model.variables], strict=True))


@pytest.mark.parametrize("kind", ["behind the features", "residual"])
def test_values_follow_from_image_seed_and_pass_alone(images, kind):
    sampled = MonteCarlo(NamedOutputs(MODELS[kind]()), 5)
    first = sampled.read(images, 1).numpy()
    assert not np.allclose(first, sampled.read(images, 2))
    np.testing.assert_array_equal(first, sampled.read(images, 1))
    np.testing.assert_allclose(sampled.read(images[::-1][:5], 1)[::-1], first[-5:], atol=1e-5)
    few = MonteCarlo(NamedOutputs(MODELS[kind]()), 3)
    np.testing.assert_allclose(few.read(images, 1), first[:, :3], atol=1e-5)
    assert sampled._sample.experimental_get_tracing_count() == 1


def test_by_hand(images):
    """One image, dropout 0.5 before a head of one unit with weights 1, 2, 4, ...: each mask shows in the sum."""
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(layers.Dropout(0.5)(inputs)))
    model.set_weights([2.0 ** np.arange(6)[:, None]])
    sums = MonteCarlo(NamedOutputs(model), 400).read(np.ones((1, 6), np.float32), 0).numpy()[0, :, 1]
    masks = (sums / 2).astype(int)[:, None] >> np.arange(6) & 1
    np.testing.assert_array_equal(sums, 2 * masks @ 2.0 ** np.arange(6))  # kept values are doubled
    assert abs(masks.mean() - 0.5) < 4 * 0.5 / np.sqrt(masks.size)
    assert len(np.unique(masks, axis=0)) == 64 - np.sum(np.bincount(masks @ 2 ** np.arange(6), minlength=64) == 0) > 55
    assert abs(np.corrcoef(masks.T) - np.eye(6)).max() < 0.2


@pytest.mark.parametrize("kind", ["before", "noise shape", "residual"])
def test_the_distribution_is_that_of_keras_in_training_mode(images, kind):
    """Mean and deviation of the logits, within five standard errors. BatchNormalization would see one image only."""
    model, n = MODELS[kind](), 1500
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False  # keeps it in inference mode
    ours = MonteCarlo(NamedOutputs(model), n).read(images[:1], 8).numpy()[0]
    keras.utils.set_random_seed(0)
    theirs = model(np.repeat(images[:1], n, axis=0), training=True).numpy()
    error = theirs.std(axis=0) / np.sqrt(n)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 5 * np.sqrt(2) * error).all()
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=5 * np.sqrt(2) / np.sqrt(2 * n) * 1.5)


def test_with_a_small_rate_the_mean_is_the_plain_pass(images):
    outputs = NamedOutputs(_network(layers.Dropout(0.02)))
    found, plain = MonteCarlo(outputs, 200).read(images, 0).numpy(), outputs.read(images, ["logits"])["logits"].numpy()
    assert np.abs(found.mean(axis=1) - plain).max() < 5 * found.std(axis=1).max() / np.sqrt(200)


def test_moving_statistics_are_used_and_kept(images):
    """The mean of a batch would undo any offset of the moving mean."""
    model = _network(layers.BatchNormalization(), layers.Dropout(0.5))
    read = MonteCarlo(NamedOutputs(model), 4).read
    before = read(images, 0).numpy()
    (norm,) = (layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    norm.moving_mean.assign_add(np.ones(6))
    assert not np.allclose(read(images, 0), before, atol=0.01)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), np.ones(6))
    np.testing.assert_array_equal(norm.moving_variance.numpy(), np.ones(6))


def test_dropout_that_is_always_on_and_all_else_is_at_rest(images):
    inputs = keras.Input((8, 8, 1))
    x = layers.GaussianNoise(1.0)(layers.Flatten()(inputs), training=True)
    y = layers.GaussianNoise(1.0)(layers.Dropout(0.001)(x, training=True), training=True)
    outputs = NamedOutputs(keras.Model(inputs, layers.Dense(4)(y)))
    found, plain = MonteCarlo(outputs, 5).read(images, 0).numpy(), outputs.read(images, ["logits"])["logits"].numpy()
    assert 0 < np.abs(found - plain[:, None]).max() < 0.5  # one of 64 values is left out now and then


@pytest.mark.parametrize("half", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_gives_float32(images, half):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(half)
        model = MODELS["before"]()
    finally:
        keras.config.set_dtype_policy(policy)
    found = MonteCarlo(NamedOutputs(model), 3).read(images, 0)
    assert found.dtype == tf.float32
    assert found.numpy().std(axis=1).max() > 0


def test_the_model_can_be_read_and_saved_as_before(images, tmp_path):
    model = MODELS["residual"]()
    before = NamedOutputs(model).read(images, ["features", "logits"])
    MonteCarlo(NamedOutputs(model), 3).read(images, 0)
    after = NamedOutputs(model).read(images, ["features", "logits"])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    np.testing.assert_allclose(again(images), before["logits"], atol=1e-5)


class Block(layers.Layer):
    def __init__(self):
        super().__init__(name="block")
        self.drop = layers.Dropout(0.5)

    def call(self, x, training=None):
        return self.drop(x, training=training)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _network(), "model 'lab' has no Dropout layer with a rate above 0"),
        (lambda: _network(layers.Dropout(0.0)), "model 'lab' has no Dropout layer with a rate above 0"),
        (lambda: _network(layers.AlphaDropout(0.1)), "of model 'lab' is a AlphaDropout, whose masks cannot be set"),
        (lambda: _network(Block()), "layer 'block' of model 'lab' is a Block with a Dropout inside"),
    ],
)
def test_what_cannot_be_sampled_is_refused(make, message):
    with pytest.raises(InputError, match=message) as error:
        MonteCarlo(NamedOutputs(make()), 5)
    assert "\n" not in str(error.value)


def test_other_errors_name_what_is_wrong():
    outputs = NamedOutputs(_network(layers.Dropout(0.5)))
    with pytest.raises(InputError, match="n_pass must be a whole number >= 1"):
        MonteCarlo(outputs, 0)
    with pytest.raises(InputError, match="model 'mine' has no Dropout"):
        MonteCarlo(NamedOutputs(_network()), 5, "mine")
    model = _network(layers.Dropout(0.5))
    with pytest.raises(InputError, match="no output 'logits'"):
        MonteCarlo(NamedOutputs(model, {"features": model.layers[-2].name}), 5)
