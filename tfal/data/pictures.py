"""Image files decoded once, each and whole: for arrays in memory, and to find the damaged ones."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfal.data.decoding import as_stored, centre, decoded
from tfal.data.headers import checked, problem
from tfal.data.images import on_host
from tfal.data.listing import Listing
from tfal.data.pipeline import PREFETCH, as_written, parallel_map
from tfal.errors import InputError

_CHECKED_AT_ONCE = 64
_READ_AT_ONCE = 4  # whole pictures beside the one that is handed out


def arrays(paths: Sequence[Path], channels: int, max_pixels: int) -> Iterator[tuple[int, np.ndarray]]:
    """(place in `paths`, uint8 (h, w, c)) of every file that can be decoded, in order; others are left out.

    channels: c, 0 for those of the file. max_pixels: of the largest picture that is decoded.
    """
    names, stored = on_host(np.array([os.fsencode(path) for path in paths])), _traced(_stored, max_pixels, channels)

    def read(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number, stored(tf.gather(names, number))

    numbers = tf.data.Dataset.range(len(paths))
    images = numbers.map(as_written(read), num_parallel_calls=_READ_AT_ONCE, deterministic=True).ignore_errors()
    for number, image in images.as_numpy_iterator():
        yield int(number), image


def squares(listing: Listing, ids: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, tf.Tensor]]:
    """(places in `ids`, float32 (b, size, size, 3) in [0, 1]) of the files that can be decoded, in order.

    They are what ImageFiles.batches gives; others are left out. ids: (n,) int. batch_size: b, at most.
    """
    paths, root = on_host(listing.paths[ids]), listing.root
    square = _traced(_square, listing.max_pixels, listing.size)

    def read(place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return place, square(tf.strings.join([root, tf.gather(paths, place)], separator="/"))

    found = parallel_map(tf.data.Dataset.range(len(ids)), read, single=True).ignore_errors()
    for places, images in found.batch(batch_size).prefetch(PREFETCH):
        yield places.numpy(), images


def check_headers(paths: Sequence[Path], max_pixels: int) -> None:
    """Raises InputError for the first file that must not be decoded, see headers.py; nothing is decoded."""
    said = _traced(_said, max_pixels)
    for path in paths:
        try:
            found = said(os.fsencode(path)).numpy()
        except tf.errors.OpError:  # damaged: refused where it is read
            continue
        if found:
            raise unreadable(path, max_pixels)


def find_corrupt(listing: Listing, *, show_progress: bool = True) -> np.ndarray:
    """Ids (k,) int64, ascending, of the files that cannot be decoded. Reads and decodes every file, on all cores."""
    paths, n_values = on_host(listing.paths), _traced(_n_values, listing.max_pixels)

    def read(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number, n_values(tf.strings.join([listing.root, tf.gather(paths, number)], separator="/"))

    numbers = parallel_map(tf.data.Dataset.range(len(listing)), read, single=True)
    is_corrupt = np.ones(len(listing), bool)
    with tqdm(total=len(listing), desc="checking images", unit="image", disable=None if show_progress else True) as bar:
        for batch, _ in numbers.ignore_errors().batch(_CHECKED_AT_ONCE).prefetch(PREFETCH):
            is_corrupt[batch.numpy()] = False
            bar.update(int(batch[-1]) + 1 - bar.n)
        bar.update(len(listing) - bar.n)
    return np.flatnonzero(is_corrupt)


@functools.cache
def _traced(function: Callable[..., tf.Tensor], *options: int) -> Callable[[tf.Tensor | bytes], tf.Tensor]:
    """function(path, *options), traced once for all passes of a process: it is hundreds of operations."""

    def read(path: tf.Tensor) -> tf.Tensor:
        return function(path, *options)

    found: Callable[[tf.Tensor | bytes], tf.Tensor] = tf.function(
        read, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
    )
    return found


def _said(path: tf.Tensor, max_pixels: int) -> tf.Tensor:
    return problem(tf.io.read_file(path), max_pixels)


def _stored(path: tf.Tensor, max_pixels: int, channels: int) -> tf.Tensor:
    return as_stored(checked(tf.io.read_file(path), max_pixels), channels)


def _square(path: tf.Tensor, max_pixels: int, size: int) -> tf.Tensor:
    return centre(checked(tf.io.read_file(path), max_pixels), size)


def _n_values(path: tf.Tensor, max_pixels: int) -> tf.Tensor:
    return tf.size(decoded(checked(tf.io.read_file(path), max_pixels)))  # asked for, or it would not be decoded


def unreadable(path: Path, max_pixels: int) -> InputError:
    """The error for a file that cannot be read as an image, with the reason."""
    return InputError(f"{path} cannot be read as an image ({_reason(path, max_pixels)}). Mend or remove it.")


def say_left_out(what: str, paths: Sequence[Path], n: int, max_pixels: int) -> None:
    """One line on stderr about `paths`, the files of a part that cannot be read; nothing where there are none.

    what: data set and part. n: files of the part. Raises InputError when these are all of them.
    """
    if not len(paths):
        return
    text = f"{what}: {len(paths)} of {n} files cannot be read, the first is {paths[0]}"
    text += f" ({_reason(paths[0], max_pixels)})."
    if len(paths) == n:
        raise InputError(f"{text} Mend them.")
    print(f"{text} They are left out.", file=sys.stderr)


def _reason(path: Path, max_pixels: int) -> str:
    """Why a file cannot be decoded, in the words of the system or of the decoder."""
    try:
        data = tf.constant(path.read_bytes())
        found = problem(data, max_pixels).numpy().decode()
        if not found:
            decoded(data)
    except OSError as error:
        return str(error.strerror)
    except tf.errors.OpError as error:
        return " ".join(re.sub(r"\{\{.*?\}\}|\[Op:.*?\]|\bname:\s*$", "", error.message).split())[:200]
    return found or "it failed once, and can be read now"
