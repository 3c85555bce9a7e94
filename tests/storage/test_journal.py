"""A journal: whole lines count, torn ones are cut off, and what is on the disk is what was said to be there."""

import errno
import json
import os

import pytest

from tfal.errors import InputError, StorageError
from tfal.storage.journal import Journal


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "journal.jsonl", "Put a copy back.")
    made.create()
    return made


def _read(journal):
    found = []
    journal.read(found.append, lambda: found.append("restart"))
    return found


def test_lines_are_read_once_each_and_from_the_first_in_another_journal(journal):
    assert _read(journal) == ["restart"]
    journal.append({"a": 1})
    journal.append({"b": [None, "x"]})
    assert _read(journal) == [{"a": 1}, {"b": [None, "x"]}]
    assert _read(journal) == []
    journal.append({"c": "ä"})
    assert _read(journal) == [{"c": "ä"}]
    assert _read(Journal(journal.path, "")) == ["restart", {"a": 1}, {"b": [None, "x"]}, {"c": "ä"}]


def test_a_copy_that_is_put_back_is_read_from_its_first_line(journal):
    journal.append({"a": 1})
    copy = journal.path.read_bytes()
    journal.append({"b": 2})
    _read(journal)
    other = journal.path.with_name("copy")
    other.write_bytes(copy)
    os.replace(other, journal.path)
    assert _read(journal) == ["restart", {"a": 1}]
    journal.path.write_bytes(b"")
    assert _read(journal) == ["restart"]


LINE = json.dumps({"tell": [1, 2], "labels": [0, None]}).encode() + b"\n"


@pytest.mark.parametrize("length", range(len(LINE) + 1))
def test_a_write_that_was_killed_after_any_byte(journal, length):
    journal.append({"a": 1})
    with journal.path.open("ab") as file:
        file.write(LINE[:length])
    there = length >= len(LINE) - 1  # whole but for its end
    assert _read(journal) == ["restart", {"a": 1}, *([json.loads(LINE)] if length == len(LINE) else [])]
    journal.repair()
    journal.append({"b": 2})
    wanted = [{"a": 1}, *([json.loads(LINE)] if there else []), {"b": 2}]
    assert _read(Journal(journal.path, "")) == ["restart", *wanted]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{]", "Expecting"),
        (b"[1]", "no json object"),
        (b"\xff", "utf-8"),
        (b"\x00" * 9, "Expecting"),
        (b"", "Expecting"),
    ],
)
def test_a_damaged_line_is_named_each_time_it_is_met(journal, line, reason):
    journal.append({"a": 1})
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append({"b": 2})
    for expected in (["restart", {"a": 1}], []):
        found = []
        with pytest.raises(InputError, match=rf"journal\.jsonl, line 2: damaged \(.*{reason}.*\)\. Put") as error:
            journal.read(found.append, lambda found=found: found.append("restart"))
        assert found == expected
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_line_that_the_disk_refuses_is_not_there(journal, call, monkeypatch):
    journal.append({"a": 1})

    def refuse(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(StorageError, match=r"journal\.jsonl: No space left on device\. Free some space"):
            journal.append({"b": 2})
    assert _read(journal) == ["restart", {"a": 1}]


def test_a_disk_that_takes_a_part_of_a_line_leaves_nothing_of_it(journal, monkeypatch):
    write, asked = os.write, []

    def half(descriptor, content):
        asked.append(len(content))
        if len(asked) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(StorageError):
            journal.append({"b": list(range(100))})
    assert journal.path.read_bytes() == b""
    asked[:] = [0] * -10
    journal.append({"b": 2})
    assert _read(journal) == ["restart", {"b": 2}]


def test_a_journal_that_is_gone_is_one_line(journal):
    journal.path.unlink()
    with pytest.raises(StorageError, match=r"journal\.jsonl: No such file"):
        _read(journal)
