"""Files that are whole or not there: writing, locking, and one line for whatever a disk answers.

A reader sees the old content or the new, never a part. A write that was killed leaves `.<name>.<8 digits>.part`; the
next write of that name, and the next start in that folder, removes it. A writer holds a lock on its part, so that one
that is being written is never taken for one that was left behind.
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import json
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from tfal.errors import InputError, StorageError

try:
    import fcntl
except ImportError:  # Windows: there an open file cannot be removed
    fcntl = None  # type: ignore[assignment]

LOGGER = logging.getLogger("tfal")
_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_AGAIN = "then run the same command again: it goes on from here"
_ELSEWHERE = "Choose a folder that can be written to"
_MENDS = {
    errno.ENOSPC: f"Free some space, {_AGAIN}",
    errno.EDQUOT: f"Free some of your quota, {_AGAIN}",
    errno.EFBIG: f"Raise the limit on the size of files (ulimit -f), {_AGAIN}",
    errno.EMFILE: f"Raise the limit on open files (ulimit -n), {_AGAIN}",
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.ENAMETOOLONG: "Choose a shorter path or name",
    errno.EISDIR: "Move away the folder that stands where a file should be",
    errno.ENOTEMPTY: "Move away the folder that stands where a file should be",
    errno.ENOTDIR: "Move away the file that stands where a folder should be",
    errno.EEXIST: "Move away the file that stands where a folder should be",
    errno.ENOENT: "It was removed meanwhile, or cannot be made there: choose another folder, or run the command again",
    errno.ENOLCK: "It needs file locks: choose a folder on a local disk",
    errno.ENOSYS: "It needs file locks: choose a folder on a local disk",
    errno.EOPNOTSUPP: "It needs file locks: choose a folder on a local disk",
}
_UNSYNCED = (
    errno.EINVAL,
    errno.EOPNOTSUPP,
    errno.EACCES,
    errno.EPERM,
    errno.EBADF,
    errno.ENOSYS,
)  # it has no such call
_LOCK = {"fallback_to_soft": False} if "fallback_to_soft" in inspect.signature(FileLock.__init__).parameters else {}


def storage_error(error: OSError, path: Path | str | None = None) -> StorageError:
    """What the system refused, as one line: path, reason, what to do.

    path: what was worked on; the file that the error names when not given.
    """
    found = error.filename if path is None else path
    where = f"{os.fsdecode(found) if isinstance(found, bytes) else found}: " if found is not None else ""
    reason = error.strerror or str(error).strip().partition("\n")[0] or type(error).__name__
    return StorageError(f"{where}{reason}. {_MENDS.get(error.errno or 0, f'Look at the disk, {_AGAIN}')}.")


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Whatever the system refuses in here is a StorageError about `path`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error
    except InputError:
        raise
    except ValueError as error:  # of zipfile, which cannot close an archive that the disk has no room for
        if isinstance(error.__context__, OSError):
            raise storage_error(error.__context__, path) from error
        raise


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Creates or replaces `path` by what `write(file)` writes: a part, flushed to disk, renamed, flushed again.

    The file's permissions are those that the umask leaves. Raises StorageError.
    """
    with storage_errors(path):
        remove_leftovers(path.parent, path.name)
        part, descriptor = _opened_part(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                if fcntl is not None:  # as long as the lock is held, nobody takes it for a leftover
                    os.replace(part, path)
            if fcntl is None:
                os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync(path.parent)


def _opened_part(path: Path) -> tuple[Path, int]:
    """A new part of a file, open and locked.

    Another process that looks for leftovers can have the lock before this one, and removes the part then: so it is kept
    once this process has the lock and its name is still there.
    """
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        if _try_lock(descriptor, unknown=True) and part.exists():
            return part, descriptor
        os.close(descriptor)
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Creates or replaces the text file `path` (UTF-8). Raises StorageError."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Creates or replaces a json file, in the one form that all of them have. Raises StorageError."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, mend: str) -> dict[str, Any]:
    """The object in a json file. Raises InputError, which ends in `mend`, for anything else; StorageError."""
    text = b""
    with storage_errors(path):
        text = path.read_bytes()
    try:
        return dict(json.loads(text.decode()))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error}). {mend}") from None


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, where they are not there, so that they outlive a power cut."""
    with storage_errors(folder):
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            _sync(each.parent)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Removes what killed writes left in a folder: of one file, or of all. Parts that are being written stay."""
    if fcntl is None:
        return
    start = "." if name is None else f".{name}."
    with contextlib.suppress(OSError):  # they are in nobody's way
        for entry in os.scandir(folder):
            if entry.name.startswith(start) and _PART.fullmatch(entry.name):
                _remove_if_left(entry.path)


@contextlib.contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Holds the lock file `path`, which goes with the process, however it ends.

    busy: what InputError says when another process holds it; None: to say so, and wait until it is free. Raises
    StorageError where there are no locks, or no such file can be made.
    """
    make_folder(path.parent)
    lock = FileLock(path, timeout=0, **_LOCK)  # type: ignore[arg-type]
    with storage_errors(path):
        try:
            lock.acquire()
        except Timeout:
            if busy is not None:
                raise InputError(busy) from None
            LOGGER.warning("waits for another process, which holds %s.", path)
            lock.acquire(timeout=-1)
        except NotImplementedError as error:  # older versions of filelock say it so
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone
            lock.release()


@contextlib.contextmanager
def inheritable_lock(path: Path) -> Iterator[int | None]:
    """Holds the lock file `path`; gives its descriptor, or None where another process has it.

    A program that is started meanwhile and gets the descriptor holds the lock as long as it lives, even when this
    process is killed before it. Raises StorageError where there are no locks.
    """
    make_folder(path.parent)
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor if _acquired(path, descriptor) else None
    finally:
        os.close(descriptor)


def _acquired(path: Path, descriptor: int) -> bool:
    if fcntl is None:
        return True
    with storage_errors(path):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file of `inheritable_lock`."""
    if fcntl is None or not path.exists():
        return False
    with storage_errors(path), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def check_writable(
    folder: Path, what: str = "the results folder", mend: str = "Give another one with --resultsDir."
) -> None:
    """Raises InputError when `folder` neither is nor can become a folder that this process may write to.

    Tries it out with an empty folder that is removed again: /proc and network disks promise more than they keep.
    """
    existing = folder
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file", str(existing))
        if "\0" in str(folder):
            raise ValueError("a null character in its name")
        longest = max((len(os.fsencode(name)) for name in folder.parts), default=0)
        if hasattr(os, "pathconf") and longest > os.pathconf(existing, "PC_NAME_MAX"):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        os.rmdir(tempfile.mkdtemp(prefix=".tfal-", dir=existing))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot write to {what} {str(folder)!r}: {str(existing)!r}: {reason}. {mend}") from None


def _try_lock(descriptor: int, *, unknown: bool = False) -> bool:
    """Whether this process has the lock of an open file now; `unknown` where there are no locks."""
    if fcntl is None:
        return unknown
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unknown
    return True


def _remove_if_left(part: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(part, os.O_RDWR)
        try:
            if _try_lock(descriptor):
                os.unlink(part)
        finally:
            os.close(descriptor)


def _sync(folder: Path) -> None:
    """Brings names in a folder to the disk, where the system can."""
    if fcntl is None:
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
