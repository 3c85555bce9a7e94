"""Tables: a csv file of numbers with one column of classes. A row is an "image" of 1 x 1 pixel, a channel each column.

So all that is written for images in memory holds for rows, too, but for what looks at pixels: augmentations, encoders,
convolutions.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfal.data.dataset import DATASETS, Dataset
from tfal.errors import InputError
from tfal.recipe import Recipe

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")  # in small and capital letters
_ROWS_OF_A_TEST_ROW = 5
_SEED = 0  # of the drawn test rows, which are the same in all runs


def load_table(recipe: Recipe) -> Dataset:
    """The table of a recipe, see load_csv. Raises InputError for options that need images, too."""
    if not (recipe.csv and recipe.label):
        given = ", ".join(flag for flag, value in (("--csv", recipe.csv), ("--label", recipe.label)) if value)
        raise InputError(f"a table needs --csv FILE and --label COLUMN. Received: {given or '--csvTest'} only. Add it.")
    for flag, value in (("--splits", recipe.splits), ("--oodDataset", recipe.ood_dataset)):
        if value:
            raise InputError(f"{flag} needs images. Received: the table {recipe.csv}. Leave {flag} out.")
    if recipe.augment != "none":
        raise InputError(f"--augment must be none for the table {recipe.csv}. Received: {recipe.augment}.")
    return load_csv(recipe.csv, recipe.label, recipe.csv_test)


def load_csv(path: str | Path, label: str, test: str | Path | None = None) -> Dataset:
    """A table as a Dataset, named like the file: features (N, 1, 1, d) float32, standardised, in the order of the file.

    The mean of a feature over the training rows is subtracted, and the rest divided by its population standard
    deviation there, or by 1 where it never changes. Classes are numbered in the order of their values: as numbers where
    all of them are numbers, or else as text.

    Args:
        path: UTF-8, columns with commas between them, features in decimal numbers. The first line is a header when
            `label` is a name, or when none of its features is a number. Empty lines are passed over.
        label: column of the classes: its name, or its place from 0, negative from the end. Classes may be any text.
        test: a file of the test rows with the same columns. Without it they are a fifth of each class, rounded down,
            drawn with a fixed seed.

    Raises:
        InputError, which names file, line and column: no such file or column, no rows, lines of different lengths,
            features that are missing, infinite or text, missing classes, fewer than 2 classes, classes that only the
            test rows have, too few rows for test rows, a file named like a known data set.
    """
    name, table = _name(Path(path)), _read(Path(path), label)
    classes = _in_order(set(table.classes.tolist()))
    if len(classes) < 2:
        raise InputError(
            f"{path} must hold at least 2 classes in column {label}. Received: {classes[0]!r} only. Choose another one."
        )
    if test is None:
        train, tested = _divided(table, classes)
    else:
        train, tested = table, _read(Path(test), label)
        _check_same_columns(train, tested, classes)
    mean, std = train.features.mean(axis=0), train.features.std(axis=0)
    std[np.ptp(train.features, axis=0) == 0] = 1

    def rows(part: _Table) -> np.ndarray:
        return ((part.features - mean) / std).astype(np.float32)[:, None, None, :]

    return Dataset(name, rows(train), train.numbers(classes), rows(tested), tested.numbers(classes), tuple(classes))


class _Table(NamedTuple):
    """header: names of all columns, if any. lines: of each row in the file. features: (N, d) float64. classes: text."""

    path: Path
    header: list[str] | None
    lines: np.ndarray
    features: np.ndarray
    classes: np.ndarray

    def rows(self, chosen: np.ndarray) -> _Table:
        return self._replace(lines=self.lines[chosen], features=self.features[chosen], classes=self.classes[chosen])

    def numbers(self, classes: Sequence[str]) -> np.ndarray:
        """(N,) int64: the classes as places in `classes`."""
        place = {name: number for number, name in enumerate(classes)}
        return np.array([place[name] for name in self.classes], np.int64)


def _name(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.stem).lstrip("_.-")
    if not name or name in DATASETS:
        raise InputError(f"a csv file must not be named like a known data set. Received: {path.name}. Rename it.")
    return name


def _in_order(classes: set[str]) -> list[str]:
    return sorted(classes, key=float) if all(_number(name) is not None for name in classes) else sorted(classes)


def _divided(table: _Table, classes: Sequence[str]) -> tuple[_Table, _Table]:
    """Training rows and a fifth of each class as test rows, both in the order of the file."""
    order = np.random.default_rng(_SEED).permutation(len(table.lines))
    labels = table.numbers(classes)
    is_test = np.zeros(len(labels), bool)
    for number in range(len(classes)):
        of_class = order[labels[order] == number]
        is_test[of_class[: len(of_class) // _ROWS_OF_A_TEST_ROW]] = True
    if not is_test.any():
        raise InputError(
            f"{table.path} must hold at least {_ROWS_OF_A_TEST_ROW} rows of a class, so that test rows can be set "
            f"apart. Received: {len(labels)} rows of {len(classes)} classes. Give --csvTest, or more rows."
        )
    return table.rows(~is_test), table.rows(is_test)


def _check_same_columns(train: _Table, test: _Table, classes: Sequence[str]) -> None:
    if train.features.shape[1] != test.features.shape[1] or (train.header or []) != (test.header or train.header or []):
        raise InputError(
            f"{test.path} must have the columns of {train.path}. Received: {_shown(test)} in place of {_shown(train)}. "
            "Mend one of them."
        )
    strange = np.flatnonzero(~np.isin(test.classes, classes))
    if len(strange):
        raise InputError(
            f"{test.path}, line {test.lines[strange[0]]}: the class must be one that {train.path} has. "
            f"Received: {str(test.classes[strange[0]])!r}. Remove the line, or add training rows."
        )


def _shown(table: _Table) -> str:
    names = f" ({', '.join(table.header)[:100]})" if table.header else ""
    return f"{table.features.shape[1] + 1} columns{names}"


def _read(path: Path, label: str) -> _Table:
    lines, rows = _lines(path)
    place = _place(path, label, rows[0])
    has_header = not _is_place(label) or all(_number(cell) is None for cell in _without(rows[0], place))
    header = rows[0] if has_header else None
    lines, rows = lines[has_header:], rows[has_header:]
    if not rows:
        raise InputError(f"{path} must hold rows of numbers below its first line. Received: none. Add them.")
    classes = [row[place] for row in rows]
    missing = next((row for row, name in enumerate(classes) if name.lower() in MISSING), None)
    if missing is not None:
        raise InputError(f"{path}, line {lines[missing]}: the class is missing. Fill it, or remove the line.")
    values = [[_number(cell) for cell in _without(row, place)] for row in rows]
    for row, numbers in enumerate(values):
        for column, number in enumerate(numbers):
            if number is None or not math.isfinite(number):
                at = column + (column >= place)
                raise _bad_cell(f"{path}, line {lines[row]}, column {header[at] if header else at}", rows[row][at])
    return _Table(path, header, np.array(lines), np.array(values, np.float64), np.array(classes))


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


def _is_place(label: str) -> bool:
    return re.fullmatch(r"-?\d+", label) is not None


def _place(path: Path, label: str, first: Sequence[str]) -> int:
    """The column of the classes, from 0."""
    n = len(first)
    if _is_place(label):
        if not -n <= int(label) < n:
            raise InputError(f"--label must be in {-n}..{n - 1}, the columns of {path}. Received: {label}.")
        return int(label) % n
    if first.count(label) != 1:
        raise InputError(
            f"--label must be the name of one column in the first line of {path}, or its place from 0. Received: "
            f"{label!r}. The line begins with: {', '.join(first)[:100]}."
        )
    return first.index(label)


def _without(row: list[str], place: int) -> list[str]:
    return row[:place] + row[place + 1 :]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _bad_cell(where: str, cell: str) -> InputError:
    if cell.lower() in MISSING:
        return InputError(f"{where}: the value is missing. Received: {cell!r}. Fill it, or remove the line.")
    if _number(cell) is None:
        return InputError(f"{where}: must be a number. Received: {cell[:50]!r}. Encode text as numbers or remove it.")
    return InputError(f"{where}: must be finite. Received: {cell!r}. Mend it, or remove the line.")
