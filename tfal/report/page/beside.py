"""The files beside a page: those of a page made before that are no longer of it are removed, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tfal.errors import InputError
from tfal.files import make_folder, read_json, storage_errors, write_json

_LIST = "files.json"  # what a page wrote


class Beside:
    """The folder beside a page. wanted: the files of each folder in it. n: how many these are.

    What is written is listed in files.json before it is, so that no file is forgotten, whenever a page is stopped.
    """

    def __init__(self, folder: Path, wanted: Mapping[str, Sequence[str]]) -> None:
        self._folder = folder
        self._wanted = {f"{inside}/{name}" for inside, names in wanted.items() for name in names}
        self._before = self._listed()
        self.n = len(self._wanted)
        make_folder(folder)
        write_json(folder / _LIST, {"files": sorted(self._wanted | self._before)})

    def remove_stale(self) -> None:
        """Removes what pages before this one wrote and this one did not, and folders that are empty then."""
        for name in sorted(self._before - self._wanted):
            path = self._folder / name
            with storage_errors(path):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, or gone
                path.parent.rmdir()
        write_json(self._folder / _LIST, {"files": sorted(self._wanted)})

    def _listed(self) -> set[str]:
        """What files.json names of files two levels below, which is all that a page writes."""
        path = self._folder / _LIST
        if not path.exists():
            return set()
        named = read_json(path, "Remove it: files of pages before this one stay then.").get("files")
        if not isinstance(named, list) or not all(isinstance(name, str) and _is_inside(name) for name in named):
            raise InputError(f"{path} is damaged. Remove it: files of pages before this one stay then.")
        return set(named)


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) == 2 and not any(part in ("/", "..", ".") for part in parts) and "\\" not in name
