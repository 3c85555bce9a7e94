"""Fingerprints of data sets: what tells that a run goes on with the data it began with.

A fingerprint has two parts with a hyphen between them. The first is what earlier versions wrote alone: names, shapes,
labels, and a sample of the images. The second follows from all of them:

- every byte of arrays in memory;
- name, label and size of every image file, and the contents of all of them where they are at most CONTENTS bytes
  together, else of some 256. So a picture that is replaced by one of another size is noticed in data of any size, one
  of the same size only in smaller data; dates do not count, as copying changes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.data.listing import Listing
from tfal.errors import InputError

if TYPE_CHECKING:
    from tfal.data.dataset import Dataset

CONTENTS = 2 * 10**9  # bytes of the image files of one part that are read whole at every start
_SAMPLE = 256
_AT_ONCE = 2**26  # bytes


def fingerprint(dataset: Dataset) -> str:
    """Two times 16 hexadecimal digits, see above. Nothing is decoded. Raises InputError for a file that is gone."""
    before, whole = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
    shapes = dataset.x_train.shape, dataset.x_test.shape
    before.update(repr((dataset.name, dataset.class_names, shapes)).encode())
    for images, labels in ((dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)):
        before.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
        if isinstance(images, Listing):
            before.update(images.fingerprint().encode())
            _add_files(whole, images)
        else:
            before.update(np.ascontiguousarray(images[_sample(len(images))]).tobytes())
            _add_array(whole, images)
    before.update(dataset.corrupt.astype("<i8").tobytes())
    whole.update(before.digest())
    return f"{before.hexdigest()}-{whole.hexdigest()}"


def rows_fingerprint(array: np.ndarray, size: int) -> str:
    """16 hexadecimal digits of the first `size` rows of an array or memory map (N, ...), of which some 256 are read."""
    digest = hashlib.blake2b(f"{array.dtype.str} {(size, *array.shape[1:])}".encode(), digest_size=8)
    rows = np.unique(np.linspace(0, size - 1, min(_SAMPLE, size)).astype(np.int64))
    digest.update(np.ascontiguousarray(array[rows]).tobytes())
    return digest.hexdigest()


def comparable(prints: Sequence[Any]) -> list[Any]:
    """Fingerprints in the form that all of them have: their first parts where one of them has no more than that."""
    texts = [text for text in prints if isinstance(text, str)]
    short = any("-" not in text for text in texts)
    return [text.partition("-")[0] if short and isinstance(text, str) else text for text in prints]


def _sample(n: int) -> slice:
    return slice(None, None, max(1, n // _SAMPLE))


def _add_array(digest: Any, array: np.ndarray) -> None:
    digest.update(f"{array.dtype.str} {array.shape}".encode())
    rows = max(1, _AT_ONCE // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)


def _add_files(digest: Any, listing: Listing) -> None:
    sizes = listing.file_sizes(np.arange(len(listing)))
    digest.update(sizes.astype("<i8").tobytes())
    read = range(len(listing)) if sizes.sum() <= CONTENTS else range(len(listing))[_sample(len(listing))]
    for row in read:
        digest.update(_contents(listing.path(row)))


def _contents(path: Path) -> bytes:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Bring it back.") from None
