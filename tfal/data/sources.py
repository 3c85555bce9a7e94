"""Where a data set comes from: scikit-learn, .npz, idx and image files, lists of them, TensorFlow Datasets.

What is read is not checked here, except for what only the reader can see: damaged files, sizes in headers.
Every reader of a folder answers None when the folder does not hold its format. TensorFlow is imported only
inside the functions that need it.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tfal.data.found import Found, Known, one_line
from tfal.data.listing import SIZE
from tfal.data.trees import read_lists, read_tree
from tfal.errors import InputError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
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


def download(name: str) -> Found:
    """The data set from TensorFlow Datasets, downloaded and prepared in its own cache where it is not yet.

    Lets any exception of TensorFlow Datasets through: offline, disk full, unknown name.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name)
    if not builder.is_prepared():  # it tries for minutes when there is no way out
        print(
            f"{name}: TensorFlow Datasets downloads it to {builder.data_path}. Offline? Stop here and give --dataDir.",
            file=sys.stderr,
        )
    builder.download_and_prepare()
    return _read_builder(builder, "TensorFlow Datasets")


def read_folder(name: str, folder: Path, known: Known | None, size: int = SIZE) -> Found | None:
    """The first format found in `folder`; None without any.

    known: what is known of the name. size: height and width in which images stay in files [pixels].

    Raises InputError when a format is there but damaged or incomplete.
    """
    found = _read_npz(name, folder)
    if found is None and known and known.idx:
        found = _read_idx(folder)
    if found is None:
        found = read_lists(name, folder, known, size)
    if found is None and not (known and known.lists):  # beside such lists, the tree holds more than they name
        found = read_tree(name, folder, known, size)
    if found is None and not (known and known.files):
        found = _read_prepared((known and known.tfds) or name, folder)
    return found


def _read_npz(name: str, folder: Path) -> Found | None:
    path = folder / f"{name}.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ARRAYS if key in file}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} is damaged or no .npz file of plain arrays ({one_line(error)}). Copy it again."
        ) from error
    if len(arrays) < len(ARRAYS):
        lacking = ", ".join(key for key in ARRAYS if key not in arrays)
        raise InputError(f"{path} must hold {', '.join(ARRAYS)}. It lacks: {lacking}. Save it with these names.")
    return Found(str(path), **arrays)


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
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or no gzip file ({one_line(error)}). Copy it again.") from error
    start = 4 * (1 + n_dims)
    magic, *sizes = np.frombuffer(data[:start].ljust(start, b"\0"), dtype=">u4").tolist()
    if magic != 0x800 + n_dims:
        raise InputError(f"{path} must be an idx file with magic {0x800 + n_dims}. Received: {magic}. Copy it again.")
    if len(data) - start != math.prod(sizes):
        raise InputError(f"{path} must hold {math.prod(sizes)} bytes after its header. Received: {len(data) - start}.")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(sizes)


def _read_prepared(name: str, folder: Path) -> Found | None:
    """Data that TensorFlow Datasets has written in `folder`/<version> or `folder`/<config>/<version>."""
    infos = [path for depth in ("*", "*/*") for path in folder.glob(f"{depth}/dataset_info.json")]
    infos = [path for path in infos if _json_name(path) == name]
    if not infos:
        return None
    newest = max(infos, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)])
    try:
        import tensorflow_datasets as tfds

        return _read_builder(tfds.builder_from_directory(newest.parent), str(newest.parent))
    except Exception as error:
        raise InputError(f"{newest.parent} cannot be read by TensorFlow Datasets ({one_line(error)}).") from error


def _json_name(path: Path) -> str | None:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError, AttributeError):
        return None


def _read_builder(builder: Any, source: str) -> Found:
    """The whole of "train" and "test" (else "validation"), in the order of the prepared files."""
    import tensorflow_datasets as tfds

    image, label = builder.info.supervised_keys or ("image", "label")
    test = "test" if "test" in builder.info.splits else "validation"
    train_part, test_part = (
        tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)) for split in ("train", test)
    )
    names = getattr(builder.info.features[label], "names", None)
    return Found(
        source,
        train_part[image],
        train_part[label],
        test_part[image],
        test_part[label],
        tuple(names) if names else None,
    )
