"""Data sets of image files, as class folders, as lists or as Tiny ImageNet: arrays where that can be, else listings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tfal.command import loads_tensorflow
from tfal.data.found import Found, Known
from tfal.data.listing import Listing, Reading, class_names, folded, from_list, from_tree, spelled, text_lines
from tfal.data.noticed import say_not_obeyed
from tfal.data.passed_over import PassedOver
from tfal.errors import InputError

MOST_BYTES = 2 * 10**9  # of decoded images that are kept in memory
_LOOKED_AT = 128  # files of each part that stay in files
TEST_PARTS = ("test", "val", "valid", "validation")


def read_lists(name: str, folder: Path, known: Known | None, reading: Reading) -> Found | None:
    """What `<prefix>_train.txt` and `<prefix>_test.txt`, or else the test tree, hold; None without the first.

    The prefix is `known.lists` or else the name. Images stay in files.
    """
    prefix = known.lists if known and known.lists else name
    train, test = (folder / f"{prefix}_{part}.txt" for part in ("train", "test"))
    if not train.is_file():
        return None
    tree = test_tree(folder)
    classes, passed = class_names(tree) if tree else (), PassedOver()
    n_classes = len(classes) or (known.n_classes if known else None)
    x_train = from_list(train, classes, n_classes, *reading[:2])
    if test.is_file():
        x_test = from_list(test, classes, n_classes, *reading[:2])
    elif tree and classes:
        x_test = from_tree(folder, tree.name, classes, *reading[:2], passed)
        passed.say(name)
    else:
        raise InputError(f"{train} needs test images: {test.name}, test/<class>/ or val/<class>/ beside it. Add one.")
    _look_at(name, (x_train, x_test), reading)
    return Found(str(train), x_train, x_train.labels, x_test, x_test.labels, classes or None)


def test_tree(folder: Path) -> Path | None:
    """The first of TEST_PARTS in `folder` that holds class folders, or else the first that is there."""
    there = [folder / part for part in TEST_PARTS if (folder / part).is_dir()]
    return next((part for part in there if class_names(part)), there[0] if there else None)


def read_tree(name: str, folder: Path, known: Known | None, reading: Reading) -> Found | None:
    """Arrays when all images have one size and fit into memory, or else a listing; None without train/<class>/.

    Of known data sets, those that stay in files are always a listing, and the others never.
    """
    train, test = folder / "train", test_tree(folder)
    classes, passed = class_names(train), PassedOver()
    if not classes or test is None:
        return None
    _check_class_names(name, train, classes, test)
    x_train, x_test = (from_tree(folder, part.name, classes, *reading[:2], passed) for part in (train, test))
    for part in (train, test):
        passed.beside(part)
    passed.say(name)
    if test.name not in TEST_PARTS[:2] or ((folder / "test").is_dir() and test.name != "test"):
        print(f"{name}: the test images are those of {test}.", file=sys.stderr)
    listed = Found(str(folder), x_train, x_train.labels, x_test, x_test.labels, classes)
    if known and known.files:
        _look_at(name, (x_train, x_test), reading)
        return listed
    files = [part.path(row) for part in (x_train, x_test) for row in range(len(part))]
    try:
        return _as_arrays(name, listed, files, reading)
    except _NoArrayError as error:
        if known and not known.resized:
            raise
        size = reading.size
        print(f"{name}: images are read from their files, as {size} x {size} RGB: {error}", file=sys.stderr)
        _look_at(name, (x_train, x_test), reading)
        return listed


def _look_at(name: str, parts: Sequence[Listing], reading: Reading) -> None:
    """Says what files note that is not obeyed. Raises InputError where many of them must not be decoded."""
    with loads_tensorflow():
        from tfal.data.pictures import check_headers

    files = [part.path(row) for part in parts for row in range(0, len(part), max(1, len(part) // _LOOKED_AT))]
    say_not_obeyed(name, files)
    if not reading.skip_corrupt:
        check_headers(files, reading.max_pixels)


def _check_class_names(name: str, train: Path, classes: Sequence[str], test: Path) -> None:
    """Raises InputError for a class that only the test part has; says which differ in no more than their spelling."""
    known = {folded(one): one for one in reversed(classes)}
    alike = [f"{known[folded(one)]} and {one}" for one in classes if known[folded(one)] != one]
    if alike:
        print(f"{name}: classes of their own, though spelled alike: {', '.join(alike)} in {train}.", file=sys.stderr)
    strange = [one for one in class_names(test) if not spelled(train, one)]
    if strange:
        nearest = known.get(folded(strange[0]))
        hint = f" It is {nearest!r} there: give both one name." if nearest else ""
        raise InputError(
            f"every class folder of {test} must be in {train} too. Received: {strange[0]!r} only there.{hint}"
        )


def read_annotated_tree(name: str, folder: Path, reading: Reading) -> Found | None:
    """Arrays in RGB of Tiny ImageNet's layout; None without val/val_annotations.txt.

    That is train/<class>/images/*.JPEG and val/images/*.JPEG, and for each of these a line "file<TAB>class<TAB>..."
    in the annotations. Its own test images have no labels: val is the test set. Classes in sorted order of their names,
    as torchvision and the published codes have them, not as in wnids.txt; ids in sorted order of (class, file).
    """
    annotations = folder / "val" / "val_annotations.txt"
    if not annotations.is_file():
        return None
    classes, passed = class_names(folder / "train"), PassedOver()
    if not classes:
        raise InputError(f"{folder / 'train'} must hold <class>/images/ folders. Received: none. Copy them there.")
    train = [from_tree(folder / "train", one, ["images"], *reading[:2], passed) for one in classes]
    passed.say(name)
    files = [part.path(row) for part in train for row in range(len(part))]
    labels = np.repeat(np.arange(len(classes)), [len(part) for part in train])
    test = sorted(_annotated(annotations, classes))
    if not test:
        raise InputError(f"{annotations} must hold a line for each test image. Received: none. Copy it again.")
    files += [folder / "val" / "images" / file for _, file in test]
    nothing = np.empty(0, np.uint8)  # in place of images, until they are decoded
    found = Found(str(folder), nothing, labels, nothing, np.array([label for label, _ in test]), classes)
    return _as_arrays(name, found, files, reading, channels=3)


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


def _as_arrays(name: str, found: Found, files: Sequence[Path], reading: Reading, channels: int = 0) -> Found:
    """`found` with its images as arrays: those of `files`, training ones first, without damaged ones.

    channels: of the images, 0 for those of the files. Raises _NoArrayError where they make no array.
    """
    with loads_tensorflow():
        from tfal.data.pictures import say_left_out

    images, rows = _decoded(files, reading, channels)
    say_not_obeyed(name, files, images.shape[3] if len(images) else None)
    is_read = np.isin(np.arange(len(files)), rows)
    train, test = np.split(is_read, [len(found.y_train)])
    for part, start, kept in (("training", 0, train), ("test", len(train), test)):
        left_out = [files[start + int(row)] for row in np.flatnonzero(~kept)]
        say_left_out(f"{name}: {part}", left_out, len(kept), reading.max_pixels)
    n = np.count_nonzero(train)
    y_train, y_test = found.y_train[train], found.y_test[test]
    return found._replace(x_train=images[:n], y_train=y_train, x_test=images[n:], y_test=y_test)


def _decoded(files: Sequence[Path], reading: Reading, channels: int) -> tuple[np.ndarray, list[int]]:
    """(n, H, W, C) uint8 of the files that can be read, and their places; where one cannot, see reading.skip_corrupt.

    Raises _NoArrayError: they differ or are too many.
    """
    with loads_tensorflow():
        from tfal.data.pictures import arrays, unreadable

    images, rows = np.empty(0, np.uint8), list[int]()
    for row, image in arrays(files, channels, reading.max_pixels):
        if row != len(rows) and not reading.skip_corrupt:
            break
        if not rows:
            if len(files) * image.size > MOST_BYTES:
                raise _NoArrayError(f"{len(files)} images of {image.shape} take more than {MOST_BYTES / 1e9:g} GB.")
            images = np.empty((len(files), *image.shape), dtype=np.uint8)
        if image.shape != images.shape[1:]:
            raise _NoArrayError(
                f"all images must have one height, width and channel count. Received: {files[rows[0]]} with "
                f"{images.shape[1:]} and {files[row]} with {image.shape}. Resize or convert them first."
            )
        images[len(rows)] = image
        rows.append(row)
    if len(rows) < len(files) and not reading.skip_corrupt:
        raise unreadable(files[len(rows)], reading.max_pixels)
    return images[: len(rows)], rows
