"""A selection on disk: what is asked, what the shards found, and the picks.

selection.json     the question, and where its arrays lie
known.npz          what is known of samples, and the linear head on features, where one is read
shards/NNNNN.npz   what a shard found
picks.npy          the picks, ids in the order of picking
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from tfal.asking import checked_strategy
from tfal.asking.strategy import recorded_name, recorded_options
from tfal.errors import InputError
from tfal.files import check_writable, make_folder, read_json, write_atomically
from tfal.reading.tables import Layer
from tfal.sharded.checks import tried
from tfal.sharded.question import Arrays, Known, Question
from tfal.sharded.rounds import Found, shard, union
from tfal.storage.array_files import ArrayFileError, read_array, read_arrays
from tfal.storage.folder import Folder, differing, digest_of, held

FORMAT = 1  # to be raised with every change after which the same question has other picks
_MEND = "Give another folder, or remove it to begin anew."


class SelectionFolder:
    """The files of a selection below a folder, which may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path, self.picks = path, path / "picks.npy"
        self._folder = Folder(path, "selection.json", ("shards", "picks.npy"), _MEND)

    def begin(self, question: Question) -> Question:
        """Writes down what is asked, after it was tried out; or goes on with a folder in which the same was asked.

        Raises InputError where something else was asked here, or the question cannot be answered.
        """
        asked = described(question)
        there = self._folder.stored(lambda path: read_json(path, _MEND))
        if there is None:
            check_writable(self.path, "the folder of the selection", "Give another one.")
            question = tried(question)
        else:
            self._check_same(there, asked)
        busy = f"another process begins a selection in {self.path}. Wait for it to end, or give another folder."
        with held(self.path / ".lock", [self.path], busy):
            if there is None:
                self._write_known(question)
            if there is None or there.get("arrays") != _paths(question):
                self._folder.write({**asked, "arrays": _paths(question)})
        return self.question(question.arrays)

    def question(self, arrays: Arrays | None = None) -> Question:
        """What was asked here. arrays: in place of those that are written down.

        Raises InputError where nothing was, or the files are damaged, or arrays are not those that they were.
        """
        there = self._folder.stored(lambda path: read_json(path, _MEND))
        if there is None:
            raise InputError(f"{self.path} holds no selection. Begin one: tfal select FEATURES.npy --out {self.path}.")
        try:
            arrays = arrays or Arrays(**there["arrays"])
            known = read_arrays(self.path / "known.npz", _MEND)
            parts = Known(known["labeled"], known["labels"], known["rejected"])
            numbers = {name: there[name] for name in ("n", "size", "n_shard", "seed", "backend")}
            strategy = checked_strategy(there["strategy"], there["options"])
        except (KeyError, TypeError) as error:
            raise InputError(f"{self._folder.about} is damaged ({error!r}). {_MEND}") from None
        question = Question(strategy, arrays=arrays, known=parts, head=_head(known), **numbers)
        self._check_same(there, described(question))
        return question

    def is_done(self, number: int) -> bool:
        """Whether a shard found something that can be read."""
        try:
            return bool(read_arrays(self.shard_path(number)))
        except ArrayFileError:
            return False

    def shard_path(self, number: int) -> Path:
        """Where what a shard found stands; files and flags count from 1."""
        return self.path / "shards" / f"{number + 1:05}.npz"

    def do_shard(self, question: Question, number: int) -> None:
        """Does a shard unless it is done. Raises InputError, StorageError."""
        if not self.is_done(number):
            found = shard(question, number)
            make_folder(self.path / "shards")
            write_atomically(self.shard_path(number), lambda file: np.savez(file, **found))  # type: ignore[arg-type]

    def do_union(self, question: Question) -> np.ndarray:
        """The picks, from what all shards found, unless they are there. Raises InputError where a shard is missing."""
        if self.picks.exists():
            return read_array(self.picks, _MEND)
        found: list[Found] = []
        for number in range(question.n_shard):
            mend = f"Do it again: tfal select --out {self.path} --shard {number + 1}."
            found.append(read_arrays(self.shard_path(number), mend))
        picks = union(question, found)
        write_atomically(self.picks, lambda file: np.save(file, picks))
        return picks

    def _check_same(self, there: dict[str, Any], asked: dict[str, Any]) -> None:
        found = {name: value for name, value in there.items() if name != "arrays"}
        differences = differing(_flat(found), _flat(asked))
        if differences:
            raise InputError(f"{self.path} holds another selection ({'; '.join(differences)}). {_MEND}")

    def _write_known(self, question: Question) -> None:
        arrays = {field.name: getattr(question.known, field.name) for field in dataclasses.fields(Known)}
        if question.head is not None:
            arrays |= dict(zip(("kernel", "bias"), question.head, strict=True))
        write_atomically(self.path / "known.npz", lambda file: np.savez(file, **arrays))


def described(question: Question) -> dict[str, Any]:
    """All that the picks depend on."""
    known = question.known
    return {
        "format": FORMAT,
        "strategy": recorded_name(question.strategy),
        "options": recorded_options(question.strategy),
        "revision": question.strategy.revision,
        "n": question.n,
        "size": question.size,
        "n_shard": question.n_shard,
        "seed": question.seed,
        "backend": question.backend,
        "labeled": digest_of(known.labeled.astype("<i8").tobytes()),
        "labels": digest_of(known.labels.astype("<i8").tobytes()),
        "rejected": digest_of(known.rejected.astype("<i8").tobytes()),
        "prints": {name: table.fingerprint(question.size) for name, table in question.arrays.tables.items()},
    }


def _paths(question: Question) -> dict[str, str | None]:
    """Where the arrays lie, of those that are files."""
    found = {"features": question.arrays.features, "logits": question.arrays.logits}
    return {
        name: str(Path(array).absolute()) if isinstance(array, str | os.PathLike) else None
        for name, array in found.items()
    }


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    nested = {
        f"{name}.{key}": each
        for name, value in content.items()
        if isinstance(value, dict)
        for key, each in value.items()
    }
    return nested | {name: value for name, value in content.items() if not isinstance(value, dict)}


def _head(known: dict[str, np.ndarray]) -> Layer | None:
    return (known["kernel"], known["bias"]) if "kernel" in known else None
