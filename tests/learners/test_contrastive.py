import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import BUILDERS
from tfal.errors import InputError
from tfal.learners.contrastive import Contrastive, encoder, nt_xent, one_sided_nt_xent, rotation_loss


def _slow_nt_xent(projections, temperature):
    z = [row / np.linalg.norm(row) for row in np.asarray(projections, np.float64)]
    n, losses = len(z), []
    for i in range(n):
        total = sum(math.exp(z[i] @ z[j] / temperature) for j in range(n) if j != i)
        positive = math.exp(z[i] @ z[(i + n // 2) % n] / temperature)
        losses.append(-math.log(positive / (total + 1e-8) + 1e-8))
    return sum(losses) / n


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([(1, 0), (0, 1), (1, 0), (0, 1)], 0.239545), ([(1, 0), (0, 1), (1, 1), (-1, 1)], 0.535969)],
)
def test_nt_xent_by_hand(rows, expected):
    """The first: -ln(e^2 / (e^2 + 2)) in each row."""
    assert float(nt_xent(tf.constant(rows, tf.float32))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("n", [2, 4, 10])
def test_nt_xent_against_a_loop(n, temperature):
    projections = np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32)
    found = float(nt_xent(tf.constant(projections), temperature))
    assert found == pytest.approx(_slow_nt_xent(projections, temperature), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("temperature", "expected"), [(0.1, 2.127224), (1.0, 1.018925)])
def test_one_sided_nt_xent_by_hand(temperature, expected):
    """Rows 1 and 2 are told from the other three: cosines 0, .6, .8, the partner's being .6, in both of them."""
    z = tf.constant([(1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.8, 0.6)])
    assert float(one_sided_nt_xent(5 * z, temperature)) == pytest.approx(expected, abs=1e-5)
    at_t = [math.exp(cosine / temperature) for cosine in (0, 0.6, 0.8)]
    assert expected == pytest.approx(-math.log(at_t[1] / sum(at_t)), abs=1e-6)


def test_one_side_is_half_of_both():
    """Rows and partners exchanged give the other half."""
    rows = tf.constant(np.random.default_rng(0).normal(size=(8, 5)), tf.float32)
    halves = [float(one_sided_nt_xent(x, 0.5)) for x in (rows, tf.roll(rows, 4, axis=0))]
    assert np.mean(halves) == pytest.approx(float(nt_xent(rows)), rel=1e-5)
    assert halves[0] != pytest.approx(halves[1], rel=1e-3)


def test_nt_xent_is_finite_at_zero_projections():
    projections = tf.Variable(tf.zeros((4, 3)))
    with tf.GradientTape() as tape:
        loss = nt_xent(projections)
    assert float(loss) == pytest.approx(math.log(3), rel=1e-5)
    assert np.isfinite(tape.gradient(loss, projections)).all()


@pytest.mark.parametrize("n", [1, 3])
def test_rotation_loss_knows_the_order_of_the_views(n):
    """Certain and right is 0; undecided is ln 4."""
    right = 100 * tf.one_hot(np.tile(np.repeat(range(4), n), 2), 4)
    assert float(rotation_loss(right)) == pytest.approx(0, abs=1e-6)
    assert float(rotation_loss(tf.zeros((8 * n, 4)))) == pytest.approx(math.log(4))
    assert float(rotation_loss(tf.roll(right, n, 0))) == pytest.approx(100)


def _pixels(shape, n_classes):
    """A network whose features are the pixels."""
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)])


def test_the_encoder_sees_centered_images_and_the_features_of_any_network():
    images = np.random.default_rng(0).random((3, 2, 2, 1), np.float32)
    found = encoder(_pixels((2, 2, 1), 7), 4)(images, training=False)
    np.testing.assert_allclose(found["features"], (images.reshape(3, 4) - 0.5) / 0.5, atol=1e-6)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "features": (3, 4),
        "projection": (3, 128),
        "shift": (3, 4),
    }


def test_heads_alone_are_added_and_the_logits_are_left_out():
    network = BUILDERS["SCNN"]((8, 8, 1), 10)
    body = network.count_params() - (128 * 10 + 10)
    projection, shift = (128 * 128 + 128) + (128 * 128 + 128), 128 * 4 + 4
    assert encoder(network, 4).count_params() == body + projection + shift
    assert encoder(network, 1).count_params() == body + projection
    assert "shift" not in encoder(network, 1).output


def test_heads_start_within_the_published_bound():
    model = encoder(_pixels((4, 4, 1), 2), 4)
    kernel, bias = model.get_layer("projection_hidden").get_weights()
    assert 0.22 < np.abs(kernel).max() <= 0.25  # 1 / sqrt(16)
    assert 0 < np.abs(bias).max() <= 0.25
    assert not np.array_equal(model.get_layer("shift").get_weights()[0], kernel[:, :4])


def test_a_network_without_readable_features():
    images = keras.Input((4, 4, 1))
    with pytest.raises(InputError, match="cannot read this model"):
        encoder(keras.Model(images, keras.layers.Conv2D(2, 3)(images)), 1)


@pytest.mark.parametrize("n_rotations", [1, 4])
def test_the_loss_that_fit_reports_is_that_of_the_heads(n_rotations):
    keras.utils.set_random_seed(0)
    network = encoder(_pixels((4, 4, 1), 2), n_rotations)
    views = np.random.default_rng(1).random((16, 4, 4, 1), np.float32)
    found = network(views)
    expected = nt_xent(found["projection"])
    if n_rotations == 4:
        expected = expected + rotation_loss(found["shift"])
    trainer = Contrastive(network.inputs, network.output)
    trainer.compile(optimizer=keras.optimizers.SGD(0.1))
    before = network.get_weights()
    history = trainer.fit(tf.data.Dataset.from_tensors(views), shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(float(expected), rel=1e-5)
    assert not any(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
