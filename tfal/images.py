"""tf.data pipelines over images that stay in memory as they are: whole batches are gathered by id.

Nothing here keeps a random state: the order of an epoch follows from (seed, epoch) and the augmentation of an
image from (seed, epoch, id), so a resumed run, or a pipeline that is iterated twice, sees the same batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfal.errors import InputError, unknown_name

PREFETCH = 4
CROP_PADDING = 4
_ORDER, _AUGMENT, _PURPOSES = 0, 1, 2


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


class Images:
    """Images in memory, read by id (row number) as float32 batches.

    Args:
        array: (N, H, W, C). uint8 stays uint8 in memory and is divided by 255 batch by batch; floats are a
            lab's own preprocessing and are handed on unchanged, as float32.

    Attributes: `shape` (H, W, C) of one image; `scale`, whether values are divided by 255.

    Raises InputError for another dtype, for an empty array, and for floats that are not finite.
    """

    def __init__(self, array: np.ndarray) -> None:
        array = _checked_images(np.asarray(array))
        self.scale = array.dtype == np.uint8
        self.shape = array.shape[1:]
        self._n = len(array)
        self._array = _on_host(array)

    def __len__(self) -> int:
        return self._n

    def batches(self, ids: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """float32 (up to batch_size, H, W, C) in the order of `ids` (n,) int, which may repeat."""
        wanted = _on_host(self._checked_ids(ids))
        return _in_order(len(wanted), batch_size, lambda rows: self._read(wanted[rows]))

    def labeled(self, ids: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """(images, labels) batches in the order of `ids`, for validation; labels (n, ...), any dtype."""
        wanted, targets = self._checked_pairs(ids, labels)
        return _in_order(len(wanted), batch_size, lambda rows: (self._read(wanted[rows]), targets[rows]))

    def training(
        self,
        ids: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        epochs: int,
        seed: int,
        augment: str = "none",
    ) -> tf.data.Dataset:
        """(images, labels) batches of ALL epochs, as one dataset of epochs * ceil(n / batch_size) elements.

        Meant for `fit(dataset, steps_per_epoch=ceil(n / batch_size), epochs=epochs)`, which then uses one
        iterator. Every epoch is a permutation of the n samples; no batch crosses epochs; the last one of an
        epoch may be smaller.

        Args:
            ids: (n,) int, at least one; rows of the images.
            labels: (n, ...), aligned with ids; the dtype is kept.
            batch_size: images a step.
            epochs: passes over the samples.
            seed: in [0, 2**63), the only source of orders and augmentations.
            augment: a name of AUGMENTATIONS.
        """
        if augment not in AUGMENTATIONS:
            raise unknown_name("augmentation", augment, AUGMENTATIONS)
        for name, value, least in (("batch_size", batch_size, 1), ("epochs", epochs, 1), ("seed", seed, 0)):
            _check_int(name, value, least)
        wanted, targets = self._checked_pairs(ids, labels)
        if not len(wanted):
            raise InputError("training needs at least one id. Received: none. Label some samples first.")
        if augment != "none" and len(self.shape) != 3:
            raise InputError(f"augment={augment!r} needs images (H, W, C). Received: {self.shape}. Use 'none'.")
        return self._training(wanted, targets, batch_size, epochs, seed, AUGMENTATIONS[augment])

    def _training(
        self,
        wanted: tf.Tensor,
        targets: tf.Tensor,
        batch_size: int,
        epochs: int,
        seed: int,
        augmentation: Augmentation,
    ) -> tf.data.Dataset:
        n, n_draws = len(wanted), augmentation.n_draws
        n_batches = -(-n // batch_size)

        def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(tf.range(n), _key(seed, epoch, _ORDER))
            # A table over all images, read by id: an image's draws do not depend on what else is labeled.
            table = tf.random.stateless_uniform([len(self) if n_draws else 1, n_draws], _key(seed, epoch, _AUGMENT))

            def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                rows = order[step * batch_size : (step + 1) * batch_size]
                return rows, tf.gather(table, tf.gather(wanted, rows)) if n_draws else table

            return tf.data.Dataset.range(n_batches).map(batch)

        def read(rows: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = augmentation.apply(tf.gather(self._array, tf.gather(wanted, rows)), draws)
            return self._scaled(images), tf.gather(targets, rows)

        # Only numbers go through the epochs one by one; the images of several batches are read at once.
        batches = tf.data.Dataset.range(epochs).flat_map(epoch_batches)
        batches = batches.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.apply(tf.data.experimental.assert_cardinality(epochs * n_batches)).prefetch(PREFETCH)

    def _read(self, ids: tf.Tensor) -> tf.Tensor:
        return self._scaled(tf.gather(self._array, ids))

    def _scaled(self, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(images, tf.float32) / 255.0 if self.scale else images

    def _checked_ids(self, ids: np.ndarray) -> np.ndarray:
        ids = np.asarray(ids)
        if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
            raise InputError(
                f"ids must be whole numbers of shape (n,). Received: {ids.dtype} of shape {ids.shape}. "
                "For a mask, give np.flatnonzero(mask)."
            )
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise InputError(f"ids must be in 0..{len(self) - 1}. Received: {ids.min()}..{ids.max()}.")
        return ids.astype(np.int64)

    def _checked_pairs(self, ids: np.ndarray, labels: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        ids, labels = self._checked_ids(ids), np.asarray(labels)
        if labels.shape[:1] != ids.shape:
            raise InputError(f"labels must be one for each of {len(ids)} ids. Received: shape {labels.shape}.")
        return _on_host(ids), _on_host(labels)


def _on_host(array: np.ndarray) -> tf.Tensor:
    """A tensor in main memory: the input pipeline runs there, and the GPU's memory belongs to the network."""
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(array)


def _key(seed: int, epoch: tf.Tensor, purpose: int) -> tf.Tensor:
    """(2,) int64: the stateless key of one purpose in one epoch."""
    return tf.stack([tf.constant(seed, tf.int64), epoch * _PURPOSES + purpose])


def _in_order(n: int, batch_size: int, read: Callable[[slice], Any]) -> tf.data.Dataset:
    """`read(slice of rows)` for consecutive batches of 0..n-1."""
    _check_int("batch_size", batch_size, 1)
    batches = tf.data.Dataset.range(-(-n // batch_size)).map(
        lambda step: read(slice(step * batch_size, (step + 1) * batch_size)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return batches.prefetch(PREFETCH)


def _checked_images(array: np.ndarray) -> np.ndarray:
    """uint8 as it is, floats as float32."""
    if array.ndim < 2 or not array.size:
        raise InputError(f"images must be of shape (N, H, W, C), at least one. Received: shape {array.shape}.")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise InputError(f"images must be uint8, or float when preprocessed. Received: {array.dtype}. Convert them.")
    if not np.isfinite(array).all():
        raise InputError("float images must be finite. Received: NaN or infinity. Clean them or leave them out.")
    return array.astype(np.float32, copy=False)


def _check_int(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number >= {least}. Received: {value!r}.")
