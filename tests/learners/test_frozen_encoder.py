"""The frozen encoder: each kind gives the features that it should, and what does not fit is refused in one line."""

from pathlib import Path

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import LEARNERS, frozen_encoder
from tfal.learners.contrastive import Contrastive
from tfal.learners.contrastive_encoders import SimCLR
from tfal.learners.frozen_encoder import FrozenEncoder, weights_digest
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.storage.weights_file import write_network
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

N = 45
layers = keras.layers


@pytest.fixture(autouse=True)
def _prepare(monkeypatch):
    prepare_tensorflow()
    if frozen_encoder._version() < frozen_encoder._SAFE:  # the files of these tests are their own
        monkeypatch.setattr(keras, "__version__", "3.14.0")


@pytest.fixture
def recipe(small, change):
    options = {"n_epoch_simclr": 2, "n_batch_encoder": 20, "n_warmup": 1, "lr_encoder": 0.02}
    return change(small, network="SCNN", **options)


@pytest.fixture
def images(digits):
    return Images(digits.x_train[:N])


@pytest.fixture
def large(digits):
    """Digits as an ImageNet network can see them: RGB of 32 x 32 pixels."""
    return Images(digits.x_train[:N].repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3))


@pytest.fixture
def batch(digits):
    return digits.x_train[:6].astype(np.float32) / 255


def make(images, recipe):
    return FrozenEncoder(BUILDERS[recipe.network], images, 10, recipe)


def features(encoder, batch):
    return encoder.read(batch, ["features"])["features"].numpy()


def saved(model, folder, name="model.keras"):
    path = folder / name
    model.save(path)
    return str(path)


def test_simclr_is_trained_once_and_kept(images, recipe, batch, monkeypatch):
    made, pool, seen = make(images, recipe), Pool.unlabeled_pool(N), []
    assert made.frozen_for is None
    for ask in (lambda: features(made, batch), made.identity, lambda: made.network):
        with pytest.raises(InputError, match="'simclr' is not trained yet"):
            ask()
    found = made.fit(pool, Streams(0), lambda *epoch: seen.append(epoch))
    assert list(found) == ["simclr_loss"]
    assert seen == [("simclr", 0, 2), ("simclr", 1, 2), ("simclr", 2, 2)]
    assert [path.name.rpartition("-")[0] for path in Path(recipe.results_dir, "encoders").glob("*.npz")] == ["simclr"]
    assert np.array_equal(made.frozen_for, pool.members)
    frozen_for = made.frozen_for
    monkeypatch.setattr(Contrastive, "fit", lambda *args, **options: pytest.fail("trained again"))
    pool.label_samples(np.arange(10), np.zeros(10, np.int32), 0)
    assert made.fit(pool, Streams(0, 1, 3)) == found
    assert made.frozen_for is frozen_for
    again = make(images, recipe)
    assert again.fit(pool, Streams(0)) == found
    np.testing.assert_array_equal(features(again, batch), features(made, batch))
    assert again.identity() == made.identity()
    assert made.identity() | {"weights": ""} == {
        "encoder": "simclr",
        "weights": "",
        "transform": "unit",
        "output": "features",
        "dim": 128,
    }


@pytest.mark.parametrize("coder_input", ["unit", "code"])
def test_simclr_gives_what_its_encoder_gives(coder_input, images, recipe, change, batch):
    recipe = change(recipe, n_epoch_simclr=1, coder_input=coder_input)
    made, plain = make(images, recipe), SimCLR(BUILDERS["SCNN"], images, 10, recipe)
    for each in (made, plain):
        each.fit(Pool.unlabeled_pool(N), Streams(0))
    found = features(made, batch)
    assert found.shape == (6, 128)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain.read(batch, ["features"])["features"], atol=1e-6)


def test_simclr_of_another_pool_is_another_encoder(images, recipe, change, batch):
    made = make(images, change(recipe, n_epoch_simclr=1))
    made.fit(Pool.unlabeled_pool(N), Streams(0))
    before, weights = features(made, batch), made.identity()["weights"]
    pool = Pool.unlabeled_pool(N)
    pool.exclude(np.arange(5))
    made.fit(pool, Streams(0))
    assert np.array_equal(made.frozen_for, np.arange(5, N))
    assert not np.array_equal(features(made, batch), before)
    assert made.identity()["weights"] != weights


def _named(shape):
    x = keras.Input(shape)
    hidden = layers.Dense(5, "relu")(layers.Flatten()(x))
    return keras.Model(x, {"features": hidden, "other": layers.Dense(2)(hidden)}), hidden


def _headed(shape):
    x = keras.Input(shape)
    hidden = layers.Dense(5, "relu")(layers.Flatten()(x))
    return keras.Model(x, layers.Dense(3, "softmax")(hidden)), hidden


def _headless(shape):
    x = keras.Input(shape)
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, activation="relu")(x))
    return keras.Model(x, hidden), hidden


def _diverged(shape):
    """Its features are in order: a ReLU turns NaN into 0."""
    x = keras.Input(shape)
    maps = layers.Conv2D(5, 3, activation="relu", name="maps")
    model = keras.Model(x, layers.GlobalAveragePooling2D()(maps(x)))
    kernel = maps.kernel.numpy()
    kernel[0, :2] = np.nan
    maps.kernel.assign(kernel)
    return model


def _any_size(shape):
    return _headless((None, None, shape[-1]))


def _sequential(shape):
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(5, "relu"), layers.Dense(3)])
    return model, model.layers[-1].input


@pytest.mark.parametrize("kind", [_named, _headed, _headless, _any_size, _sequential])
def test_features_of_keras_files(kind, images, recipe, change, batch, tmp_path):
    keras.utils.set_random_seed(0)
    model, hidden = kind((8, 8, 1))
    made = make(images, change(recipe, encoder=saved(model, tmp_path)))
    assert made.frozen_for is None
    assert made.fit(Pool.unlabeled_pool(N), Streams(0)) == {}
    assert np.array_equal(made.frozen_for, np.arange(N))
    kept = made.frozen_for
    made.fit(Pool.unlabeled_pool(N), Streams(3))
    assert made.frozen_for is kept
    expected = keras.Model(model.inputs[0], hidden)(batch)
    np.testing.assert_allclose(features(made, batch), expected, atol=1e-6)
    assert made.identity()["dim"] == 5
    assert not Path(recipe.results_dir).exists()


def test_keras_files_are_read_in_inference_mode(images, recipe, change, batch, tmp_path):
    x = keras.Input((8, 8, 1))
    model = keras.Model(x, layers.BatchNormalization()(layers.Dropout(0.5)(layers.Flatten()(x))))
    made = make(images, change(recipe, encoder=saved(model, tmp_path)))
    before = made.identity()
    np.testing.assert_allclose(features(made, batch), batch.reshape(6, 64) / np.sqrt(1 + 1e-3), rtol=1e-5)
    assert made.identity() == before


def test_half_precision_becomes_float32(images, recipe, change, batch, tmp_path):
    x = keras.Input((8, 8, 1))
    flat = layers.Flatten()(x)
    model = keras.Model(x, layers.Dense(4, "relu", dtype="mixed_bfloat16")(flat))
    assert features(make(images, change(recipe, encoder=saved(model, tmp_path))), batch).dtype == np.float32


def test_the_same_weights_have_the_same_digest(tmp_path):
    keras.utils.set_random_seed(0)
    model, _ = _headless((8, 8, 1))
    loaded = keras.saving.load_model(saved(model, tmp_path))
    assert weights_digest(loaded) == weights_digest(model)
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([kernel, bias + 1e-3])
    assert weights_digest(loaded) != weights_digest(model)


def test_seeds_of_dropout_do_not_change_the_digest(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5), layers.Dense(3)])
    loaded = keras.saving.load_model(saved(model, tmp_path))
    assert not np.array_equal(loaded.variables[0], model.variables[0])  # Keras draws them anew
    assert weights_digest(loaded) == weights_digest(model)


def _map(shape):
    x = keras.Input(shape)
    return keras.Model(x, layers.Conv2D(5, 3)(x))


def _two_inputs(shape):
    x, y = keras.Input(shape), keras.Input(shape)
    return keras.Model([x, y], layers.Flatten()(x + y))


def _integers(shape):
    x = keras.Input(shape, dtype="uint8")
    return keras.Model(x, layers.Flatten()(layers.Rescaling(1 / 255)(x)))


def _lambda(shape):
    x = keras.Input(shape)
    return keras.Model(x, layers.Lambda(lambda y: y[:, :, 0, 0], name="cut")(x))


class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


def _own_layer(shape):
    x = keras.Input(shape)
    return keras.Model(x, layers.Flatten()(Doubled()(x)))


def test_files_of_old_versions_of_keras_must_be_trusted(images, recipe, change, batch, tmp_path, monkeypatch):
    path = saved(_lambda((8, 8, 1)), tmp_path)
    with pytest.raises(InputError, match="or give --trustEncoder on for a file that you trust"):
        make(images, change(recipe, encoder=path))
    trusting = change(recipe, encoder=path, trust_encoder="on")
    np.testing.assert_array_equal(features(make(images, trusting), batch), batch[:, :, 0, 0])
    plain = saved(_headless((8, 8, 1))[0], tmp_path, "plain.keras")
    monkeypatch.setattr(keras, "__version__", "3.13.2")
    with pytest.raises(InputError, match=r"Keras 3\.13\.2 runs .* from 3\.14 on do not\. Upgrade Keras, or give"):
        make(images, change(recipe, encoder=plain))
    assert make(images, change(recipe, encoder=plain, trust_encoder="on")).identity()["encoder"] == ".keras"
    monkeypatch.setattr(keras, "__version__", "3.14.0rc1")
    make(images, change(recipe, encoder=plain))


def test_what_the_messages_advise_works(images, recipe, change, batch, tmp_path):
    """A model of Keras' layers with the weights of one with a Lambda; a class that is registered and imported."""
    x = keras.Input((8, 8, 1))
    heads = [layers.Dense(3, "relu"), layers.Dense(3, "relu")]
    old = keras.Model(x, heads[0](layers.Flatten()(layers.Lambda(lambda y: 2 * y)(x))))
    new = keras.Model(x, heads[1](layers.Flatten()(layers.Rescaling(2.0)(x))))
    new.set_weights(old.get_weights())
    made = make(images, change(recipe, encoder=saved(new, tmp_path)))
    np.testing.assert_allclose(features(made, batch), old(batch), atol=1e-6)
    registered = keras.saving.register_keras_serializable("tests")(type("Registered", (Doubled,), {}))
    path = saved(keras.Model(x, layers.Flatten()(registered()(x))), tmp_path, "registered.keras")
    found = features(make(images, change(recipe, encoder=path)), batch)
    np.testing.assert_allclose(found, 2 * batch.reshape(6, 64), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        (lambda shape: _headless(shape)[0], (8, 8, 3), r"takes images \(8, 8, 3\)\. Received: \(8, 8, 1\)\. Resize"),
        (lambda shape: _headless(shape)[0], (9, 8, 1), r"takes images \(9, 8, 1\)\. Received: \(8, 8, 1\)"),
        (_map, (8, 8, 1), r"must give features \(B, d\)\. Received: \(None, 6, 6, 5\)\. Name its output 'features'"),
        (_diverged, (8, 8, 1), "expected finite weights, but 10 of 45 values of 'maps/kernel' are NaN or infinite"),
        (_two_inputs, (8, 8, 1), "must be a functional or Sequential Keras model of one input of floats"),
        (_integers, (8, 8, 1), "must be a functional or Sequential Keras model of one input of floats"),
        (
            _lambda,
            (8, 8, 1),
            r"has Lambda layers, whose code is not run from a file: 'cut'\. Build the model with layers",
        ),
        (
            _own_layer,
            (8, 8, 1),
            r"has code that is not Keras': Doubled\. Build .* or decorate it, @keras\.saving",
        ),
    ],
)
def test_keras_files_that_do_not_fit(kind, shape, message, images, recipe, change, tmp_path):
    path = saved(kind(shape), tmp_path)
    with pytest.raises(InputError, match=message) as error:
        make(images, change(recipe, encoder=path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_files_that_are_missing_or_damaged(name, large, recipe, change, tmp_path):
    path = tmp_path / name
    with pytest.raises(InputError, match=r"there is no file .*model\..*Correct the path"):
        make(large, change(recipe, encoder=str(path)))
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"(is no file of Keras|is damaged or was not written)") as error:
        make(large, change(recipe, encoder=str(path)))
    assert "\n" not in str(error.value)


def test_an_unknown_encoder(images, recipe, change):
    with pytest.raises(InputError, match=r"--encoder must be simclr, a \.keras file, .* Received: 'moco'"):
        make(images, change(recipe, encoder="moco"))


@pytest.mark.parametrize("statistics", ["imagenet", "channels"])
def test_a_converted_network_normalises_its_channels(statistics, large, recipe, change, tmp_path):
    keras.utils.set_random_seed(0)
    source, path = BUILDERS["ResNet18-ImageNet"]((32, 32, 3), 2), tmp_path / "resnet18.weights.h5"
    write_network(_features_of_any_size(source), path)
    made = make(large, change(recipe, encoder=str(path), encoder_statistics=statistics))
    seen = next(iter(large.batches(np.arange(3), 3))).numpy()
    own = {
        "imagenet": (frozen_encoder.IMAGENET_MEAN, frozen_encoder.IMAGENET_STD),
        "channels": large.channel_statistics(),
    }[statistics]
    normal = (seen - np.array(own[0])) / np.array(own[1])
    expected = source(normal.astype(np.float32), training=False)["features"]
    np.testing.assert_allclose(features(made, seen), expected, rtol=1e-4, atol=1e-5)
    assert made.identity()["dim"] == 512
    assert made.identity()["transform"].startswith({"imagenet": "ImageNet's", "channels": "the training"}[statistics])


def _features_of_any_size(network):
    fixed = keras.Model(network.inputs[0], network.output["features"])
    free = keras.models.clone_model(fixed, input_tensors=keras.Input((None, None, 3)))
    free.set_weights(fixed.get_weights())
    return free


def test_keras_applications(large, recipe, change, monkeypatch):
    monkeypatch.setattr(frozen_encoder, "_WEIGHTS", None)
    made = make(large, change(recipe, encoder="keras:mobilenet"))
    seen = next(iter(large.batches(np.arange(3), 3))).numpy()
    inner = next(layer for layer in made.network.layers if isinstance(layer, keras.Model))
    expected = inner(keras.applications.mobilenet.preprocess_input(seen * 255), training=False)
    np.testing.assert_allclose(features(made, seen), expected, rtol=1e-4, atol=1e-5)
    assert made.identity()["encoder"] == "keras:MobileNet"
    assert made.identity()["dim"] == 1024
    assert made.fit(Pool.unlabeled_pool(N), Streams(0)) == {}


def test_channels_are_turned_as_resnet50_wants_them(large, recipe, change, monkeypatch):
    """Its preprocessing gives BGR without the mean."""
    monkeypatch.setattr(frozen_encoder, "_WEIGHTS", None)
    x = keras.Input((32, 32, 3))
    small = keras.Model(x, layers.GlobalAveragePooling2D()(x))
    monkeypatch.setattr(keras.applications.resnet, "ResNet50", lambda **options: small)
    seen = next(iter(large.batches(np.arange(3), 3))).numpy()
    found = features(make(large, change(recipe, encoder="keras:ResNet50")), seen)
    mean = 255 * seen.mean(axis=(1, 2))[:, ::-1] - [103.939, 116.779, 123.68]
    np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-3)


def test_no_network_at_hand(large, recipe, change, monkeypatch, tmp_path):
    address = "https://example.org/resnet/resnet50_notop.h5"

    def refuse(**options):
        raise Exception(f"URL fetch failure on {address}: None -- [Errno -2] Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.applications.resnet, "ResNet50", refuse)
    file = tmp_path / "models" / "resnet50_notop.h5"
    with pytest.raises(InputError, match=rf"keras:ResNet50 needs {file}, and {address} cannot be reached"):
        make(large, change(recipe, encoder="keras:ResNet50"))


def test_images_and_names_that_applications_cannot_take(images, large, recipe, change, monkeypatch):
    monkeypatch.setattr(frozen_encoder, "_WEIGHTS", None)
    with pytest.raises(InputError, match=r"unknown keras application 'ResNet51'\. Did you mean"):
        make(large, change(recipe, encoder="keras:ResNet51"))
    with pytest.raises(InputError, match=r"needs uint8 images \(H, W, 3\) .* Received: uint8 of \(8, 8, 1\)"):
        make(images, change(recipe, encoder="keras:ResNet50"))
    floats = Images(np.zeros((2, 32, 32, 3), np.float32))
    with pytest.raises(InputError, match=r"Received: float of \(32, 32, 3\)"):
        make(floats, change(recipe, encoder="keras:ResNet50"))
    with pytest.raises(InputError, match=r"keras:InceptionV3 cannot be built for images \(32, 32, 3\) \(ValueError"):
        make(large, change(recipe, encoder="keras:InceptionV3"))


def test_what_cannot_be_read(images, recipe, change, batch, tmp_path):
    made = make(images, change(recipe, encoder=saved(_headless((8, 8, 1))[0], tmp_path)))
    with pytest.raises(InputError, match=r"no output 'logits'\. It has: features"):
        made.read(batch, ["features", "logits"])


def test_it_is_registered():
    assert LEARNERS["encoder"].load() is FrozenEncoder


def test_every_learner_names_the_option_of_its_learning_rate():
    assert all(hasattr(Recipe(), learner.learning_rate_option) for learner in LEARNERS.values())
