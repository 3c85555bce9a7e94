"""Data sets of image files, as class folders or as lists: arrays where that can be, or else listings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tfal.data.found import Found, Known, one_line
from tfal.data.listing import class_names, from_list, from_tree
from tfal.errors import InputError

MOST_BYTES = 2 * 10**9  # of decoded images that are kept in memory


def read_lists(name: str, folder: Path, known: Known | None, size: int) -> Found | None:
    """What `<prefix>_train.txt` and `<prefix>_test.txt`, or else the test tree, hold; None without the first.

    The prefix is `known.lists` or else the name. Images are to be read as size x size [pixels].
    """
    prefix = known.lists if known and known.lists else name
    train, test = (folder / f"{prefix}_{part}.txt" for part in ("train", "test"))
    if not train.is_file():
        return None
    tree = _test_tree(folder)
    classes = class_names(tree)
    n_classes = len(classes) or (known.n_classes if known else None)
    x_train = from_list(train, classes, n_classes, size)
    if test.is_file():
        x_test = from_list(test, classes, n_classes, size)
    elif classes:
        x_test = from_tree(folder, tree.name, classes, size)
    else:
        raise InputError(f"{train} needs test images: {test.name}, test/<class>/ or val/<class>/ beside it. Add one.")
    return Found(str(train), x_train, x_train.labels, x_test, x_test.labels, classes or None)


def _test_tree(folder: Path) -> Path:
    return folder / "test" if (folder / "test").is_dir() else folder / "val"


def read_tree(name: str, folder: Path, known: Known | None, size: int) -> Found | None:
    """Arrays when all images have one size and fit into memory, or else a listing; None without train/<class>/.

    Of known data sets, those that stay in files are always a listing, and the others never.
    """
    train, test = folder / "train", _test_tree(folder)
    classes = class_names(train)
    if not classes or not test.is_dir():
        return None
    strange = sorted(set(class_names(test)) - set(classes))
    if strange:
        raise InputError(f"every class folder of {test} must be in {train} too. Received: {strange[0]!r} only there.")
    x_train, x_test = (from_tree(folder, part.name, classes, size) for part in (train, test))
    listed = Found(str(folder), x_train, x_train.labels, x_test, x_test.labels, classes)
    if known and known.files:
        return listed
    try:
        images = _decoded([part.path(row) for part in (x_train, x_test) for row in range(len(part))])
    except _NoArrayError as error:
        if known:
            raise
        print(f"{name}: images are read from their files, as {size} x {size} RGB: {error}", file=sys.stderr)
        return listed
    return listed._replace(x_train=images[: len(x_train)], x_test=images[len(x_train) :])


class _NoArrayError(InputError):
    """Images that make no array in memory."""


def _decoded(files: list[Path]) -> np.ndarray:
    """(n, H, W, C) uint8. Raises _NoArrayError when they differ in size or are too many."""
    first = _decoded_file(files[0])
    if len(files) * first.size > MOST_BYTES:
        raise _NoArrayError(f"{len(files)} images of {first.shape} take more than {MOST_BYTES / 1e9:g} GB.")
    images = np.empty((len(files), *first.shape), dtype=np.uint8)
    for row, file in enumerate(files):
        image = _decoded_file(file)
        if image.shape != first.shape:
            raise _NoArrayError(
                f"all images must have one height, width and channel count. Received: {files[0]} with "
                f"{first.shape} and {file} with {image.shape}. Resize or convert them first."
            )
        images[row] = image
    return images


def _decoded_file(file: Path) -> np.ndarray:
    import tensorflow as tf

    try:
        return tf.io.decode_image(file.read_bytes(), expand_animations=False).numpy()
    except (OSError, tf.errors.InvalidArgumentError) as error:
        raise InputError(f"{file} cannot be read as an image ({one_line(error)}). Mend or remove it.") from error
