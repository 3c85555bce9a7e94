"""Training augmentations by name: functions of a batch of images and of random numbers that are drawn elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

CROP_PADDING = 4


class Augmentation(NamedTuple):
    """`apply(images (B, H, W, C), draws (B, n_draws) in [0, 1)) -> images` of the same shape and dtype."""

    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    n_draws: int


def _flip_crop(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Mirror every second image, pad each side with zeros, cut the original size out at a random place."""
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    places = tf.cast(draws[:, 1:] * (2 * CROP_PADDING + 1), tf.int32)
    rows = places[:, :1] + tf.range(height)
    columns = places[:, 1:] + tf.range(width)
    mirrored = width + 2 * CROP_PADDING - 1 - columns
    columns = tf.where(draws[:, :1] < 0.5, mirrored, columns)
    pad = [CROP_PADDING, CROP_PADDING]
    padded = tf.pad(images, [[0, 0], pad, pad, [0, 0]])
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


AUGMENTATIONS = {
    "none": Augmentation(lambda images, draws: images, n_draws=0),
    "flip_crop": Augmentation(_flip_crop, n_draws=3),
}
