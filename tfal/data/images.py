"""tf.data pipelines over images that stay in memory as they are: whole batches are gathered by id.

Images in files have the same ones; see image_files.py, and `open_images` there, which knows which of the two it takes.

Nothing here keeps a random state: the order of an epoch follows from (seed, epoch) and the augmentation of an
image from (seed, epoch, id), so a resumed run, or a pipeline that is iterated twice, sees the same batches.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from tfal.data.augmentations import AUGMENTATIONS
from tfal.data.pipeline import PREFETCH, as_written, parallel_map
from tfal.errors import InputError, unknown_name
from tfal.given import check_int

_CHUNK = 2**22  # values that a pass over many images holds at once: 32 MB in float64
ORDER, AUGMENT, _PURPOSES = 0, 1, 2


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
        self._array = on_host(array)
        self._statistics: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return self._n

    def digest(self, ids: np.ndarray) -> str:
        """16 hex digits that follow from the images `ids` (n,) in this order: number, shape, dtype and bytes."""
        ids = self._checked_ids(ids)
        found = hashlib.blake2b(f"{(len(ids), *self.shape)} {self._array.dtype.name}".encode(), digest_size=8)
        for chunk in self._chunks(ids):
            found.update(chunk.tobytes())
        return found.hexdigest()

    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and population standard deviation (C,) of each channel over all images and places, float32.

        Of the values that `batches` gives, so in [0, 1] for uint8. Summed up in float64, in two passes, once. A
        channel that never changes has the deviation 1, so that dividing by it does no harm.
        """
        if self._statistics is None:
            ids, divisor = np.arange(len(self)), 255.0 if self.scale else 1.0
            mean = self._channel_mean(ids, lambda values: values) / divisor
            variance = self._channel_mean(ids, lambda values: (values / divisor - mean) ** 2)
            std = np.sqrt(variance)
            std[std <= np.finfo(np.float32).eps * np.abs(mean)] = 1  # float sums of equal values may miss 0 a little
            self._statistics = mean.astype(np.float32), std.astype(np.float32)
        return self._statistics

    def batches(self, ids: np.ndarray, batch_size: int, *, keep: bool = False) -> Iterable[tf.Tensor]:
        """float32 (up to batch_size, H, W, C) in the order of `ids` (n,) int, which may repeat, for networks that read.

        They can be iterated over again and again. What goes to the device of the networks are the images as they are
        in memory; they are scaled there.

        keep: whether they stay there, for images that are read in every epoch. Raises InputError, when they are read,
        where there is no room for them.
        """
        return _Batches(self._array, self._checked_ids(ids), batch_size, self._scaled, keep)

    def stream(self, ids: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """The images of `batches` as a tf.data pipeline, for what is done to them before a training step."""
        check_int("batch_size", batch_size, 1)
        wanted = on_host(self._checked_ids(ids))
        starts = tf.data.Dataset.range(0, len(wanted), batch_size)
        batches = parallel_map(starts, lambda start: self._read(wanted[start : start + batch_size]))
        return batches.prefetch(PREFETCH)

    def training(
        self,
        ids: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        epochs: int,
        seed: int,
        augment: str = "none",
        first_epoch: int = 0,
    ) -> tf.data.Dataset:
        """(images, labels) batches of ALL epochs, as one dataset of ceil(n / batch_size) elements for each epoch.

        Meant for `fit(dataset, steps_per_epoch=ceil(n / batch_size), epochs=epochs)`, which then uses one
        iterator. Every epoch is a permutation of the n samples; no batch crosses epochs; the last one of an
        epoch may be smaller.

        Args:
            ids: (n,) int, at least one; rows of the images.
            labels: (n, ...), aligned with ids; the dtype is kept.
            batch_size: images a step.
            epochs: passes over the samples, those before first_epoch included.
            seed: in [0, 2**63), the only source of orders and augmentations.
            augment: a name of AUGMENTATIONS.
            first_epoch: in 0..epochs-1; the dataset begins with this epoch, and gives from there on what the whole
                one gives, so that an interrupted training can go on.
        """
        if augment not in AUGMENTATIONS:
            raise unknown_name("augmentation", augment, AUGMENTATIONS)
        for name, value, least in (("batch_size", batch_size, 1), ("epochs", epochs, 1), ("seed", seed, 0)):
            check_int(name, value, least)
        check_int("first_epoch", first_epoch, 0)
        if first_epoch >= epochs:
            raise InputError(f"first_epoch must be less than epochs, {epochs}. Received: {first_epoch}.")
        wanted, targets = self._checked_pairs(ids, labels)
        if not len(wanted):
            raise InputError("training needs at least one id. Received: none. Label some samples first.")
        if augment != "none" and len(self.shape) != 3:
            raise InputError(f"augment={augment!r} needs images (H, W, C). Received: {self.shape}. Use 'none'.")
        return self._training(wanted, targets, batch_size, range(first_epoch, epochs), seed, augment)

    def _training(
        self,
        wanted: tf.Tensor,
        targets: tf.Tensor,
        batch_size: int,
        epochs: range,
        seed: int,
        augment: str,
    ) -> tf.data.Dataset:
        augmentation = AUGMENTATIONS[augment]
        n, n_draws = len(wanted), augmentation.n_draws
        n_batches = -(-n // batch_size)

        def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(tf.range(n), stream_key(seed, epoch, ORDER))
            # A table over all images, read by id: an image's draws do not depend on what else is labeled.
            table = tf.random.stateless_uniform(
                [len(self) if n_draws else 1, n_draws], stream_key(seed, epoch, AUGMENT)
            )

            def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                rows = order[step * batch_size : (step + 1) * batch_size]
                return rows, tf.gather(table, tf.gather(wanted, rows)) if n_draws else table

            return tf.data.Dataset.range(n_batches).map(as_written(batch))

        def read(rows: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = augmentation.apply(tf.gather(self._array, tf.gather(wanted, rows)), draws)
            return self._scaled(images), tf.gather(targets, rows)

        # Only numbers go through the epochs one by one; the images of several batches are read at once.
        batches = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(as_written(epoch_batches))
        batches = parallel_map(batches, read)
        return batches.apply(tf.data.experimental.assert_cardinality(len(epochs) * n_batches)).prefetch(PREFETCH)

    def _read(self, ids: tf.Tensor) -> tf.Tensor:
        return self._scaled(tf.gather(self._array, ids))

    def _scaled(self, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(images, tf.float32) / 255.0 if self.scale else images

    def _chunks(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """The images as they are in memory, some at a time."""
        step = max(1, _CHUNK // math.prod(self.shape))
        for chunk in _gathered(self._array, ids, step):
            yield chunk.numpy()

    def _channel_mean(self, ids: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        channels = self.shape[-1]
        parts = [of(chunk.reshape(-1, channels).astype(np.float64)).sum(axis=0) for chunk in self._chunks(ids)]
        found: np.ndarray = np.sum(parts, axis=0) / (len(ids) * math.prod(self.shape[:-1]))
        return found

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
        return on_host(ids), on_host(labels)


def on_host(array: np.ndarray) -> tf.Tensor:
    """A tensor in main memory: the input pipeline runs there, and the GPU's memory belongs to the network."""
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(array)


def stream_key(seed: int, epoch: tf.Tensor, purpose: int) -> tf.Tensor:
    """(2,) int64: the stateless key of one purpose in one epoch."""
    return tf.stack([tf.constant(seed, tf.int64), epoch * _PURPOSES + purpose])


class _Batches:
    """Batches of images in memory, gathered in Python, without a pipeline and its threads; see Images.batches."""

    def __init__(
        self,
        array: tf.Tensor,
        ids: np.ndarray,
        batch_size: int,
        scaled: Callable[[tf.Tensor], tf.Tensor],
        keep: bool,
    ) -> None:
        check_int("batch_size", batch_size, 1)
        self._array, self._ids, self._size, self._scaled = array, ids, batch_size, scaled
        self._keep, self._kept = keep, list[tf.Tensor]()

    def __len__(self) -> int:
        return -(-len(self._ids) // self._size)

    def __iter__(self) -> Iterator[tf.Tensor]:
        parts = _gathered(self._array, self._ids, self._size)
        if self._keep and not self._kept:
            try:
                self._kept = [tf.identity(part) for part in parts]  # to the device of networks
            except tf.errors.ResourceExhaustedError:
                raise InputError(
                    f"{len(self._ids)} images of {self._array.shape[1:]} are kept where networks read them, as "
                    f"{self._array.dtype.name}, and find no room there. Set keep_validation (--keepValidation) to off."
                ) from None
        for part in self._kept or parts:
            yield self._scaled(part)


def _gathered(array: tf.Tensor, ids: np.ndarray, step: int) -> Iterator[tf.Tensor]:
    """The images `ids` (n,) as they are in memory, up to `step` at a time."""
    for start in range(0, len(ids), step):
        with tf.device("CPU:0"):  # else all images would be copied to the GPU first
            part = tf.gather(array, ids[start : start + step])
        yield part


def _checked_images(array: np.ndarray) -> np.ndarray:
    """uint8 as it is, floats as float32."""
    if array.ndim < 2 or not array.size:
        raise InputError(f"images must be of shape (N, H, W, C), at least one. Received: shape {array.shape}.")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise InputError(
            f"images must be uint8, or float when preprocessed. Received: {array.dtype}. Give them as a network is to "
            "see them, x.astype(np.float32) / a scale; in uint8, values above 255 would wrap round."
        )
    if not np.isfinite(array).all():
        raise InputError("float images must be finite. Received: NaN or infinity. Clean them or leave them out.")
    return array.astype(np.float32, copy=False)
