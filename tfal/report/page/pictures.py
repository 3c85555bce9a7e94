"""Charts as pictures: matplotlib figures, and files of them.

Places are reckoned here and not by matplotlib's layout engines, legends are lines and words, and each file is drawn
once: with 50 strategies the rest takes several times as long.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tfal.files import write_atomically
from tfal.report.figures import Style, blank, plain
from tfal.report.page.charts import Chart, Heat, Line, Lines, RankLines
from tfal.report.page.rank_diagram import diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "pdf")  # of files of every figure
_WIDTH, _HEIGHT = 7.0, 3.4  # of a picture, and of the axes of a chart [inches]
_LEFT, _RIGHT, _BELOW, _TITLE, _ROW = 0.75, 0.15, 0.5, 0.17, 0.16  # margins; lines of a title and of a legend [inches]
_LETTER = 0.061  # the width of one, on average, in names of 7 points [inches]
_MANY = 8  # curves from which bands would hide each other
_NUMBERS = 20  # strategies up to which cells of a matrix have their numbers
_BAR, _INK = "#D55E00", "black"


def write_pictures(chart: Chart, looks: Mapping[str, Style], folder: Path, title: str) -> list[Path]:
    """The chart as <folder>/<key>.png and .pdf; where they are."""
    figure = drawn(chart, looks, f"{title}: {chart.title}")
    return [write_figure(figure, folder / f"{chart.key}.{kind}") for kind in KINDS]


def write_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG or PDF, whole or not at all; the path."""
    write_atomically(path, lambda file: save_figure(figure, file, path.suffix[1:]))
    return path


def save_figure(figure: Figure, file: IO[bytes], kind: str) -> None:
    """Draws a figure whose places are known into a file, once; savefig draws twice, to ask layout engines."""
    if figure.get_layout_engine() is not None:
        figure.savefig(file, format=kind)
    elif kind == "png":
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        with rc_context({"text.hinting": "none"}):  # of letters, which is a fourth of the time
            FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": 3})  # type: ignore[no-untyped-call]
    else:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        dpi = figure.dpi
        FigureCanvasPdf(figure).print_pdf(file)  # type: ignore[no-untyped-call]
        figure.dpi = dpi


def drawn(chart: Chart, looks: Mapping[str, Style], title: str) -> Figure:
    """The chart as a figure."""
    lines = textwrap.wrap(title, 85)
    if isinstance(chart, Lines):
        return _lines(chart, looks, lines)
    if isinstance(chart, Heat):
        return _heat(chart, lines)
    return _ranks(chart, lines)


def _titled(size: tuple[float, float], title: Sequence[str]) -> tuple[Figure, float]:
    """A figure with room for a title above `size` [inches], and its height."""
    high = size[1] + 0.1 + _TITLE * len(title)
    figure = blank((size[0], high))
    figure.text(0.5, 1 - 0.06 / high, plain("\n".join(title)), ha="center", va="top", fontsize=10)
    return figure, high


def _lines(chart: Lines, looks: Mapping[str, Style], title: Sequence[str]) -> Figure:
    columns = max(1, min(len(chart.lines), 3))
    legend = 0.1 + _ROW * -(-len(chart.lines) // columns)
    figure, high = _titled((_WIDTH, _HEIGHT + _BELOW + legend), title)
    wide = _WIDTH - _LEFT - _RIGHT
    axes = figure.add_axes((_LEFT / _WIDTH, (_BELOW + legend) / high, wide / _WIDTH, _HEIGHT / high))
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    _draw_bands(axes, chart, looks)
    for line in chart.lines:
        _draw_line(axes, line, looks[line.name], chart.steps)
    axes.set_xlabel(plain(chart.x_title))
    axes.set_ylabel(plain("\n".join(textwrap.wrap(chart.y_title, 50))))
    _legend(figure.add_axes((0, 0, 1, legend / high)), chart, looks, columns, legend)
    return figure


def _draw_bands(axes: Any, chart: Lines, looks: Mapping[str, Style]) -> None:
    """All bands as one collection."""
    from matplotlib.collections import PolyCollection

    corners, colors = [], []
    for line in chart.lines:
        there = np.flatnonzero(np.isfinite(line.low))
        for part in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1):
            x, low, high = (values[part] for values in (line.x, line.low, line.high))
            if chart.steps:
                x, low, high = np.repeat(x, 2)[1:], np.repeat(low, 2)[:-1], np.repeat(high, 2)[:-1]
            corners.append(np.column_stack([np.append(x, x[::-1]), np.append(low, high[::-1])]))
            colors.append(looks[line.name].color)
    alpha = 0.15 if len(chart.lines) <= _MANY else 0.04
    axes.add_collection(PolyCollection(corners, facecolors=colors, alpha=alpha, linewidths=0))


def _draw_line(axes: Any, line: Line, look: Style, steps: bool) -> None:
    drawn_as = {"marker": "", "drawstyle": "steps-post"} if steps else {}
    axes.plot(line.x, line.y, markersize=4, linewidth=1.2, **look._asdict() | drawn_as)


def _legend(axes: Any, chart: Lines, looks: Mapping[str, Style], columns: int, high: float) -> None:
    """Names with their lines, row by row. axes: as wide as the picture, `high` [inches]."""
    from matplotlib.lines import Line2D

    axes.set(xlim=(0, _WIDTH), ylim=(0, high))
    axes.axis("off")
    column_width = (_WIDTH - 0.3) / columns
    for place, line in enumerate(chart.lines):
        row, column = divmod(place, columns)
        x, y = 0.2 + column * column_width, high - 0.05 - _ROW * (row + 0.5)
        look = looks[line.name]._asdict() | ({"marker": ""} if chart.steps else {})
        axes.add_line(Line2D([x, x + 0.18, x + 0.36], [y] * 3, markevery=[1], markersize=4, linewidth=1.2, **look))
        text = f"{line.name} ({line.note})" if line.note else line.name
        axes.text(x + 0.44, y, plain(text), fontsize=7, va="center_baseline")


def _heat(chart: Heat, title: Sequence[str]) -> Figure:
    import matplotlib as mpl

    n = len(chart.names)
    side = n * (0.32 if n <= _NUMBERS else 0.17)
    names = 0.2 + _LETTER * max(map(len, chart.names))
    around = names + 0.3, 1.0  # before the matrix, and behind it
    figure, high = _titled((max(side + sum(around), 4.0), side + names + 0.35), title)
    wide = figure.get_figwidth()
    axes = figure.add_axes((around[0] / wide, (names + 0.3) / high, side / wide, side / high))
    norm = mpl.colors.Normalize(0, max(float(np.nanmax(chart.values)), 1e-9))
    scale = mpl.cm.ScalarMappable(norm, "cividis")
    axes.imshow(scale.to_rgba(chart.values, bytes=True), interpolation="nearest", aspect="auto")
    axes.set(xticks=[], yticks=[])  # names are words: ticks take several times as long
    for place, name in enumerate(map(plain, chart.names)):
        axes.text(place, n - 0.3, name, rotation=90, ha="center", va="top", fontsize=7)
        axes.text(-0.7, place, name, ha="right", va="center", fontsize=7)
    axes.set_xlabel("is beaten", labelpad=72 * names - 8)
    axes.set_ylabel("beats", labelpad=72 * names - 8)
    for row, column in np.ndindex(n, n) if n <= _NUMBERS else ():
        value = float(chart.values[row, column])
        color = _INK if norm(value) > 0.5 else "white"
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=6, color=color)
    bar = figure.add_axes(((around[0] + side + 0.15) / wide, (names + 0.3) / high, 0.15 / wide, side / high))
    figure.colorbar(scale, cax=bar)
    bar.tick_params(labelsize=7)
    return figure


def _ranks(chart: RankLines, title: Sequence[str]) -> Figure:
    made = diagram(chart.names, chart.mean, chart.critical, chart.cliques)
    top, bottom = made.y_range
    tall = 0.19 * (bottom - top)
    figure, high = _titled((_WIDTH, tall), title)
    axes = figure.add_axes((0, 0, 1, tall / high))
    axes.set(xlim=made.x_range, ylim=(bottom, top))
    axes.axis("off")
    for stroke in made.strokes:
        color = _BAR if stroke.is_bar else _INK
        axes.plot(stroke.x, stroke.y, color=color, linewidth=0.8 * stroke.width, solid_capstyle="butt")
    for word in made.words:
        axes.text(word.x, word.y, plain(word.text), ha=word.align, va="center", fontsize=8)
    return figure
