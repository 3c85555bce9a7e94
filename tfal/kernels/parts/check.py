"""Checks at the public edge of the kernels. An error is one line: what, expected, received, how to mend."""

from __future__ import annotations

import operator
import reprlib
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts.tiles import threads, tiles
from tfal.kernels.parts.xp import to_numpy

# Above this magnitude the squared norms and products of the float32 kernels could overflow.
LARGEST = 1e15
_FLOATS = ("float16", "float32", "float64")


def float_array(
    xp: Any,
    name: str,
    value: Any,
    shape: tuple[int | str, ...],
    *,
    dtype: Any = np.float32,
    limit: float = LARGEST,
) -> Any:
    """`value` as an array of `dtype`, never modified and perhaps not copied.

    `shape` holds a number for an axis whose length is known and a letter for a free one. Integers are refused
    rather than cast: an integer array here is nearly always a batch of images or ids that came in by mistake.
    """
    return float_rows(xp, name, value, shape, limit=limit).astype(dtype, copy=False)


def float_rows(xp: Any, name: str, value: Any, shape: tuple[int | str, ...], *, limit: float = LARGEST) -> Any:
    """`value`, checked as by `float_array`, in its own dtype, for inputs read in tiles; a memory map stays one."""
    array = xp.asarray(value)
    expected = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    fits = array.ndim == len(shape) and all(
        isinstance(axis, str) or axis == length for axis, length in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"{name}: expected shape {expected}, received {array.shape}. "
            "Give every sample one row, and arrays of one call the same samples, features and classes."
        )
    if array.dtype.name not in _FLOATS:
        raise InputError(
            f"{name}: expected {', '.join(_FLOATS)}, received {array.dtype.name}. Cast it with .astype('float32')."
        )
    if array.size == 0:
        raise InputError(
            f"{name}: expected at least one row and one column, received shape {array.shape}. "
            "Check that the pool is not empty."
        )
    _check_magnitude(xp, name, array, limit)
    return array


def _check_magnitude(xp: Any, name: str, array: Any, limit: float) -> None:
    width = 8 * (array.size // len(array))
    with threads(xp) as each:
        largest = float(np.max(each(lambda tile: _largest(xp, array[tile]), tiles(xp, len(array), width))))
        if largest <= limit:
            return
        bad = sum(each(lambda tile: int(xp.count_nonzero(~xp.isfinite(array[tile]))), tiles(xp, len(array), width)))
    if bad:
        raise InputError(
            f"{name}: expected finite values, received {bad} NaN or infinite of {array.size}. "
            "Look for a diverged network or a float16 overflow."
        )
    raise InputError(
        f"{name}: expected magnitudes up to {limit:g}, received {largest:g}. "
        "Scale the values down; float32 would overflow."
    )


def _largest(xp: Any, tile: Any) -> float:
    """The largest magnitude; infinite or NaN if there is such a value."""
    if xp is np and tile.dtype == np.float16:
        bits = tile.view(np.uint16) & 0x7FFF  # ordered like the magnitudes, then infinity, then NaN; 50 times faster
        return float(bits.max().view(np.float16))
    return float(xp.maximum(tile.max(), -tile.min()))  # NaN stays NaN through max and min


def two_classes(name: str, array: Any) -> None:
    """Refuse an (n, C) or (d, C) array with fewer than two classes."""
    if array.shape[1] < 2:
        raise InputError(
            f"{name}: expected at least 2 classes (columns), received shape {array.shape}. "
            "A single sigmoid logit z becomes two columns, (0, z)."
        )


def whole_number(name: str, value: Any, most: int | None = None) -> int:
    """`value` as an int from 1 to `most`; bool and float are refused."""
    wanted = "an integer of at least 1" if most is None else f"an integer from 1 to {most} (the rows given)"
    try:
        number = 0 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or (most is not None and number > most):
        raise InputError(f"{name}: expected {wanted}, received {reprlib.repr(value)}. Choose a value in that range.")
    return number


def weights(xp: Any, value: Any, n: int) -> Any:
    """float64 (n,) of finite numbers above 0: how many rows each row stands for."""
    found = float_array(xp, "weights", value, (n,), dtype=np.float64)
    if found.min() <= 0:
        raise InputError(
            f"weights: expected numbers above 0, received {float(found.min()):g}. Leave out rows that stand for none."
        )
    return found


def numbers(name: str, value: Any, m: int, n: int, mend: str) -> np.ndarray:
    """Host int64 (m,) of numbers from 0 to n - 1, one a row, such as classes. Raises InputError, ending with `mend`."""
    found = to_numpy(value)
    if found.shape != (m,) or found.dtype.kind not in "iu":
        raise InputError(
            f"{name}: expected integers of shape ({m},), received {found.dtype.name} {found.shape}. Give one a row."
        )
    if found.min() < 0 or found.max() >= n:
        raise InputError(f"{name}: expected numbers from 0 to {n - 1}, received {found.min()} to {found.max()}. {mend}")
    return found.astype(np.int64, copy=False)


def generator(rng: Any) -> np.random.Generator:
    """Refuse anything but a NumPy Generator: seeds and global state would make picks hard to repeat."""
    if not isinstance(rng, np.random.Generator):
        raise InputError(
            f"rng: expected a numpy.random.Generator, received {type(rng).__name__}. "
            "Make one with numpy.random.default_rng(seed)."
        )
    return rng
