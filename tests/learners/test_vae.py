"""The autoencoder on digits: it learns, it finds what is no digit, and a stop at any moment changes nothing."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.learners.vae import VAE, _doubled, autoencoder, divergence, reconstruction_error
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

N = 50


@pytest.fixture(autouse=True)
def _prepare():
    prepare_tensorflow()


@pytest.fixture
def recipe(small, change):
    return change(small, n_epoch_vae=2, n_batch_vae=20, vae_latent=8)


@pytest.fixture
def batch(digits):
    return digits.x_train[:N].astype(np.float32) / 255


def trained(array, recipe, **options):
    made = VAE(BUILDERS[recipe.network], Images(array), 10, recipe)
    return made, made.fit(Pool.unlabeled_pool(len(array)), Streams(0, 1, 0), **options)


def files(recipe):
    return sorted(Path(recipe.results_dir, "encoders").glob("vae-*.npz"))


def losses(learner, batch):
    return learner.read(batch, ["vae_loss"])["vae_loss"].numpy()


def test_divergence_by_hand():
    found = divergence(tf.constant([[1.0, 0.0], [0.0, 2.0]]), tf.zeros((2, 2)))
    assert float(tf.reduce_mean(found)) == pytest.approx(1.25)
    mu, log_var = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    expected = [sum(m * m + np.exp(v) - 1 - v for m, v in zip(mu[i], log_var[i], strict=True)) / 2 for i in range(3)]
    np.testing.assert_allclose(divergence(mu, log_var), expected, rtol=1e-5)


def test_reconstruction_error_by_hand():
    """White is 1 and black is -1: one pixel of four is missed by 2."""
    images = tf.constant([1.0, 1.0, 0.0, 0.0], shape=(1, 2, 2, 1))
    assert reconstruction_error(images, tf.constant([1.0, -1.0, -1.0, -1.0], shape=(1, 2, 2, 1))).numpy() == [1.0]


@pytest.mark.parametrize(
    ("shape", "places"),
    [((8, 8, 1), (2, 2)), ((28, 28, 1), (2, 2)), ((32, 32, 3), (2, 2)), ((3, 5, 3), (2, 3)), ((9, 31, 1), (2, 4))],
)
def test_images_of_any_size(shape, places):
    network = autoencoder(shape, 4)
    found = network({"images": np.zeros((2, *shape), np.float32), "noise": np.zeros((2, 4), np.float32)})
    assert found["rebuilt"].shape == (2, *shape)
    assert found["mu"].shape == found["log_var"].shape == (2, 4)
    (flat,) = (layer for layer in network.layers if isinstance(layer, keras.layers.Reshape))
    assert flat.target_shape[:2] == places


def test_four_stages_on_32_pixels_and_parameters_by_hand():
    network = autoencoder((32, 32, 3), 128)
    convolutions = [layer for layer in network.layers if type(layer) is keras.layers.Conv2D]
    assert [layer.filters for layer in convolutions] == [32, 64, 128, 256, 3]
    down = sum(9 * a * b + b + 4 * b for a, b in [(3, 32), (32, 64), (64, 128), (128, 256)])
    up = sum(9 * a * b + b + 4 * b for a, b in [(256, 128), (128, 64), (64, 32), (32, 32)])
    heads = 2 * (1024 * 128 + 128) + 128 * 1024 + 1024 + 9 * 32 * 3 + 3
    assert network.count_params() == down + up + heads


def test_a_transposed_convolution_lies_where_the_encoder_looked():
    """What one place of a stage sees and what it paints are the same 3 x 3 pixels, those around (2i, 2j)."""
    seen, painted = keras.Input((7, 8, 1)), keras.Input((4, 4, 1))
    look = keras.layers.Conv2D(1, 3, 2, kernel_initializer="ones")
    look = keras.Model(seen, look(keras.layers.ZeroPadding2D(1)(seen)))
    paint = keras.Model(painted, _doubled(painted, (7, 8), 1))
    paint.layers[1].kernel.assign(np.ones((3, 3, 1, 1)))
    pixels = np.eye(56, dtype=np.float32).reshape(56, 7, 8, 1)
    places = np.eye(16, dtype=np.float32).reshape(16, 4, 4, 1)
    np.testing.assert_allclose(look(pixels).numpy().reshape(56, 16).T, paint(places).numpy().reshape(16, 56))


def test_training_lowers_the_loss_and_noise_stays_hard_to_rebuild(digits, recipe, change):
    n, noise = 300, np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    array = np.concatenate([digits.x_train[:n], noise])
    recipe = change(recipe, n_epoch_vae=12, vae_latent=16, n_batch_vae=50)
    seen = []
    made, found = trained(array, recipe, on_epoch=lambda *epoch: seen.append(epoch))
    _, first = trained(array, change(recipe, n_epoch_vae=1))
    assert found["vae_loss"] < first["vae_loss"] / 2
    assert seen == [("vae", epoch, 12) for epoch in range(13)]
    loss = losses(made, array.astype(np.float32) / 255)
    assert np.isin(np.argsort(-loss)[:20], np.arange(n, n + 20)).mean() >= 0.8


def test_outputs_by_hand(digits, recipe, batch):
    made, _ = trained(digits.x_train[:N], recipe)
    found = made.read(batch, ["vae_loss", "features"])
    plain = made.network({"images": batch, "noise": np.zeros((N, 8), np.float32)}, training=False)
    mu, log_var, rebuilt = (plain[name].numpy() for name in ("mu", "log_var", "rebuilt"))
    error = np.mean((2 * batch - 1 - rebuilt) ** 2, axis=(1, 2, 3))
    kl = -np.sum(1 + log_var - mu**2 - np.exp(log_var), axis=1) / 2
    np.testing.assert_allclose(found["vae_loss"], error + 20 / N * kl, rtol=1e-4)
    np.testing.assert_allclose(found["features"], mu, atol=1e-5)
    single = np.concatenate([losses(made, batch[i : i + 1]) for i in (4, 0)])
    np.testing.assert_allclose(single, found["vae_loss"].numpy()[[4, 0]], rtol=1e-4)


def test_stopped_and_continued_ends_as_one_that_was_not(digits, recipe, change, tmp_path):
    recipe = change(recipe, n_epoch_vae=3)
    array = digits.x_train[:N]
    _, whole = trained(array, recipe)
    stopped = change(recipe, results_dir=str(tmp_path / "stopped"))

    def stop(name, epoch, epochs):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(array, stopped, on_epoch=stop)
    seen = []
    _, continued = trained(array, stopped, on_epoch=lambda *epoch: seen.append(epoch))
    assert seen == [("vae", 2, 3), ("vae", 3, 3)]
    assert continued == whole
    assert files(stopped)[0].read_bytes() == files(recipe)[0].read_bytes()


def test_trained_once_and_kept(digits, recipe, change, batch, monkeypatch):
    array = digits.x_train[:N]
    made, found = trained(array, recipe)
    frozen_for = made.frozen_for
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **options: pytest.fail("trained again"))
    assert made.fit(Pool.unlabeled_pool(N), Streams(0, 2, 5)) == found
    assert made.frozen_for is frozen_for
    again, same = trained(array, change(recipe, network="SCNN", n_epoch_scan=7))
    assert same == found
    np.testing.assert_array_equal(losses(again, batch), losses(made, batch))
    assert len(files(recipe)) == 1


@pytest.mark.parametrize("option", [{"n_epoch_vae": 3}, {"n_batch_vae": 10}, {"lr_vae": 0.01}, {"vae_latent": 4}])
def test_every_option_of_the_training_counts(option, digits, recipe, change):
    images = Images(digits.x_train[:N])
    one, other = (VAE(None, images, 10, each)._identity(np.arange(N), 0) for each in (recipe, change(recipe, **option)))
    assert one != other


def test_what_cannot_be_used(digits, recipe, batch):
    for array, message in [
        (np.zeros((4, 8, 8, 1), np.float32), r"Received: float of \(8, 8, 1\)"),
        (np.zeros((4, 8, 8, 2), np.uint8), r"Received: uint8 of \(8, 8, 2\)"),
        (np.zeros((4, 2, 8, 1), np.uint8), "at least 3 x 3 pixels"),
    ]:
        with pytest.raises(InputError, match=message):
            VAE(None, Images(array), 10, recipe)
    made = VAE(None, Images(digits.x_train[:N]), 10, recipe)
    with pytest.raises(InputError, match="'vae' is not trained yet"):
        losses(made, batch)
    made.fit(Pool.unlabeled_pool(N), Streams(0))
    with pytest.raises(InputError, match=r"no output 'logits'\. It has: vae_loss, features"):
        made.read(batch, ["logits"])


def test_the_learner_has_a_name():
    assert LEARNERS["vae"].load() is VAE
