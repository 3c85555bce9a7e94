"""What was read of pictures, a row for each id, in a file that grows at its end and is read as a memory map."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.files import make_folder, read_json, storage_errors, write_json
from tfal.storage.folder import differing

_DTYPE = np.dtype("<f4")
_MEND = "Remove it, and the features are read anew."


class Rows:
    """Rows (n, d) float32 by id. A row is there when the json file says so, which is written after it.

    Args:
        folder: where `features.f32`, the rows one after the other, and `features.json`, what they are, lie.
        depends: what they depend on besides the pictures, as json can write it.

    Attributes: n, rows that are there; dim, d, 0 before the first; notes, what else json keeps of them.

    Raises:
        InputError: the files are damaged, or of something else.
    """

    def __init__(self, folder: Path, depends: Mapping[str, Any]) -> None:
        self._table, self._about, self._depends = folder / "features.f32", folder / "features.json", dict(depends)
        self.n, self.dim, self.notes = 0, 0, dict[str, Any]()
        if not self._about.exists():
            return
        stored = read_json(self._about, _MEND)
        differences = differing(dict(stored.get("depends", {})), self._depends)
        if differences:
            raise InputError(f"{folder} holds features of something else ({'; '.join(differences)}). {_MEND}")
        try:
            self.n, self.dim, self.notes = int(stored["n"]), int(stored["dim"]), dict(stored["notes"])
            whole = self._table.stat().st_size >= self.n * self.dim * _DTYPE.itemsize
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise InputError(f"{self._about} is damaged ({type(error).__name__}: {error}). {_MEND}") from None
        if not whole:
            raise InputError(f"{self._table} is damaged (it is shorter than {self.n} rows). {_MEND}")

    def put(self, first: int, rows: np.ndarray, **notes: Any) -> None:
        """Writes rows (m, d) for the ids from `first` on, at most n, and then says so. Raises StorageError."""
        make_folder(self._table.parent)
        rows = np.ascontiguousarray(rows, _DTYPE)
        with storage_errors(self._table):
            descriptor = os.open(self._table, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            with os.fdopen(descriptor, "r+b") as file:
                file.seek(first * rows.shape[1] * _DTYPE.itemsize)
                file.write(rows.tobytes())
                file.flush()
                os.fsync(file.fileno())
        self.n, self.dim = max(self.n, first + len(rows)), rows.shape[1]
        self.notes |= notes
        write_json(self._about, {"n": self.n, "dim": self.dim, "notes": self.notes, "depends": self._depends})

    def open(self) -> np.ndarray:
        """All rows (n, d), a memory map that is not to be written."""
        return np.memmap(self._table, _DTYPE, "r", shape=(self.n, self.dim))
