"""Training augmentations by name: functions of a batch of images and of random numbers that are drawn elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfal.data.rand_augment import N_DRAWS, rand_augment
from tfal.errors import InputError, resolve_name

CROP_PADDING = 4


class Augmentation(NamedTuple):
    """`apply(images (B, H, W, C), draws (B, n_draws) in [0, 1)) -> images` of the same shape and dtype."""

    apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    n_draws: int


def _flip_crop(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Mirror every second image, then crop; draws: (flip, top, left)."""
    return _cropped(images, draws[:, 1:], draws[:, :1] < 0.5)


def _crop(images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """draws: (top, left)."""
    return _cropped(images, draws, tf.constant(False))


def _cropped(images: tf.Tensor, draws: tf.Tensor, mirror: tf.Tensor) -> tf.Tensor:
    """Pad each side with zeros, cut the original size out at a random place; mirrored where `mirror` (B, 1) or ()."""
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    places = tf.cast(draws * (2 * CROP_PADDING + 1), tf.int32)
    rows = places[:, :1] + tf.range(height)
    columns = places[:, 1:] + tf.range(width)
    mirrored = width + 2 * CROP_PADDING - 1 - columns
    columns = tf.where(mirror, mirrored, columns)
    pad = [CROP_PADDING, CROP_PADDING]
    padded = tf.pad(images, [[0, 0], pad, pad, [0, 0]])
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


AUGMENTATIONS = {
    "none": Augmentation(lambda images, draws: images, n_draws=0),
    "crop": Augmentation(_crop, n_draws=2),
    "flip_crop": Augmentation(_flip_crop, n_draws=3),
    "randaugment": Augmentation(rand_augment, N_DRAWS),
}


def check_augmentation(name: str, images: Any) -> None:
    """Raises InputError for a name that is not in AUGMENTATIONS, and for one that does not suit the images.

    images: tfal.data.images.Images.
    """
    name = resolve_name("augmentation", name, AUGMENTATIONS)
    if name == "randaugment" and not images.scale:
        raise InputError(
            "--augment randaugment changes grey levels, so it needs uint8 images or image files. "
            "Received: float images. Choose another augmentation, or leave the images as they were."
        )
