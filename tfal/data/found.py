"""What is known of a data set by its name, and what a source was found to hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tfal.data.listing import Listing


class Known(NamedTuple):
    """What a known data set must look like.

    n_classes: image files may show fewer. idx: its original files are the four .gz of MNIST. tfds: its name in
    TensorFlow Datasets where that is another. files: it stays in image files, whatever their number and sizes. lists:
    its training set is what the list <lists>_train.txt names. folder: what its original archive unpacks to, where
    TensorFlow Datasets does not have it. resized: its images differ in size, so any size goes. merges: it is this data
    set, with classes joined to super-classes.
    """

    input_shape: tuple[int, int, int]
    n_classes: int
    idx: bool = False
    tfds: str | None = None
    files: bool = False
    lists: str | None = None
    folder: str | None = None
    resized: bool = False
    merges: str | None = None


class Found(NamedTuple):
    """Arrays or image files as a source holds them, and the source's own name for error messages."""

    source: str
    x_train: np.ndarray | Listing
    y_train: np.ndarray
    x_test: np.ndarray | Listing
    y_test: np.ndarray
    class_names: tuple[str, ...] | None = None


def one_line(error: BaseException) -> str:
    """The kind and the first 200 characters of an error, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
