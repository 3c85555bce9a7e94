"""tf.data pipelines over image files: the same as those of images.py, decoded anew whenever they are read.

As there, orders follow from (seed, epoch) and augmentations from (seed, epoch, id). TensorFlow's errors name no file:
pipelines leave out what cannot be read, see the gap, and end in an error with the file's name, which `named_errors`
turns into one line.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfal.data import decoding
from tfal.data.headers import checked
from tfal.data.images import AUGMENT, ORDER, Images, on_host, stream_key
from tfal.data.listing import Listing
from tfal.data.pictures import unreadable
from tfal.data.pipeline import PREFETCH, as_written, parallel_map
from tfal.data.rand_augment import N_DRAWS, rand_augment
from tfal.errors import InputError, unknown_name
from tfal.given import check_int

N_STATISTICS = 4096  # images that channel statistics are taken from: their error is then about 0.003
_MARK, _END = "unreadable image file", "end of its name"
_AUGMENTATIONS = ("none", "crop", "flip_crop", "randaugment")


class ImageFiles(Images):
    """Images in files, read by id as float32 batches in [0, 1], square, RGB.

    Reading takes the centre of the picture, see decoding.centre. In training the augmentation "flip_crop" is a random
    window of 8 to 100 percent of the picture, stretched to the square and mirrored half the time, as is usual for
    photographs, where images in memory are shifted by a few pixels; "crop" is the same without the mirror, "none" is
    what reading gives, and "randaugment" one random operation on that.

    Args:
        listing: the files.
        corrupt: ids of files that cannot be decoded, see pictures.find_corrupt; channel statistics leave them out.

    A file that cannot be read ends the iteration with tf.errors.InvalidArgumentError; see named_errors. Of a JPEG only
    the window that is needed is decoded, so damage elsewhere in it is passed over; pictures.find_corrupt sees it.
    """

    def __init__(self, listing: Listing, corrupt: np.ndarray | None = None) -> None:
        if not len(listing):
            raise InputError(f"images must be at least one file. Received: none under {listing.root}.")
        self.scale = True  # what encoders ask for: values of images, not of a lab's own preprocessing
        self.shape = listing.shape[1:]
        self._n = len(listing)
        self._listing = listing
        self._paths = on_host(listing.paths)
        self._corrupt = np.zeros(0, np.int64) if corrupt is None else np.asarray(corrupt, np.int64)
        self._statistics: tuple[np.ndarray, np.ndarray] | None = None

    def digest(self, ids: np.ndarray) -> str:
        """16 hex digits that follow from names and sizes of the files `ids` (n,) in this order; nothing is decoded."""
        ids = self._checked_ids(ids)
        found = hashlib.blake2b(f"{(len(ids), *self.shape)} files\n".encode(), digest_size=8)
        found.update(b"\n".join(self._listing.paths[ids].tolist()))
        found.update(self._listing.file_sizes(ids).astype("<i8").tobytes())
        return found.hexdigest()

    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """See Images. Of N_STATISTICS images at equal distances in the listing, or of all when there are fewer."""
        if self._statistics is None:
            ids = np.delete(np.arange(len(self)), self._corrupt)
            ids = ids[np.linspace(0, len(ids) - 1, min(len(ids), N_STATISTICS)).astype(np.int64)]
            sums = np.zeros((2, 3))
            with named_errors():
                for batch in self.batches(ids, 32):
                    values = batch.numpy().reshape(-1, 3).astype(np.float64)
                    sums += values.sum(axis=0), (values**2).sum(axis=0)
            mean, square = sums / (len(ids) * self.shape[0] * self.shape[1])
            std = np.sqrt(np.maximum(square - mean**2, 0))
            std[std < 1e-6] = 1  # the same value everywhere, but for rounding
            self._statistics = mean.astype(np.float32), std.astype(np.float32)
        return self._statistics

    def batches(self, ids: np.ndarray, batch_size: int, *, keep: bool = False) -> tf.data.Dataset:
        """float32 (up to batch_size, H, W, 3) in the order of `ids` (n,) int, which may repeat; keep: is not done."""
        return self.stream(ids, batch_size)

    def stream(self, ids: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """See batches."""
        check_int("batch_size", batch_size, 1)
        wanted = on_host(self._checked_ids(ids))
        rows = tf.range(len(wanted))
        stream = self._stream(wanted, batch_size, range(1), lambda epoch: rows, self._centre)
        return stream.map(as_written(lambda rows, images: images))

    def _training(
        self, wanted: tf.Tensor, targets: tf.Tensor, batch_size: int, epochs: range, seed: int, augment: str
    ) -> tf.data.Dataset:
        if augment not in _AUGMENTATIONS:
            raise unknown_name("augmentation of image files", augment, _AUGMENTATIONS)
        n = len(wanted)

        def order(epoch: tf.Tensor) -> tf.Tensor:
            return tf.random.experimental.stateless_shuffle(tf.range(n), stream_key(seed, epoch, ORDER))

        read = self._reader(augment)

        def image(epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            return read(self._path(number), stream_key(seed, epoch, AUGMENT), number)

        stream = self._stream(wanted, batch_size, epochs, order, self._centre if augment == "none" else image)
        return stream.map(as_written(lambda rows, images: (images, tf.gather(targets, rows))))

    def _centre(self, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        found: tf.Tensor = self._reader("none")(self._path(number), tf.zeros(2, tf.int64), number)
        return found

    def _reader(self, augment: str) -> Callable[..., tf.Tensor]:
        return _reader(augment, self.shape[0], self._listing.max_pixels)

    def _path(self, number: tf.Tensor) -> tf.Tensor:
        return tf.strings.join([self._listing.root, tf.gather(self._paths, number)], separator="/")

    def _stream(
        self,
        wanted: tf.Tensor,
        batch_size: int,
        epochs: range,
        order: Callable[[tf.Tensor], tf.Tensor],
        image: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    ) -> tf.data.Dataset:
        """(rows (b,), images (b, H, W, 3)) batches of all epochs; no batch crosses epochs.

        wanted: (n,) ids. order: of an epoch, a permutation of rows 0..n-1. image: of an epoch and an id.
        """
        n = len(wanted)
        size = max(1, min(batch_size, n))
        n_batches = -(-n // size)
        places = n_batches * size  # in an epoch; those behind the last image stay empty, so that all batches are full
        total, empty = len(epochs) * n_batches, tf.zeros(self.shape)

        def epoch_rows(epoch: tf.Tensor) -> tf.Tensor:
            return tf.pad(order(epoch), [[0, places - n]], constant_values=-1)

        def items(epoch: tf.Tensor) -> tf.data.Dataset:
            rows = tf.data.Dataset.from_tensor_slices(epoch_rows(epoch))
            return tf.data.Dataset.zip(tf.data.Dataset.from_tensors(epoch).repeat(), rows)

        def read(place: tf.Tensor, item: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            epoch, row = item
            return place, row, tf.cond(row < 0, lambda: empty, lambda: image(epoch, tf.gather(wanted, row)))

        def path_at(place: tf.Tensor) -> tf.Tensor:
            rows = epoch_rows(epochs.start + place // places)
            return self._path(tf.gather(wanted, tf.gather(rows, place % places)))

        def checked(step: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
            found, rows, images = batch
            expected = step * size + tf.range(tf.size(found, tf.int64))
            whole = tf.reduce_all(found == expected)
            first = step * size + tf.argmax(found != expected)
            path = tf.cond(whole, lambda: tf.constant(""), lambda: path_at(first))
            tf.debugging.Assert(whole, [_MARK, path, _END, self._listing.max_pixels])
            count = tf.reduce_sum(tf.cast(rows >= 0, tf.int32))
            return rows[:count], images[:count]

        everything = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(as_written(items)).enumerate()
        images = parallel_map(everything, read, single=True).ignore_errors()
        # Whatever was left out moves all that follows to other places, at least this end, which no whole batch holds.
        end = tf.data.Dataset.from_tensors((tf.constant(-1, tf.int64), -1, empty))
        batches = images.concatenate(end).batch(size).take(total).enumerate().map(as_written(checked))
        return batches.apply(tf.data.experimental.assert_cardinality(total)).prefetch(PREFETCH)


@functools.cache
def _reader(augment: str, size: int, max_pixels: int) -> Callable[..., tf.Tensor]:
    """One file as an image, by its path, a stream key and its id. Traced once for all pipelines of a process.

    It is two thousand operations, and every round and every pass of the features has a pipeline of its own.
    """

    def read(path: tf.Tensor, key: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        data = checked(tf.io.read_file(path), max_pixels)
        if augment == "none":
            return decoding.centre(data, size)
        key = tf.random.experimental.stateless_fold_in(key, number)
        if augment == "randaugment":
            draws = tf.random.stateless_uniform([1, N_DRAWS], key)
            return rand_augment(decoding.centre(data, size)[None], draws)[0]
        draws = tf.random.stateless_uniform([decoding.N_DRAWS], key)
        if augment == "crop":
            draws = tf.concat([tf.ones(1), draws[1:]], axis=0)  # the first says whether it is mirrored
        return decoding.random_crop(data, draws, size)

    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([2], tf.int64), tf.TensorSpec([], tf.int64)]
    found: Callable[..., tf.Tensor] = tf.function(read, input_signature=signature, autograph=False)
    return found


def open_images(images: np.ndarray | Listing, corrupt: np.ndarray | None = None) -> Images:
    """The pipelines of an array (N, H, W, C) or of image files; corrupt: see ImageFiles."""
    return ImageFiles(images, corrupt) if isinstance(images, Listing) else Images(images)


@contextlib.contextmanager
def named_errors() -> Iterator[None]:
    """Inside, an image file that cannot be read raises InputError with its name; all other errors stay as they are."""
    try:
        yield
    except tf.errors.OpError as error:
        found = re.search(rf"\[{_MARK}\] \[(.*?)\] \[{_END}\] \[(\d+)\]", str(error), re.DOTALL)
        if found is None:
            raise
        raise unreadable(Path(found[1]), int(found[2])) from None
