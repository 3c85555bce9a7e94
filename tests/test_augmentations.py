import numpy as np
import tensorflow as tf

from tfal.data.augmentations import AUGMENTATIONS, CROP_PADDING

N = 23
ARRAY = np.random.default_rng(0).integers(0, 256, (N, 6, 5, 3), dtype=np.uint8)
FLIP_CROP = AUGMENTATIONS["flip_crop"].apply


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


def test_flip_crop_inside_a_dataset_equals_eager():
    draws = np.random.default_rng(2).random((N, 3), dtype=np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((ARRAY, draws)).batch(7).map(FLIP_CROP)
    eager = FLIP_CROP(tf.constant(ARRAY), tf.constant(draws))
    np.testing.assert_array_equal(np.concatenate([batch.numpy() for batch in dataset]), eager)
