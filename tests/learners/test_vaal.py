"""VAAL's networks and learner: losses by hand, sizes, the same values from the same seed, and what is told apart."""

import math
from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from models import BUILDERS
from tests.data.test_decoding import encoded, pixels
from tfal.data.image_files import ImageFiles
from tfal.data.images import Images
from tfal.data.listing import from_tree
from tfal.errors import InputError, TrainingError
from tfal.learners import LEARNERS, vaal_networks
from tfal.learners.vaal import VAALearner, autoencoder_loss, cross_entropy, decayed
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


@pytest.fixture
def make(small, change):
    """(array or images, options of the recipe) -> a learner."""

    def make(images, **options):
        prepare_tensorflow()
        images = images if isinstance(images, Images) else Images(images)
        return VAALearner(BUILDERS["MLP"], images, 10, change(small, **options))

    return make


@pytest.fixture
def narrow(monkeypatch):
    """Networks that train quickly."""
    for name, value in {"CHANNELS": (4, 8, 8, 16), "N_HIDDEN": 2, "WIDTH": 16}.items():
        monkeypatch.setattr(vaal_networks, name, value)


def pool_of(n, n_labeled):
    pool = Pool.unlabeled_pool(n)
    pool.label_samples(np.arange(n_labeled), np.zeros(n_labeled, np.int32), 0)
    return pool


def probabilities(learner, array):
    return learner.read(array.astype(np.float32) / 255, ["labeled_probability"])["labeled_probability"].numpy()


@pytest.mark.parametrize(("kl", "divergence"), [("mean", (4 - math.log(2)) / 4), ("sum", 4 - math.log(2))])
def test_autoencoder_loss_by_hand(kl, divergence):
    images = np.float32([[1, 0], [0, 0]]).reshape(2, 1, 2, 1)
    rebuilt = np.float32([[0.5, 0], [0, 1]]).reshape(2, 1, 2, 1)
    mu, logvar = np.float32([[1, 2], [0, 0]]), np.float32([[0, 0], [0, math.log(4)]])
    # (1 + mu^2 - 1) / 2 = 1/2 and 2; 0; (4 - 1 - log 4) / 2
    assert float(autoencoder_loss(images, rebuilt, mu, logvar, kl)) == pytest.approx(1.25 / 4 + divergence, rel=1e-6)


def test_cross_entropy_by_hand():
    logits = np.float32([0, math.log(3)])  # probabilities 1/2 and 3/4
    assert float(cross_entropy(logits, 1.0)) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2, rel=1e-6)
    assert float(cross_entropy(logits, 0.0)) == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("step", "total", "cuts"), [(0, 100, 0), (3, 100, 0), (4, 100, 1), (99, 100, 24), (7, 74, 3), (3, 10, 3)]
)
def test_learning_rate_by_hand(step, total, cuts):
    assert decayed(0.5, step, total) == pytest.approx(0.5 * 0.9**cuts)


@pytest.mark.parametrize(
    ("shape", "channels", "last"),
    [
        ((4, 4, 1), [128], (2, 2)),
        ((8, 8, 1), [128, 256], (2, 2)),
        ((9, 7, 3), [128], (4, 3)),
        ((28, 28, 1), [128, 256, 512], (3, 3)),
        ((32, 32, 3), [128, 256, 512, 1024], (2, 2)),
    ],
)
def test_networks_of_every_size(shape, channels, last):
    encoder, decoder, discriminator = vaal_networks.vaal_networks(shape, 5, np.random.default_rng(0))
    convolutions = [layer for layer in encoder.layers if "conv" in layer.name]
    assert [layer.filters for layer in convolutions] == channels
    assert tuple(convolutions[-1].output.shape) == (None, *last, channels[-1])
    transposed = [layer.filters for layer in decoder.layers if "transpose" in layer.name]
    assert transposed == channels[-2::-1]
    mu, logvar = encoder(np.zeros((2, *shape), np.float32))
    assert mu.shape == logvar.shape == (2, 5)
    assert decoder(mu).shape == (2, *shape)
    assert discriminator(mu).shape == (2,)


def test_parameters_of_the_published_size():
    networks = vaal_networks.vaal_networks((32, 32, 3), 32, np.random.default_rng(0))
    pairs = 128 * 256 + 256 * 512 + 512 * 1024  # channels in times channels out, of neighboring stages
    assert [network.count_params() for network in networks] == [
        16 * (3 * 128 + pairs) + 4 * (128 + 256 + 512 + 1024) + 2 * (4096 * 32 + 32),
        33 * 16 * 1024 + 16 * pairs + 4 * (128 + 256 + 512) + 129 * 3,
        33 * 512 + 3 * 513 * 512 + 513,
    ]
    for network in networks:
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                kernel = layer.kernel.numpy()
                fan_in = kernel.size / kernel.shape[-1]  # as PyTorch counts it for transposed ones, too
                assert kernel.std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.1)
                assert layer.bias is None or not layer.bias.numpy().any()


@pytest.mark.parametrize("shape", [(64,), (3, 8, 1), (8, 8, 2)])
def test_other_images_are_refused(make, shape):
    with pytest.raises(InputError, match=r"at least 4 x 4 pixels. Received: \("):
        make(np.zeros((5, *shape), np.uint8))


def test_batches_are_passes_over_both_pools(make, narrow):
    array = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    learner, pool = make(array, n_batch_vaal=8, n_epoch_vaal=4), pool_of(30, 6)
    pool.set_validation(np.arange(26, 30), np.zeros(4, np.int32))
    found = [[part.numpy() for part in batch] for batch in learner.batches(pool, Streams(0))]
    assert len(found) == 4 * (26 // 8)
    assert len({tuple(key) for key, _, _ in found}) == len(found)
    for part, ids, sizes in ((1, range(6), [6]), (2, range(6, 26), [8, 8, 4])):
        rows = [np.rint(255 * batch[part][:, 0, 0, 0]).astype(int).tolist() for batch in found]
        assert [len(row) for row in rows] == sizes * (12 // len(sizes))
        passes = [list(chain(*rows[i : i + len(sizes)])) for i in range(0, 12, len(sizes))]
        assert all(sorted(one) == list(ids) for one in passes)
        assert passes[0] != passes[1]


@pytest.mark.parametrize("kl", ["mean", "sum"])
def test_losses_of_a_step(make, narrow, digits, kl):
    """Against the networks themselves, by the plain formulas."""
    learner = make(digits.x_train, n_batch_vaal=16, n_epoch_vaal=1, vaal_kl=kl)
    learner._reset(np.random.default_rng(1))
    encoder, decoder, discriminator = learner._fresh(np.random.default_rng(1))
    key, *batches = next(iter(learner.batches(pool_of(len(digits.x_train), 40), Streams(0))))
    expected = 0.0
    for images, stream in zip(batches, (2 * key, 2 * key + 1), strict=True):
        mu, logvar = encoder(images, training=True)
        z = mu + tf.random.stateless_normal(mu.shape, stream) * tf.sqrt(tf.exp(logvar))
        divergence = tf.reduce_sum(mu**2 + tf.exp(logvar) - 1 - logvar) / 2
        fooled = -tf.reduce_mean(tf.math.log(tf.sigmoid(discriminator(mu))))
        error = tf.reduce_mean((decoder(z, training=True) - images) ** 2)
        expected += float(error + divergence / (mu.numpy().size if kl == "mean" else 1) + fooled)
    vae_loss, loss = (float(value) for value in learner.step(key, *batches))
    assert vae_loss == pytest.approx(expected, rel=1e-4)
    # The discriminator's step comes after the VAE's, and takes it in inference mode.
    logits = [discriminator(learner._networks.encoder(images, training=False)[0]) for images in batches]
    truth = [tf.reduce_mean(tf.math.log(tf.sigmoid(values))) for values in (logits[0], -logits[1])]
    assert loss == pytest.approx(-float(sum(truth)), rel=1e-4)


def test_each_optimizer_moves_its_own_networks(make, narrow, digits):
    learner = make(digits.x_train, n_batch_vaal=16, n_epoch_vaal=1)
    batches = iter(learner.batches(pool_of(len(digits.x_train), 40), Streams(0)))
    for rates in ((0.01, 0.0), (0.0, 0.01)):
        before = [[variable.numpy() for variable in variables] for _, variables in learner._sides]
        for (optimizer, _), rate in zip(learner._sides, rates, strict=True):
            optimizer.learning_rate = rate
        learner.step(*next(batches))
        moved = [
            any(np.any(variable.numpy() != value) for variable, value in zip(variables, values, strict=True))
            for (_, variables), values in zip(learner._sides, before, strict=True)
        ]
        assert moved == [rate > 0 for rate in rates]


def test_a_seed_gives_the_same_values_whatever_was_trained_before(make, narrow, digits):
    pool, epochs = pool_of(200, 20), []
    learner = make(digits.x_train[:200], n_batch_vaal=32, n_epoch_vaal=5)
    found = learner.fit(pool, Streams(0, 1, 0), lambda *epoch: epochs.append(epoch))
    assert epochs == [("vaal", epoch, 5) for epoch in range(1, 6)]
    assert set(found) == {"vae_loss", "discriminator_loss"}
    assert all(math.isfinite(loss) for loss in found.values())
    first = probabilities(learner, digits.x_test[:50])
    assert first.shape == (50,)
    assert first.dtype == np.float32
    assert np.all((first > 0) & (first < 1))
    rates = [float(optimizer.learning_rate) for optimizer, _ in learner._sides]
    assert rates == pytest.approx([5e-4 * 0.9**29] * 2)  # 30 steps, all but the first with a cut before
    pool.label_samples(np.arange(20, 60), np.zeros(40, np.int32), 1)
    learner.fit(pool, Streams(0, 1, 1))
    assert not np.array_equal(probabilities(learner, digits.x_test[:50]), first)
    again = make(digits.x_train[:200], n_batch_vaal=32, n_epoch_vaal=5)
    for other in (learner, again):
        assert other.fit(pool.back_to(0), Streams(0, 1, 0)) == found
        np.testing.assert_array_equal(probabilities(other, digits.x_test[:50]), first)
    assert learner._compiled_step.experimental_get_tracing_count() == 1


def test_bright_images_are_unlike_the_dark_labeled_ones(make):
    """5 labeled dark images, fewer than a batch; half of the others are bright."""
    rng = np.random.default_rng(0)
    array = np.concatenate([rng.integers(0, 60, (65, 4, 4, 1)), rng.integers(195, 256, (60, 4, 4, 1))]).astype(np.uint8)
    learner = make(array, n_batch_vaal=16, n_epoch_vaal=5)
    learner.fit(pool_of(125, 5), Streams(0, 1, 0))
    found = probabilities(learner, array)
    dark, bright = found[5:65], found[65:]
    assert np.median(bright) < 0.35
    assert np.median(bright) < np.median(dark) - 0.1
    assert np.mean(np.argsort(found[5:])[:30] >= 60) > 0.8


def test_images_in_files(make, narrow, tmp_path):
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    for row in range(8):
        (folder / f"{row}.JPEG").write_bytes(encoded(pixels(20, 24, seed=row)))
    images = ImageFiles(from_tree(tmp_path, "train", ("a",), 16))
    learner = make(images, n_batch_vaal=4, n_epoch_vaal=2)
    learner.fit(pool_of(8, 3), Streams(0, 1, 0))
    found = learner.read(next(iter(images.batches(np.arange(8), 8))), ["labeled_probability"])["labeled_probability"]
    assert found.shape == (8,)
    assert np.isfinite(found).all()


def test_a_loss_that_is_no_number_ends_the_training(make, narrow):
    learner = make(np.full((20, 4, 4, 1), 1e30, np.float32), n_batch_vaal=8, n_epoch_vaal=2)
    with pytest.raises(TrainingError, match=r"a loss of vaal became (inf|nan) in epoch 1"):
        learner.fit(pool_of(20, 5), Streams(0, 1, 0))


def test_reading_needs_a_training_and_the_name(make, narrow, digits):
    learner, batch = make(digits.x_train[:30], n_batch_vaal=8, n_epoch_vaal=1), np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(InputError, match="'vaal' is not trained yet"):
        learner.read(batch, ["labeled_probability"])
    learner.fit(pool_of(30, 10), Streams(0, 1, 0))
    found = learner.read(batch, ["labeled_probability", "labeled_logit"])
    assert found["labeled_logit"].shape == (2,)
    np.testing.assert_allclose(found["labeled_probability"], 1 / (1 + np.exp(-found["labeled_logit"])), rtol=1e-5)
    with pytest.raises(InputError, match=r"unknown output of vaal 'logits'.*labeled_probability"):
        learner.read(batch, ["logits"])
    assert learner.fit(pool_of(30, 30), Streams(0, 1, 1)) == {}  # none is unlabeled: nothing to tell apart
    with pytest.raises(InputError, match="'vaal' is not trained yet"):
        learner.read(batch, ["labeled_probability"])
    with pytest.raises(InputError, match="at least one labeled sample"):
        learner.fit(pool_of(30, 0), Streams(0, 1, 0))


def test_is_registered():
    assert LEARNERS["vaal"].load() is VAALearner
