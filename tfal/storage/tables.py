"""Tables of results as csv: the one place that reads and writes them, in one form however often they are read again.

Whole numbers stay whole, other numbers keep all digits, and an empty cell is a value that a row does not have.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.files import storage_errors, write_text

Row = dict[str, float]  # of rounds.csv: the columns that every run has, and those of its kind
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_MEND = "Remove its folder or give another --resultsDir."


def read_rounds(path: Path, mend: str = _MEND) -> list[Row]:
    """The rows of a rounds.csv; [] where there is none.

    Columns that are unknown here are kept, others than round, labels and test_accuracy may be missing. Raises
    InputError, which ends in `mend`, for whatever else is no table of rounds 0, 1, 2, ...
    """
    rows = read_table(path, ("round", "labels", "test_accuracy"), mend=mend)
    check_rounds(path, rows, mend)
    return rows


def check_rounds(where: Path | str, rows: Sequence[Row], mend: str = _MEND) -> None:
    """Raises InputError, which ends in `mend`, when the rows of one repetition are not its rounds 0, 1, 2, ...

    where: what they were read from. Their numbers of rounds and labels become int.
    """
    if [row["round"] for row in rows] != list(range(len(rows))):
        raise InputError(f"{where} does not hold rounds 0, 1, 2, ... {mend}")
    for row in rows:
        row["round"], row["labels"] = int(row["round"]), _whole(where, row["labels"], mend)
        if not 0 <= row["test_accuracy"] <= 1:
            raise _damaged(where, f"round {row['round']} has the test accuracy {row['test_accuracy']}", mend)
    if any(later["labels"] < row["labels"] for row, later in itertools.pairwise(rows)):
        raise _damaged(where, "its numbers of labels go down", mend)


def read_table(
    path: Path, required: Sequence[str], text: Collection[str] = (), mend: str = _MEND
) -> list[dict[str, Any]]:
    """The rows of a csv, numbers as int or float; [] where there is no file.

    Args:
        path: the file.
        required: columns that every row must have.
        text: columns that are no numbers.
        mend: what to do about a damaged file, the end of its message.

    Raises:
        InputError: it is no such table.
    """
    if not path.exists():
        return []
    try:
        with storage_errors(path), path.open(newline="", encoding="utf-8-sig") as file:
            return list(_rows(csv.reader(file, strict=True), required, text))
    except (ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, str(error), mend) from None


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replaces a csv, at once or not at all: all columns that any row has, in the order in which they appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    content = io.StringIO()
    writer = csv.DictWriter(content, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _written(value) for name, value in row.items()} for row in rows)
    write_text(path, content.getvalue())


def _rows(lines: Iterator[list[str]], required: Sequence[str], text: Collection[str]) -> Iterator[dict[str, Any]]:
    head = next(lines, [])
    missing = [name for name in required if name not in head]
    if missing:
        raise ValueError(f"it has no column {missing[0]!r}")
    if len(set(head)) < len(head):
        raise ValueError("it has two columns of one name")
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(head):
            raise ValueError(f"line {number} has {len(cells)} cells, the first one {len(head)}")
        row = {
            name: cell if name in text else _number(cell, f"line {number}, column {name}")
            for name, cell in zip(head, cells, strict=True)
            if cell or name in text
        }
        empty = [name for name in required if name not in row]
        if empty:
            raise ValueError(f"line {number}, column {empty[0]}: the cell is empty")
        yield row


def _number(cell: str, where: str) -> int | float:
    if _WHOLE.fullmatch(cell):
        return int(cell)
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{where}: {cell[:40]!r} is no number") from None


def _whole(where: Path | str, value: float, mend: str) -> int:
    if not 0 <= value < 2**63 or value != int(value):
        raise _damaged(where, f"{value} is no number of labels", mend)
    return int(value)


def _written(value: Any) -> Any:
    """NumPy's numbers as Python writes its own."""
    return value.item() if isinstance(value, np.generic) else value


def _damaged(where: Path | str, reason: str, mend: str) -> InputError:
    return InputError(f"{where} is damaged ({reason}). {mend}")
