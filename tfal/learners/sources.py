"""A lab's own images, read by id: arrays, and tf.data pipelines, which can be read only from front to back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.errors import InputError


class ArraySource:
    """Images in an array (N, ...), given to the model as they are; memory-mapped arrays are read batch by batch."""

    def __init__(self, images: Any) -> None:
        self._images = images if isinstance(images, np.ndarray) else np.asarray(images)
        self.size = len(self._images) if self._images.ndim else 0
        if self._images.ndim < 2 or self._images.dtype.kind not in "fiub":
            raise InputError(
                "images must be a numeric array (N, ...) or a tf.data.Dataset. "
                f"Received: {self._images.shape} of {self._images.dtype}."
            )

    def batches(self, ids: np.ndarray, batch_size: int) -> Iterator[tf.Tensor]:
        """The images of `ids`, in this order; InputError for values that are no numbers."""
        for start in range(0, len(ids), batch_size):
            batch = self._images[ids[start : start + batch_size]]
            _check_finite(batch, ids[start])
            yield tf.convert_to_tensor(batch)


class DatasetSource:
    """Images of a tf.data.Dataset; an id is a position in its order.

    dataset: gives images, or tuples that begin with them, batched or single. model: tells batches from images.
    """

    def __init__(self, dataset: tf.data.Dataset, model: Any) -> None:
        spec = dataset.element_spec
        if isinstance(spec, (tuple, list)):
            dataset, spec = dataset.map(lambda first, *rest: first), spec[0]
        if not getattr(model, "inputs", None):
            raise InputError(
                "a tf.data.Dataset needs the model beside it, to tell batches from single images. "
                f"Received: {type(model).__name__}. Give a built Keras model, or images as an array."
            )
        rank = spec.shape.rank if isinstance(spec, tf.TensorSpec) else None
        wanted = len(model.inputs[0].shape)
        if rank not in (wanted, wanted - 1):
            raise InputError(
                f"images must be a tf.data.Dataset of images or batches of rank {wanted}. Received elements: {spec}."
            )
        self._images = dataset.unbatch() if rank == wanted else dataset
        self.size = int(self._images.reduce(np.int64(0), lambda count, _: count + 1))

    def batches(self, ids: np.ndarray, batch_size: int) -> Iterator[tf.Tensor]:
        """The images of `ids`, which must ascend, as a PoolView asks for them."""
        wanted = np.zeros(self.size, bool)
        wanted[ids] = True
        chosen = tf.data.Dataset.zip(self._images, tf.data.Dataset.from_tensor_slices(wanted))
        chosen = chosen.filter(lambda _, keep: keep).map(lambda image, _: image)
        for batch in chosen.batch(batch_size).prefetch(2):
            _check_finite(batch.numpy(), ids[0])
            yield batch


def _check_finite(batch: np.ndarray, first: int) -> None:
    if batch.dtype.kind == "f" and not np.isfinite(batch).all():
        raise InputError(
            f"images must be finite. Received: NaN or infinity in the batch that begins with id {first}. "
            "Repair or leave out these images."
        )
