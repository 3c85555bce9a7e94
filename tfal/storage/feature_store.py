"""Features of many images on disk: one pass in inference mode, unit rows, a memory map.

A folder holds `features.npy` and `store.json`: all that the features depend on, and how many rows are done. The json is
replaced after each block of rows that has reached the disk, so a pass that was stopped at any moment goes on behind the
last block, with the batches that an uninterrupted one would have seen, and ends with the same bytes. So do several
processes that read a shard each: see feature_files.

Difference from the public low-budget code: it divides by the norm as it is, so that an image without any active feature
becomes a row of NaN; here it stays 0. Its cache is known by data set and teacher only; this one by everything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfal.errors import InputError
from tfal.files import check_writable
from tfal.storage.feature_files import FeatureFiles, Shard, State
from tfal.storage.folder import digest_of

LOGGER = logging.getLogger("tfal")
FORMAT = 1  # to be raised with every change after which a pass gives other rows
DTYPES = ("float16", "float32")
BLOCK = 512  # rows, at least, between two notes of the progress
_EPSILON = 1e-12  # smaller norms are divided by this

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
        shard: the part of the rows that this process reads, beside others that read the other parts; None: all of them.

    Attributes: missing, after `open_or_make`: numbers of the shards that are not read to their end.
    """

    def __init__(
        self,
        folder: Path | str | None,
        identity: Mapping[str, Any],
        results_dir: Path | str = "results",
        shard: Shard | None = None,
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._identity, self._shard = dict(identity), shard
        self._root = Path(results_dir) / "features"
        self.missing: list[int] = []

    def open_or_make(
        self,
        source: Source,
        read: Callable[[Any], Any],
        ids: np.ndarray | int,
        batch_size: int,
        dtype: str = "float16",
        on_block: OnBlock | None = None,
    ) -> np.ndarray:
        """The features of `ids`; read from the images where the folder does not hold them, or not all of them.

        Args:
            source: the images; anything with batches(ids, batch_size).
            read: a batch of images -> features (B, d), a tensor or an array.
            ids: (n,) int, at least one; or n, for 0..n-1.
            batch_size: images read at once.
            dtype: "float16" or "float32".
            on_block: called with rows done and n after each block, and first where the folder had some; of a shard,
                with its own rows.

        Returns:
            (n, d) read-only memory map; row i belongs to ids[i]. Rows have the norm 1, and 0 where all features are 0.
            Of a shard, its rows alone.

        Raises:
            InputError: the folder holds features of something else, or is damaged; a feature is NaN or infinite; it is
                being read in another number of shards.
        """
        ids = _checked_ids(ids)
        _check_options(batch_size, dtype)
        depends = self._depends(ids, batch_size, dtype)
        files = FeatureFiles(self._folder or self._root / digest_of(depends.encode()), json.loads(depends))
        work = _Pass(files, source, read, ids, batch_size, dtype, on_block)
        state, self.missing = files.state(), []
        if state is None or state.done < len(ids):
            check_writable(files.folder)
            if self._shard is None:
                work.whole()
            else:
                self.missing = work.shard(self._shard)
            state = files.state()
        rows = range(len(ids)) if self._shard is None else work.rows_of(self._shard)
        if state is None:  # a shard without rows, before any other
            return np.zeros((0, 0), dtype)
        return files.open(state.dim, len(ids), dtype)[rows.start : rows.stop]

    def _depends(self, ids: np.ndarray, batch_size: int, dtype: str) -> str:
        own = {"format": FORMAT, "n_images": len(ids), "ids": digest_of(ids.tobytes())}
        own |= {"dtype": dtype, "batch_size": int(batch_size)}
        return json.dumps({**self._identity, **own}, sort_keys=True)


class _Pass:
    """One pass over the images, or the rest of one, or a shard."""

    def __init__(
        self,
        files: FeatureFiles,
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

    def rows_of(self, shard: Shard) -> range:
        """The rows of a shard."""
        return shard.rows(len(self._ids), self._block)

    def whole(self) -> None:
        """Reads all that is missing; of shards that others began, one after the other."""
        files, n = self._files, len(self._ids)
        with files.locked():
            state = files.state()  # read again: another process may have worked before this one had the lock
            if state is None or not state.n_shard:
                done = state.done if state else 0
                self._run(range(n), done, state, self._start, lambda dim, row: files.record(State(dim, row)))
                return
            missing = self._missing(state, state.n_shard)
        for number in missing:
            shard = Shard(number, state.n_shard)
            LOGGER.warning("features of shard %d of %d are missing in %s: read here.", *shard, files.folder)
            self.shard(shard)
        self._finish(state.n_shard)

    def shard(self, shard: Shard) -> list[int]:
        """Reads what is missing of a shard; returns the numbers of those that are still missing then."""
        files, rows = self._files, self.rows_of(shard)
        with files.shard_locked(shard):
            with files.locked():  # notes of shards go when all is read
                state = files.state()
                self._check_shards(state, shard)
                done = files.shard_done(shard, rows, state)
            if state and state.done:  # of one process, which was stopped
                self._join(state.dim, shard)
            self._run(
                rows, done, state, lambda dim: self._join(dim, shard), lambda _, row: files.record_shard(shard, row)
            )
        return self._finish(shard.of)

    def _finish(self, of: int) -> list[int]:
        """Notes that all is read, where it is; returns the numbers of shards that are missing."""
        with self._files.locked():
            state = self._files.state()
            missing = self._missing(state, of)
            if state and not missing:
                self._files.record(State(state.dim, len(self._ids)))
                self._files.forget_shards()
        return missing

    def _missing(self, state: State | None, of: int) -> list[int]:
        """Numbers of the shards that are not read to their end."""
        shards = [Shard(number, of) for number in range(1, of + 1)]
        rows = {shard: self.rows_of(shard) for shard in shards}
        return [
            shard.number for shard in shards if self._files.shard_done(shard, rows[shard], state) < len(rows[shard])
        ]

    def _check_shards(self, state: State | None, shard: Shard) -> None:
        if state and state.n_shard not in (0, shard.of) and state.done < len(self._ids):
            raise InputError(
                f"{self._files.folder} is being read in {state.n_shard} shards. Received: {shard.of}. Give --nShard "
                f"{state.n_shard}, or leave --shard and --nShard out: then one process reads what is left."
            )

    def _run(
        self,
        part: range,
        done: int,
        state: State | None,
        begin: Callable[[int], None],
        note: Callable[[int, int], None],
    ) -> None:
        """Reads the rows of a part behind its first `done`.

        begin: makes the table for rows of that length, or takes the one that is there; called before anything is
        written, where nothing is done. note: called with their length, and how many of the part are on the disk then.
        """
        row, n, table, read = part.start + done, len(self._ids), None, list[np.ndarray]()
        if state and done:
            table = self._files.open(state.dim, n, self._dtype)
            self._report(done, part)
        for batch in self._source.batches(self._ids[row : part.stop], self._batch_size) if row < part.stop else ():
            values = np.asarray(self._read(batch))
            rows = self._rows(values, row, table.shape[1] if table is not None else self._dim(values))
            if table is None:
                begin(values.shape[1])
                table = self._files.open(values.shape[1], n, self._dtype)
            read.append(rows.astype(self._dtype))
            row += len(values)
            if row % self._block == 0 or row == part.stop:
                block, read = np.concatenate(read), []
                self._files.write(row - len(block), block, table.offset)
                note(table.shape[1], row - part.start)
                self._report(row - part.start, part)
        if row != part.stop:
            raise InputError(
                f"features must be one row for each of {len(part)} images. Received: {row - part.start} rows."
            )

    def _report(self, done: int, part: range) -> None:
        if self._on_block:
            self._on_block(done, len(part))

    def _start(self, dim: int) -> None:
        """Makes the table for rows of this length."""
        self._files.record(State(dim, 0))  # first: features.npy alone would be taken for somebody else's
        self._files.create((len(self._ids), dim), self._dtype)

    def _join(self, dim: int, shard: Shard) -> None:
        """Makes the table, or takes that of the others, where this shard is one of theirs."""
        with self._files.locked():
            state = self._files.state()
            self._check_shards(state, shard)
            if state is None or not (state.n_shard or state.done):
                self._start(dim)
                self._files.forget_shards()
                state = State(dim, 0)
            if not state.n_shard and state.done < len(self._ids):
                self._files.record(state._replace(n_shard=shard.of))

    def _dim(self, values: np.ndarray) -> int:
        """The length of rows, as it was promised, or as it is where nothing was."""
        if values.ndim != 2 or not values.size:
            raise InputError(f"features must be of shape (B, d). Received: {values.shape}.")
        depends = self._files.depends
        return int(depends["dim"] if "dim" in depends else values.shape[1])

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
