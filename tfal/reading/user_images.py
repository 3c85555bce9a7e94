"""A lab's own images, read by id: arrays, and data sets that can be read only from front to back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.data.prints import rows_fingerprint
from tfal.errors import InputError
from tfal.reading.hub_images import HubImages, is_hub_dataset
from tfal.reading.inputs import ModelInput
from tfal.reading.passes import Passes, dataset_passes, py_dataset_passes

TAKEN = "an array (N, ...), a tf.data.Dataset, a keras.utils.PyDataset or a Dataset of Hugging Face"


def open_source(images: Any, model: Any, batch_size: int) -> ArraySource | Passes | HubImages:
    """The source of what `images` is.

    Args:
        images: an array (N, ...) or what becomes one, or (array, labels); a tf.data.Dataset; a keras.utils.PyDataset;
            a Dataset of Hugging Face's `datasets`.
        model: the Keras model that takes them; None or a model without inputs where nothing is known of it.
        batch_size: images that are read at once from a data set of single images.

    Raises:
        InputError: it is nothing of these, does not fit the model, is endless, or can be read only once.
    """
    wanted = ModelInput.of(model)
    if isinstance(images, tf.data.Dataset):
        return Passes(dataset_passes(images, wanted, batch_size), wanted)
    if isinstance(images, keras.utils.PyDataset):
        return Passes(py_dataset_passes(images, wanted), wanted)
    if is_hub_dataset(images):
        return HubImages(images, wanted)
    if hasattr(images, "__next__"):
        raise InputError(
            f"images must be {TAKEN}. Received: a {type(images).__name__}, which can be read only once. Give what it "
            "was made from, or tf.data.Dataset.from_generator with a function that makes a new one each time."
        )
    return ArraySource(images, wanted)


class ArraySource:
    """Images in an array (N, ...), given to the model as they are; memory-mapped arrays are read batch by batch."""

    def __init__(self, images: Any, wanted: ModelInput) -> None:
        self._images, self._wanted = _as_array(images), wanted
        self.size = len(self._images)
        wanted.check(self._images.shape[1:])

    def fingerprint(self, n: int) -> str:
        """16 hexadecimal digits of the first n images, of which some are read."""
        return rows_fingerprint(self._images, n)

    def batches(self, ids: np.ndarray, batch_size: int) -> Iterator[tf.Tensor]:
        """The images of `ids`, in this order; InputError for values that the model cannot take."""
        for start in range(0, len(ids), batch_size):
            part = ids[start : start + batch_size]
            yield self._wanted.tensor(self._images[part], part)


def _without_labels(images: tuple[Any, ...]) -> Any:
    """The images of (images, labels); InputError for any other tuple."""
    with contextlib.suppress(ValueError, TypeError):  # of lists of several lengths
        shapes = [np.shape(part) for part in images]
        if len(shapes) == 2 and len(shapes[0]) >= 2 and shapes[1] in (shapes[0][:1], (*shapes[0][:1], 1)):
            return images[0]
    raise InputError(
        f"images must be {TAKEN}, or (images, labels), with one label for each. Received: a tuple of {len(images)}. "
        "Give the images alone."
    )


def _as_array(images: Any) -> np.ndarray:
    images = _without_labels(images) if isinstance(images, tuple) else images
    try:
        array = images if isinstance(images, np.ndarray) else np.asarray(images)
    except (ValueError, TypeError):
        raise InputError(
            f"images must be {TAKEN}, all of one size. Received: a {type(images).__name__} of several sizes. Resize "
            "the images to what the model takes."
        ) from None
    if array.ndim < 2 or array.dtype.kind not in "fiub":
        received = f"{array.dtype} of shape {array.shape}" if array.ndim else f"a {type(images).__name__}"
        raise InputError(f"images must be {TAKEN}, of numbers. Received: {received}.")
    if np.ma.is_masked(array):
        raise InputError("images must be whole. Received: a masked array with masked values. Fill them: .filled(0).")
    if not len(array):
        raise InputError(f"images must be at least one. Received: none, in shape {array.shape}.")
    return array
