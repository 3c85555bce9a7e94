"""A csv file of numbers with one column of classes, as it stands there: header, cells, classes."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError, unknown_name

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")  # in small and capital letters


class Table(NamedTuple):
    """columns: their names, or their places from 0 where the file has no header. places: of the features among them.
    lines: of each row in the file. features: (N, d) float64. classes: (N,) text.
    """

    path: Path
    has_header: bool
    columns: list[str]
    places: list[int]
    lines: np.ndarray
    features: np.ndarray
    classes: np.ndarray

    @property
    def names(self) -> list[str]:
        """The names of the features."""
        return [self.columns[place] for place in self.places]

    def rows(self, chosen: np.ndarray) -> Table:
        """Some of the rows."""
        return self._replace(lines=self.lines[chosen], features=self.features[chosen], classes=self.classes[chosen])

    def numbers(self, classes: Sequence[str]) -> np.ndarray:
        """(N,) int64: the classes as places in `classes`, -1 where they are not in it; 1 and 1.0 are one number."""
        place = {one: number for number, one in enumerate(_keys(classes))}
        return np.array([place.get(one, -1) for one in _keys(self.classes.tolist(), like=classes)], np.int64)

    def class_names(self) -> list[str]:
        """The classes in the order of their values, as numbers where all are, or else as text; as first spelled."""
        spelling: dict[Any, str] = {}
        for key, name in zip(_keys(self.classes.tolist()), self.classes.tolist(), strict=True):
            spelling.setdefault(key, name)
        return [spelling[key] for key in sorted(spelling)]


def read_table(path: Path, label: str, drop: str | None = None) -> Table:
    """The table in a file.

    label: column of the classes, its name or its place from 0, negative from the end. drop: columns that are no
    features, a comma list of the same; their cells may be anything.

    The first line is a header when `label` is the name of one column in it, when none of its features is a number, or
    when it counts the columns, 0, 1, 2, ..., as a data frame without names writes it (an index column in front of them
    has no name). Else it is a row; one whose class stands in no other line is refused, as it may be either.

    Raises InputError, which names file, line and column.
    """
    lines, rows = _lines(path)
    has_header, place = _header(path, label, rows)
    columns = rows[0] if has_header else [str(at) for at in range(len(rows[0]))]
    dropped = (
        {_dropped(path, name.strip(), columns, has_header, place) for name in drop.split(",")}
        if drop is not None
        else set()
    )
    places = [at for at in range(len(columns)) if at != place and at not in dropped]
    if not places:
        raise InputError(
            f"{path} must keep a feature beside the class. Received: --drop {drop}, all of them. Keep one."
        )
    lines, rows = lines[has_header:], rows[has_header:]
    if not rows:
        raise InputError(f"{path} must hold rows of numbers below its first line. Received: none. Add them.")
    classes = [row[place] for row in rows]
    if "" in classes:
        raise InputError(f"{path}, line {lines[classes.index('')]}: the class is missing. Fill it, or remove the line.")
    values = [[number(row[at]) for at in places] for row in rows]
    for row, numbers in enumerate(values):
        for at, value in zip(places, numbers, strict=True):
            if value is None or not math.isfinite(value):
                raise _bad_cell(f"{path}, line {lines[row]}, column {columns[at]}", rows[row][at], typed(columns, at))
    if not has_header and len(rows) > 2 and classes.count(classes[0]) == 1:
        raise InputError(
            f"{path}, line {lines[0]}: a header or a row? Its class {classes[0]!r} stands in no other line. "
            "Give --label by name if it is a header, or remove the line."
        )
    return Table(path, has_header, columns, places, np.array(lines), np.array(values, np.float64), np.array(classes))


def typed(columns: Sequence[str], place: int) -> str:
    """What --drop calls a column: its name, or its place where the name is none, stands twice or reads as another."""
    name = columns[place]
    if columns.count(name) == 1 and name and "," not in name and (_counts(columns) or not _is_place(name)):
        return name
    return str(place - len(columns) if _counts(columns) else place)


def say_odd_classes(table: Table) -> None:
    """One line on stderr where a class has a name that often means a missing value."""
    odd = [name for name in table.class_names() if name.lower() in MISSING]
    if odd:
        print(
            f"{table.path}: {', '.join(map(repr, odd))} is a class of its own. If that means a missing one, remove "
            "its lines.",
            file=sys.stderr,
        )


def number(cell: str) -> float | None:
    """The decimal number in a cell; None for anything else."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _keys(names: Sequence[str], like: Sequence[str] | None = None) -> Sequence[Any]:
    """What tells classes apart: exact numbers where all of `like` (`names` themselves) are, else text."""
    exact = [_exact(name) for name in names]
    deciding = exact if like is None else [_exact(name) for name in like]
    if None in deciding:
        return list(names)
    return [Decimal("NaN") if value is None else value for value in exact]


def _exact(name: str) -> Decimal | None:
    try:
        value = Decimal(name) if number(name) is not None else None
    except InvalidOperation:
        return None
    return value if value is not None and value.is_finite() else None


def _lines(path: Path) -> tuple[list[int], list[list[str]]]:
    """Number and cells of each line that is not empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            found = [
                (reader.line_num, [cell.strip() for cell in row])
                for row in reader
                if len(row) > 1 or "".join(row).strip()
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a csv file in UTF-8 ({error}). Mend --csv or the file.") from None
    if not found:
        raise InputError(f"{path} must hold rows of numbers and a class. Received: an empty file. Give another one.")
    n = len(found[0][1])
    if n < 2:
        raise InputError(f"{path} must hold at least 2 columns with commas between them. Received: {n}. Convert it.")
    for line, row in found:
        if len(row) != n:
            raise InputError(f"{path}, line {line}: must have {n} columns as the first. Received: {len(row)}. Mend it.")
    return [line for line, _ in found], [row for _, row in found]


def _header(path: Path, label: str, rows: Sequence[list[str]]) -> tuple[bool, int]:
    """Whether the first line is a header, and the column of the classes, from 0."""
    first, n = rows[0], len(rows[0])
    is_place = _is_place(label)
    counts = _counts(first)
    if counts:
        print(f"{path}: the first line, {', '.join(first[:3])}, ..., is read as a header.", file=sys.stderr)
    if first.count(label) == 1 and (counts or not is_place):
        place = first.index(label)
        like_a_row = any(number(cell) is not None for cell in _without(first, place))
        if like_a_row and not counts and any(row[place] == label for row in rows[1:]):
            raise InputError(
                f"--label must be the name of a column in the first line of {path}, or its place from 0. Received: "
                f"{label!r}, which is a class in other lines, too. Give the place, {place}."
            )
        return True, place
    if not is_place:
        raise InputError(
            f"--label must be the name of one column in the first line of {path}, or its place from 0. Received: "
            f"{label!r}. The line begins with: {', '.join(first)[:100]}."
        )
    if not -n <= int(label) < n:
        raise InputError(f"--label must be in {-n}..{n - 1}, the columns of {path}. Received: {label}.")
    place = int(label) % n
    return counts or all(number(cell) is None for cell in _without(first, place)), place


def _dropped(path: Path, name: str, columns: list[str], has_header: bool, label: int) -> int:
    """The place of a column that --drop names, by its name or its place."""
    n = len(columns)
    if name and columns.count(name) == 1 and (not has_header or _counts(columns) or not _is_place(name)):
        place = columns.index(name)
    elif _is_place(name) and -n <= int(name) < n:
        place = int(name) % n
    elif name and name in columns:
        raise InputError(
            f"--drop must name one column of {path}. Received: {name!r}, as {columns.count(name)} are called. Give the "
            f"place, one of {', '.join(str(at) for at in range(n) if columns[at] == name)}."
        )
    else:
        valid = [column for column in columns if column] if has_header else [f"0 to {n - 1}"]
        raise InputError(f"--drop, {path}: {unknown_name('column', name, valid)}")
    if place == label:
        raise InputError(
            f"--drop must leave column {columns[label]} of {path}, which holds the classes. Received: {name!r}. Leave "
            "it out, or name another --label."
        )
    return place


def _is_place(text: str) -> bool:
    return re.fullmatch(r"-?\d+", text) is not None


def _counts(first: Sequence[str]) -> bool:
    """Whether a line counts the columns from 0, but for a nameless first one."""
    named = first[1:] if not first[0] else first
    return len(named) > 1 and list(named) == [str(at) for at in range(len(named))]


def _without(row: list[str], place: int) -> list[str]:
    return row[:place] + row[place + 1 :]


def _bad_cell(where: str, cell: str, column: str) -> InputError:
    """column: as --drop calls it."""
    if cell.lower() in MISSING:
        return InputError(f"{where}: the value is missing. Received: {cell!r}. Fill it, or remove the line.")
    if number(cell) is None:
        return InputError(
            f"{where}: must be a number. Received: {cell[:50]!r}. Encode text as numbers, or leave the column out: "
            f"--drop {column}."
        )
    return InputError(f"{where}: must be finite. Received: {cell!r}. Mend it, or remove the line.")
