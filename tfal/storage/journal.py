"""A file of json lines that only grows: a line that is on the disk stays true.

A process that is killed while it writes leaves a line without its end, which counts as not written and is cut off by
the next one that writes; so does a power cut. A reader may come at any time, writers hold a lock.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tfal.errors import InputError
from tfal.files import storage_errors, write_text

Record = dict[str, Any]


class Journal:
    """The lines of a file, each a json object, and how far they were read.

    Args:
        path: the file, which must be there; see `create`.
        mend: what to do about a damaged one, the end of the message.
    """

    def __init__(self, path: Path, mend: str) -> None:
        self.path, self._mend = path, mend
        self._file, self._offset, self._count = -1, 0, 0

    def create(self) -> None:
        """Makes an empty one. Raises StorageError."""
        write_text(self.path, "")

    def read(self, apply: Callable[[Record], None], restart: Callable[[], None]) -> None:
        """Gives each line that was written since the last time to `apply`, in order.

        Args:
            apply: raises ValueError, with the reason, for a line that cannot follow those before.
            restart: called first where the file is another one than last time, such as a copy that was put back: then
                all its lines are given.

        Raises:
            InputError: a line is damaged; it and what follows it are not read. StorageError.
        """
        with storage_errors(self.path):
            found = os.stat(self.path)
            if found.st_ino == self._file and found.st_size == self._offset:
                return
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._file or found.st_size < self._offset:
                    restart()
                    self._file, self._offset, self._count = found.st_ino, 0, 0
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._apply(line, apply)
                    self._offset, self._count = self._offset + len(line), self._count + 1

    def _apply(self, line: bytes, apply: Callable[[Record], None]) -> None:
        try:
            apply(_record(line))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{self.path}, line {self._count + 1}: damaged ({reason}). {self._mend}") from None

    def repair(self) -> None:
        """Ends the last line where that is whole but for its end, and cuts it off where it is not.

        For the one that holds the lock, after `read`. Raises StorageError.
        """
        with storage_errors(self.path), self.path.open("r+b") as file:
            file.seek(self._offset)
            rest = file.read()
            if not rest:
                return
            try:
                _record(rest)
            except ValueError:
                file.truncate(self._offset)
            else:
                file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes a line; it is on the disk when this returns, or not at all. For the one that holds the lock.

        Raises StorageError.
        """
        line = json.dumps(record).encode() + b"\n"
        with storage_errors(self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
            try:
                before = os.fstat(descriptor).st_size
                try:
                    _write(descriptor, line)
                    os.fsync(descriptor)
                except BaseException:
                    with contextlib.suppress(OSError):  # else the next one that writes does it
                        os.ftruncate(descriptor, before)
                    raise
            finally:
                os.close(descriptor)


def _record(line: bytes) -> Record:
    record = json.loads(line.decode())
    if not isinstance(record, dict):
        raise ValueError("it is no json object")
    return record


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
