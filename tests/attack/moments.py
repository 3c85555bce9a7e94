"""Moments at which a child is stopped: anywhere in time, or right before or after one of its file operations."""

from __future__ import annotations

import builtins
import errno
import faulthandler
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

OPERATIONS = ("open", "mkdir", "replace", "rename", "fsync", "unlink", "chmod", "truncate", "ftruncate")
REASONS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT, errno.EACCES)

# The innermost frame in one of these files says what was going on.
_PHASES = (
    (r"tfal/files\.py|pool/pool\.py|storage/(runfolder|folder|index_files)\.py", "commit"),
    (r"storage/feature_store\.py", "feature pass"),
    (r"learners/(pretrained|contrastive\w*|vae|scan)\.py|storage/checkpoint\.py", "pretraining"),
    (
        r"learners/(classifier|ensemble|loss_prediction|vaal\w*)\.py|evaluation/(linear_\w+|trainer|transfer)\.py|"
        r"training/\w+\.py",
        "training",
    ),
    (r"tfal/(strategies|kernels)/", "query"),
    (r"reading/\w+\.py|evaluation/(scores|knn)\.py", "reading and testing"),
    (r"report/\w+\.py|coldstart/(draw|pictures)\.py", "report"),
)


def phase(stack: str) -> str:
    """What a child was doing, by the frames that faulthandler wrote, innermost first."""
    for line in stack.splitlines():
        for pattern, name in _PHASES:
            if re.search(pattern, line):
                return name
    return "start and end"


class FileOperations:
    """Counts the operations on files below `root` in this process, and acts at one of them.

    act: called with number and name of each operation, before it or, where `after` is set, after it.
    """

    def __init__(self, root: Path, act: Callable[[int, str], None], after: bool = False) -> None:
        self._root, self._act, self._after, self.count = str(root), act, after, 0

    def watch(self) -> None:
        """Replaces the functions of `os`, and `open` for writing, for as long as the process lives."""
        for name in OPERATIONS:
            setattr(os, name, self._watched(name, getattr(os, name)))
        plain_open = builtins.open
        watched = self._watched("open", plain_open)

        def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            writes = isinstance(mode, str) and set(mode) & set("wax+")
            return (watched if writes else plain_open)(file, mode, *args, **options)

        builtins.open = opened

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if not self._below(args[0] if args else None):
                return function(*args, **options)
            self.count += 1
            if not self._after:
                self._act(self.count, name)
            result = function(*args, **options)
            if self._after:
                self._act(self.count, name)
            return result

        return call

    def _below(self, target: Any) -> bool:
        try:
            path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
        except (OSError, TypeError):
            return False
        return os.path.abspath(os.fsdecode(path)).startswith(self._root)


def stop_at(root: Path, stack: Path, place: int, after: bool, number: int) -> Callable[[], None]:
    """For a child: sends itself the signal `number` at its place-th file operation."""

    def act(count: int, _: str) -> None:
        if count == place:
            descriptor = os.open(stack, os.O_WRONLY)
            faulthandler.dump_traceback(descriptor, all_threads=False)
            os.close(descriptor)
            os.kill(os.getpid(), number)

    return FileOperations(root, act, after).watch


def fail_from(root: Path, place: int, reason: int) -> Callable[[], None]:
    """For a child: from its place-th file operation on, every one that adds something fails for this reason."""

    def act(count: int, name: str) -> None:
        if count >= place and name != "unlink":
            raise OSError(reason, os.strerror(reason))

    return FileOperations(root, act).watch


def count_into(root: Path, path: Path) -> tuple[Callable[[], None], Callable[[], int]]:
    """For a child that is not stopped: what counts its operations, and what tells their number afterwards."""

    def act(count: int, _: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(descriptor, f"{count:9d}".encode())
        os.close(descriptor)

    return FileOperations(root, act).watch, lambda: int(path.read_text())


def early(rng: random.Random, most: float) -> float:
    """A number in 0..most, rather small ones, so that a run is stopped several times before it is through."""
    return most * rng.random() ** 1.5
