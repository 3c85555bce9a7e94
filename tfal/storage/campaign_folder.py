"""The files of a campaign, and what holds them together when it is stopped.

campaign.json says what it is. journal.jsonl says what happened, a line each: that line is the commit. What a strategy
knew and saw in a round has a file of its own in memory/, written before the line of the round, which says that it
counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.files import check_writable, make_folder, read_json, write_atomically
from tfal.storage.array_files import read_arrays
from tfal.storage.environment import environment
from tfal.storage.folder import Folder
from tfal.storage.journal import Journal
from tfal.storage.runfolder import check_arrays

FORMAT = 1
_ANOTHER = "Give the campaign another folder."
_BACK = "Put it back from a copy."
_RUNS = ("recipe.json", "rounds.csv")  # what says that a folder holds something else


class About(NamedTuple):
    """What campaign.json tells.

    size: number of samples at first. seed: of its random streams. fingerprint: the lab's own name of the pool.
    """

    size: int
    seed: int
    fingerprint: str | None


class CampaignFolder:
    """A folder of one campaign; it may not be there yet. Attributes: path, journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path / "journal.jsonl", "Put back a copy of it, or mend that line by hand.")
        self._shared = Folder(path, "campaign.json", _RUNS, _ANOTHER)

    def about(self) -> About | None:
        """What it is; None where there is none yet. Raises InputError when files are damaged or of something else."""
        stored = self._shared.stored(lambda path: read_json(path, _BACK))
        lines = self.journal.path
        if stored is None:
            if lines.exists() and lines.stat().st_size:
                raise InputError(f"{self.path} holds {lines.name} but no campaign.json. Put that back from a copy.")
            return None
        if stored.get("campaign") != FORMAT:
            known = "of a newer version of tfal" if isinstance(stored.get("campaign"), int) else "no campaign of tfal"
            mend = "Update tfal." if known.startswith("of") else _ANOTHER
            raise InputError(f"{self._shared.about} is {known}. {mend}")
        if not lines.exists():
            raise InputError(f"{lines} is missing, which holds all that was told. {_BACK}")
        return self._checked(stored)

    def _checked(self, stored: Mapping[str, Any]) -> About:
        about = About(stored.get("size"), stored.get("seed"), stored.get("fingerprint"))  # type: ignore[arg-type]
        whole = type(about.size) is int and type(about.seed) is int and about.size >= 1 and about.seed >= 0
        if not whole or not isinstance(about.fingerprint, str | None):
            raise InputError(f"{self._shared.about} is damaged (it tells {about}). {_BACK}")
        return about

    def check(self, about: About, seed: int | None, fingerprint: str | None) -> None:
        """Raises InputError for a campaign of another seed or another pool; None stands for what is not told."""
        where = f"{self.path} holds a campaign"
        if seed is not None and seed != about.seed:
            raise InputError(
                f"{where} with seed {about.seed}. Received: seed={seed}. Leave it out, or give a new folder."
            )
        if about.fingerprint and fingerprint and fingerprint != about.fingerprint:
            raise InputError(
                f"{where} of the pool {about.fingerprint!r}. Received: fingerprint={fingerprint!r}. Give the folder of "
                "this pool, or a new one."
            )

    def write(self, about: About) -> None:
        """Makes the campaign, or says anew what it is. Raises StorageError, InputError for a folder of others."""
        if not self.journal.path.exists():
            self.journal.create()
        self._shared.write({"campaign": FORMAT, **about._asdict(), "environment": environment()})

    def check_writable(self) -> None:
        """Raises InputError when the folder cannot be made or written to."""
        check_writable(self.path, "the campaign's folder", "Give another one.")

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Holds the folder for this call; waits for another process that does.

        The lock goes with the process, however it ends.
        """
        return self._shared.locked([self.path / "memory"], wait=True)

    def write_memory(self, round: int, arrays: Mapping[str, np.ndarray]) -> None:
        """What a strategy knew and saw in a round. Raises StorageError."""
        path = self._memory_path(round)
        make_folder(path.parent)
        write_atomically(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def memory(self, round: int, shapes: Mapping[str, tuple[int | None, ...]]) -> dict[str, np.ndarray]:
        """What `write_memory` wrote. Raises InputError when it is missing or damaged.

        shapes: of arrays that must be finite numbers of such shapes where they are there.
        """
        path, mend = self._memory_path(round), f"{_BACK} Or ask another strategy: all labels are in the journal."
        arrays = read_arrays(path, mend)
        check_arrays(path, arrays, {name: shape for name, shape in shapes.items() if name in arrays}, mend)
        return arrays

    def _memory_path(self, round: int) -> Path:
        return self.path / "memory" / f"round{round:03d}.npz"
