"""Figures without pyplot, so that a notebook keeps its backend, and the look of a strategy in all of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfal.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design, 2008: safe for color-blind readers. Its yellow is too pale on white: a violet
# in its place. Black is for the first alone, random sampling, which most pictures have.
_BLACK = "#000000"
_COLORS = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#693CFF")
_MARKERS = "os^DvPX*"
_LINES = ("-", "--", "-.")
N_STYLES = 1 + len(_COLORS) * len(_MARKERS) * len(_LINES)  # all combinations, as 7, 8 and 3 have no common divisor


class Style(NamedTuple):
    """How a strategy is drawn: keywords of matplotlib's plot."""

    color: str
    marker: str
    linestyle: str


def style(number: int) -> Style:
    """The look with this number; all numbers below N_STYLES look different, the first 57 in color or marker alone."""
    color = _COLORS[(number - 1) % len(_COLORS)] if number else _BLACK
    return Style(color, _MARKERS[number % len(_MARKERS)], _LINES[number % len(_LINES)])


def styles(names: Iterable[str], known: Sequence[str]) -> dict[str, Style]:
    """A look for each of at most N_STYLES names, which no two of them share.

    A name that is known has the look of its place there, whatever else is drawn; another one has what follows from its
    letters, or the next free look when two of these would be alike.
    """
    places = {name: number for number, name in enumerate(known)}
    taken: dict[str, int] = {}
    for name in sorted(names):
        if name in places:
            taken[name] = places[name]
        else:
            free = range(len(places), N_STYLES)
            start = zlib.crc32(name.encode()) % len(free)
            tried = (free[(start + step) % len(free)] if step < len(free) else N_STYLES + step for step in count())
            taken[name] = next(number for number in tried if number not in taken.values())
    return {name: style(number) for name, number in taken.items()}


def shades(n: int) -> list[Any]:
    """n colors from dark to light, for what has an order, such as rounds; told apart by color-blind readers, too."""
    import matplotlib as mpl

    return [mpl.colormaps["viridis"](0.95 * place / max(n - 1, 1)) for place in range(n)]


def plain(text: str) -> str:
    """Text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")


def blank(size: tuple[float, float], layout: Any = None) -> Figure:
    """A figure that a notebook shows. size: [inches]. layout: matplotlib's engine of that name; None: places given."""
    from tfal.report.shown_figure import ShownFigure

    return ShownFigure(figsize=size, dpi=150, layout=layout)


def panels(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """A figure of rows x columns axes with a grid behind them, and the axes, (rows, columns). size: [inches]."""
    figure = blank(size, "constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.ravel():
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure, grid


def save(figure: Figure, path: Path) -> None:
    """Writes the figure as PNG, whole or not at all."""
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
