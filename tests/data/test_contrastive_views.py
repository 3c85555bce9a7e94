import colorsys

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from tfal.data import contrastive_views
from tfal.data.augmentations import Augmentation
from tfal.data.contrastive_views import COLOR_JITTER, CROP, FLIP, GREYING, MILD_CROP, SIMCLR
from tfal.errors import InputError

ALL = {"flip": FLIP, "jitter": COLOR_JITTER, "grey": GREYING, "crop": CROP, "mild": MILD_CROP, "simclr": SIMCLR}
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
WHOLE = (BELOW_ONE, 0.5, 0.0, 0.0)  # a crop of everything, of square images
QUARTER = (0.25 - 0.08) / 0.92  # the draw for a quarter of the area


def images_of(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def draws_of(*rows):
    return tf.constant(rows, tf.float32)


def one_pixel(*color):
    return tf.constant(color, tf.float32)[None, None, None, :]


@pytest.mark.parametrize("shape", [(7, 6, 6, 3), (7, 6, 6, 1), (3, 5, 9, 3)])
@pytest.mark.parametrize("name", ALL)
def test_eager_and_in_tf_data_alike_and_in_range(name, shape):
    augmentation, images = ALL[name], images_of(*shape)
    draws = np.random.default_rng(1).random((shape[0], augmentation.n_draws), np.float32)
    eager = augmentation.apply(tf.constant(images), tf.constant(draws))
    piped = tf.data.Dataset.from_tensors((images, draws)).map(augmentation.apply)
    assert piped.element_spec.shape == eager.shape == shape
    np.testing.assert_allclose(next(iter(piped)), eager, atol=1e-6)
    assert np.all(eager >= 0)
    assert np.all(eager <= 1 + 1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_row_of_draws_changes_its_own_image_only(name):
    augmentation, images = ALL[name], images_of(6, 5, 5, 3)
    draws = np.random.default_rng(2).random((6, augmentation.n_draws), np.float32)
    if name in ("jitter", "simclr"):
        draws[:, 1] = 0.2  # the order is common to a batch
    whole = augmentation.apply(tf.constant(images), tf.constant(draws))
    assert not np.allclose(whole, images, atol=0.01)
    for b in range(6):
        single = augmentation.apply(tf.constant(images[b : b + 1]), tf.constant(draws[b : b + 1]))
        np.testing.assert_allclose(single[0], whole[b], atol=1e-6)


@pytest.mark.parametrize(
    ("augmentation", "neutral"),
    [
        (FLIP, (0.5,)),
        (COLOR_JITTER, (0.8, 0.0, 0.1, 0.2, 0.3, 0.4)),  # not applied
        (COLOR_JITTER, (0.0, 0.0, 0.5, 0.5, 0.5, 0.5)),  # applied with factors 1 and no shift
        (COLOR_JITTER, (0.0, 0.9, 0.5, 0.5, 0.5, 0.5)),
        (GREYING, (0.2,)),
        (CROP, WHOLE),
        (SIMCLR, (0.8, 0, 0, 0, 0, 0, 0.2, *WHOLE)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_neutral_draws_change_nothing(augmentation, neutral, channels):
    images = images_of(2, 6, 6, channels)
    np.testing.assert_allclose(augmentation.apply(tf.constant(images), draws_of(neutral, neutral)), images, atol=2e-6)


def test_flip_mirrors_left_and_right():
    image = tf.reshape(tf.constant([1.0, 2.0, 3.0, 4.0]), (1, 2, 2, 1))
    assert FLIP.apply(image, draws_of((0.49,)))[0, :, :, 0].numpy().tolist() == [[2, 1], [4, 3]]


def test_grey_is_the_weighted_sum():
    np.testing.assert_allclose(GREYING.apply(one_pixel(1, 0, 0), draws_of((0.1,)))[0, 0, 0], [0.299] * 3, atol=1e-6)
    np.testing.assert_allclose(GREYING.apply(one_pixel(0, 0.5, 1), draws_of((0.1,)))[0, 0, 0], [0.4075] * 3, atol=1e-6)


def test_colors_by_hand():
    """Hue 12.75 degrees up from red; a third degree of colour; less light. A single pixel has no contrast."""
    turned = COLOR_JITTER.apply(one_pixel(1, 0, 0), draws_of((0, 0, 0.5, 0.75, 0.5, 0.5)))
    np.testing.assert_allclose(turned[0, 0, 0], [1, 0.2125, 0], atol=1e-5)
    paler = COLOR_JITTER.apply(one_pixel(1, 0.5, 0.5), draws_of((0, 0, 0.5, 0.5, 0, 0.5)))
    np.testing.assert_allclose(paler[0, 0, 0], [1, 0.7, 0.7], atol=1e-5)
    darker = COLOR_JITTER.apply(one_pixel(1, 0.5, 0.5), draws_of((0, 0, 0.5, 0.5, 0.5, 0)))
    np.testing.assert_allclose(darker[0, 0, 0], [0.6, 0.3, 0.3], atol=1e-5)


@pytest.mark.parametrize(("order", "expected"), [(0.0, [0.49, 0.91]), (0.5, [0.48, 0.87])])
def test_one_channel_by_hand_in_both_orders(order, expected):
    """0.25, 0.75: contrast 0.6 gives 0.35, 0.65, times 1.4. Or times 1.4, cut at 1, and contrast about 0.675."""
    image = tf.reshape(tf.constant([0.25, 0.75]), (1, 1, 2, 1))
    found = COLOR_JITTER.apply(image, draws_of((0.79, order, 0, 0.9, 0.9, BELOW_ONE)))
    np.testing.assert_allclose(tf.reshape(found, [-1]), expected, atol=1e-6)


def test_strengths_of_the_initial_pools_by_hand():
    """Jitter 0.8, hue 0.2: factors 0.2 to 1.8, and 0.2 of a turn is 72 degrees, here from red to (0.8, 1, 0)."""
    changes = contrastive_views.simclr_changes(0.8, 0.2, 0.2)
    colours = (0, 0, 0.5, BELOW_ONE, 0.5, 0.5)
    turned = changes.apply(one_pixel(1, 0, 0), draws_of((*colours, BELOW_ONE, *WHOLE)))
    np.testing.assert_allclose(turned[0, 0, 0], [0.8, 1, 0], atol=1e-4)
    darker = changes.apply(one_pixel(1, 0.5, 0.5), draws_of((0, 0, 0.5, 0.5, 0.5, 0, BELOW_ONE, *WHOLE)))
    np.testing.assert_allclose(darker[0, 0, 0], [0.2, 0.1, 0.1], atol=1e-5)
    stronger = contrastive_views.simclr_changes(1.5, 0.2, 0.2).apply(
        one_pixel(1, 1, 1), draws_of((0, 0, 0.5, 0.5, 0.5, 0, 0.9, *WHOLE))
    )
    assert stronger.numpy().min() == 0  # no factor is negative


def test_crops_of_a_fifth_of_the_area_and_more():
    """10 x 10 pixels, aspect 1: the smallest crop has sqrt(20) pixels a side, rounded 4, of 0.08 of the area 3."""
    ramp = tf.constant(np.tile(np.arange(10, dtype=np.float32), (10, 1))[None, :, :, None])
    for least, side in ((0.2, 4), (0.08, 3)):
        changes = contrastive_views.simclr_changes(0, 0, least)
        row = changes.apply(ramp / 10, draws_of((BELOW_ONE,) * 7 + (0, 0.5, 0, 0)))[0, 0, :, 0].numpy() * 10
        np.testing.assert_allclose(np.diff(row[3:7]), side / 10, atol=1e-5)


def _slow_jitter(image, order, contrast, hue, saturation, value):
    def contrasted(x):
        mean = x.mean(axis=(0, 1))
        return np.clip((x - mean) * (0.6 + 0.8 * contrast) + mean, 0, 1)

    def coloured(x):
        result = np.empty_like(x)
        for place in np.ndindex(x.shape[:2]):
            h, s, v = colorsys.rgb_to_hsv(*x[place])
            h = (h + (2 * hue - 1) * 0.1 * 255 / 360) % 1
            s, v = (min(a * (0.6 + 0.8 * b), 1) for a, b in ((s, saturation), (v, value)))
            result[place] = colorsys.hsv_to_rgb(h, s, v)
        return result

    return coloured(contrasted(image)) if order < 0.5 else contrasted(coloured(image))


@pytest.mark.parametrize("order", [0.1, 0.9])
def test_jitter_against_a_loop_over_pixels(order):
    images, draws = images_of(5, 4, 3, 3), np.random.default_rng(3).random((5, 6), np.float32)
    draws[:, 1], draws[0, 0], draws[1, 0] = order, 0.1, 0.9
    expected = [_slow_jitter(x, order, *row[2:]) if row[0] < 0.8 else x for x, row in zip(images, draws, strict=True)]
    np.testing.assert_allclose(COLOR_JITTER.apply(tf.constant(images), tf.constant(draws)), expected, atol=1e-5)


def test_crop_by_hand():
    """2 of 4 columns, twice as large: centers at -0.25, 0.25, 0.75, 1.25; beyond the border its value goes on."""
    ramp = tf.constant(np.tile(np.arange(4, dtype=np.float32), (4, 1))[None, :, :, None])
    left = CROP.apply(ramp, draws_of((QUARTER, 0.5, 0.0, 0.0)))[0, :, :, 0]
    np.testing.assert_allclose(left, np.tile([0, 0.25, 0.75, 1.25], (4, 1)), atol=1e-6)
    bottom_right = CROP.apply(ramp + 4 * tf.transpose(ramp, [0, 2, 1, 3]), draws_of((QUARTER, 0.5, 0.99, 0.99)))
    places = np.array([1.75, 2.25, 2.75, 3])
    np.testing.assert_allclose(bottom_right[0, :, :, 0], places + 4 * places[:, None], atol=1e-5)


def _slow_crop(image, area, aspect, top, left, least_area):
    height, width = image.shape[:2]
    pixels = (least_area + (1 - least_area) * area) * height * width
    ratio = np.exp(np.log(3 / 4) + aspect * np.log(16 / 9))
    h = int(np.clip(np.round(np.sqrt(pixels / ratio)), 1, height))
    w = int(np.clip(np.round(np.sqrt(pixels * ratio)), 1, width))
    rows = int(top * (height - h + 1)) + (np.arange(height) + 0.5) * h / height - 0.5
    columns = int(left * (width - w + 1)) + (np.arange(width) + 0.5) * w / width - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.stack([map_coordinates(channel, grid, order=1, mode="nearest") for channel in np.moveaxis(image, -1, 0)])


@pytest.mark.parametrize("shape", [(8, 8, 3), (5, 9, 3), (1, 4, 1)])
def test_crop_against_scipy(shape):
    images, draws = images_of(20, *shape), np.random.default_rng(4).random((20, 4), np.float32)
    expected = [np.moveaxis(_slow_crop(x, *row, 0.08), 0, -1) for x, row in zip(images, draws, strict=True)]
    np.testing.assert_allclose(CROP.apply(tf.constant(images), tf.constant(draws)), expected, atol=1e-5)


def test_mild_crops_are_all_of_54_percent():
    """In a ramp of 100 columns, a part of w columns grows by w / 100 from place to place."""
    ramp = tf.constant(np.tile(np.arange(100, dtype=np.float32), (8, 100, 1))[..., None])
    draws = tf.constant(np.random.default_rng(5).random((8, 4), np.float32))
    widths = np.diff(MILD_CROP.apply(ramp, draws)[:, 50, 10:90, 0], axis=1).mean(axis=1)
    heights = np.diff(MILD_CROP.apply(tf.transpose(ramp, [0, 2, 1, 3]), draws)[:, 10:90, 50, 0], axis=1).mean(axis=1)
    np.testing.assert_allclose(widths * heights, 0.54, atol=0.01)
    assert np.ptp(widths) > 0.05  # the aspects differ


def test_rotations_are_counter_clockwise():
    image = tf.reshape(tf.constant([1, 2, 3, 4]), (1, 2, 2, 1))
    found = contrastive_views.rotations(tf.concat([image, image + 10], 0))[:, :, :, 0].numpy().tolist()
    assert found[0::2] == [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    assert found[3] == [[12, 14], [11, 13]]


def test_rotations_need_square_images():
    with pytest.raises(InputError, match=r"need square images\. Received: \(2, 3, 1\)"):
        contrastive_views.rotations(tf.zeros((1, 2, 3, 1)))
    assert contrastive_views.rotations(tf.zeros((1, 2, 3, 1)), 1).shape == (1, 2, 3, 1)


def test_the_order_of_views(monkeypatch):
    """Without random changes: copy 1 in four turns, then copy 2; pairs lie half the batch apart."""
    for name in ("FLIP", "SIMCLR"):
        kept = Augmentation(lambda images, draws: images, n_draws=getattr(contrastive_views, name).n_draws)
        monkeypatch.setattr(contrastive_views, name, kept)
    images = tf.constant(images_of(3, 4, 4, 1))
    found = contrastive_views.contrastive_views(images, 4, 0, tf.constant(0, tf.int64))
    assert np.array_equal(found, tf.concat([contrastive_views.rotations(images)] * 2, 0))
    pair = contrastive_views.contrastive_views(images, 1, 0, tf.constant(0, tf.int64))
    assert np.array_equal(pair, tf.concat([images, images], 0))


@pytest.mark.parametrize(("n_rotations", "n"), [(1, 1), (4, 1), (4, 5)])
def test_views_follow_from_seed_and_step(n_rotations, n):
    images = tf.constant(images_of(n, 6, 6, 3))

    def at(seed, step):
        return contrastive_views.contrastive_views(images, n_rotations, seed, tf.constant(step, tf.int64)).numpy()

    first = at(1, 7)
    assert first.shape == (2 * n_rotations * n, 6, 6, 3)
    assert np.array_equal(first, at(1, 7))
    assert not np.allclose(first, at(1, 8), atol=0.01)
    assert not np.allclose(first, at(2, 7), atol=0.01)
    assert not np.allclose(first[: len(first) // 2], first[len(first) // 2 :], atol=0.01)


def test_both_copies_are_mirrored_on_their_own(monkeypatch):
    monkeypatch.setattr(contrastive_views, "SIMCLR", Augmentation(lambda images, draws: images, n_draws=SIMCLR.n_draws))
    images = tf.constant(images_of(64, 4, 4, 1))
    found = contrastive_views.contrastive_views(images, 4, 0, tf.constant(0, tf.int64))
    mirrored = [np.array_equal(found[i], tf.reverse(images[i % 64], [1])) for i in (*range(64), *range(256, 320))]
    shares = np.array(mirrored).reshape(2, 64)
    assert np.all(np.abs(shares.mean(axis=1) - 0.5) < 0.25)
    assert 0.25 < np.mean(shares[0] == shares[1]) < 0.75


def test_fixed_draws_are_one_row_for_all_images():
    first = contrastive_views.fixed_draws(3, MILD_CROP, tf.constant(0)).numpy()
    assert first.shape == (3, 4)
    assert np.array_equal(first, np.tile(first[:1], (3, 1)))
    assert np.array_equal(first[:2], contrastive_views.fixed_draws(2, MILD_CROP, tf.constant(0)))
    assert not np.array_equal(first, contrastive_views.fixed_draws(3, MILD_CROP, tf.constant(1)))
