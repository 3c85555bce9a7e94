"""Tables: a csv file of numbers with one column of classes. A row is an "image" of 1 x 1 pixel, a channel each column.

So all that is written for images in memory holds for rows, too, but for what looks at pixels: augmentations, encoders,
convolutions.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfal.data.csv_file import Table, read_table, say_odd_classes, typed
from tfal.data.dataset import DATASETS, Dataset
from tfal.errors import InputError
from tfal.recipe import Recipe

_NAMELESS = re.compile(r"|Unnamed: \d+|row\.?names")  # what pandas and R call the column that counts the rows
_ROWS_OF_A_TEST_ROW = 5
_SEED = 0  # of the drawn test rows, which are the same in all runs


def load_table(recipe: Recipe) -> Dataset:
    """The table of a recipe, see load_csv. Raises InputError for options that need images, too."""
    if not (recipe.csv and recipe.label):
        given = ", ".join(flag for flag, value in (("--csv", recipe.csv), ("--label", recipe.label)) if value)
        given = given or ("--csvTest" if recipe.csv_test else "--drop")
        raise InputError(f"a table needs --csv FILE and --label COLUMN. Received: {given} only. Add it.")
    for flag, value in (("--splits", recipe.splits), ("--oodDataset", recipe.ood_dataset)):
        if value:
            raise InputError(f"{flag} needs images. Received: the table {recipe.csv}. Leave {flag} out.")
    if recipe.augment != "none":
        raise InputError(f"--augment must be none for the table {recipe.csv}. Received: {recipe.augment}.")
    return load_csv(recipe.csv, recipe.label, recipe.csv_test, recipe.drop)


def load_csv(path: str | Path, label: str, test: str | Path | None = None, drop: str | None = None) -> Dataset:
    """A table as a Dataset, named like the file: features (N, 1, 1, d) float32, standardised, in the order of the file.

    The mean of a feature over the training rows is subtracted, and the rest divided by its population standard
    deviation there, or by 1 where it never changes, which is said. Classes are numbered in the order of their values:
    as numbers where all of them are numbers, 1 and 1.0 being one class, or else as text. A column without a name, or
    that R or pandas name so, is left out where it numbers the rows, which is said, too.

    Args:
        path: UTF-8, columns with commas between them, features in decimal numbers. When its first line is a header,
            csv_file.read_table tells. Empty lines are passed over.
        label: column of the classes: its name, or its place from 0, negative from the end. Classes may be any text.
        test: a file of the test rows with the same columns. Without it they are a fifth of each class, rounded down,
            drawn with a fixed seed.
        drop: columns that are no features, such as numbers of customers: a comma list of names or places. They may
            hold text.

    Raises:
        InputError, which names file, line and column: no such file or column, no rows, lines of different lengths,
            features that are missing, infinite or text, missing classes, fewer than 2 classes, classes that only the
            test rows have, too few rows for test rows, values too large for the deviation of the training rows, a file
            named like a known data set.
    """
    name, table = table_name(Path(path)), read_table(Path(path), label, drop)
    classes = table.class_names()
    if len(classes) < 2:
        raise InputError(
            f"{path} must hold at least 2 classes in column {label}. Received: {classes[0]!r} only. Choose another one."
        )
    say_odd_classes(table)
    if test is None:
        train, tested = _divided(table, classes)
    else:
        train, tested = table, read_table(Path(test), label, drop)
        _check_same_columns(train, tested, classes)
    kept = _without_row_numbers(table)
    names = [table.names[column] for column in kept]
    train, tested = (part._replace(features=part.features[:, kept]) for part in (train, tested))
    x_train, x_test = _standardised(train, tested, names)
    return Dataset(name, x_train, train.numbers(classes), x_test, tested.numbers(classes), tuple(classes))


def _without_row_numbers(table: Table) -> list[int]:
    """The columns that are features."""
    kept, left_out, counting = [], [], []
    for column, name in enumerate(table.names):
        values = table.features[:, column]
        nameless = table.has_header and _NAMELESS.fullmatch(name) is not None
        if nameless and (values == np.rint(values)).all() and len(np.unique(values)) == len(values):
            left_out.append(name)
            continue
        kept.append(column)
        if len(values) > 2 and (np.diff(values) == 1).all():
            counting.append(typed(table.columns, table.places[column]))
    if left_out:
        _say(table.path, f"left out, as it numbers the rows: column {', '.join(map(repr, left_out))}")
    if counting:
        _say(
            table.path,
            f"counts the rows and is a feature all the same: column {', '.join(counting)}. If it is none, "
            f"leave it out: --drop {','.join(counting)}",
        )
    if not kept:
        raise InputError(f"{table.path} must hold a feature beside the class. Received: row numbers only. Add one.")
    return kept


def _standardised(train: Table, tested: Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Features of both parts, (N, 1, 1, d) float32. Raises InputError for values that float32 cannot hold then."""
    _, exponents = np.frexp(np.abs(train.features).max(axis=0))  # or squares of 1e300 and of 1e-300 would be lost
    scaled = np.ldexp(train.features, -exponents)
    mean, std = scaled.mean(axis=0), scaled.std(axis=0)
    constant = np.ptp(train.features, axis=0) == 0
    with np.errstate(over="ignore"):
        std[constant] = np.ldexp(1.0, -exponents[constant])
    if constant.all():
        raise InputError(f"{train.path} must hold features that change in the training rows. Received: none. Add one.")
    if constant.any():
        _say(train.path, f"the same in all training rows: column {', '.join(np.array(names)[constant])}")
    parts = []
    for part in (train, tested):
        with np.errstate(over="ignore", invalid="ignore"):
            values = ((np.ldexp(part.features, -exponents) - mean) / std).astype(np.float32)
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, column = bad[0]
            raise InputError(
                f"{part.path}, line {part.lines[row]}, column {names[column]}: too large beside the training rows. "
                f"Received: {part.features[row, column]:g}. Mend it, or remove the line."
            )
        parts.append(values[:, None, None, :])
    return parts[0], parts[1]


def _say(path: Path, text: str) -> None:
    print(f"{path}: {text}.", file=sys.stderr)


def table_name(path: Path) -> str:
    """What a csv file is called as a data set. Raises InputError for the name of a known one."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.stem).lstrip("_.-")
    if not name or name in DATASETS:
        raise InputError(f"a csv file must not be named like a known data set. Received: {path.name}. Rename it.")
    return name


def _divided(table: Table, classes: Sequence[str]) -> tuple[Table, Table]:
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


def _check_same_columns(train: Table, test: Table, classes: Sequence[str]) -> None:
    names_differ = test.has_header and not (train.has_header and train.columns == test.columns)
    if len(train.columns) != len(test.columns) or names_differ:
        raise InputError(
            f"{test.path} must have the columns of {train.path}. Received: {_shown(test)} in place of {_shown(train)}. "
            "Mend one of them."
        )
    strange = np.flatnonzero(test.numbers(classes) < 0)
    if len(strange):
        raise InputError(
            f"{test.path}, line {test.lines[strange[0]]}: the class must be one that {train.path} has. "
            f"Received: {str(test.classes[strange[0]])!r}. Remove the line, or add training rows."
        )


def _shown(table: Table) -> str:
    names = f" ({', '.join(table.columns)[:100]})" if table.has_header else ""
    return f"{len(table.columns)} columns{names}"
