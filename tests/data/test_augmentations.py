import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from tfal.data import rand_augment as numbers
from tfal.data.augmentations import AUGMENTATIONS, CROP_PADDING, check_augmentation
from tfal.data.images import Images
from tfal.errors import InputError

N = 23
ARRAY = np.random.default_rng(0).integers(0, 256, (N, 6, 5, 3), dtype=np.uint8)
FLIP_CROP, CROP = AUGMENTATIONS["flip_crop"].apply, AUGMENTATIONS["crop"].apply
RAND_AUGMENT = AUGMENTATIONS["randaugment"].apply
OPERATIONS = (
    "shear_x shear_y shift_x shift_y rotate color contrast sharpness brightness posterize solarize cutout autocontrast "
    "equalize invert"
).split()


def slow_flip_crop(image, draws):
    """One image by slices."""
    image = image[:, ::-1] if draws[0] < 0.5 else image
    padded = np.pad(image, [(CROP_PADDING, CROP_PADDING), (CROP_PADDING, CROP_PADDING), (0, 0)])
    top, left = (int(draw * (2 * CROP_PADDING + 1)) for draw in draws[1:])
    return padded[top : top + image.shape[0], left : left + image.shape[1]]


def test_flip_crop_agrees_with_slices():
    draws = np.random.default_rng(1).random((N, 3), dtype=np.float32)
    draws[0], draws[1] = 0, np.nextafter(np.float32(1), np.float32(0))
    got = FLIP_CROP(tf.constant(ARRAY), tf.constant(draws)).numpy()
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, [slow_flip_crop(*pair) for pair in zip(ARRAY, draws, strict=True)])


def test_flip_crop_by_hand():
    image = np.array([[[1], [2]], [[3], [4]]], dtype=np.uint8)  # 1 2 / 3 4
    draws = np.array([[0.2, 3.5 / 9, 4.5 / 9], [0.7, 4.5 / 9, 5.5 / 9]], dtype=np.float32)
    got = FLIP_CROP(tf.constant(np.stack([image, image])), tf.constant(draws)).numpy()[..., 0]
    assert got[0].tolist() == [[0, 0], [2, 1]]  # mirrored, one row further up
    assert got[1].tolist() == [[2, 0], [4, 0]]  # as it is, one column further right


def test_crop_is_flip_crop_without_the_mirror():
    draws = np.random.default_rng(3).random((N, 2), dtype=np.float32)
    unmirrored = np.concatenate([np.full((N, 1), 0.5, np.float32), draws], axis=1)
    np.testing.assert_array_equal(CROP(ARRAY, draws), FLIP_CROP(ARRAY, unmirrored))
    assert AUGMENTATIONS["crop"].n_draws == 2


def test_flip_crop_inside_a_dataset_equals_eager():
    draws = np.random.default_rng(2).random((N, 3), dtype=np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((ARRAY, draws)).batch(7).map(FLIP_CROP)
    eager = FLIP_CROP(tf.constant(ARRAY), tf.constant(draws))
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in dataset]), eager)


def _draws(operation, sign, place=(0.5, 0.5)):
    return [(OPERATIONS.index(operation) + 0.5) / len(OPERATIONS), 0.1 if sign < 0 else 0.9, *place]


def by_pillow(name, image, sign):
    """One operation by Pillow, which the published code uses."""
    image = Image.fromarray(image if image.shape[-1] == 3 else image[..., 0])
    shear, shift, factor = sign * numbers.SHEAR, sign * numbers.SHIFT, 1 + sign * numbers.BLEND
    fill = 128 if image.mode == "L" else (128, 128, 128)

    def affine(*matrix):
        return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=fill)

    return {
        "shear_x": lambda: affine(1, shear, 0, 0, 1, 0),
        "shear_y": lambda: affine(1, 0, 0, shear, 1, 0),
        "shift_x": lambda: affine(1, 0, shift * image.size[0], 0, 1, 0),
        "shift_y": lambda: affine(1, 0, 0, 0, 1, shift * image.size[1]),
        "rotate": lambda: image.rotate(16.667),
        "color": lambda: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, 6),
        "solarize": lambda: ImageOps.solarize(image, 113.8),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
    }[name]()


def _pictures(channels):
    """Noise, a soft picture, and one of few levels."""
    rng = np.random.default_rng(5)
    soft = np.asarray(Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)).resize((21, 16)))
    found = [rng.integers(0, 256, (16, 21, 3), dtype=np.uint8), soft, rng.integers(90, 94, (16, 21, 3), dtype=np.uint8)]
    return [np.ascontiguousarray(picture[..., :channels]) for picture in found]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "cutout"])
def test_operations_are_those_of_pillow(name, channels):
    for sign in (-1, 1):
        draws = np.float32([_draws(name, sign)] * 3)
        images = np.stack(_pictures(channels))
        got = RAND_AUGMENT(tf.constant(images), tf.constant(draws)).numpy()
        expected = np.stack([np.asarray(by_pillow(name, image, sign)).reshape(image.shape) for image in images])
        assert got.dtype == np.uint8
        assert np.abs(got.astype(int) - expected).max() <= (name == "autocontrast")
        floats = RAND_AUGMENT(tf.constant(images / np.float32(255)), tf.constant(draws)).numpy()
        np.testing.assert_allclose(floats * 255, got, atol=1e-3)


def test_cutout_hides_a_square():
    image = np.full((1, 9, 9, 3), 7, np.uint8)  # side round(0.4444 * 9) = 4, from two above the pixel
    for place, rows, columns in (((0.5, 0.5), (2, 6), (2, 6)), ((0.0, 0.99), (0, 2), (6, 9))):
        got = RAND_AUGMENT(image, tf.constant([_draws("cutout", 1, place)])).numpy()[0]
        expected = image[0].copy()
        expected[slice(*rows), slice(*columns)] = 0
        np.testing.assert_array_equal(got, expected)


def test_randaugment_changes_each_image_by_its_own_draws():
    draws = np.random.default_rng(6).random((N, 4), dtype=np.float32)
    whole = RAND_AUGMENT(tf.constant(ARRAY), tf.constant(draws)).numpy()
    single = np.concatenate([RAND_AUGMENT(ARRAY[i : i + 1], draws[i : i + 1]) for i in range(N)])
    dataset = tf.data.Dataset.from_tensor_slices((ARRAY, draws)).batch(7).map(RAND_AUGMENT)
    np.testing.assert_array_equal(whole, single)
    np.testing.assert_array_equal(whole, np.concatenate([batch.numpy() for batch in dataset]))
    assert np.mean([np.array_equal(a, b) for a, b in zip(whole, ARRAY, strict=True)]) < 0.3


def test_randaugment_needs_grey_levels():
    check_augmentation("randaugment", Images(ARRAY))
    check_augmentation("flip_crop", Images(ARRAY.astype(np.float32)))
    with pytest.raises(InputError, match="randaugment changes grey levels"):
        check_augmentation("randaugment", Images(ARRAY.astype(np.float32)))
    with pytest.raises(InputError, match=r"unknown augmentation 'flipcorp'. Did you mean 'flip_crop'"):
        check_augmentation("flipcorp", Images(ARRAY))
