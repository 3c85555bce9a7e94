"""The pictures of a folder by id: known by their contents, wherever they lie in it and whatever they are called.

An id is the place of a picture in the order in which it was first seen, and is never given to another one: new pictures
get ids at the end, those that are gone keep theirs, and those that were moved or renamed are found again by a hash of
their contents. Files of equal contents are one picture. No picture is held in memory.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tfal.data.listing import MAX_PIXELS, SIZE, Listing
from tfal.data.passed_over import SUFFIXES, PassedOver
from tfal.errors import InputError
from tfal.storage.environment import usable_cores
from tfal.storage.tables import read_table, write_table

TABLE, CACHE = "photographs.csv", "files.csv"
_MEND = "Bring back a copy of it, or remove the whole folder, in which all labels are lost but those in its csv files."
_DIGITS = 32  # hexadecimal, of a hash
_CHUNK = 2**20  # bytes that are hashed at once
_AT_ONCE, _SAVED = 1024, 16  # files that are hashed together, and how many such parts between two notes on the disk


class Seen(NamedTuple):
    """What a file was when its contents were hashed."""

    size: int  # [bytes]
    time: str  # of the last change [ns]
    digest: str


@dataclass(frozen=True)
class Photographs:
    """The pictures under `root`, as `scan` found them.

    paths: of each id, relative to `root`, with "/": where it lies, or was last seen. digests: of each id, of its
    contents. is_there: (n,) bool, whether a file has these contents now. ids: of the files that are there, equal copies
    included. notes: what is new, moved, gone, equal and left out, in words.
    """

    root: Path
    paths: Sequence[str]
    digests: Sequence[str]
    is_there: np.ndarray
    ids: Mapping[str, int]
    notes: Sequence[str] = field(default=())

    def __len__(self) -> int:
        return len(self.paths)

    def listing(self, size: int = SIZE, max_pixels: int = MAX_PIXELS) -> Listing:
        """All of them as image files by id, read as squares of `size` pixels; those that are gone cannot be read."""
        paths = np.array([path.encode() for path in self.paths])
        return Listing(str(self.root), paths, np.zeros(len(paths), np.int64), size, max_pixels)

    @classmethod
    def scan(cls, root: Path, folder: Path, outside: Collection[Path] = (), share: float = 0.0) -> Photographs:
        """Looks through `root`, hashes files that are new or have changed, and brings its tables up to date.

        Args:
            root: the folder of pictures; its folders are looked through, too, but for hidden ones.
            folder: where the table of the pictures, photographs.csv, and that of all hashes, files.csv, lie.
            outside: folders that are no part of it, such as those for results.
            share: of the pictures that are known, which must be there.

        Raises:
            InputError: there is no such folder, it holds no picture, or others than `share` asks for; a folder in it
                cannot be read; a table is damaged.
        """
        if not root.is_dir():
            raise InputError(f"--images must be a folder of pictures. Received: {str(root)!r}. Correct the path.")
        known = _known(folder / TABLE)
        passed = PassedOver()
        found = passed.tree(root, outside)
        files, unreadable = _hashed(root, found, folder / CACHE)
        if not files:
            left_out = f"passed over: {passed}; unreadable: {len(unreadable)}"
            raise InputError(
                f"{root} must hold pictures ({', '.join(SUFFIXES)}), in folders of any depth. Received: none; "
                f"{left_out}. Copy them there."
            )
        passed.say(root.name)
        scanned = _matched(root, known, files, unreadable)
        n_there = int(np.count_nonzero(scanned.is_there[: len(known)]))
        if n_there < share * len(known):
            raise InputError(
                f"{folder} is about other pictures than those in {root}: {n_there} of {len(known)} are there. Give "
                "theirs as --images, or another --resultsDir."
            )
        rows = [(path, digest) for path, digest in zip(scanned.paths, scanned.digests, strict=True)]
        if rows != known:
            write_table(folder / TABLE, [{"id": i, "path": p, "blake2b": d} for i, (p, d) in enumerate(rows)])
        return scanned


def _known(table: Path) -> list[tuple[str, str]]:
    """Path and hash of each id, as the table has them. Raises InputError where it is none."""
    rows = read_table(table, ("id", "path", "blake2b"), text=("path", "blake2b"), mend=_MEND)
    digests = [row["blake2b"] for row in rows]
    if [row["id"] for row in rows] != list(range(len(rows))) or len({*digests}) < len(rows):
        raise InputError(f"{table} is damaged (it must hold ids 0, 1, 2, ... of distinct hashes). {_MEND}")
    if any(len(digest) != _DIGITS for digest in digests):
        raise InputError(f"{table} is damaged (a hash must be {_DIGITS} digits long). {_MEND}")
    return [(row["path"], row["blake2b"]) for row in rows]


def _hashed(root: Path, paths: Sequence[str], cache: Path) -> tuple[dict[str, str], list[str]]:
    """The hash of each file by path, and the paths of those that cannot be read. Keeps in `cache` what it finds."""
    rows = read_table(cache, ("path", "bytes", "changed_ns", "blake2b"), ("path", "changed_ns", "blake2b"), _MEND)
    before = {row["path"]: Seen(row["bytes"], row["changed_ns"], row["blake2b"]) for row in rows}
    seen, new, unreadable = dict[str, Seen](), list[tuple[str, int, str]](), list[str]()
    for path in paths:
        try:
            status = os.stat(root / path)
        except OSError:  # gone since it was listed
            unreadable.append(path)
            continue
        size, time = status.st_size, str(status.st_mtime_ns)
        last = before.get(path)
        if last and (last.size, last.time) == (size, time):
            seen[path] = last
        else:
            new.append((path, size, time))
    with tqdm(
        total=len(new), desc="hashing pictures", unit="file", disable=None if len(new) > _AT_ONCE else True
    ) as bar:
        for part, hashed in enumerate(_digests(root, new), start=1):
            unreadable += [path for path, one in hashed.items() if one is None]
            seen |= {path: one for path, one in hashed.items() if one is not None}
            bar.update(len(hashed))
            if part % _SAVED == 0:
                _save(cache, {**before, **seen})
    if seen != before:
        _save(cache, seen)
    return {path: seen[path].digest for path in paths if path in seen}, sorted(unreadable)


def _digests(root: Path, new: Sequence[tuple[str, int, str]]) -> Iterator[dict[str, Seen | None]]:
    """What is found of some files at a time, on all cores; None for one that cannot be read."""

    def look(path: str, size: int, time: str) -> Seen | None:
        digest = blake2b(digest_size=_DIGITS // 2)
        try:
            with (root / path).open("rb") as file:
                while data := file.read(_CHUNK):
                    digest.update(data)
        except OSError:
            return None
        return Seen(size, time, digest.hexdigest())

    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(new), _AT_ONCE):
            part = new[start : start + _AT_ONCE]
            yield dict(zip([path for path, *_ in part], pool.map(lambda one: look(*one), part), strict=True))


def _save(cache: Path, seen: Mapping[str, Seen]) -> None:
    columns = ("bytes", "changed_ns", "blake2b")
    write_table(cache, [{"path": path, **dict(zip(columns, one, strict=True))} for path, one in seen.items()])


def _matched(
    root: Path, known: Sequence[tuple[str, str]], files: Mapping[str, str], unreadable: Sequence[str]
) -> Photographs:
    """The pictures of these files (hash by path), those that are known first."""
    holders: dict[str, str] = {}  # the first path of each hash
    for path, digest in files.items():
        holders.setdefault(digest, path)
    places = {digest: id for id, (_, digest) in enumerate(known)}
    paths = [path if files.get(path) == digest else holders.get(digest, path) for path, digest in known]
    digests = [digest for _, digest in known]
    for digest, path in holders.items():
        if digest not in places:
            places[digest] = len(paths)
            paths.append(path)
            digests.append(digest)
    is_there = np.array([digest in holders for digest in digests])
    counts = {
        "new": len(paths) - len(known) if known else 0,
        "moved or renamed": sum(old != now for (old, _), now in zip(known, paths, strict=False)),
        "gone": int(np.count_nonzero(~is_there)),
        "equal to others, which count once": len(files) - len(holders),
        f"that cannot be read (the first is {unreadable[0] if unreadable else ''})": len(unreadable),
    }
    notes = [f"{n:,} {what}" for what, n in counts.items() if n]
    return Photographs(root, paths, digests, is_there, {path: places[digest] for path, digest in files.items()}, notes)
