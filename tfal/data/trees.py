"""Data sets of image files, as class folders, as lists or as Tiny ImageNet: arrays where that can be, else listings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tfal.data.found import Found, Known, one_line
from tfal.data.listing import class_names, from_list, from_tree, text_lines
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
        if known and not known.resized:
            raise
        print(f"{name}: images are read from their files, as {size} x {size} RGB: {error}", file=sys.stderr)
        return listed
    return listed._replace(x_train=images[: len(x_train)], x_test=images[len(x_train) :])


def read_annotated_tree(folder: Path) -> Found | None:
    """Arrays in RGB of Tiny ImageNet's layout; None without val/val_annotations.txt.

    That is train/<class>/images/*.JPEG and val/images/*.JPEG, and for each of these a line "file<TAB>class<TAB>..."
    in the annotations. Its own test images have no labels: val is the test set. Classes in sorted order of their names,
    as torchvision and the published codes have them, not as in wnids.txt; ids in sorted order of (class, file).
    """
    annotations = folder / "val" / "val_annotations.txt"
    if not annotations.is_file():
        return None
    classes = class_names(folder / "train")
    if not classes:
        raise InputError(f"{folder / 'train'} must hold <class>/images/ folders. Received: none. Copy them there.")
    train = [from_tree(folder / "train", name, ["images"]) for name in classes]
    files = [part.path(row) for part in train for row in range(len(part))]
    labels = np.repeat(np.arange(len(classes)), [len(part) for part in train])
    test = sorted(_annotated(annotations, classes))
    if not test:
        raise InputError(f"{annotations} must hold a line for each test image. Received: none. Copy it again.")
    images = _decoded(files + [folder / "val" / "images" / file for _, file in test], channels=3)
    test_labels = np.array([label for label, _ in test])
    return Found(str(folder), images[: len(files)], labels, images[len(files) :], test_labels, classes)


def _annotated(file: Path, classes: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(label, file name) of each line of val_annotations.txt."""
    numbers = {name: label for label, name in enumerate(classes)}
    for number, line in enumerate(text_lines(file), start=1):
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0].strip()
        if wnid not in numbers:
            raise InputError(
                f"{file}, line {number}: must be a file and a class that has a folder in train, with a tab between. "
                f"Received: {line[:100]!r}. Copy the training images, or mend the line."
            )
        yield numbers[wnid], name


class _NoArrayError(InputError):
    """Images that make no array in memory."""


def _decoded(files: list[Path], channels: int = 0) -> np.ndarray:
    """(n, H, W, C) uint8; channels: C, 0 for that of the files. Raises _NoArrayError: they differ or are too many."""
    first = _decoded_file(files[0], channels)
    if len(files) * first.size > MOST_BYTES:
        raise _NoArrayError(f"{len(files)} images of {first.shape} take more than {MOST_BYTES / 1e9:g} GB.")
    images = np.empty((len(files), *first.shape), dtype=np.uint8)
    for row, file in enumerate(files):
        image = _decoded_file(file, channels)
        if image.shape != first.shape:
            raise _NoArrayError(
                f"all images must have one height, width and channel count. Received: {files[0]} with "
                f"{first.shape} and {file} with {image.shape}. Resize or convert them first."
            )
        images[row] = image
    return images


def _decoded_file(file: Path, channels: int) -> np.ndarray:
    import tensorflow as tf

    try:
        return tf.io.decode_image(file.read_bytes(), channels, expand_animations=False).numpy()
    except (OSError, tf.errors.InvalidArgumentError) as error:
        raise InputError(f"{file} cannot be read as an image ({one_line(error)}). Mend or remove it.") from error
