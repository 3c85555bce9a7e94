"""Arrays from .npy and .npz files that may be anything: the one place that reads them.

Every header is held against the size of the file before memory is asked for, nothing is unpickled, and whatever is
wrong with a file is an ArrayFileError of one line. `read_array` for an .npy, `read_arrays` for an .npz, `read_ids` for
an .npy of distinct ids.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np

from tfal.errors import InputError

_DEFLATE = 1100  # times: more than deflate can ever unpack
_MOST = 2**63 - 1  # of an id
_MISSING = os.strerror(errno.ENOENT)


class ArrayFileError(InputError):
    """A file that cannot be read as arrays. reason: what is wrong with it, without its name."""

    def __init__(self, path: Path, kind: str, reason: str, mend: str) -> None:
        what = "is missing" if reason == _MISSING else f"is damaged or no {kind} file ({reason})"
        super().__init__(f"{path} {what}. {mend}".strip())
        self.reason = reason


class Header(NamedTuple):
    """What an .npy says of its array. start: bytes before the values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def read_array(path: Path, mend: str = "") -> np.ndarray:
    """The array of an .npy file. Raises ArrayFileError, which ends in `mend`: what to do about it."""
    found: np.ndarray = _guarded(path, ".npy", mend, _read_npy)
    return found


def read_arrays(path: Path, mend: str = "", names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name: all of them, or only `names`, which it must hold.

    Raises ArrayFileError, which ends in `mend`: what to do about it.
    """
    found: dict[str, np.ndarray] = _guarded(path, ".npz", mend, lambda file: _read_npz(file, names))
    return found


def map_array(path: Path, mend: str = "") -> np.ndarray:
    """The array of an .npy file as a read-only memory map, of which no value is read. Raises as read_array does."""

    def mapped(file: IO[bytes]) -> np.ndarray:
        _refuse_zip(file)
        found = _checked_header(file, os.fstat(file.fileno()).st_size)
        if 0 in found.shape:  # no memory can be mapped for that
            return np.empty(found.shape, found.dtype)
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    return cast(np.ndarray, _guarded(path, ".npy", mend, mapped))


def array_names(path: Path, mend: str = "") -> list[str]:
    """Names of the arrays of an .npz file, of which nothing is read. Raises ArrayFileError, which ends in `mend`."""

    def names(file: IO[bytes]) -> list[str]:
        with zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]

    found: list[str] = _guarded(path, ".npz", mend, names)
    return found


def read_ids(path: Path, mend: str = "") -> np.ndarray:
    """The distinct ids (n,) of an .npy file, int64, at least 0. Raises InputError, which ends in `mend`."""
    ids = read_array(path, mend)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputError(
            f"{path} must hold distinct ids, whole numbers of shape (n,). Received: {ids.dtype} of shape "
            f"{ids.shape}. {mend}".strip()
        )
    repeated = len(ids) - len(np.unique(ids))
    if repeated or (len(ids) and not 0 <= ids.min() <= ids.max() <= _MOST):
        odd = f"the negative id {ids.min()}" if ids.min() < 0 else f"the id {ids.max()}"
        problem = f"{repeated} repeated" if repeated else odd
        raise InputError(f"{path} must hold distinct ids of at least 0. Received: {problem}. {mend}".strip())
    return ids.astype(np.int64)


def header(file: IO[bytes]) -> Header:
    """The header of an open .npy, which is left at its first value. Raises ValueError for anything else."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the .npy format, which is of arrays with named fields")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if any(isinstance(side, bool) or side < 0 for side in shape):
        raise ValueError(f"its header says a shape of {shape}")
    return Header(shape, dtype, file.tell())


def _guarded(path: Path, kind: str, mend: str, read: Callable[[IO[bytes]], Any]) -> Any:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError("it is a folder" if Path(path).is_dir() else "it is no regular file")
        with Path(path).open("rb") as file:
            return read(file)
    except MemoryError:
        raise ArrayFileError(path, kind, "its arrays do not fit into memory", mend) from None
    except OSError as error:
        raise ArrayFileError(path, kind, error.strerror or _words(error), mend) from None
    except Exception as error:  # a file may be broken in every way that zipfile, zlib, struct and NumPy know
        raise ArrayFileError(path, kind, _words(error), mend) from None


def _words(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0]
    return text if type(error) is ValueError and text else f"{type(error).__name__}: {text}"


def _read_npy(file: IO[bytes]) -> np.ndarray:
    _refuse_zip(file)
    return _values(file, os.fstat(file.fileno()).st_size)


def _refuse_zip(file: IO[bytes]) -> None:
    start = file.read(4)
    if start == b"PK\x03\x04":
        raise ValueError("it is a zip archive, such as an .npz, and no .npy")
    file.seek(0)


def _read_npz(file: IO[bytes], names: Sequence[str] | None) -> dict[str, np.ndarray]:
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        missing = [name for name in names or () if name not in members]
        if missing:
            raise ValueError(f"it holds no {missing[0]!r}, but {', '.join(map(repr, list(members)[:9])) or 'nothing'}")
        if len(members) < len(archive.infolist()):
            raise ValueError("it holds two arrays of one name")
        for name in members if names is None else names:
            _check_member(members[name], size)
        return {name: _member(archive, members[name]) for name in (members if names is None else names)}


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    """Refuses what would ask for a password, or for more memory than the file can fill."""
    name = member.filename
    if member.flag_bits & 1:
        raise ValueError(f"its member {name!r} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its member {name!r} is compressed as NumPy never does")
    most = member.compress_size if member.compress_type == zipfile.ZIP_STORED else _DEFLATE * member.compress_size
    if member.compress_size > size or member.file_size > most + 64:
        raise ValueError(f"its member {name!r} claims {member.file_size} bytes, more than the file can hold")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    try:
        with archive.open(member) as file:
            return _values(file, member.file_size)
    except ValueError as error:
        raise ValueError(f"its member {member.filename!r}: {error}") from None


def _values(file: IO[bytes], size: int) -> np.ndarray:
    _checked_header(file, size)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _checked_header(file: IO[bytes], size: int) -> Header:
    """The header of an .npy of so many bytes. Raises ValueError for a file that does not hold what it says."""
    found = header(file)
    if found.size > size:
        raise ValueError(
            f"its header says {found.dtype} of shape {found.shape}, {found.size} bytes, but there are {size}"
        )
    return found
