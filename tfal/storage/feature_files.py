"""The files of a feature store: one table of rows, what it was made from, and how far which part of it is.

features.npy               all rows, at their full length from the start
store.json                 what they depend on; dim; done, rows from the first one on; n_shard while shards read them
shard-K-of-N.json          rows of shard K that are done, until all are
.lock, .shard-K-of-N.lock  who works on all of it, or on a shard

Several processes, on several machines, write into one table: each its own rows, by positioned writes through a file
that is open for writing only and synchronous. A memory map would not do: neighbors share a page, and on a network disk
the machine that sends its copy of it last would undo what the other one wrote. Here NFS sends no other bytes than those
that were written (Linux: nfs_can_extend_write lets a write grow to its page unless O_DSYNC is set).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.files import read_json, storage_errors, write_json
from tfal.storage.folder import Folder, differing, held

MEND = "Remove the folder to read the features anew, or give another one."


class Shard(NamedTuple):
    """One of `of` parts of the rows that follow one another, by its number from 1."""

    number: int
    of: int

    def rows(self, n: int, block: int) -> range:
        """Its part of n rows; all parts but the last are whole blocks, some may be empty."""
        blocks = -(-n // block)
        first, end = ((number * blocks // self.of) * block for number in (self.number - 1, self.number))
        return range(min(first, n), min(end, n))

    @property
    def name(self) -> str:
        """What the files of the shard are called: "shard-3-of-16"."""
        return f"shard-{self.number}-of-{self.of}"


class State(NamedTuple):
    """dim: length of a row. done: rows from the first one on. n_shard: shards that read the others; 0: none."""

    dim: int
    done: int
    n_shard: int = 0


class FeatureFiles:
    """The files of one folder; depends: what the rows must have been made from."""

    def __init__(self, folder: Path, depends: dict[str, Any]) -> None:
        self.folder, self.depends, self.table = folder, depends, folder / "features.npy"
        self._shared = Folder(folder, "store.json", [self.table.name], MEND)

    def state(self) -> State | None:
        """How far it is; None where nothing is. Raises InputError for files of something else."""
        stored = self._shared.stored(lambda path: read_json(path, MEND))
        if stored is None:
            return None
        try:
            depends = dict(stored["depends"])
            state = State(int(stored["dim"]), int(stored["done"]), int(stored.get("n_shard", 0)))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._shared.about} is damaged ({type(error).__name__}: {error}). {MEND}") from None
        differences = differing(depends, self.depends)
        if differences:
            raise InputError(f"{self.folder} holds features of something else ({'; '.join(differences)}). {MEND}")
        return state

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Holds the folder for this process; waits for another one. The lock goes with the process."""
        return self._shared.locked(wait=True)

    def shard_locked(self, shard: Shard) -> contextlib.AbstractContextManager[None]:
        """Holds a shard for this process; waits for another one. The lock goes with the process."""
        return held(self.folder / f".{shard.name}.lock", [self.folder])

    def record(self, state: State) -> None:
        """Makes progress final."""
        shards = {"n_shard": state.n_shard} if state.n_shard else {}
        self._shared.write({"dim": state.dim, "done": state.done, **shards, "depends": self.depends})

    def shard_done(self, shard: Shard, rows: range, state: State | None) -> int:
        """How many of its rows are there, from its first one on. Raises InputError where its file is damaged."""
        before = min(max(state.done - rows.start, 0), len(rows)) if state else 0
        path = self.folder / f"{shard.name}.json"
        if state is None or not state.n_shard or not path.exists():
            return before
        stored: Mapping[str, Any] = read_json(path, MEND)
        done = stored.get("done")
        if not isinstance(done, int) or isinstance(done, bool) or not 0 <= done <= len(rows):
            raise InputError(f"{path} is damaged (done: {done!r} of {len(rows)} rows). {MEND}")
        return max(before, done)

    def record_shard(self, shard: Shard, done: int) -> None:
        """Makes progress of a shard final."""
        write_json(self.folder / f"{shard.name}.json", {"done": done})

    def forget_shards(self) -> None:
        """Removes what tells of shards."""
        self._shared.discard(["shard-*-of-*.json"])

    def create(self, shape: tuple[int, int], dtype: str) -> None:
        """The table with rows of zeros, whose room on the disk is taken: a full one is told before anything is read."""
        with storage_errors(self.table):
            np.lib.format.open_memmap(self.table, mode="w+", dtype=dtype, shape=shape)
            if hasattr(os, "posix_fallocate"):
                with self.table.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, self.table.stat().st_size)

    def write(self, row: int, values: np.ndarray, start: int) -> None:
        """Puts rows from `row` on to the disk. start: of row 0 in the file [bytes]."""
        flags = os.O_WRONLY | getattr(os, "O_DSYNC", 0) | getattr(os, "O_BINARY", 0)
        with storage_errors(self.table), os.fdopen(os.open(self.table, flags), "wb") as file:
            file.seek(start + row * values[0].nbytes)
            file.write(np.ascontiguousarray(values).data)
            file.flush()
            os.fsync(file.fileno())

    def open(self, dim: int, n: int, dtype: str) -> np.memmap:
        """The table as a read-only memory map. Raises InputError unless it is exactly as large as it must be."""
        shape = n, dim
        try:
            table = np.lib.format.open_memmap(self.table, mode="r")
            size = self.table.stat().st_size
        except Exception as error:  # whatever NumPy finds in a header that is none
            raise InputError(f"{self.table} is missing or damaged ({error}). {MEND}") from None
        if table.shape != shape or table.dtype != dtype or size != table.offset + table.nbytes:
            raise InputError(
                f"{self.table} must hold {shape} {dtype}. Received: {table.shape} {table.dtype}, {size} bytes. {MEND}"
            )
        return table
