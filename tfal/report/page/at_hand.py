"""The training set of a setting, found again by what its recipe.json says and held against its fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfal.data import Dataset, fingerprint, load_for
from tfal.data.places import data_dir
from tfal.data.prints import comparable
from tfal.data.tabular import load_csv, table_name
from tfal.errors import InputError
from tfal.recipe import Recipe
from tfal.report.comparison import Comparison, Setting

_OF_DATA = ("dataset", "image_size", "corrupt", "ood_dataset")  # options that say what the training set is


class NotAtHandError(Exception):
    """Why there are no pictures of a setting, as a sentence."""


def training_data(setting: Setting, dirs: Mapping[str, str]) -> Dataset:
    """The data of a setting as its runs found them; a table by its name among the files of the folder.

    dirs: folders by the name of a data set, "" for all others. Raises NotAtHandError. Whether data in images are those
    of the runs is not looked at here.
    """
    told = _told(setting)
    if told is None:
        raise NotAtHandError("No recipe.json says what its data are.")
    name = str(told.get("dataset"))
    where = data_dir(dirs, name)
    if where is None and name != "digits":
        raise NotAtHandError(f"No --dataDir is given for {name}.")
    if told.get("label") is not None:
        return _table(told, Path(str(where)))
    options = {option: told[option] for option in _OF_DATA if told.get(option) is not None}
    try:
        return load_for(Recipe(**options, data_dir=where))
    except InputError as error:
        raise NotAtHandError(str(error)) from None


def named_data(comparison: Comparison, option: str = "dataset") -> set[str]:
    """The data sets of all settings, as this option of their runs names them."""
    recipes = [_told(setting) or {} for setting in comparison.settings]
    return {str(told[option]) for told in recipes if told.get(option) is not None}


def _told(setting: Setting) -> Mapping[str, Any] | None:
    """What a recipe.json says; None where no run has one."""
    recipes = (run.recipe for by_rep in setting.runs.values() for run in by_rep.values())
    return next((recipe for recipe in recipes if recipe is not None), None)


def _table(told: Mapping[str, Any], folder: Path) -> Dataset:
    """A table with the test rows that give what was recorded: a part of its own, or a file that is named like it."""
    name = str(told["dataset"])
    files = [path for place in (folder / name, folder) if place.is_dir() for path in sorted(place.iterdir())]
    tables = [path for path in files if path.is_file() and _is_called(path, name)]
    if not tables:
        raise NotAtHandError(f"Its data are a table, and {folder} holds no file called {name}.")
    for data in _readings(tables[0], files, told):
        here, there = comparable([fingerprint(data), told.get("data")])
        if here == there:
            return data
    raise NotAtHandError(f"Its data are a table, and {tables[0]} is not read as what recipe.json says of it.")


def _is_called(path: Path, name: str) -> bool:
    try:
        return table_name(path) == name
    except InputError:
        return False


def _readings(table: Path, files: list[Path], told: Mapping[str, Any]) -> Iterator[Dataset]:
    start = table.stem.partition(".")[0]
    tests = [path for path in files if path.is_file() and path != table and path.stem.startswith(start)]
    for test in (None, *tests):
        try:
            yield load_csv(table, told["label"], test, told.get("drop"))
        except InputError:
            continue
