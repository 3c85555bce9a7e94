"""Answers from several files over several rounds, and pictures that change places between question and answer."""

import csv
import json
import os
import re

import pytest

from tfal.errors import InputError
from tfal.labeling.answer_files import BATCH, AnswerFiles, Question
from tfal.labeling.answers import Asked
from tfal.labeling.label_studio import TASKS, write_tasks


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def write(file, *rows, time=None):
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("path", "label"), *rows])
    if time:
        os.utime(file, (time, time))


def journal(folder, *others):
    return AnswerFiles(folder, ("cat", "dog"), others, "majority")


def questions(number, *pictures):
    return [Question(number, id, path, "", "") for id, path in pictures]


def test_every_answer_is_kept_and_files_are_read_once(folder):
    write(folder / BATCH, ("a", "cat"), ("b", ""))
    assert journal(folder).take({"a": 0, "b": 1}) == {0: "cat"}
    (folder / BATCH).unlink()
    assert journal(folder).take({"a": 0, "b": 1}) == {0: "cat"}
    write(folder / "labels-1.csv", ("b", "none"), ("a", "cat"))
    assert journal(folder).take({"a": 0, "b": 1}) == {0: "cat", 1: "none"}
    assert len((folder / "answers.csv").read_text().splitlines()) == 4


def test_an_emptied_cell_takes_nothing_back_and_unsure_does(folder):
    write(folder / BATCH, ("a", "cat"))
    journal(folder).take({"a": 0})
    write(folder / BATCH, ("a", ""))
    assert journal(folder).take({"a": 0}) == {0: "cat"}
    write(folder / BATCH, ("a", "unsure"))
    assert journal(folder).take({"a": 0}) == {0: "unsure"}


def test_a_row_that_stayed_is_not_said_anew_when_its_file_is_written_again(folder, capsys):
    write(folder / "labels-1.csv", ("a", "cat"), ("b", "cat"), time=1000)
    write(folder / "labels-2.csv", ("a", "dog"), time=2000)
    ids = {"a": 0, "b": 1}
    assert journal(folder).take(ids) == {0: "dog", 1: "cat"}
    assert "a: 'cat' in labels-1.csv, 'dog' in labels-2.csv, which was written later" in capsys.readouterr().err
    write(folder / "labels-1.csv", ("a", "cat"), ("b", "dog"), time=3000)
    assert journal(folder).take(ids) == {0: "dog", 1: "dog"}


def test_an_answer_is_for_the_picture_that_was_asked_for(folder):
    journal(folder).ask(questions(0, (0, "a"), (1, "b")))
    write(folder / BATCH, ("a", "cat"), ("b", "dog"))
    assert journal(folder).take({"b": 0, "c": 1}) == {0: "cat", 1: "dog"}  # a became b, b became c


def test_names_that_changed_places_are_told_apart_by_when_they_were_asked(folder, capsys):
    journal(folder).ask(questions(0, (5, "a")))
    write(folder / "labels-1.csv", ("a", "cat"))
    assert journal(folder).take({"a": 5, "b": 9}) == {5: "cat"}
    journal(folder).ask(questions(1, (9, "a")))  # renamed meanwhile
    assert journal(folder).take({"a": 9, "b": 5}) == {5: "cat"}
    assert capsys.readouterr().err == ""
    write(folder / "labels-2.csv", ("a", "cat"))
    assert journal(folder).take({"a": 9, "b": 5}) == {5: "cat", 9: "cat"}
    assert "a (labels-2.csv) was another picture when it was first asked for" in capsys.readouterr().err


def test_files_that_lie_elsewhere(folder, tmp_path):
    other = tmp_path / "from home.csv"
    write(other, ("a", "dog"))
    assert journal(folder, other).take({"a": 0}) == {0: "dog"}
    assert journal(folder).take({"a": 0}) == {0: "dog"}
    with pytest.raises(InputError, match=re.escape("--labels: there is no file ")):
        journal(folder, tmp_path / "nowhere.csv")


def test_a_damaged_journal_is_refused(folder):
    (folder / "answers.csv").write_text("file,path\na,b\n")
    with pytest.raises(InputError, match=r"answers.csv is damaged \(it has no column 'label'\)"):
        journal(folder)


def test_an_export_of_label_studio_in_the_folder_is_read(folder):
    write_tasks(folder, [Asked("a"), Asked("b")], ("cat", "dog"), folder)
    tasks = json.loads((folder / TASKS).read_text())
    for number, (task, label) in enumerate(zip(tasks, ("dog", "none"), strict=True), start=1):
        task["id"] = number
        task.pop("predictions", None)
        result = {"type": "choices", "from_name": "label", "to_name": "image", "value": {"choices": [label]}}
        task["annotations"] = [{"result": [result], "was_cancelled": False, "completed_by": 1}]
    (folder / "project-1-at-2026-08-01.json").write_text(json.dumps(tasks))
    assert journal(folder).take({"a": 0, "b": 1}) == {0: "dog", 1: "none"}
