"""Rows in tiles: float16, float64 and memory-mapped inputs are read as float32 piece by piece, never as a whole."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

# What a tile may take: a CPU should keep it in the cache of one core, a GPU should be busy with it for a while.
_TILE_BYTES = {"numpy": 1 << 20, "cupy": 1 << 27}
CORES = os.cpu_count() or 1
LEAST_ROWS = 64  # fewer would starve a matrix product

Each = Callable[[Callable[[Any], Any], list[Any]], list[Any]]  # what `map` does, as a list


def float32_rows(array: Any, rows: Any) -> Any:
    """`rows`, a slice or an index array, of an array of finite floats; a slice of float32 is a view, no copy."""
    found = array[rows] if isinstance(rows, slice) else array.take(rows, axis=0)
    if isinstance(found, np.ndarray) and found.dtype == np.float16:
        return _widened(found)
    return found.astype(np.float32, copy=False)


def _widened(half: np.ndarray) -> np.ndarray:
    """Finite float16 as float32, which NumPy's own conversion takes four times as long for."""
    bits = half.view(np.int16).astype(np.int32)
    bits <<= 13  # exponent and fraction get to their places, and the sign to all places above them
    bits &= ~0x70000000  # of which it keeps the first
    floats = bits.view(np.float32)
    floats *= 2.0**112  # float16 counts exponents from -15, float32 from -127
    return floats


def cores(xp: Any) -> int:
    """How many tiles are worked on at the same time; a GPU is busy with one."""
    return CORES if xp is np else 1


def tiles(xp: Any, n: int, row_bytes: int) -> list[slice]:
    """Slices that cut `n` rows, of which each takes `row_bytes` while it is worked on, into tiles."""
    return slices(n, max(LEAST_ROWS, _TILE_BYTES[xp.__name__] // row_bytes))


def slices(n: int, size: int) -> list[slice]:
    """0 to n - 1 in slices of `size`, of which the last may be shorter."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


@contextlib.contextmanager
def threads(xp: Any) -> Iterator[Each]:
    """A `map` that works on tiles at the same time: with one thread a core on a CPU, one by one on a GPU."""
    if xp is not np:
        yield lambda work, pieces: [work(piece) for piece in pieces]
        return
    with ThreadPoolExecutor(CORES) as executor:  # starts no thread before it is used
        yield lambda work, pieces: list((executor.map if len(pieces) > 1 else map)(work, pieces))


@contextlib.contextmanager
def workers(xp: Any) -> Iterator[Each]:
    """A `map` over tiles, as `threads` gives it, whose matrix products take one thread each.

    Products of this size gain little when they are themselves split over threads, and on a busy machine their
    threads wait for each other: that made a call up to 20 times slower.
    """
    limits = _blas("faiss" in sys.modules).limit(limits=1, user_api="blas") if xp is np else contextlib.nullcontext()
    with limits, threads(xp) as each:
        yield each


@functools.cache
def _blas(with_faiss: bool) -> ThreadpoolController:
    """The handle of the matrix libraries, of which faiss brings one; finding them takes longer than a small call."""
    return ThreadpoolController()


def fill(xp: Any, n: int, row_bytes: int, each: Each, values: Callable[[slice], Any]) -> Any:
    """float64 (n,), tile by tile from `values(tile)`."""
    filled = xp.empty(n)

    def work(tile: slice) -> None:
        filled[tile] = values(tile)

    each(work, tiles(xp, n, row_bytes))
    return filled
