"""Pictures of what was picked, as tfal.show draws them, of settings whose runs and data are at hand."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfal.data import Dataset
from tfal.data.places import check_named
from tfal.errors import InputError
from tfal.report.comparison import Comparison, Setting
from tfal.report.page.at_hand import NotAtHandError, named_data, training_data
from tfal.report.page.pictures import KINDS, save_figure, write_figure
from tfal.show import class_histogram, contact_sheet, embedding
from tfal.show.picked import Series, has_picks, series_of
from tfal.show.samples import check_data
from tfal.show.sheet import MOST_GROUPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PANELS = 12  # of strategies
_MOST_POINTS = 1500  # of an embedding, so that it takes seconds


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
    Raises InputError for data that are not those of the runs, where no data are found at all, and for a name that no
    data set has.
    """
    check_named(dirs, named_data(comparison), named_data(comparison, "ood_dataset"))
    found: dict[str, list[Picture]] = {}
    missing: dict[str, str] = {}
    for setting in comparison.settings if dirs else ():
        try:
            found[setting.name] = _of(setting, dirs)
        except NotAtHandError as reason:
            missing[setting.name] = str(reason)
    if missing and not found:
        raise InputError(f"--dataDir: no pictures can be drawn. {next(iter(missing.values()))}")
    return found, [f"{name}: no pictures of its picks. {reason}" for name, reason in missing.items()]


def _of(setting: Setting, dirs: Mapping[str, str]) -> list[Picture]:
    if not has_picks(setting.folder):
        raise NotAtHandError("Its folder holds no pool.npz of a run; joined results never do.")
    data = training_data(setting, dirs)
    series = series_of(setting.folder, len(data.y_train))
    try:
        check_data(data, series)
    except InputError as error:
        raise InputError(f"--dataDir, {setting.name}: {error}") from None
    return list(_drawn(data, [dataclasses.replace(one, data=None) for one in series]))  # held against them once


def _drawn(data: Dataset, series: Sequence[Series]) -> Iterator[Picture]:
    rep = "The repetition of the lowest number that all strategies have."
    few, table = series[:_MOST_PANELS], data.x_train.shape[1:3] == (1, 1)
    panels = "" if len(few) == len(series) else f" The first {len(few)} of {len(series)} strategies."
    if not table:
        yield Picture(
            "first_picks",
            "First picks",
            contact_sheet(data, series[:MOST_GROUPS]),
            f"The first query of each strategy, by id as pool.npz keeps no order; bars count all of its picks. {rep}",
        )
    yield Picture("classes", "Classes of the labels", class_histogram(data, few), f"{rep}{panels}")
    what = "columns" if table else "pixels"
    yield Picture(
        "picks_in_the_pool",
        "Picks in the pool",
        embedding(data, few, most=_MOST_POINTS),
        f"Samples of similar {what} are near each other; distances between clusters mean little, and {what} are not "
        f"what a strategy saw. {rep}{panels}",
    )
