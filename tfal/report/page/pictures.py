"""Charts as pictures: matplotlib figures, and files of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.files import write_atomically
from tfal.report.figures import Style, panels, plain
from tfal.report.page.charts import Chart, Heat, Line, Lines, RankLines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 7.0, 4.4  # of a chart [inches]
_MANY = 8  # curves from which bands would hide each other
KINDS = ("png", "pdf")  # of files of every figure


def write_pictures(chart: Chart, looks: Mapping[str, Style], folder: Path, title: str) -> list[Path]:
    """The chart as <folder>/<key>.png and .pdf; where they are."""
    figure = drawn(chart, looks)
    figure.suptitle("\n".join(textwrap.wrap(f"{title}: {chart.title}", 80)), fontsize=10, parse_math=False)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the places of all things are known: not to be found again for each file
    paths = []
    for kind in KINDS:
        paths.append(folder / f"{chart.key}.{kind}")
        write_atomically(paths[-1], lambda file, kind=kind: figure.savefig(file, format=kind))  # type: ignore[misc]
    return paths


def drawn(chart: Chart, looks: Mapping[str, Style]) -> Figure:
    """The chart as a figure."""
    if isinstance(chart, Lines):
        return _lines(chart, looks)
    if isinstance(chart, Heat):
        return _heat(chart)
    return _ranks(chart)


def _lines(chart: Lines, looks: Mapping[str, Style]) -> Figure:
    columns = max(1, min(len(chart.lines), 3))
    figure, grid = panels(1, 1, (_WIDTH, _HEIGHT + 0.17 * -(-len(chart.lines) // columns)))
    axes, alpha = grid[0, 0], 0.15 if len(chart.lines) <= _MANY else 0.04
    handles = [_draw_line(axes, line, looks[line.name], alpha, chart.steps) for line in chart.lines]
    axes.set(xlabel=chart.x_title, ylabel=chart.y_title)
    names = [plain(f"{line.name} ({line.note})" if line.note else line.name) for line in chart.lines]
    figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=7, handlelength=3)
    return figure


def _draw_line(axes: Any, line: Line, look: Style, alpha: float, steps: bool) -> Any:
    style = {
        **look._asdict(),
        "marker": "" if steps else look.marker,
        "drawstyle": "steps-post" if steps else "default",
    }
    (handle,) = axes.plot(line.x, line.y, markersize=4, linewidth=1.2, **style)
    there = np.isfinite(line.low)
    step = "post" if steps else None
    axes.fill_between(line.x, line.low, line.high, where=there, alpha=alpha, color=look.color, linewidth=0, step=step)
    return handle


def _heat(chart: Heat) -> Figure:
    n = len(chart.names)
    side = max(3.5, 0.32 * n + 2.2)
    figure, grid = panels(1, 1, (side + 0.8, side))
    axes = grid[0, 0]
    axes.grid(visible=False)
    image = axes.imshow(chart.values, cmap="cividis", vmin=0)
    names = [plain(name) for name in chart.names]
    axes.set_xticks(range(n), names, rotation=90, fontsize=7)
    axes.set_yticks(range(n), names, fontsize=7)
    axes.set(xlabel="is beaten", ylabel="beats")
    if n <= 20:
        middle = chart.values.max() / 2
        for row, column in np.ndindex(n, n):
            color = "black" if chart.values[row, column] > middle else "white"
            text = f"{chart.values[row, column]:.1f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=color)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def _ranks(chart: RankLines) -> Figure:
    n = len(chart.names)
    figure, grid = panels(1, 1, (_WIDTH, 1.4 + 0.28 * n))
    axes, places = grid[0, 0], np.arange(n)
    axes.errorbar(chart.mean, places, xerr=chart.half, fmt="o", color="black", capsize=3, markersize=5)
    right = float((chart.mean + chart.half).max())
    for number, clique in enumerate(chart.cliques):
        x = right + 0.15 * (number + 1)
        axes.plot([x, x], [clique[0] - 0.2, clique[-1] + 0.2], color="#0072B2", linewidth=4, solid_capstyle="butt")
    axes.set_yticks(places, [plain(name) for name in chart.names], fontsize=8)
    axes.set(xlabel="mean rank (1 is best)", ylim=(n - 0.5, -0.5))
    return figure
