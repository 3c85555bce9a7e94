"""What people have answered, in whatever file: read, kept, and brought to one answer for each picture.

`asked.csv` says under which path a picture was asked for, since it may be moved before it is answered; `answers.csv`
keeps every answer, with the file that it came from, and so outlives to_label.csv, which the next batch replaces.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tfal.errors import InputError
from tfal.files import read_json, storage_errors, write_json
from tfal.labeling.answers import Answer, Asked, read_csv
from tfal.labeling.label_studio import TASKS, read_label_studio
from tfal.storage.folder import digest_of
from tfal.storage.tables import read_table, write_table

BATCH, PAGE = "to_label.csv", "to_label.html"
PATTERNS = ("*labels*.csv", "project-*.json")  # what the page saves, and how Label Studio names an export
_MEND = "Bring back a copy of it, or mend the line."


class Entry(NamedTuple):
    """One answer: file, path and label as they stood there, the id of the picture, and the file's time [ns]."""

    file: str
    path: str
    label: str
    id: int
    changed_ns: str

    @property
    def time(self) -> int:
        """When the file was written [ns]."""
        return int(self.changed_ns)


class Question(NamedTuple):
    """A picture as it was asked for: round, from 0, id, path, and what the classifier said of it."""

    round: int
    id: int
    path: str
    suggested: str
    probability: str

    @property
    def asked(self) -> Asked:
        """What the page and the csv show of it."""
        return Asked(self.path, self.suggested, float(self.probability) if self.probability else None)


class AnswerFiles:
    """Files of answers in `folder`, and the tables of what was asked and answered there.

    Args:
        folder: of the results.
        classes: their names.
        others: files of answers that lie elsewhere.
        disagreement: see read_label_studio.

    Raises InputError for damaged tables, and where one of `others` is not there.
    """

    def __init__(self, folder: Path, classes: Sequence[str], others: Sequence[Path], disagreement: str) -> None:
        self._folder, self._classes, self._others, self._disagreement = folder, classes, others, disagreement
        self._table, self._read, self._asked = folder / "answers.csv", folder / "answers.json", folder / "asked.csv"
        for file in others:
            if not file.is_file():
                raise InputError(f"--labels: there is no file {str(file)!r}. Correct the path.")
        rows = read_table(self._table, Entry._fields, ("file", "path", "label", "changed_ns"), _MEND)
        self._entries = [Entry(**{name: row[name] for name in Entry._fields}) for row in rows]
        rows = read_table(self._asked, Question._fields[:3], Question._fields[2:], _MEND)
        self.questions = [Question(**{name: row[name] for name in Question._fields}) for row in rows]

    def ask(self, questions: Sequence[Question]) -> None:
        """Notes what is asked for now. Raises StorageError."""
        self.questions = [*self.questions, *questions]
        write_table(self._asked, [question._asdict() for question in self.questions])

    def take(self, ids: Mapping[str, int]) -> dict[int, str]:
        """Reads the files that are new or have changed; the answer for each picture that has one.

        Where files say different things, the one that was written last counts, and it is said. ids: of the files that
        are there, by path. Raises InputError for a file that cannot be used; then nothing of any file is kept.
        """
        found = self._as_asked()
        known = {**ids, **{path: asked[-1] for path, asked in found.items()}}
        digests = read_json(self._read, "Remove it.") if self._read.exists() else {}
        latest = {(entry.file, entry.id): entry.label for entry in self._entries}
        new = list[Entry]()
        for file in self._files():
            with storage_errors(file):
                content, changed = file.read_bytes(), file.stat().st_mtime_ns
            name = self._name(file)
            if digests.get(name) == digest_of(content):
                continue
            digests[name] = digest_of(content)
            for answer in self._answers(file, known):
                id = known[answer.path]
                if latest.get((name, id)) != answer.label:
                    new.append(Entry(name, answer.path, answer.label, id, str(changed)))
        self._say(new, found)
        if new:
            self._entries += new
            write_table(self._table, [entry._asdict() for entry in self._entries])
        if digests:
            write_json(self._read, digests)
        return {entry.id: entry.label for entry in sorted(self._entries, key=lambda entry: entry.time)}

    def _files(self) -> list[Path]:
        """All files of answers, each once."""
        listed = [self._folder / BATCH, *(path for one in PATTERNS for path in sorted(self._folder.glob(one)))]
        return list({file.resolve(): file for file in [*listed, *self._others] if file.is_file()}.values())

    def passed_over(self) -> list[str]:
        """Names of files in the folder that look like answers and are not read, as nothing tells that they are."""
        read = {file.name for file in self._files()} | {self._table.name, self._asked.name, TASKS}
        return sorted(
            file.name
            for file in self._folder.iterdir()
            if file.name not in read and file.is_file() and _looks_like_answers(file)
        )

    def _name(self, file: Path) -> str:
        return file.name if file.resolve().parent == self._folder.resolve() else str(file.resolve())

    def _answers(self, file: Path, known: Mapping[str, int]) -> list[Answer]:
        if file.suffix.lower() == ".json":
            return read_label_studio(file, self._classes, known, self._disagreement)
        return read_csv(file, self._classes, known)

    def _as_asked(self) -> dict[str, list[int]]:
        """The ids that each path was asked for as, the last one at the end."""
        found: dict[str, list[int]] = defaultdict(list)
        for question in self.questions:
            if question.id not in found[question.path][-1:]:
                found[question.path].append(question.id)
        return found

    def _say(self, new: Sequence[Entry], asked: Mapping[str, Sequence[int]]) -> None:
        """What is new, and what could be taken otherwise, a line each."""
        if new:
            files = Counter(entry.file for entry in new)
            print("Answers: " + ", ".join(f"{n:,} of {file}" for file, n in files.items()) + ".")
        before = {entry.id: entry for entry in sorted(self._entries, key=lambda entry: entry.time)}
        for entry in sorted(new, key=lambda entry: entry.time):
            other = before.get(entry.id)
            if other and other.file != entry.file and other.label != entry.label:
                first, last = sorted((other, entry), key=lambda one: one.time)
                print(
                    f"{entry.path}: {first.label!r} in {first.file}, {last.label!r} in {last.file}, which was written "
                    f"later ({_shown(last)}) and counts.",
                    file=sys.stderr,
                )
            before[entry.id] = max(other or entry, entry, key=lambda one: one.time)
            if len(asked.get(entry.path, ())) > 1:
                print(
                    f"{entry.path} ({entry.file}) was another picture when it was first asked for; the answer "
                    f"{entry.label!r} counts for the one that it was last.",
                    file=sys.stderr,
                )


def _looks_like_answers(file: Path) -> bool:
    """A csv with a column label, or json that is a list, as exports of Label Studio are."""
    if file.suffix.lower() not in (".csv", ".json"):
        return False
    with storage_errors(file), file.open("rb") as content:
        start = content.readline(4096).replace(b"\0", b"").strip().lower()
    return start.startswith(b"[") if file.suffix.lower() == ".json" else b"label" in re.split(rb"[,;\t\"]+", start)


def _shown(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.time / 1e9, tz=UTC)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
