"""Images in a data set of Hugging Face's `datasets`, which is known by what it has, and never imported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.image_entry import image_entry, shown
from tfal.reading.inputs import ModelInput

_COMPARED = 8  # images that are read twice before anything is done
_SAMPLE = 16  # images that a fingerprint follows from
_COLOURS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")  # modes of 8 bits


def is_hub_dataset(images: Any) -> bool:
    """Whether it is a Dataset, a DatasetDict or a stream of `datasets`."""
    return not isinstance(images, type) and all(hasattr(images, name) for name in ("column_names", "with_format"))


class HubImages:
    """The images of a data set with columns, of which one holds pictures of Pillow or arrays; read by id.

    Pictures become uint8 arrays (H, W, C). Where the model takes 3 channels they are converted to RGB, whatever they
    are, without their transparency; where it takes one, grey ones stay grey and colour is refused. Nothing is resized
    or scaled.

    Raises InputError for a data set of several splits, for a stream, where it cannot be told which column is meant, and
    for images that the model does not take or that are others each time.
    """

    def __init__(self, images: Any, wanted: ModelInput) -> None:
        self._wanted = wanted
        self._column = _column(images, wanted)
        self._data = images.select_columns([self._column]) if hasattr(images, "select_columns") else images
        self.size = len(images)
        if not self.size:
            raise InputError("images must be at least one. Received: a data set that gives none.")
        first = np.arange(min(_COMPARED, self.size))
        if self._read(first).tobytes() != self._read(first).tobytes():
            raise InputError(
                f"images must be the same each time. Received: other images in column {self._column!r} when it is read "
                "again. Take random augmentation out of set_transform."
            )

    def fingerprint(self, n: int) -> str:
        """16 hexadecimal digits of the first n images, of which some are read."""
        rows = self._read(np.unique(np.linspace(0, n - 1, min(_SAMPLE, n)).astype(np.int64)))
        digest = hashlib.blake2b(f"{rows.dtype.str} {(n, *rows.shape[1:])}".encode(), digest_size=8)
        digest.update(rows.tobytes())
        return digest.hexdigest()

    def batches(self, ids: np.ndarray, batch_size: int) -> Iterator[tf.Tensor]:
        """The images of `ids`, in this order; InputError, with the ids, for what cannot be read."""
        for start in range(0, len(ids), batch_size):
            part = ids[start : start + batch_size]
            yield self._wanted.tensor(self._read(part), part)

    def _read(self, ids: np.ndarray) -> np.ndarray:
        shape = self._wanted.shape
        channels = shape[-1] if shape is not None and len(shape) == 3 else None
        rows = [_array(value, channels, id) for value, id in zip(self._values(ids), ids, strict=True)]
        for id, row in zip(ids, rows, strict=True):
            self._wanted.check(row.shape)
            if row.shape != rows[0].shape:
                raise InputError(
                    f"images must be of one size. Received: {rows[0].shape}, and {row.shape} for id {id}. Resize them "
                    "to what the model takes, by map or set_transform."
                )
        return np.stack(rows)

    def _values(self, ids: np.ndarray) -> Sequence[Any]:
        try:
            found: Sequence[Any] = self._data[ids.tolist()][self._column]
            return list(found)
        except Exception as error:  # of Pillow, of files, of transforms: each has its own
            if len(ids) > 1:
                return [self._values(ids[row : row + 1])[0] for row in range(len(ids))]
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"images must be readable. Received: {reason}, for id {ids[0]} in column {self._column!r}. Leave that "
                "sample out of the data set, or mend its file."
            ) from None


def _column(images: Any, wanted: ModelInput) -> str:
    names = images.column_names
    if isinstance(names, dict):
        first = next(iter(names), "train")
        raise InputError(f"images must be one data set. Received: splits {shown(names)}. Give one: images[{first!r}].")
    if not hasattr(images, "__len__"):
        raise InputError(
            "images must be readable by id. Received: a stream, which gives its images from front to back. Load the "
            "data set without streaming=True."
        )
    features = getattr(images, "features", None) or {}
    pictures = [name for name, kind in features.items() if type(kind).__name__ == "Image"]
    found = image_entry(pictures, wanted.name) or image_entry(names, wanted.name)
    if found is None:
        raise InputError(
            "images must be a data set of which one column is clearly the image, by its name or by its type. Received: "
            f"columns {shown(names)}. Give that one alone: images.select_columns([{next(iter(names), 'image')!r}])."
        )
    return found


def _array(value: Any, channels: int | None, id: int) -> np.ndarray:
    """The array of a picture, or of whatever is an array already."""
    if hasattr(value, "convert") and hasattr(value, "mode"):
        array = np.asarray(_converted(value, channels))
        return array[..., None] if array.ndim == 2 else array
    if value is None or isinstance(value, (bytes, str, dict)):
        raise InputError(
            f"images must be pictures or arrays. Received: {'None' if value is None else 'a ' + type(value).__name__} "
            f"for id {id}. Leave samples without an image out; cast_column(<column>, datasets.Image()) decodes files."
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"images must be arrays. Received: {type(value).__name__} for id {id} ({error}).") from None
    if array.dtype.kind not in "fiub" or not array.ndim:
        raise InputError(f"images must be arrays of numbers. Received: {array.dtype} {array.shape} for id {id}.")
    return array


def _converted(picture: Any, channels: int | None) -> Any:
    mode = picture.mode
    if channels == 3 and mode in _COLOURS:
        return picture.convert("RGB")
    if mode == "1":
        return picture.convert("L")
    return picture.convert("RGB") if mode in ("P", "PA", "CMYK", "YCbCr", "HSV", "LAB") else picture
