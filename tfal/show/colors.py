"""The colors of groups of picks, and what says which is which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.report.figures import plain, shades
from tfal.show.picked import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ENTRIES = 12  # of a legend; of more groups there is a scale
_ROW = 6  # entries of a legend side by side


def group_colors(series: Sequence[Series]) -> dict[str, Any]:
    """A color for each name of a group, from dark to light in the order of the groups."""
    names = list(dict.fromkeys(group.name for one in series for group in one.groups))
    return dict(zip(names, shades(len(names)), strict=True))


def explain(figure: Figure, axes: Sequence[Any], colors: Mapping[str, Any]) -> None:
    """A legend below the panels of what is drawn in them, or of many groups a scale beside them."""
    entries: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if len(colors) > _MOST_ENTRIES:
        _scale(figure, axes, [*colors])
        entries = {label: handle for label, handle in entries.items() if label not in map(plain, colors)}
    if entries:
        columns = min(len(entries), _ROW if figure.get_figwidth() > 6 else _ROW // 2)
        figure.legend(entries.values(), entries, loc="outside lower center", ncols=columns, fontsize=7)


def _scale(figure: Figure, axes: Sequence[Any], names: Sequence[str]) -> None:
    import matplotlib as mpl

    n = len(names)
    norm = mpl.colors.BoundaryNorm(np.arange(n + 1) - 0.5, n)
    found = mpl.cm.ScalarMappable(norm, mpl.colors.ListedColormap(shades(n)))
    places = np.unique(np.linspace(0, n - 1, 5).round().astype(int))
    bar = figure.colorbar(found, ax=list(axes), ticks=places, shrink=0.8)
    bar.ax.set_yticklabels([plain(names[place]) for place in places], fontsize=6)
    bar.ax.minorticks_off()
