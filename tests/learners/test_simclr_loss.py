"""The SimCLR loss of single images: by hand, against a loop, and on digits and noise."""

import numpy as np
import pytest
import tensorflow as tf

from models import BUILDERS
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.learners.contrastive import TEMPERATURE
from tfal.learners.contrastive_encoders import SimCLR
from tfal.learners.simclr_loss import N_VARIANTS, nt_xent_loss, variant
from tfal.pool import Pool
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow

N = 60
FIRST, SECOND = [(1.0, 0.0), (0.0, 1.0)], [(0.6, 0.8), (0.8, 0.6)]


@pytest.fixture(autouse=True)
def _prepare():
    prepare_tensorflow()


@pytest.fixture
def recipe(small, change, tmp_path_factory):
    """With a folder of all tests: an encoder is trained by the first one that asks for it."""
    folder = str(tmp_path_factory.getbasetemp() / "simclr of losses")
    options = {"network": "SCNN", "n_epoch_simclr": 1, "n_batch_encoder": 20, "n_warmup": 0, "lr_encoder": 0.02}
    return change(small, **options, results_dir=folder)


@pytest.fixture
def batch(digits):
    return digits.x_train[:N].astype(np.float32) / 255


def trained(array, recipe, n_classes=10):
    made = SimCLR(BUILDERS[recipe.network], Images(array), n_classes, recipe)
    made.fit(Pool.unlabeled_pool(len(array)), Streams(0))
    return made


def losses(encoder, batch):
    return encoder.read(batch, ["simclr_loss"])["simclr_loss"].numpy()


@pytest.mark.parametrize(("temperature", "expected"), [(0.1, 2.127224), (1.0, 1.018925)])
def test_two_pairs_by_hand(temperature, expected):
    """All four views are candidates, but an anchor not for itself, and the positive once."""
    candidates = tf.constant(FIRST + SECOND)
    left_out = tf.constant([[True, False, True, False], [False, True, False, True]])
    found = nt_xent_loss(tf.constant(FIRST), tf.constant(SECOND), candidates, temperature, left_out)
    np.testing.assert_allclose(found, [expected, expected], atol=1e-6)


def test_against_a_loop():
    rng = np.random.default_rng(0)
    anchors, positives, negatives = (rng.normal(size=(n, 5)) for n in (4, 4, 7))
    left_out = rng.random((4, 7)) < 0.3
    expected = []
    for a, p, skip in zip(anchors, positives, left_out, strict=True):

        def similarity(x, a=a):
            return np.exp(x @ a / np.linalg.norm(x) / np.linalg.norm(a) / 0.5)

        total = similarity(p) + sum(similarity(n) for n, out in zip(negatives, skip, strict=True) if not out)
        expected.append(-np.log(similarity(p) / total))
    found = nt_xent_loss(*map(tf.constant, (anchors, positives, negatives)), left_out=tf.constant(left_out))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_negatives_every_loss_would_be_zero():
    one = tf.constant([[1.0, 0.0]])
    assert float(nt_xent_loss(one, one, one, left_out=tf.constant([[True]]))[0]) == 0
    for negatives in (tf.zeros((0, 2)), tf.zeros((3, 4))):
        with pytest.raises(InputError, match="at least one negative and a positive temperature"):
            nt_xent_loss(one, one, negatives)
    with pytest.raises(InputError, match="a positive temperature"):
        nt_xent_loss(one, one, one, temperature=0.0)


def test_by_hand_from_the_projections(digits, recipe, batch):
    """Each image against all others of the pool, once for each variant."""
    encoder, expected = trained(digits.x_train[:N], recipe), np.zeros(N)
    unit = [_unit(encoder, batch), *(_unit(encoder, variant(batch, tf.constant(v))) for v in range(N_VARIANTS))]
    for positives in unit[1:]:
        e = np.exp(unit[0] @ unit[0].T / TEMPERATURE)
        np.fill_diagonal(e, np.exp(np.sum(unit[0] * positives, axis=1) / TEMPERATURE))
        expected -= np.log(np.diag(e) / e.sum(axis=1)) / N_VARIANTS
    np.testing.assert_allclose(losses(encoder, batch), expected, atol=1e-4)


def _unit(encoder, batch):
    found = encoder.read(batch, ["projection"])["projection"].numpy().astype(float)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_depends_on_neither_batch_nor_history(digits, recipe, batch):
    encoder = trained(digits.x_train[:N], recipe)
    whole = losses(encoder, batch)
    assert whole.std() > 0.01  # a score, not rounding
    single = np.concatenate([losses(encoder, batch[i : i + 1]) for i in (7, 3, 3)])
    np.testing.assert_allclose(single, whole[[7, 3, 3]], atol=1e-5)
    again = trained(digits.x_train[:N], recipe)  # from the file
    np.testing.assert_array_equal(losses(again, batch), whole)
    found = again.read(batch[:5], ["simclr_loss", "features"])
    assert {name: value.shape for name, value in found.items()} == {"simclr_loss": (5,), "features": (5, 128)}
    np.testing.assert_array_equal(found["features"], encoder.read(batch[:5], ["features"])["features"])


def test_the_image_itself_is_no_negative(digits, recipe, batch):
    """In a pool of two, each has the other alone."""
    encoder = trained(digits.x_train[:2], recipe)
    z, found = _unit(encoder, batch[:2]), losses(encoder, batch[:2])
    expected = []
    for v in range(N_VARIANTS):
        positive = np.sum(z * _unit(encoder, variant(batch[:2], tf.constant(v))), axis=1)
        expected.append(np.log1p(np.exp((z[0] @ z[1] - positive) / TEMPERATURE)))
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-5)


def test_negatives_are_drawn_from_the_pool(digits, recipe, change):
    """Excluded images change nothing; more than 512 are not needed."""
    array = digits.x_train[:N].copy()
    pool = Pool.unlabeled_pool(N)
    pool.exclude(np.arange(20))
    found = []
    for first in (array[:20], 255 - array[:20]):
        encoder = SimCLR(BUILDERS["SCNN"], Images(np.concatenate([first, array[20:]])), 10, recipe)
        encoder.fit(pool, Streams(0))
        found.append(losses(encoder, array[20:].astype(np.float32) / 255))
    np.testing.assert_array_equal(*found)
    large = SimCLR(BUILDERS["SCNN"], Images(digits.x_train[:600]), 10, change(recipe, n_batch_encoder=300))
    large.fit(Pool.unlabeled_pool(600), Streams(0))
    assert len(large._negatives) == len(set(large._negatives)) == 512


def test_another_pool_has_other_negatives(digits, recipe, batch):
    encoder = trained(digits.x_train[:N], recipe)
    before, pool = losses(encoder, batch), Pool.unlabeled_pool(N)
    pool.exclude(np.arange(20))
    encoder.fit(pool, Streams(0))
    assert not np.allclose(losses(encoder, batch), before)


def test_variants_of_images():
    """The same change for all images; digits are not mirrored, colour images in every second variant."""
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        images = tf.constant(np.repeat(rng.random((1, 8, 8, channels), np.float32), 3, axis=0))
        made = [variant(images, tf.constant(number)).numpy() for number in range(N_VARIANTS)]
        assert all(np.array_equal(x[0], x[1]) and x.min() >= 0 and x.max() <= 1 + 1e-6 for x in made)
        assert len({x.tobytes() for x in made}) == N_VARIANTS
    ramp = np.linspace(0, 1, 16, dtype=np.float32)[None, None, :, None] * np.ones((1, 16, 1, 3), np.float32)
    rises = [variant(tf.constant(ramp), tf.constant(v)).numpy()[0, 8, [3, 12], 0] for v in range(N_VARIANTS)]
    assert [bool(left < right) for left, right in rises] == [True, False] * (N_VARIANTS // 2)
    grey = [variant(tf.constant(ramp[..., :1]), tf.constant(v)).numpy()[0, 8, [3, 12], 0] for v in range(N_VARIANTS)]
    assert all(left < right for left, right in grey)


def test_what_cannot_be_read(digits, recipe, batch):
    encoder = trained(digits.x_train[:N], recipe)
    with pytest.raises(InputError, match=r"no output 'loss'\. It has: features, .*, simclr_loss"):
        encoder.read(batch, ["simclr_loss", "loss"])
    with pytest.raises(InputError, match="'simclr' is not trained yet"):
        losses(SimCLR(BUILDERS["SCNN"], Images(digits.x_train[:N]), 10, recipe), batch)
    with pytest.raises(InputError, match=r"a pool of at least 2\. Received: 1"):
        losses(trained(digits.x_train[:1], recipe), batch)


def test_the_learner_has_a_name():
    assert LEARNERS["simclr"].load() is SimCLR
