"""Features of many images on disk: one pass in inference mode, unit rows, a memory map.

A folder holds `features.npy` and `store.json`: all that the features depend on, and how many rows are done. The json is
replaced after each block of rows that has reached the disk, so a pass that was stopped at any moment goes on behind the
last block, with the batches that an uninterrupted one would have seen, and ends with the same bytes.

Difference from the public low-budget code: it divides by the norm as it is, so that an image without any active feature
becomes a row of NaN; here it stays 0. Its cache is known by data set and teacher only; this one by everything.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfal.errors import InputError
from tfal.files import check_writable, read_json, storage_errors
from tfal.storage.folder import Folder, differing, digest_of

FORMAT = 1  # to be raised with every change after which a pass gives other rows
DTYPES = ("float16", "float32")
BLOCK = 512  # rows, at least, between two notes of the progress
_EPSILON = 1e-12  # smaller norms are divided by this
_MEND = "Remove the folder to read the features anew, or give another one."

OnBlock = Callable[[int, int], object]  # rows done, all rows


class Source(Protocol):
    """Images that can be read by id: tfal.data.images.Images and tfal.reading.user_images."""

    def batches(self, ids: np.ndarray, batch_size: int) -> Iterable[Any]:
        """The images of `ids` (n,), in this order, batch_size at a time."""


class FeatureStore:
    """Features of one encoder and one set of images, L2-normalised unless its identity says "rows": "raw".

    Args:
        folder: where the files are; None for `<results_dir>/features/<hash of all that the features depend on>`.
        identity: what the features depend on besides number, order and dtype, as json can write it: fingerprint of
            the data, hash of the weights, transform, name of the output. "dim", where given, is checked.
        results_dir: only where `folder` is None.
    """

    def __init__(
        self, folder: Path | str | None, identity: Mapping[str, Any], results_dir: Path | str = "results"
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._identity = dict(identity)
        self._root = Path(results_dir) / "features"

    def open_or_make(
        self,
        source: Source,
        read: Callable[[Any], Any],
        ids: np.ndarray | int,
        batch_size: int,
        dtype: str = "float16",
        on_block: OnBlock | None = None,
    ) -> np.memmap:
        """The features of `ids`; read from the images where the folder does not hold them, or not all of them.

        Args:
            source: the images; anything with batches(ids, batch_size).
            read: a batch of images -> features (B, d), a tensor or an array.
            ids: (n,) int, at least one; or n, for 0..n-1.
            batch_size: images read at once.
            dtype: "float16" or "float32".
            on_block: called with rows done and n after each block, and first where the folder had some.

        Returns:
            (n, d) read-only memory map; row i belongs to ids[i]. Rows have the norm 1, and 0 where all features are 0.

        Raises:
            InputError: the folder holds features of something else, or is damaged; a feature is NaN or infinite.
        """
        ids = _checked_ids(ids)
        _check_options(batch_size, dtype)
        depends = self._depends(ids, batch_size, dtype)
        files = _Files(self._folder or self._root / digest_of(depends.encode()), json.loads(depends))
        state = files.state()
        if state is None or state["done"] < len(ids):
            check_writable(files.folder)
            with files.locked():
                state = files.state()  # read again: another process may have worked before this one had the lock
                state = _Pass(files, source, read, ids, batch_size, dtype, on_block).run(state)
        return files.open(state, len(ids), dtype, "r")

    def _depends(self, ids: np.ndarray, batch_size: int, dtype: str) -> str:
        own = {"format": FORMAT, "n_images": len(ids), "ids": digest_of(ids.tobytes())}
        own |= {"dtype": dtype, "batch_size": int(batch_size)}
        return json.dumps({**self._identity, **own}, sort_keys=True)


class _Files:
    """`features.npy` and `store.json` of one folder; depends: what they must have been made from."""

    def __init__(self, folder: Path, depends: dict[str, Any]) -> None:
        self.folder, self.depends, self.table = folder, depends, folder / "features.npy"
        self._shared = Folder(folder, "store.json", [self.table.name], _MEND)

    def state(self) -> dict[str, Any] | None:
        """dim and done, rows that have been written; None where nothing was. Raises InputError for other files."""
        stored = self._shared.stored(lambda path: read_json(path, _MEND))
        if stored is None:
            return None
        try:
            depends, state = dict(stored["depends"]), {name: int(stored[name]) for name in ("dim", "done")}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._shared.about} is damaged ({type(error).__name__}: {error}). {_MEND}") from None
        differences = differing(depends, self.depends)
        if differences:
            raise InputError(f"{self.folder} holds features of something else ({'; '.join(differences)}). {_MEND}")
        return state

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Holds the folder for this process; waits for another one. The lock goes with the process."""
        return self._shared.locked(wait=True)

    def record(self, state: dict[str, int]) -> None:
        """Makes progress final."""
        self._shared.write({**state, "depends": self.depends})

    def open(self, state: dict[str, int], n: int, dtype: str, mode: str) -> np.memmap:
        """The memory map, mode "r" or "r+". Raises InputError unless it is exactly as large as it must be."""
        shape = n, state["dim"]
        try:
            table = np.lib.format.open_memmap(self.table, mode="r")  # "r+" would lengthen a file that is too short
            size = self.table.stat().st_size
        except Exception as error:  # whatever NumPy finds in a header that is none
            raise InputError(f"{self.table} is missing or damaged ({error}). {_MEND}") from None
        if table.shape != shape or table.dtype != dtype or size != table.offset + table.nbytes:
            raise InputError(
                f"{self.table} must hold {shape} {dtype}. Received: {table.shape} {table.dtype}, {size} bytes. {_MEND}"
            )
        return table if mode == "r" else np.lib.format.open_memmap(self.table, mode="r+")


class _Pass:
    """One pass over the images, or the rest of one."""

    def __init__(
        self,
        files: _Files,
        source: Source,
        read: Callable[[Any], Any],
        ids: np.ndarray,
        batch_size: int,
        dtype: str,
        on_block: OnBlock | None,
    ) -> None:
        self._files, self._source, self._read = files, source, read
        self._ids, self._batch_size, self._dtype, self._on_block = ids, batch_size, dtype, on_block
        self._block = -(-BLOCK // batch_size) * batch_size  # whole batches, so that they stay the same when it goes on

    def run(self, state: dict[str, int] | None) -> dict[str, int]:
        """Reads what is missing; returns the state at the end."""
        row, n, table = state["done"] if state else 0, len(self._ids), None
        if state and row:
            table = self._files.open(state, n, self._dtype, "r+")
            self._report(row)
        for batch in self._source.batches(self._ids[row:], self._batch_size) if row < n else ():
            values = np.asarray(self._read(batch))
            if table is None:
                state, table = self._start(values)
            table[row : row + len(values)] = self._rows(values, row, table.shape[1])
            row += len(values)
            if row % self._block == 0 or row == n:
                with storage_errors(self._files.table):
                    table.flush()
                state = {"dim": table.shape[1], "done": row}
                self._files.record(state)
                self._report(row)
        if state is None or row != n:
            raise InputError(f"features must be one row for each of {n} images. Received: {row} rows.")
        return state

    def _report(self, row: int) -> None:
        if self._on_block:
            self._on_block(row, len(self._ids))

    def _start(self, values: np.ndarray) -> tuple[dict[str, int], np.memmap]:
        if values.ndim != 2 or not values.size:
            raise InputError(f"features must be of shape (B, d). Received: {values.shape}.")
        state = {"dim": values.shape[1], "done": 0}
        self._rows(values, 0, self._files.depends.get("dim", state["dim"]))  # refuse before anything is written
        self._files.record(state)  # first: features.npy alone would be taken for somebody else's
        shape, path = (len(self._ids), state["dim"]), self._files.table
        with storage_errors(path):
            table = np.lib.format.open_memmap(path, mode="w+", dtype=self._dtype, shape=shape)
            _reserve(path)
        return state, table

    def _rows(self, values: np.ndarray, row: int, dim: int) -> np.ndarray:
        ids = self._ids[row : row + self._batch_size]
        if values.shape != (len(ids), dim):
            raise InputError(f"features must be of shape {(len(ids), dim)}. Received: {values.shape}.")
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise InputError(
                f"features must be finite. Received: NaN or infinity for id {ids[np.argmin(finite)]}. "
                "Look at this image and at the encoder's weights."
            )
        return values if self._files.depends.get("rows") == "raw" else normalized(values)


def _reserve(path: Path) -> None:
    """Takes the room on the disk now: in a memory map, a full one would end the process without a word."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def normalized(values: np.ndarray) -> np.ndarray:
    """Rows (n, d), finite, divided by their L2 norms; rows of zeros stay zeros. float64."""
    values = np.asarray(values, np.float64)
    found: np.ndarray = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), _EPSILON)
    return found


def _checked_ids(ids: np.ndarray | int) -> np.ndarray:
    found = np.arange(ids) if isinstance(ids, int | np.integer) else np.asarray(ids)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
        raise InputError(
            f"ids must be whole numbers of shape (n,), at least one. Received: {found.dtype} of shape {found.shape}."
        )
    return found.astype("<i8")


def _check_options(batch_size: int, dtype: str) -> None:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InputError(f"batch_size must be a whole number >= 1. Received: {batch_size!r}.")
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}. Received: {dtype!r}.")
