"""Images in data sets that can be read only from front to back; an id is a position in that order.

So the order has to be the same each time. Every sample of the first pass leaves a digest, and whatever is read later is
compared with it: the beginning of a second pass at once, all else when it is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.image_entry import image_entry, shown
from tfal.reading.inputs import ModelInput

EMPTY = "images must be at least one. Received: a data set that gives none."
COMPARED = 256  # samples of a second pass that are compared before anything is done

Pass = Callable[[], Iterator[np.ndarray]]  # a new pass over all batches (B, ...)


class Passes:
    """A data set as a source of images.

    Args:
        new_pass: gives the batches of images, from the first one on each time it is called.
        wanted: what the model takes.

    Raises:
        InputError: there are no images, they are of several sizes or not what the model takes, or a second pass does
            not give the same.
    """

    def __init__(self, new_pass: Pass, wanted: ModelInput) -> None:
        self._new_pass, self._wanted = new_pass, wanted
        self._digests = self._first_pass()
        self.size = len(self._digests)
        if not self.size:
            raise InputError(EMPTY)
        for start, _ in self._pass():
            if start >= COMPARED:
                break

    def fingerprint(self, n: int) -> str:
        """16 hexadecimal digits that follow from the first n images."""
        return hashlib.blake2b(self._digests[:n].tobytes(), digest_size=8).hexdigest()

    def batches(self, ids: np.ndarray, batch_size: int) -> Iterator[tf.Tensor]:
        """The images of `ids`, which must ascend, as a PoolView asks for them. Raises InputError as __init__ does."""
        wanted = np.zeros(self.size, bool)
        wanted[ids] = True
        kept: list[np.ndarray] = []
        given = found = 0
        for start, batch in self._pass() if len(ids) else ():
            kept.append(batch[wanted[start : start + len(batch)]])
            found += len(kept[-1])
            while found - given >= batch_size or given < found == len(ids):
                rows = kept[0] if len(kept) == 1 else np.concatenate(kept)
                part = ids[given : given + batch_size]
                yield self._wanted.tensor(rows[: len(part)], part)
                kept, given = [rows[len(part) :]], given + len(part)
            if found == len(ids):
                return

    def _first_pass(self) -> np.ndarray:
        """A digest of each sample, uint64."""
        digests, start, shape = [np.zeros(0, np.uint64)], 0, None
        for batch in self._new_pass():
            if batch.ndim < 1 or batch.dtype.kind not in "fiub":
                raise InputError(f"images must be arrays of numbers. Received: {batch.dtype} of shape {batch.shape}.")
            shape = shape or batch.shape[1:]
            self._wanted.check(batch.shape[1:])
            if batch.shape[1:] != shape:
                raise InputError(
                    f"images must be of one size. Received: {shape}, and {batch.shape[1:]} from id {start} on. Resize "
                    "them to what the model takes."
                )
            digests.append(_digests(batch))
            start += len(batch)
        return np.concatenate(digests)

    def _pass(self) -> Iterator[tuple[int, np.ndarray]]:
        """The batches of another pass and the id that each begins with, as long as they are those of the first pass."""
        start = 0
        for batch in self._new_pass():
            found, expected = _digests(batch), self._digests[start : start + len(batch)]
            if len(expected) < len(found):
                raise InputError(
                    f"images must be as many in each pass. Received: {self.size}, and more the next time. "
                    "Give a data set that does not change."
                )
            if not np.array_equal(found, expected):
                raise self._changed(start + int(np.argmax(found != expected)), found[found != expected])
            yield start, batch
            start += len(batch)
        if not start:
            raise InputError(
                f"images must be readable more than once. Received: a data set that gave {self.size} images and then "
                "none, as one over a generator that is used up does. Let the function given to from_generator make a "
                "new generator each time, or give an array."
            )
        if start < self.size:
            raise InputError(
                f"images must be as many in each pass. Received: {self.size}, and {start} the next time. "
                "Give a data set that does not change."
            )

    def _changed(self, first: int, found: np.ndarray) -> InputError:
        """The error for samples that are not those of the first pass: others in their places, or changed ones."""
        moved = np.isin(found, self._digests).mean() > 0.5
        what = "other images" if moved else "changed images"
        mend = (
            "Ids are positions, so take the shuffling out (shuffle=False; no .shuffle(), no deterministic=False)"
            if moved
            else "Take random augmentation and noise out of it"
        )
        return InputError(
            f"images must be the same in each pass, in the same order. Received: {what} in a second pass, first at id "
            f"{first}. {mend}."
        )


def _digests(batch: np.ndarray) -> np.ndarray:
    found = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in batch]
    return np.frombuffer(b"".join(found), np.uint64)


def dataset_passes(dataset: tf.data.Dataset, wanted: ModelInput, batch_size: int) -> Pass:
    """The passes over a tf.data.Dataset of images or of tuples that begin with them, batched or not.

    Python asks for one batch after the other, so that Ctrl-C ends it. Raises InputError for an endless one, and for
    elements of which it cannot be told what the images are.
    """
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise InputError(
            "images must come to an end. Received: an endless tf.data.Dataset. Leave .repeat() out, or take one pass: "
            ".take(n)."
        )
    dataset, spec = _of_images(dataset, wanted)
    if not isinstance(spec, tf.TensorSpec) or not (
        spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool
    ):
        raise InputError(
            f"images must be a tf.data.Dataset of one tensor of numbers, or of tuples that begin with it. Received "
            f"elements: {' '.join(str(spec).split())[:200]}."
        )
    first = None if spec.shape.rank is not None else next(_read(dataset.take(1)), None)
    if spec.shape.rank is None and first is None:
        raise InputError(EMPTY)
    if not _is_batched(tuple(spec.shape) if first is None else first.shape, wanted):
        dataset = dataset.batch(batch_size)
    if spec.dtype == tf.bfloat16:
        dataset = dataset.map(lambda images: tf.cast(images, tf.float32))
    return lambda: _read(dataset.prefetch(2))


def _of_images(dataset: tf.data.Dataset, wanted: ModelInput) -> tuple[tf.data.Dataset, Any]:
    """The data set of the images alone, where its elements are tuples or dicts, and the kind of its elements."""
    spec = dataset.element_spec
    if isinstance(spec, tuple) and spec:
        dataset, spec = dataset.map(_first), spec[0]
    if not isinstance(spec, dict):
        return dataset, spec
    name = image_entry(spec, wanted.name)
    if name is None:
        raise InputError(
            "images must be a tf.data.Dataset of which one entry is clearly the image, by its name. Received: dicts "
            f"with {shown(spec)}. Choose one: .map(lambda element: element[{next(iter(spec), 'image')!r}])."
        )
    return dataset.map(lambda element, *rest: element[name]), spec[name]


def _first(first: Any, *rest: Any) -> Any:
    """The first part of an element; named tuples come as they are, all others in parts."""
    return first[0] if isinstance(first, tuple) else first


def _read(dataset: tf.data.Dataset) -> Iterator[np.ndarray]:
    try:
        for batch in dataset:
            yield batch.numpy()
    except tf.errors.OpError as error:
        if "Cannot batch tensors with different shapes" in error.message:
            raise InputError("images must be of one size. Received: several. Resize them in the data set.") from None
        plain = re.sub(r"\{\{.*?\}\}|\[Op:.*|Traceback .*", "", error.message, flags=re.DOTALL)
        reason = " ".join(plain.split())[:200]
        raise InputError(
            f"the tf.data.Dataset of images cannot be read ({reason}). Iterate over it alone to see where."
        ) from error


def _is_batched(shape: tuple[int | None, ...], wanted: ModelInput) -> bool:
    """Whether elements of this shape are batches. Without a model only what can mean nothing else is taken."""
    if wanted.shape is not None:
        rank = len(wanted.shape)
        if len(shape) not in (rank, rank + 1):
            raise InputError(
                f"images must be a tf.data.Dataset of images of rank {rank}, as the model takes them, or of batches of "
                f"rank {rank + 1}. Received: elements of shape {shape}."
            )
        if len(shape) == rank and not wanted.takes(shape) and wanted.takes((*shape[1:], 1)):
            wanted.check(shape[1:])  # batches without the axis of the channels look like images
        return len(shape) == rank + 1
    if len(shape) >= 2 and shape[0] is None and None not in shape[1:]:
        return True
    if None not in shape and (len(shape) == 1 or (len(shape) == 3 and shape[-1] in (1, 3, 4))):
        return False
    raise InputError(
        f"without a model it cannot be told whether elements of shape {shape} are images or batches of them. Give "
        "batches, by .batch(n), or a Keras model, or an array."
    )


def py_dataset_passes(dataset: keras.utils.PyDataset, wanted: ModelInput) -> Pass:
    """The passes over a keras.utils.PyDataset, whose items are batches of images, alone, first of a tuple, or by name.

    A pass is what Keras makes of it: on_epoch_begin, all items, on_epoch_end. Raises InputError for an endless one.
    """
    try:
        count = dataset.num_batches
    except NotImplementedError:
        count = None
    if count is None:
        raise InputError("images must come to an end. Received: an endless PyDataset. Give it a __len__.")
    return lambda: _items(dataset, wanted)


def _items(dataset: keras.utils.PyDataset, wanted: ModelInput) -> Iterator[np.ndarray]:
    getattr(dataset, "on_epoch_begin", lambda: None)()
    try:
        for number in range(dataset.num_batches):
            yield _images_of(dataset[number], wanted)
    finally:
        dataset.on_epoch_end()


def _images_of(item: Any, wanted: ModelInput) -> np.ndarray:
    images = item[0] if isinstance(item, (tuple, list)) and len(item) else item
    if isinstance(images, dict):
        name = image_entry(images, wanted.name)
        if name is None:
            raise InputError(
                f"items of a PyDataset must have one entry that is clearly the image, by its name. Received: "
                f"{shown(images)}. Let __getitem__ return one array of images first."
            )
        images = images[name]
    if isinstance(images, (dict, tuple, list)):
        raise InputError(
            f"items of a PyDataset must be batches of images, or tuples that begin with them. Received: a "
            f"{type(images).__name__} in their place. Let __getitem__ return one array of images first."
        )
    return np.asarray(images)
