"""What lies in a folder of images and is not read: counted by kind, and told in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

from tfal.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp")  # of what is read, in any case
_SILENT = ("thumbs.db", "desktop.ini")  # what systems leave behind; hidden files are silent, too
_FOLDER, _LINK, _NAMELESS = "folder inside a class folder", "dead link", "name that is not UTF-8"


class PassedOver:
    """Counts what `images`, `beside` and `tree` leave out, and says so once."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def images(self, folder: Path) -> list[str]:
        """Names of the image files in a class folder, sorted; all else there is passed over.

        Raises InputError when the folder cannot be read.
        """
        names = []
        for entry in _entries(folder):
            kind = _kind(entry)
            if not kind:
                names.append(entry.name)
            else:
                self._add(kind, entry.path)
        return sorted(names)

    def tree(self, root: Path, outside: Collection[Path] = ()) -> list[str]:
        """Image files at any depth below `root`, relative to it with "/", sorted; all else there is passed over.

        Links to folders are followed, each folder once, so that one that leads to a folder above it ends. Hidden
        folders, and those of `outside`, are not entered. Raises InputError for a folder that cannot be read.
        """
        left, paths = [(root, "")], list[str]()
        seen = {_identity(folder) for folder in outside if folder.is_dir()}
        while left:
            folder, start = left.pop()
            if _identity(folder) in seen:
                continue
            seen.add(_identity(folder))
            for entry in _entries(folder):
                kind = _kind(entry)
                if kind == _FOLDER:
                    left.append((folder / entry.name, f"{start}{entry.name}/"))
                elif kind or not _is_text(start + entry.name):
                    self._add(kind or _NAMELESS, entry.path)
                else:
                    paths.append(start + entry.name)
        return sorted(paths)

    def beside(self, folder: Path) -> None:
        """Counts what stands beside the class folders of `folder`."""
        for entry in _entries(folder):
            kind = _kind(entry) or "image in no class folder"
            if kind != _FOLDER:
                self._add(kind, entry.path)

    def say(self, name: str) -> None:
        """One line on stderr, if anything was passed over. name: of the data set."""
        if self._found:
            print(f"{name}: passed over: {self}. Read are {', '.join(SUFFIXES)}.", file=sys.stderr)

    def __str__(self) -> str:
        return ", ".join(f"{n} x {kind} ({first})" for kind, (n, first) in sorted(self._found.items())) or "nothing"

    def _add(self, kind: str, path: str) -> None:
        path = path.encode(errors="backslashreplace").decode()  # which can be shown
        n, first = self._found.get(kind, (0, path))
        self._found[kind] = n + 1, min(first, path)


def _identity(folder: Path) -> tuple[int, int]:
    """What is the same for all names of one folder, and another for each folder."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_text(name: str) -> bool:
    """Whether a name can be written into a text file, and be found again by it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What stands in a folder, without hidden and silent files."""
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _SILENT]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}). Mend its permissions or remove it.") from None


def _kind(entry: os.DirEntry[str]) -> str:
    """Why an entry of a class folder is not read; "" for an image."""
    try:
        is_file, is_folder = entry.is_file(), entry.is_dir()
    except OSError:  # a link that leads to itself
        return _LINK
    if is_folder:
        return _FOLDER
    if not is_file:
        return _LINK if entry.is_symlink() else "no regular file"
    suffix = Path(entry.name).suffix.lower()
    return "" if suffix in SUFFIXES else suffix or "file without a suffix"
