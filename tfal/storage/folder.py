"""What files were made with, who works on them, and what another try left: for all that goes on after a stop.

Runs, cold-start studies and features lie in a `Folder`; a pretrained encoder is a single file, with the same lock.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tfal.errors import InputError
from tfal.files import locked, remove_leftovers, write_json


class Folder:
    """A folder whose other files mean nothing without its json file, which says what they were made with.

    Args:
        path: the folder; it may not be there yet.
        name: of the json file.
        results: names of files that are of something unknown where they stand without it.
        mend: what to do about these, the end of the message.

    Attributes: path; about, the path of the json file; network, what `check_network` was given, [] before.
    """

    def __init__(self, path: Path, name: str, results: Sequence[str], mend: str = "Give another --resultsDir.") -> None:
        self.path, self.about = path, path / name
        self.network: list[str] = []
        self._results, self._mend = tuple(results), mend

    def stored(self, read: Callable[[Path], dict[str, Any]], committed: bool = True) -> dict[str, Any] | None:
        """The json file; None where there is none.

        Args:
            read: gives its content, and raises InputError where it is damaged.
            committed: whether something there belongs to it. If nothing does, a damaged one is as good as none.

        Raises:
            InputError: it is damaged, or one of the results stands there without it.
        """
        if not self.about.exists():
            foreign = [name for name in self._results if (self.path / name).exists()]
            if not foreign:
                return None
            if not self.about.exists():  # looked at again: another process may have begun meanwhile
                raise InputError(f"{self.path} holds {foreign[0]} but no {self.about.name}. {self._mend}")
        try:
            return read(self.about)
        except InputError:
            if committed:
                raise
            return None

    def write(self, content: Mapping[str, Any]) -> None:
        """Replaces the json file. Raises StorageError."""
        write_json(self.about, content)

    @contextlib.contextmanager
    def locked(self, others: Sequence[Path] = (), *, wait: bool = False) -> Iterator[None]:
        """Holds the folder for this process, and removes what killed writes left in it and in `others`.

        The lock goes with the process, however it ends. Raises InputError when another process has it, unless `wait`.
        """
        busy = f"another process works in {self.path}. Wait for it to end, or give another --resultsDir."
        with held(self.path / ".lock", (self.path, *others), None if wait else busy):
            yield

    def check_network(self, there: Sequence[str] | None, here: Sequence[str]) -> None:
        """Remembers the network that works here: lines of tfal.training.layers.described.

        there: the one that the results are of, where that is known. Raises InputError when it is another one.
        """
        differences = network_differences(there or here, here)
        if differences:
            raise refusal(self.path, differences)
        self.network = list(here)

    def has_other_network(self, there: Sequence[str] | None) -> bool:
        """Whether `there` is known, and not the network of `check_network`."""
        return bool(there and self.network and network_differences(there, self.network))

    def discard(self, patterns: Iterable[str]) -> None:
        """Removes the files that glob patterns, relative to the folder, find."""
        for path in [path for pattern in patterns for path in self.path.glob(pattern)]:
            path.unlink()


@contextlib.contextmanager
def held(lock: Path, folders: Iterable[Path], busy: str | None = None) -> Iterator[None]:
    """Holds a lock file, and removes what killed writes left in the folders. busy: see tfal.files.locked."""
    with locked(lock, busy):
        for folder in folders:
            remove_leftovers(folder)
        yield


def digest_of(content: bytes | Mapping[str, Any]) -> str:
    """16 hexadecimal digits of bytes, or of what json can write, in any order of its keys."""
    data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    return blake2b(data, digest_size=8).hexdigest()


def differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """In what two sets of options differ, a few words for each, by name; None stands for one that is not told."""
    return [
        f"{name}: {there.get(name)!r} there, {here.get(name)!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]


def network_differences(there: Sequence[str], here: Sequence[str]) -> list[str]:
    """The first layer in which two networks differ, as tfal.training.layers.described has them; [] for the same."""
    for number, lines in enumerate(itertools.zip_longest(there, here)):
        if lines[0] != lines[1]:
            first, second = (line or "none" for line in lines)
            return [f"layer {number} of the network: {first} there, {second} here"]
    return []


def refusal(folder: Path, differences: Sequence[str]) -> InputError:
    """The error for a folder that holds results of something else."""
    return InputError(
        f"{folder} was made with another recipe ({'; '.join(differences)}). "
        "Use the same options to resume it, or give another --resultsDir."
    )
