"""How many labels of each class there are, round by round."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.data.dataset import Dataset
from tfal.errors import InputError
from tfal.report.figures import panels, plain
from tfal.report.words import counted
from tfal.show.colors import explain, group_colors
from tfal.show.picked import Series, series_of
from tfal.show.samples import Classes, classes_of
from tfal.show.sheet import class_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3  # panels in a row


def class_histogram(
    labels: Any,
    picks: Any,
    *,
    class_names: Sequence[Any] | None = None,
    title: str | None = None,
) -> Figure:
    """How many of the picks are of each class, a panel for each strategy, bars made of the rounds.

    A dashed line is what every class would have with as many labels of each. Groups that share samples stand side by
    side, as their sum means nothing.

    Args:
        labels: of the training set, (N,) integers, -1 where no class is known; or a tfal.data.Dataset.
        picks: ids, {name: ids}, the rounds of tfal.run, a tfal.Campaign, a pool.npz, the folder of a repetition, or of
            an experiment: of each strategy the first repetition that all of them have.
        class_names: of all classes. When not given those of the Dataset, or numbers.
        title: above the panels.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: in one line, for anything that is no label or no id, picks of which no class is known, and runs of
            other data.
    """
    given = labels.y_train if isinstance(labels, Dataset) else np.asarray(labels)
    if given.ndim == 0:
        raise InputError(
            f"labels must be (N,) integers, one a sample, or a tfal.data.Dataset. Received: a {type(labels).__name__}."
        )
    series = series_of(picks, len(given))
    data, own = (labels, None) if isinstance(labels, Dataset) else (None, labels)
    classes = classes_of(data, own, class_names, series, len(given))
    if classes is None or all((classes.labels[one.ids] < 0).all() for one in series):
        raise InputError("labels must say the class of some of the picks. Received: none that is known.")
    rows = -(-len(series) // _COLUMNS)
    columns = min(len(series), _COLUMNS)
    figure, grid = panels(rows, columns, (4.6 * columns, 2.6 * rows + 0.6), sharey=True)
    every, colors = [*grid.ravel()], group_colors(series)
    for axes, one in zip(every, series, strict=False):
        _panel(axes, one, classes, colors)
    for axes in every[len(series) :]:
        axes.remove()
    explain(figure, every[: len(series)], colors)
    if title:
        figure.suptitle(plain("\n".join(textwrap.wrap(title, 90))), fontsize=10)
    return figure


def _panel(axes: Any, series: Series, classes: Classes, colors: Mapping[str, Any]) -> None:
    counts = [classes.counts(group.ids) for group in series.groups]
    places, base = np.arange(len(classes.names)), np.zeros(len(classes.names), int)
    stacked = len(series.ids) == sum(len(group.ids) for group in series.groups)
    width = 0.8 if stacked else 0.8 / len(counts)
    for number, (group, count) in enumerate(zip(series.groups, counts, strict=True)):
        shift = 0 if stacked else (number - (len(counts) - 1) / 2) * width
        axes.bar(
            places + shift,
            count,
            width=width,
            bottom=base,
            color=colors[group.name],
            label=plain(group.name) or "picks",
        )
        base = base + count if stacked else base
    if stacked:
        each = base.sum() / len(base)
        axes.axhline(each, color="black", linestyle="--", linewidth=0.8, label="as many of each class")
    head = f"{series.name}: " if series.name else ""
    axes.set_title(plain(f"{head}{counted(len(series.ids), 'label')}"), fontsize=8)
    axes.set_ylabel("labels", fontsize=7)
    axes.tick_params(labelsize=6)
    axes.yaxis.get_major_locator().set_params(integer=True)
    class_axis(axes, classes)
