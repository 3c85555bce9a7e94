"""Where a data set comes from: scikit-learn, .npz, idx and image files, lists of them; prepared.py has one more.

What is read is not checked here, except for what only the reader can see: damaged files, sizes in headers.
Every reader of a folder answers None when the folder does not hold its format. TensorFlow is imported only where it
is needed.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfal.data.found import Found, Known, one_line
from tfal.data.image_folders import read_annotated_tree, read_lists, read_tree
from tfal.data.listing import Reading
from tfal.data.tfds import read_prepared
from tfal.errors import InputError
from tfal.storage.array_files import array_names, read_arrays

_DEFLATE = 1100  # times: more than gzip can unpack
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MEDMNIST = {  # as published; val_images and val_labels are left out, see read_folder
    "x_train": "train_images",
    "y_train": "train_labels",
    "x_test": "test_images",
    "y_test": "test_labels",
}
IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def digits() -> Found:
    """1,437 training and 360 test images (8, 8, 1), grey levels 0..16 stretched to 0..255.

    Sorted by class, every fifth image is a test image: stratified, and no random generator's version matters.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images[..., None] * (255 / 16)).astype(np.uint8)
    is_test = np.zeros(len(images), dtype=bool)
    is_test[np.argsort(bunch.target, kind="stable")[::5]] = True
    names = tuple(str(digit) for digit in bunch.target_names)
    labels = bunch.target
    return Found("scikit-learn", images[~is_test], labels[~is_test], images[is_test], labels[is_test], names)


def read_folder(name: str, folder: Path, known: Known | None, reading: Reading) -> Found | None:
    """The first format found in `folder`; None without any.

    known: what is known of the name. reading: how image files are read.

    Of a MedMNIST file, training and test part are read. Its validation part is neither: joined to the training part it
    would change the published sizes and the ids, and the validation set of a run is drawn from the training part.

    Raises InputError when a format is there but damaged or incomplete.
    """
    found = _read_npz(name, folder)
    if found is None and known and known.idx:
        found = _read_idx(folder)
    if found is None:
        found = read_lists(name, folder, known, reading)
    if found is None:
        found = read_annotated_tree(name, folder, reading)
    if found is None and not (known and known.lists):  # beside such lists, the tree holds more than they name
        found = read_tree(name, folder, known, reading)
    if found is None and not (known and known.files):
        found = read_prepared((known and known.tfds) or name, folder, reading.size)
    return found


def _read_npz(name: str, folder: Path) -> Found | None:
    path = folder / f"{name}.npz"
    if not path.is_file():
        return None
    stored = array_names(path, "Copy it again.")
    names = MEDMNIST if set(MEDMNIST.values()) & set(stored) else dict(zip(ARRAYS, ARRAYS, strict=True))
    lacking = ", ".join(name for name in names.values() if name not in stored)
    if lacking:
        raise InputError(f"{path} must hold {', '.join(names.values())}. It lacks: {lacking}. {_mend(names)}")
    found = read_arrays(path, "Copy it again.", list(names.values()))
    arrays = {key: found[name] for key, name in names.items()}
    if names is MEDMNIST:
        _check_medmnist(path, arrays)
    return Found(str(path), arrays["x_train"], arrays["y_train"], arrays["x_test"], arrays["y_test"])


def _mend(names: Mapping[str, str]) -> str:
    return "Download it again." if names is MEDMNIST else "Save it with these names."


def _check_medmnist(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises InputError for the sets of MedMNIST that are no images of one class each: chestmnist, and those in 3D."""
    labels, images = arrays["y_train"], arrays["x_train"]
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(
            f"{path} must give each image one class. Received: {labels.shape[1]} labels an image. Choose a data set "
            "that is not multi-label."
        )
    if images.ndim > 4 or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise InputError(
            f"{path} must hold images of one or three channels. Received: {images.shape}. Choose a data set in 2D."
        )


def _read_idx(folder: Path) -> Found | None:
    paths = [folder / file for file in IDX_FILES]
    present = [path.is_file() for path in paths]
    if not any(present):
        return None
    if not all(present):
        raise InputError(
            f"{folder} must hold all of {', '.join(IDX_FILES)}. Lacking: {paths[present.index(False)].name}."
        )
    x_train, y_train, x_test, y_test = (_read_idx_file(path, 3 if "idx3" in path.name else 1) for path in paths)
    return Found(str(folder), x_train, y_train, x_test, y_test)


def _read_idx_file(path: Path, n_dims: int) -> np.ndarray:
    """The uint8 array of one gzipped idx file: magic 0x800 + dimensions, big-endian uint32 sizes, bytes."""
    start, size = 4 * (1 + n_dims), path.stat().st_size
    try:
        with gzip.open(path) as file:
            magic, *sizes = np.frombuffer(file.read(start).ljust(start, b"\0"), dtype=">u4").tolist()
            if magic != 0x800 + n_dims:
                raise InputError(
                    f"{path} must be an idx file with magic {0x800 + n_dims}. Received: {magic}. Copy it again."
                )
            n = math.prod(sizes)
            if not n:
                raise InputError(f"{path} must hold at least one sample. Received: sizes {sizes}. Copy it again.")
            if n > _DEFLATE * size:
                raise InputError(f"{path} claims {n} bytes, more than its {size} can hold. Copy it again.")
            data = file.read(n + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or no gzip file ({one_line(error)}). Copy it again.") from error
    if len(data) != n:
        more = "more" if len(data) > n else str(len(data))
        raise InputError(f"{path} must hold {n} bytes after its header. Received: {more}. Copy it again.")
    return np.frombuffer(data, dtype=np.uint8).reshape(sizes)
