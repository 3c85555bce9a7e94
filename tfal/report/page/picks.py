"""Pictures of what was picked, as tfal.show draws them, of settings whose runs and data are at hand."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfal.data import Dataset, load_for
from tfal.data.places import data_dir
from tfal.errors import InputError
from tfal.recipe import Recipe
from tfal.report.comparison import Comparison, Setting
from tfal.report.page.pictures import KINDS, save_figure, write_figure
from tfal.show import class_histogram, contact_sheet, embedding
from tfal.show.picked import Series, has_picks, series_of
from tfal.show.samples import check_data
from tfal.show.sheet import MOST_GROUPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PANELS = 12  # of strategies
_MOST_POINTS = 1500  # of an embedding, so that it takes seconds
_OF_DATA = ("dataset", "image_size", "corrupt", "ood_dataset")  # options that say what the training set is


class Picture(NamedTuple):
    """A figure that is no chart of numbers. key: part of the names of its files."""

    key: str
    title: str
    figure: Figure
    caption: str

    def png(self) -> str:
        """The figure as text that a page can hold."""
        content = io.BytesIO()
        save_figure(self.figure, content, "png")
        return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"

    def write(self, folder: Path) -> None:
        """Writes the figure as PNG and PDF."""
        for kind in KINDS:
            write_figure(self.figure, folder / f"{self.key}.{kind}")


def pick_pictures(comparison: Comparison, dirs: Mapping[str, str]) -> tuple[dict[str, list[Picture]], list[str]]:
    """The pictures of each setting by its name, and of those without any a sentence that says why.

    dirs: folders with data by the name of a data set, "" for all others; none: nothing is drawn and nothing said.
    Raises InputError for data that are not those of the runs, and where no data are found at all.
    """
    found: dict[str, list[Picture]] = {}
    missing: dict[str, str] = {}
    for setting in comparison.settings if dirs else ():
        try:
            found[setting.name] = _of(setting, dirs)
        except _NotAtHandError as reason:
            missing[setting.name] = str(reason)
    if missing and not found:
        raise InputError(f"--dataDir: no pictures can be drawn. {next(iter(missing.values()))}")
    return found, [f"{name}: no pictures of its picks. {reason}" for name, reason in missing.items()]


class _NotAtHandError(Exception):
    """Why there are no pictures of a setting."""


def _of(setting: Setting, dirs: Mapping[str, str]) -> list[Picture]:
    if not has_picks(setting.folder):
        raise _NotAtHandError("Its folder holds no pool.npz of a run; joined results never do.")
    data = _data(setting, dirs)
    series = series_of(setting.folder, len(data.y_train))
    try:
        check_data(data, series)
    except InputError as error:
        raise InputError(f"--dataDir, {setting.name}: {error}") from None
    return _drawn(data, series)


def _data(setting: Setting, dirs: Mapping[str, str]) -> Dataset:
    """The training set of a setting, found as its runs found it."""
    recipes = [run.recipe for by_rep in setting.runs.values() for run in by_rep.values() if run.recipe is not None]
    if not recipes:
        raise _NotAtHandError("No recipe.json says what its data are.")
    told = recipes[0]
    if told.get("label") is not None:
        raise _NotAtHandError("Its data are a table, of which there are no pictures.")
    where, name = data_dir(dirs, str(told.get("dataset"))), told.get("dataset")
    if where is None and name != "digits":
        raise _NotAtHandError(f"No --dataDir is given for {name}.")
    options = {name: told[name] for name in _OF_DATA if told.get(name) is not None}
    try:
        return load_for(Recipe(**options, data_dir=where))
    except InputError as error:
        raise _NotAtHandError(str(error)) from None


def _drawn(data: Dataset, series: Sequence[Series]) -> list[Picture]:
    rep = "The repetition of the lowest number that all strategies have."
    some, few = series[:MOST_GROUPS], series[:_MOST_PANELS]
    panels = "" if len(few) == len(series) else f" The first {len(few)} of {len(series)} strategies."
    return [
        Picture(
            "first_picks",
            "First picks",
            contact_sheet(data, some),
            f"The first query of each strategy, by id as pool.npz keeps no order; bars count all of its picks. {rep}",
        ),
        Picture("classes", "Classes of the labels", class_histogram(data, few), f"{rep}{panels}"),
        Picture(
            "picks_in_the_pool",
            "Picks in the pool",
            embedding(data, few, most=_MOST_POINTS),
            "Samples of similar pixels are near each other; distances between clusters mean little, and pixels are not "
            f"what a strategy saw. {rep}{panels}",
        ),
    ]
