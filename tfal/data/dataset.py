"""Data sets: known ones by name, a lab's own from an .npz file or image files.

Images are uint8 arrays in memory, or, when they differ in size or are too many, files that are read when they are
needed. Ids are row numbers of `x_train`, so they belong to one source: TensorFlow Datasets stores MNIST in another
order than the original files do, and a fingerprint tells the two apart. Importing this loads no TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfal.data import formats
from tfal.data.checks import check_classes, checked_images, checked_labels
from tfal.data.class_lists import CIFAR20, cifar20_table
from tfal.data.found import Found, Known, one_line
from tfal.data.layouts import layout_hint
from tfal.data.listing import MAX_PIXELS, SIZE, Listing, Reading
from tfal.data.tfds import download
from tfal.errors import InputError, resolve_name, unknown_name

ENVIRONMENT = "TFAL_DATA_DIR"


DATASETS = {
    "digits": Known((8, 8, 1), 10),
    "mnist": Known((28, 28, 1), 10, idx=True),
    "cifar10": Known((32, 32, 3), 10),
    "cifar20": Known((32, 32, 3), 20, merges="cifar100"),
    "cifar100": Known((32, 32, 3), 100),
    "svhn": Known((32, 32, 3), 10, tfds="svhn_cropped"),
    "tiny_imagenet": Known((64, 64, 3), 200, folder="tiny-imagenet-200"),
    "food101": Known((SIZE, SIZE, 3), 101, resized=True),
    "imagenet": Known((SIZE, SIZE, 3), 1000, files=True),
    "imagenet_lt": Known((SIZE, SIZE, 3), 1000, files=True, lists="ImageNet_LT"),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, in memory or in files, and labels.

    x_train (N, H, W, C) and x_test (M, H, W, C) are uint8 arrays, or both a Listing, whose shape is that of its images
    as they are read, or the rows of a table, (N, 1, 1, d) float32; y_train (N,) and y_test (M,) are int64 in
    0..n_classes-1, and n_classes for images that `with_unknown` added; class_names has n_classes entries, or is None
    where the source names no classes; corrupt (k,) int64: ids of training files that cannot be decoded and must stay
    out of the pool, as `skip_corrupt` finds them.

    n_classes: of image files, the class folders or the listed labels, also under a known name, so that a part of
    ImageNet's class folders is a smaller "imagenet".
    """

    name: str
    x_train: np.ndarray | Listing
    y_train: np.ndarray
    x_test: np.ndarray | Listing
    y_test: np.ndarray
    class_names: tuple[str, ...] | None = None
    corrupt: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def n_classes(self) -> int:
        if self.name in DATASETS and not isinstance(self.x_train, Listing):
            return DATASETS[self.name].n_classes
        return len(self.class_names) if self.class_names else int(self.y_train.max()) + 1

    @property
    def readable(self) -> np.ndarray:
        """Ids of the training images that can be read, int64, ascending."""
        return np.setdiff1d(np.arange(len(self.y_train)), self.corrupt)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    size: int = SIZE,
    *,
    max_pixels: int = MAX_PIXELS,
    skip_corrupt: bool = False,
) -> Dataset:
    """The data set `name`, checked.

    "digits" always comes from scikit-learn: 1,437 training and 360 test images, a fixed stratified split.
    Otherwise, with `data_dir`, or else the folder in the environment variable TFAL_DATA_DIR, these are looked
    for in `<data_dir>/<name>` and then in `<data_dir>`, and the first one found is read:

    1. `<name>.npz` with the arrays x_train, y_train, x_test, y_test, or with those of MedMNIST, as in pathmnist.npz,
       whose validation part is left out;
    2. for MNIST, the four original .gz files;
    3. `<name>_train.txt`, a list of image files with a line "path label" each, and `<name>_test.txt` or else the
       test tree of 4; ids in sorted order of (label, path). "imagenet_lt": ImageNet_LT_train.txt;
    4. `train/<class>/` and `test/<class>/` (or else `val/`, `valid/` or `validation/`) with image files; classes in
       sorted order of their names, ids in sorted order of (class, file); or the layout of Tiny ImageNet, see
       read_annotated_tree;
    5. data that TensorFlow Datasets has prepared.

    Images of 3, of 4 when they differ in size or take more than 2 GB, and of "imagenet" stay in their files; they
    are read as `size` x `size` RGB [pixels], see tfal.data.image_files. All others become arrays of their own size;
    images of 5 that differ in size ("food101") become arrays of `size` x `size`. No file of more than `max_pixels`
    pixels, and none of 16 bits a channel, is decoded: it is one that cannot be read. With `skip_corrupt`, files that
    become arrays and cannot be read are left out; of those that stay files, tfal.data.loading.skip_corrupt finds them.

    "cifar20" is "cifar100" with its 20 super-classes. "tiny_imagenet" may stand in the folder tiny-imagenet-200, too.

    Without a folder, TensorFlow Datasets downloads the data into its own cache. A name that is not in
    DATASETS is accepted when the folder holds it.

    Raises InputError, one line, when the data cannot be had or used.
    """
    _check_name(name)
    if data_dir is not None and not isinstance(data_dir, (str, os.PathLike)):
        raise InputError(f"data_dir must be the path of a folder. Received: a {type(data_dir).__name__}.")
    for what, value in (("size", size), ("max_pixels", max_pixels)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"{what} must be a whole number >= 1 [pixels]. Received: {value!r}.")
    with contextlib.suppress(InputError):  # "MNIST" and "CIFAR-10" too; any other name is a lab's own
        name = resolve_name("dataset", name, DATASETS)
    if name in DATASETS and DATASETS[name].merges:
        whole = load(str(DATASETS[name].merges), data_dir, size, max_pixels=max_pixels, skip_corrupt=skip_corrupt)
        return _merged(name, whole)
    root = data_dir or os.environ.get(ENVIRONMENT)
    if name == "digits":
        found = formats.digits()
    elif root:
        found = _from_folder(name, Path(os.path.expanduser(root)), Reading(size, max_pixels, skip_corrupt))
    elif name in DATASETS and not (DATASETS[name].files or DATASETS[name].folder):
        found = _downloaded(name, size)
    else:
        raise _missing(name, "no data folder was given")
    return _checked(name, found)


def from_arrays(
    name: str,
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    """A Dataset of a lab's own arrays, checked and converted as `load` does, for `tfal.run(..., data=...)`.

    Args:
        name: of letters, digits, "_", "." and "-"; results stand under it.
        x_train, x_test: images (N, H, W, C) or (N, H, W), uint8 or whole numbers in 0..255.
        y_train, y_test: labels (N,) or (N, 1), integers in 0..C-1; every class has a training image.
        class_names: C names.

    Raises InputError, one line, for arrays that are something else.
    """
    _check_name(name)
    if isinstance(class_names, str):
        raise InputError(f"class_names must be a tuple of names. Received: {class_names!r}.")
    names = None if class_names is None else tuple(map(str, class_names))
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for part, array in arrays.items():
        try:
            arrays[part] = np.asarray(array)
        except (ValueError, TypeError):
            raise InputError(f"{part} must be one array. Received: parts of several sizes. Resize them.") from None
    return _checked(name, Found("the given arrays", **arrays, class_names=names))


def with_unknown(data: Dataset, other: Dataset) -> Dataset:
    """`data` with the training images of `other` behind its own; their label is data.n_classes, which is no class.

    Test images are those of `data` alone. Raises InputError for images of different shapes, or in memory and in files.
    """
    if data.input_shape != other.input_shape:
        raise InputError(
            f"images of {data.name} and {other.name} must have one shape. Received: {data.input_shape} and "
            f"{other.input_shape}. Resize one of them."
        )
    y_train = np.append(data.y_train, np.full(len(other.y_train), data.n_classes))
    return dataclasses.replace(
        data,
        x_train=_joined(data, other, y_train),
        y_train=y_train,
        class_names=data.class_names or tuple(map(str, range(data.n_classes))),
        corrupt=np.append(data.corrupt, len(data.y_train) + other.corrupt),
    )


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise InputError(f"a data set's name must be letters, digits, '_', '.' and '-'. Received: {name!r}.")


def _merged(name: str, data: Dataset) -> Dataset:
    """CIFAR-100 with its super-classes, under this name."""
    table = cifar20_table(data.class_names)
    labels = {"y_train": table[data.y_train], "y_test": table[data.y_test]}
    return dataclasses.replace(data, name=name, class_names=tuple(CIFAR20), **labels)


def _joined(data: Dataset, other: Dataset, y_train: np.ndarray) -> np.ndarray | Listing:
    first, second = data.x_train, other.x_train
    if isinstance(first, Listing) and isinstance(second, Listing):
        return first.joined(second, y_train)
    if isinstance(first, Listing) or isinstance(second, Listing):
        in_files = data.name if isinstance(first, Listing) else other.name
        raise InputError(
            f"images of {data.name} and {other.name} must both be arrays or both be files. Received: files of "
            f"{in_files} only. Convert one of them."
        )
    return np.concatenate([first, second])


def joined_images(data: Dataset) -> np.ndarray | Listing:
    """The training images of a data set, and behind them its test images."""
    if isinstance(data.x_train, Listing) and isinstance(data.x_test, Listing):
        return data.x_train.joined(data.x_test, np.append(data.y_train, data.y_test))
    return np.concatenate([data.x_train, data.x_test])


def _from_folder(name: str, root: Path, reading: Reading) -> Found:
    if not os.path.isdir(root):
        raise InputError(
            f"the data folder must be an existing folder. Received: {root}. Mend --dataDir or {ENVIRONMENT}."
        )
    known = DATASETS.get(name)
    unpacked = [root / known.folder] if known and known.folder else []
    folders = (root / name, *unpacked, root)
    for folder in folders:
        try:
            found = formats.read_folder(name, folder, known, reading)
        except OSError as error:
            raise InputError(
                f"{error.filename or folder} cannot be read ({error.strerror}). Mend it, or give another --dataDir."
            ) from None
        if found is not None:
            return found
    raise _missing(name, f"neither {root / name} nor {root} holds it", layout_hint(name, folders))


def _downloaded(name: str, size: int) -> Found:
    try:
        return download(DATASETS[name].tfds or name, size)
    except InputError:
        raise
    except Exception as error:  # whatever it is (offline, no space, a changed host), a folder mends it
        raise _missing(name, f"TensorFlow Datasets did not get it ({one_line(error)})") from error


def _missing(name: str, why: str, hint: str = "") -> InputError:
    """The error for data that cannot be had, with every way to provide it; hint: what is nearly one of them."""
    known = DATASETS.get(name)
    tree = "image files in train/<class>/ and test/<class>/ (or val/<class>/)"
    if known and known.files:
        ways = f"{known.lists}_train.txt and the files that it names, and val/<class>/" if known.lists else tree
    else:
        idx = f"the four {formats.IDX_FILES[0]} .. {formats.IDX_FILES[-1]}, " if known and known.idx else ""
        last = f"its folder {known.folder}/" if known and known.folder else "data prepared by TensorFlow Datasets"
        ways = f"{name}.npz ({', '.join(formats.ARRAYS)}), {idx}{tree}, or {last}"
    ways = f"Give a folder with --dataDir or {ENVIRONMENT}; it or its subfolder {name}/ must hold {ways}."
    if known is None and hint:
        return InputError(f"{name}: {hint} {ways}")
    if known is None:
        return InputError(
            f"{unknown_name('dataset', name, DATASETS)} For a dataset of your own: {why}. {ways} "
            "A table: tfal run tabular, or run_tabular.py, whose flags csv and label name the file and the column."
        )
    return InputError(f"dataset {name!r} is not at hand: {why}. {hint and hint + ' '}{ways}")


def _checked(name: str, found: Found) -> Dataset:
    """Arrays or files of any source as a Dataset, or InputError for the first thing that is wrong with them."""
    known = DATASETS.get(name)
    x_train = checked_images(f"x_train of {found.source}", found.x_train)
    x_test = checked_images(f"x_test of {found.source}", found.x_test)
    y_train = checked_labels(f"y_train of {found.source}", found.y_train, len(x_train))
    y_test = checked_labels(f"y_test of {found.source}", found.y_test, len(x_test))
    in_files = isinstance(x_train, Listing)
    expected = known.input_shape if known and not (in_files or known.resized) else x_train.shape[1:]
    for part, images in (("x_train", x_train), ("x_test", x_test)):
        if images.shape[1:] != expected:
            raise InputError(
                f"images of {name!r} must be {tuple(expected)}. Received: {part} of {found.source} with "
                f"{images.shape[1:]}. Resize them, or load them under another name."
            )
    dataset = Dataset(name, x_train, y_train, x_test, y_test, found.class_names)
    if known and dataset.n_classes > known.n_classes:
        raise InputError(
            f"{name!r} has {known.n_classes} classes. Received: {dataset.n_classes} in {found.source}. Load it under "
            "another name."
        )
    check_classes(found, y_train, y_test, dataset.n_classes, every_class=known is None)
    return dataset
