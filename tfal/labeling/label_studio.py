"""What people are asked, as tasks for Label Studio, and what they answered, as its export."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.sax.saxutils import quoteattr

from tfal.errors import InputError
from tfal.files import storage_errors, write_atomically, write_text
from tfal.labeling.answers import NONE, UNSURE, Answer, Asked, Labels, Paths, check_classes, written
from tfal.labeling.thumbnails import data_uri

TASKS, INTERFACE = "label_studio_tasks.json", "label_studio_config.xml"
DISAGREEMENTS = ("majority", "refuse")
_PATH, _IMAGE, _LABEL = "path", "image", "label"  # fields of a task's data; the name of the choices
_SIDE = 800  # height and width of a picture in a task [pixels]
_LOST = (  # 1 x 1 pixel in place of a picture that cannot be shown
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def write_tasks(folder: Path, asked: Sequence[Asked], classes: Sequence[str], root: Path) -> None:
    """Writes label_studio_tasks.json, to be imported, and label_studio_config.xml, the project's labeling interface.

    Small copies of the pictures lie in the tasks, so that no files need to be served. Suggestions are predictions,
    their probability is the score. A picture that cannot be shown has a task with its name and an empty picture, and
    is said in a line on stderr.

    Args:
        folder: which they are written to.
        asked: the pictures, one at least.
        classes: their names; see `check_classes`.
        root: the folder of pictures.

    Raises:
        InputError: nothing is asked, a class or the name of a picture cannot be used.
        StorageError: they cannot be written.
    """
    check_classes(classes)
    if not asked:
        raise InputError("tasks need pictures to be labeled. Received: none. Ask for some.")
    for each in asked:
        written(each.path)
    lost: list[str] = []

    def write(out: IO[bytes]) -> None:
        for number, each in enumerate(asked):
            out.write(f"{',' if number else '['}\n{json.dumps(_task(each, root, lost))}".encode())
        out.write(b"\n]\n")

    write_atomically(folder / TASKS, write)
    write_text(folder / INTERFACE, _interface(classes))
    if lost:
        print(
            f"{folder / TASKS}: {len(lost)} of {len(asked)} pictures cannot be shown, the first is {lost[0]}.",
            file=sys.stderr,
        )


def read_label_studio(
    file: Path, classes: Sequence[str], paths: Collection[str], disagreement: str = "majority"
) -> list[Answer]:
    """The answers in an export of Label Studio, JSON or JSON-MIN, in the order of its tasks.

    Of each annotator the last annotation counts. Who answers UNSURE leaves the decision to the others, if there are
    any. Predictions and drafts are no answers; skipped tasks and those without an answer are left out. What was left
    out, and where annotators disagree, is said in a line on stderr.

    Args:
        file: the export.
        classes: their names; see `check_classes`.
        paths: of all pictures, as in `Asked`; answers have them in the same spelling.
        disagreement: "majority" takes what most annotators of a picture say and leaves it out where no answer is ahead;
            "refuse" raises InputError.

    Raises:
        InputError: in one line that names the file, and the task where it can: no such export, or that of another
            project; a path or a class that is not known; an answer that is no single class; a disagreement, when those
            are refused.
        StorageError: the file cannot be read.
    """
    if disagreement not in DISAGREEMENTS:
        raise InputError(f"disagreement must be one of {', '.join(DISAGREEMENTS)}. Received: {disagreement!r}.")
    known, labels = Paths(paths), Labels(classes)
    votes: dict[str, dict[str, tuple[str, str]]] = {}
    left_out: Counter[str] = Counter()
    for vote in _votes(file, left_out):
        try:
            path, label = known.find(vote.path), labels.find(vote.label) if vote.label else ""
        except InputError as error:
            raise InputError(f"{file}, {vote.where}: {error}") from None
        own = votes.setdefault(path, {})
        if label and vote.time >= own.get(vote.annotator, ("", ""))[0]:
            own[vote.annotator] = vote.time, label
    answers, split = _decided(votes, left_out)
    if split and disagreement == "refuse":
        raise InputError(
            f"{file}: annotators disagree on {len(split)} of {len(votes)} pictures, the first is {split[0]}. "
            "Settle them in Label Studio, or let the majority decide."
        )
    parts = [f"annotators disagree on {len(split)}, the first is {split[0]}"] if split else []
    parts += [f"{n} {what}" for what, n in left_out.items() if n]
    if parts:
        print(f"{file}: {'; '.join(parts)}.", file=sys.stderr)
    return answers


def _decided(
    votes: Mapping[str, Mapping[str, tuple[str, str]]], left_out: Counter[str]
) -> tuple[list[Answer], list[str]]:
    """What the majorities say, and the pictures that annotators disagree on."""
    answers, split = [], []
    for path, each in votes.items():
        ranked = Counter(label for _, label in each.values() if label != UNSURE).most_common()
        if len(ranked) > 1:
            split.append(f"{path} ({', '.join(label for label, _ in ranked)})")
        if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            left_out["left out without a majority"] += 1
        elif each:
            answers.append(Answer(path, ranked[0][0] if ranked else UNSURE))
    return answers, split


class _Vote(NamedTuple):
    """What one annotator says of a picture. time: of the last change, sorts as text. where: words for a message."""

    path: str
    label: str
    annotator: str
    time: str
    where: str


def _task(asked: Asked, root: Path, lost: list[str]) -> dict[str, Any]:
    try:
        image = data_uri(root / asked.path, _SIDE)
    except InputError as error:
        image = _LOST
        lost.append(f"{asked.path} ({error})")
    task: dict[str, Any] = {"data": {_PATH: asked.path, _IMAGE: image}}
    if asked.suggestion:
        choice = {"from_name": _LABEL, "to_name": _IMAGE, "type": "choices", "value": {"choices": [asked.suggestion]}}
        score = {} if asked.probability is None else {"score": round(asked.probability, 3)}
        task["predictions"] = [{"model_version": "tfal", "result": [choice], **score}]
    return task


def _interface(classes: Sequence[str]) -> str:
    shown = [*((name, name) for name in classes), (NONE, "none of these"), (UNSURE, "cannot say")]
    choices = "".join(f"    <Choice alias={quoteattr(name)} value={quoteattr(text)}/>\n" for name, text in shown)
    return (
        f'<View>\n  <Text name="{_PATH}" value="${_PATH}"/>\n'
        f'  <Choices name="{_LABEL}" toName="{_IMAGE}" choice="single" required="true" showInline="true">\n'
        f'{choices}  </Choices>\n  <Image name="{_IMAGE}" value="${_IMAGE}" zoom="true"/>\n</View>\n'
    )


def _votes(file: Path, left_out: Counter[str]) -> Iterator[_Vote]:
    """All annotations of an export; a task without one is a vote without a label, so that its path is looked at."""
    tasks = _tasks(file)
    for number, task in enumerate(tasks, start=1):
        where = f"task {number}"
        if not isinstance(task, dict):
            raise _no_export(file, f"{where} is {type(task).__name__}")
        data = task.get("data", task)  # JSON-MIN has the fields of the data in the task
        path = data.get(_PATH) if isinstance(data, dict) else None
        if not isinstance(path, str):
            raise InputError(
                f"{file}, {where}: has no {_PATH!r} in its data, as the tasks of {TASKS} have: another project's. "
                "Export the project that this file was imported to."
            )
        before = left_out["skipped"]
        if "data" in task:
            try:
                found = list(_of_task(file, task, path, where, left_out))
            except (AttributeError, KeyError, TypeError) as error:
                raise _no_export(file, f"{where}, {type(error).__name__}: {error}") from None
        else:
            found = [_of_minimal(file, task, path, where)] if task.get(_LABEL) else []
        left_out["not annotated"] += not found and left_out["skipped"] == before
        yield from found or [_Vote(path, "", "", "", where)]


def _of_task(file: Path, task: Mapping[str, Any], path: str, where: str, left_out: Counter[str]) -> Iterator[_Vote]:
    for each in task["annotations"]:
        if each.get("was_cancelled"):
            left_out["skipped"] += 1
            continue
        chosen = [
            choice
            for result in each.get("result", ())
            if result.get("type") == "choices" and result.get("from_name") == _LABEL
            for choice in result["value"]["choices"]
        ]
        if chosen:
            by = each.get("completed_by")
            annotator = by.get("id", by.get("email")) if isinstance(by, dict) else by or each.get("id")
            time = str(each.get("updated_at") or each.get("created_at") or "")
            yield _Vote(path, _single(file, where, chosen), str(annotator), time, where)


def _of_minimal(file: Path, task: Mapping[str, Any], path: str, where: str) -> _Vote:
    label = task[_LABEL]
    chosen = label.get("choices") if isinstance(label, dict) else label if isinstance(label, list) else [label]
    time = str(task.get("updated_at") or task.get("created_at") or "")
    return _Vote(path, _single(file, where, chosen), str(task.get("annotator")), time, where)


def _single(file: Path, where: str, chosen: Any) -> str:
    if not isinstance(chosen, list) or len(chosen) != 1 or not isinstance(chosen[0], str):
        raise InputError(f"{file}, {where}: the answer must be one class. Received: {chosen!r}. Choose one.")
    return chosen[0]


def _tasks(file: Path) -> list[Any]:
    data = b""
    with storage_errors(file):
        data = file.read_bytes()
    try:
        tasks = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _no_export(file, f"{type(error).__name__}: {error}") from None
    if not isinstance(tasks, list):
        raise _no_export(file, type(tasks).__name__)
    return tasks


def _no_export(file: Path, received: str) -> InputError:
    return InputError(
        f"{file} must be an export of Label Studio, JSON or JSON-MIN: a list of tasks. Received: {received[:200]}. "
        "Export the project again."
    )
