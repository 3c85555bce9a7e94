"""What is shown of a training set: its pictures, and the classes of its samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfal.data.dataset import Dataset
from tfal.data.listing import MAX_PIXELS, Listing
from tfal.data.prints import comparable, fingerprint
from tfal.errors import InputError
from tfal.pool import REJECTED
from tfal.show.picked import Series

_THUMBNAIL = 192  # height and width of a photograph on a contact sheet, at most [pixels]
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Classes:
    """labels: (N,) int64 places in `names`, -1 where none is known."""

    labels: np.ndarray
    names: tuple[str, ...]

    def counts(self, ids: np.ndarray) -> np.ndarray:
        """(C,) how many of these samples are of each class."""
        found = self.labels[ids]
        return np.bincount(found[found >= 0], minlength=len(self.names))

    def name(self, sample: int) -> str:
        """The class of one sample; "" where it is not known."""
        label = self.labels[sample]
        return self.names[label] if label >= 0 else ""


class Pictures:
    """The pictures of a data set, an array or image files.

    images: a tfal.data.Dataset, whose training images are meant; an array (N, H, W) or (N, H, W, C) with 1, 3 or 4
    channels; or N paths of image files. Raises InputError for anything else.
    """

    def __init__(self, images: Any) -> None:
        given = images.x_train if isinstance(images, Dataset) else images
        self._array: np.ndarray | None = None
        self._files: Any = ()  # a Listing, or paths
        if isinstance(given, Listing) or _are_paths(given):
            self._files = given
        else:
            self._array = _checked(given)
        self.size = len(self._files) if self._array is None else len(self._array)

    def some(self, ids: np.ndarray) -> list[np.ndarray]:
        """(h, w) or (h, w, 3 or 4) of each id, uint8 or numbers in 0..1, as imshow takes them.

        Floating point numbers beyond 0..1 are stretched, so that the smallest of these pictures is 0 and the largest 1.
        """
        if self._array is None:
            return [self._read(int(one)) for one in ids]
        values = np.asarray(self._array[ids])
        if values.dtype != np.uint8:
            values = values.astype(np.float32)
            if not np.isfinite(values).all():
                raise InputError("images must be finite. Received: NaN or infinity among the picks. Mend these images.")
            low, high = float(values.min()), float(values.max())
            if low < 0 or high > 1:
                values = (values - low) / (high - low or 1)
        return [one[..., 0] if one.ndim == 3 and one.shape[-1] == 1 else one for one in values]

    def _read(self, row: int) -> np.ndarray:
        from tfal.labeling.thumbnails import thumbnail

        files, most = self._files, MAX_PIXELS
        if isinstance(files, Listing):
            path, most = files.path(row), files.max_pixels
        else:
            path = Path(files[row])
        try:
            return np.asarray(thumbnail(path, _THUMBNAIL, most))
        except InputError as error:
            raise InputError(f"{path}, image {row}, cannot be shown: {error}.") from None


def _are_paths(given: Any) -> bool:
    return isinstance(given, list | tuple) and bool(given) and all(isinstance(one, str | os.PathLike) for one in given)


def _checked(given: Any) -> np.ndarray:
    array = given if isinstance(given, np.ndarray) else np.asarray(given)
    ways = "Give a tfal.data.Dataset, an array (N, H, W, C) or (N, H, W), or paths of image files."
    if array.ndim == 4 and array.shape[1:3] == (1, 1):
        raise InputError(
            f"images must be pictures. Received: rows of a table, {array.shape}. tfal.show.class_histogram and "
            "tfal.show.embedding draw these."
        )
    if array.ndim not in (3, 4) or array.dtype.kind not in "uif" or 0 in array.shape:
        raise InputError(f"images must be pictures. Received: {array.dtype} of shape {array.shape}. {ways}")
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4):
        raise InputError(f"images must have 1, 3 or 4 channels, the last axis. Received: {array.shape}.")
    if array.dtype.kind in "ui" and array.dtype != np.uint8:
        raise InputError(f"images must be uint8 or floating point. Received: {array.dtype}. Give x.astype(np.uint8).")
    return array


def classes_of(
    data: Any, labels: Any, class_names: Sequence[Any] | None, series: Sequence[Series], size: int
) -> Classes | None:
    """The classes of all samples: those given, or of the data set, or else what the runs' pools know; None without any.

    Raises InputError for labels and names that do not fit, and for a data set that is not that of the runs.
    """
    if isinstance(data, Dataset):
        check_data(data, series)
        labels = data.y_train if labels is None else labels
        class_names = class_names or data.class_names or [*range(data.n_classes)]
        if len(class_names) <= int(np.max(data.y_train)) and labels is data.y_train:
            class_names = [*class_names, UNKNOWN]  # images of a second data set
    if labels is not None:
        found = _given_classes(labels, class_names, size)
        _check_labels(found.labels, series)
        return found
    return _of_pools(series, class_names, size)


def _given_classes(labels: Any, class_names: Sequence[Any] | None, size: int) -> Classes:
    found = np.asarray(labels)
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.shape != (size,) or found.dtype.kind not in "iu":
        raise InputError(
            f"labels must be {size} integers, one a sample, and -1 where none is known. Received: {found.dtype} of "
            f"shape {found.shape}."
        )
    found = found.astype(np.int64)
    if found.min() < -1:
        raise InputError(f"labels must be classes counted from 0, or -1. Received: {found.min()}.")
    return Classes(found, _names(class_names, int(found.max()) + 1))


def _check_labels(labels: np.ndarray, series: Sequence[Series]) -> None:
    """Raises InputError where a run bought one class that is several here: these are labels of other samples.

    Runs may number known classes anew, so that the numbers themselves are not compared.
    """
    for pool in (one.pool for one in series if one.pool is not None):
        known = (pool.round >= 0) & (pool.state != REJECTED) & (labels >= 0)
        for klass in np.unique(pool.label[known]).tolist():
            here = np.unique(labels[known & (pool.label == klass)])
            if len(here) > 1:
                raise InputError(
                    f"labels must be of the samples that the runs labeled. Received: {here[:5].tolist()} for samples "
                    f"that are all of class {klass} there. Give the training set of that run, in its order."
                )


def _names(class_names: Sequence[Any] | None, least: int) -> tuple[str, ...]:
    if class_names is None:
        return tuple(map(str, range(least)))
    if isinstance(class_names, str) or len(class_names) < least:
        received = repr(class_names) if isinstance(class_names, str) else f"{len(class_names)}"
        raise InputError(f"class_names must be {least} names or more, one a class. Received: {received}.")
    return tuple(map(str, class_names))


def _of_pools(series: Sequence[Series], class_names: Sequence[Any] | None, size: int) -> Classes | None:
    pools = [one.pool for one in series if one.pool is not None]
    if not pools:
        return None
    labels, rejected = np.full(size, -1), np.zeros(size, bool)
    for pool in pools:
        labels = np.where(pool.label >= 0, pool.label, labels)
        rejected[pool.rejected] = True
    n_known = int(labels[~rejected].max(initial=-1)) + 1
    names = _names(class_names, n_known)
    if rejected.any():
        labels[rejected], names = len(names), (*names, UNKNOWN)
    return Classes(labels.astype(np.int64), names)


def check_data(data: Dataset, series: Sequence[Series]) -> None:
    """Raises InputError where runs were made with other data than these."""
    known = [one.data for one in series if one.data is not None]
    if not known:
        return
    here, *there = comparable([fingerprint(data), *known])
    if any(one != here for one in there):
        raise InputError(
            f"the data must be those of the runs. Received: {data.name!r} with other contents than recipe.json says. "
            "Load it from where the runs had it."
        )
