"""Image files and their classes, known without decoding one: what a data set of a million photographs is made of."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import posixpath
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfal.data.passed_over import SUFFIXES, PassedOver
from tfal.errors import InputError

SIZE = 224  # height and width in which networks for ImageNet see images [pixels]
MAX_PIXELS = 100_000_000  # of the largest picture that is decoded: 300 MB in RGB
_LINE = re.compile(r"(.+?)[\s,]+(\d+)")  # of a list
_MOST_CLASSES, _DIGITS = 10**6, 18  # of a list that nothing else tells the classes of; of a label
_N_SIZES = 256  # files whose sizes a fingerprint asks for


class Reading(NamedTuple):
    """How image files are read.

    size: height and width of images that stay in files [pixels]. max_pixels: height times width of the largest picture
    that is decoded. skip_corrupt: leave out files that cannot be decoded, in place of refusing them.
    """

    size: int = SIZE
    max_pixels: int = MAX_PIXELS
    skip_corrupt: bool = False


@dataclass(frozen=True, eq=False)
class Listing:
    """Image files under one folder; an id is a position in `paths`.

    root: the folder. paths: (n,) bytes, relative to it, with "/", as the operating system encodes names. labels: (n,)
    int64. size: height and width in which images are read [pixels]. max_pixels: height times width of the largest
    picture that is decoded.
    """

    root: str
    paths: np.ndarray
    labels: np.ndarray
    size: int = SIZE
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, size, size, 3): the array that all images as they are read would make."""
        return len(self), self.size, self.size, 3

    def path(self, row: int) -> Path:
        """The file of one id."""
        return Path(self.root) / os.fsdecode(self.paths[row])

    def file_sizes(self, ids: np.ndarray) -> np.ndarray:
        """(n,) int64 [bytes]; InputError for a file that is no longer there."""
        folder = os.fsencode(self.root) + b"/"
        try:
            sizes = [os.stat(folder + path).st_size for path in self.paths[ids].tolist()]
        except OSError as error:
            path = os.fsdecode(error.filename)
            raise InputError(f"{path} cannot be read ({error.strerror}). Bring it back.") from None
        return np.array(sizes, np.int64)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that follow from all names and labels and the sizes of some 256 files.

        The root is not among them, so a folder may move. Nothing is decoded.
        """
        digest = hashlib.blake2b(digest_size=8)
        sample = np.arange(0, len(self), max(1, len(self) // _N_SIZES))
        digest.update(f"{len(self)} {self.size}\n".encode() + b"\n".join(self.paths.tolist()))
        digest.update(self.labels.astype("<i8").tobytes() + self.file_sizes(sample).astype("<i8").tobytes())
        return digest.hexdigest()

    def without(self, ids: np.ndarray) -> Listing:
        """All files but those of `ids`, in the same order, so with other ids."""
        keep = np.delete(np.arange(len(self)), ids)
        return dataclasses.replace(self, paths=self.paths[keep], labels=self.labels[keep])

    def joined(self, other: Listing, labels: np.ndarray) -> Listing:
        """These files and behind them those of `other`, under the folder that holds both; labels: (n,) of all."""
        root = os.path.commonpath([os.path.abspath(part.root) for part in (self, other)])
        paths = [
            os.fsencode(os.path.relpath(part.root, root)).replace(os.sep.encode(), b"/") + b"/" + path
            for part in (self, other)
            for path in part.paths.tolist()
        ]
        labels = np.asarray(labels, np.int64)
        return dataclasses.replace(self, root=root, paths=np.array(paths), labels=labels)


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the folders in `folder`, sorted, without hidden ones; none where it is no folder."""
    try:
        return tuple(sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")))
    except (NotADirectoryError, FileNotFoundError):
        return ()
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}). Mend its permissions or remove it.") from None


def folded(name: str) -> str:
    """A name as it is compared with others: without regard to case, and to how accents are encoded."""
    return unicodedata.normalize("NFC", name).casefold()


def spelled(folder: Path, path: str) -> str:
    """`path` as it stands in `folder`, however the file system encodes accents; "" where it does not."""
    for name in (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))):
        if (folder / name).exists():
            return name
    return ""


def from_tree(
    root: Path,
    part: str,
    classes: Sequence[str],
    size: int = SIZE,
    max_pixels: int = MAX_PIXELS,
    passed: PassedOver | None = None,
) -> Listing:
    """The image files of `root`/`part`/<class>/, sorted by (class, file); a label is a position in `classes`.

    As torchvision and the published codes number them. An image file is one with a suffix of SUFFIXES in any case; all
    others, and folders inside class folders, are passed over and counted in `passed`. A class may have no folder: a
    test set need not show every class. size, max_pixels: see Reading.

    Raises InputError for a class folder without image files or that cannot be read, and when there are none at all.
    """
    passed = passed or PassedOver()
    paths: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        name = spelled(root / part, name)
        if not name:
            continue
        folder = root / part / name
        files = passed.images(folder)
        if not files:
            raise InputError(
                f"every class folder must hold image files ({', '.join(SUFFIXES)}). Received: none in {folder}; passed "
                f"over: {passed}. Fill or remove it."
            )
        paths += [os.fsencode(f"{part}/{name}/{file}") for file in files]
        labels += [label] * len(files)
    if not paths:
        raise InputError(
            f"{root / part} must hold <class>/<image> files ({', '.join(SUFFIXES)}). Received: none. Copy them there."
        )
    return Listing(str(root), np.array(paths), np.array(labels, np.int64), size, max_pixels)


def from_list(
    file: Path,
    classes: Sequence[str],
    n_classes: int | None = None,
    size: int = SIZE,
    max_pixels: int = MAX_PIXELS,
) -> Listing:
    """The files that a list names, one "path label" a line as in ImageNet-LT's lists, sorted by (label, path).

    Paths are relative to the folder of the list, may contain blanks, and end at blanks, tabs or a comma before the
    label; `./a` is `a`, and accents may be encoded in another way than in the file system. Empty lines are passed over.

    Args:
        file: the list, UTF-8.
        classes: names of the class folders in the order of the labels; a path in one of them must have its label.
        n_classes: labels are less than this; None: any label goes.
        size, max_pixels: see Reading.

    Raises InputError, which names the list and the line: a malformed line, a label out of range or of another class
    folder, a file that is not there, that is listed twice, or that has two names with different labels.
    """
    folder, numbers = file.parent, {name: label for label, name in enumerate(classes)}
    found: dict[str, tuple[int, int]] = {}
    same: dict[tuple[int, int], str] = {}
    for number, line in enumerate(text_lines(file), start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        given, label = _entry(where, folder, line, n_classes)
        path = spelled(folder, given)
        if not (folder / path).is_file():
            raise InputError(f"{where}: {folder / given} is not there. Copy it, or remove the line.")
        _check_folder(where, path, label, numbers)
        status = (folder / path).stat()
        other = path if path in found else same.setdefault((status.st_dev, status.st_ino), path)
        if path in found or found.get(other, (label,))[0] != label:
            by = f" as {other}" * (other != path)
            raise InputError(f"{where}: {path} stands in line {found[other][1]} already{by}. Remove one.")
        found[path] = label, number
    if not found:
        raise InputError(f"{file} must hold lines 'path label'. Received: none. Copy it again.")
    order = sorted(found, key=lambda path: (found[path][0], path))
    labels = np.array([found[path][0] for path in order], np.int64)
    return Listing(str(folder), np.array([os.fsencode(path) for path in order]), labels, size, max_pixels)


def text_lines(file: Path) -> list[str]:
    """The lines of a text file, without a byte order mark. Raises InputError when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read as UTF-8 text ({error}). Save it as UTF-8, or copy it again."
        ) from error


def _entry(where: str, folder: Path, line: str, n_classes: int | None) -> tuple[str, int]:
    """Path, in its one spelling, and label of one line."""
    parts = _LINE.fullmatch(line.strip())
    path, label = parts.groups() if parts else ("", "")
    if not path or path.startswith("/") or Path(path).is_absolute():
        raise InputError(
            f"{where}: must be 'path label', a path relative to {folder} and a class number. "
            f"Received: {line.strip()[:100]!r}. Mend the line."
        )
    most = _MOST_CLASSES if n_classes is None else n_classes
    if len(label) > _DIGITS or int(label) >= most:
        raise InputError(f"{where}: the label must be in 0..{most - 1}. Received: {label[:30]}. Mend it.")
    return posixpath.normpath(path), int(label)


def _check_folder(where: str, path: str, label: int, numbers: dict[str, int]) -> None:
    name = path.split("/")[-2] if "/" in path else ""
    if numbers.get(name, label) != label:
        raise InputError(
            f"{where}: the label of {path} must be {numbers[name]}, the place of the folder {name} among "
            f"the sorted class folders. Received: {label}. Mend it, or complete the class folders."
        )
