"""Data sets from TensorFlow Datasets, downloaded or prepared in a folder. It is imported only when it is needed."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfal.command import loads_tensorflow
from tfal.data import image_folders
from tfal.data.found import Found, one_line
from tfal.data.listing import SIZE
from tfal.data.way_out import check_way_out
from tfal.errors import InputError

_AT_ONCE = 256  # pictures


def download(name: str, size: int = SIZE) -> Found:
    """The data set from TensorFlow Datasets, downloaded and prepared in its own cache where it is not yet.

    Images that differ in size, as those of food101, become size x size RGB [pixels].

    Lets any exception of TensorFlow Datasets through: disk full, unknown name. Raises ConnectionError when none of the
    hosts that it would ask answers within seconds; by itself it would try for minutes.
    """
    with loads_tensorflow():
        import tensorflow_datasets as tfds

    with _no_warnings():  # that a data set is not prepared yet, each time it is asked
        builder = tfds.builder(name)
        _check_memory(builder, size)  # known before some data sets are downloaded, and asked again when they are read
        if not builder.is_prepared():
            check_way_out(builder.url_infos or ())
            print(f"{name}: TensorFlow Datasets downloads it to {builder.data_path}.", file=sys.stderr)
        builder.download_and_prepare()
    return _read_builder(builder, "TensorFlow Datasets", size)


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Errors alone are noted by what logs through absl."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def read_prepared(name: str, folder: Path, size: int = SIZE) -> Found | None:
    """Data that TensorFlow Datasets has written in `folder`/<version> or `folder`/<config>/<version>."""
    infos = [path for depth in ("*", "*/*") for path in folder.glob(f"{depth}/dataset_info.json")]
    infos = [path for path in infos if _json_name(path) == name]
    if not infos:
        return None
    newest = max(infos, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)])
    try:
        with loads_tensorflow():
            import tensorflow_datasets as tfds

        return _read_builder(tfds.builder_from_directory(newest.parent), str(newest.parent), size)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{newest.parent} cannot be read by TensorFlow Datasets ({one_line(error)}).") from error


def _json_name(path: Path) -> str | None:
    try:
        found: str | None = json.loads(path.read_text(encoding="utf-8")).get("name")
        return found
    except (OSError, ValueError, AttributeError):
        return None


def _read_builder(builder: Any, source: str, size: int) -> Found:
    """The whole of "train" and "test" (else "validation"), in the order of the prepared files."""
    _check_memory(builder, size)
    read = _resized_split if _sizes_differ(builder) else _whole_split
    x_train, y_train = read(builder, "train", size)
    x_test, y_test = read(builder, _test_split(builder), size)
    names = getattr(builder.info.features[_keys(builder)[1]], "names", None)
    return Found(source, x_train, y_train, x_test, y_test, tuple(names) if names else None)


def _keys(builder: Any) -> tuple[str, str]:
    return builder.info.supervised_keys or ("image", "label")


def _test_split(builder: Any) -> str:
    return "test" if "test" in builder.info.splits else "validation"


def _sizes_differ(builder: Any) -> bool:
    return None in builder.info.features[_keys(builder)[0]].shape


def _check_memory(builder: Any, size: int) -> None:
    """Raises InputError when images that differ in size take too much memory as size x size."""
    if not (builder.info.splits and _sizes_differ(builder)):
        return
    n = sum(builder.info.splits[split].num_examples for split in ("train", _test_split(builder)))
    if n * 3 * size**2 > image_folders.MOST_BYTES:
        raise InputError(
            f"the {n} images of {builder.name} must take at most {image_folders.MOST_BYTES / 1e9:g} GB. Received: "
            f"{n * 3 * size**2 / 1e9:.1f} GB as {size} x {size}. Lower --imageSize to at most "
            f"{math.isqrt(image_folders.MOST_BYTES // (3 * n))}."
        )


def _whole_split(builder: Any, split: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of one size as they are, and labels."""
    import tensorflow_datasets as tfds

    image, label = _keys(builder)
    part = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, shuffle_files=False))
    return part[image], part[label]


def _resized_split(builder: Any, split: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The centres of images that differ in size, (n, size, size, 3) uint8, cut as images in files are; and labels."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from tfal.data.decoding import centre
    from tfal.data.pipeline import parallel_map

    image, label = _keys(builder)

    def cut(row: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(tf.round(255 * centre(row[image], size)), tf.uint8), row[label]

    rows = builder.as_dataset(split=split, shuffle_files=False, decoders={image: tfds.decode.SkipDecoding()})
    n = builder.info.splits[split].num_examples
    images, labels = np.empty((n, size, size, 3), np.uint8), np.empty(n, np.int64)
    start = 0
    for some in parallel_map(rows, cut, single=True).batch(_AT_ONCE):
        stop = start + len(some[1])
        images[start:stop], labels[start:stop] = (part.numpy() for part in some)
        start = stop
    return images, labels
