"""Contact sheets: the pictures that were picked, with class and score, and how many of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.errors import InputError
from tfal.given import check_int
from tfal.report.figures import blank, plain
from tfal.report.words import counted
from tfal.show.picked import Group, Series, series_of
from tfal.show.samples import Classes, Pictures, classes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_GROUPS = 60  # of a sheet
_MOST_ROUNDS = 12
_COLUMNS = 10  # pictures in a line
_SIDE, _WORDS = 0.62, 0.13  # of a picture, and of a line of words below it [inches]
_LEFT, _RIGHT, _HEAD, _FOOT, _BARS, _GAP = 0.15, 0.2, 0.3, 0.42, 3.0, 0.75  # [inches]
_LONGEST = 12  # letters of a class below a picture
_LETTER = 0.055  # of 6 points, on average [inches]
_REJECTED = "#D55E00"
_BAR = "#0072B2"
_BARS_LEAST = 0.75  # height [inches]

Block = tuple[str, Group, Series]  # what it is called, what was picked, and where it is from


def contact_sheet(
    images: Any,
    picks: Any,
    *,
    labels: Any = None,
    class_names: Sequence[Any] | None = None,
    most: int = 10,
    title: str | None = None,
) -> Figure:
    """The pictures that were picked, each with its class and score, and beside them how many of each class.

    A block for each group of picks: each name, each round (at most 12, from the first to the last), or where there are
    several strategies the first query of each. The counts are of all picks of the group.

    Args:
        images: the training set: a tfal.data.Dataset; an array (N, H, W) or (N, H, W, C), uint8 or floating point; or N
            paths of image files.
        picks: ids, (ids, scores), {name: either of these}, the rounds of tfal.run, a tfal.Campaign, a pool.npz, the
            folder of a repetition, or of an experiment: of each strategy the first repetition that all of them have.
            Ids and scores are shown in the order given, picks of pool.npz by id, as it keeps no order.
        labels: (N,) integers, -1 where no class is known. When not given those of the Dataset, or what the labels that
            runs bought say.
        class_names: of all classes. When not given those of the Dataset, or numbers.
        most: pictures of a group at most.
        title: above the sheet.

    Returns:
        A matplotlib figure. What turned out to be of a class nobody asked for has an orange frame.

    Raises:
        InputError: in one line, for anything that is no picture, no id or no label, and for runs of other data.
    """
    check_int("most", most, 1)
    pictures = Pictures(images)
    series = series_of(picks, pictures.size)
    classes = classes_of(images, labels, class_names, series, pictures.size)
    blocks, note = _blocks(series)
    if len(blocks) > MOST_GROUPS:
        raise InputError(f"a sheet has at most {MOST_GROUPS} groups of picks. Received: {len(blocks)}. Give fewer.")
    sheet = _Sheet(blocks, pictures, classes, most)
    return sheet.drawn(blocks, "\n".join(filter(None, (title, note))))


def _blocks(series: Sequence[Series]) -> tuple[list[Block], str]:
    """What is shown; and what is not, in words."""
    if len(series) > 1:
        return [
            (f"{one.name}{', ' * bool(one.first_query.name)}{one.first_query.name}", one.first_query, one)
            for one in series
        ], ""
    (one,) = series
    chosen, note = list(one.groups), ""
    if len(chosen) > _MOST_ROUNDS:
        places = np.unique(np.linspace(0, len(chosen) - 1, _MOST_ROUNDS).round().astype(int))
        note = f"{len(places)} of {len(chosen)} groups of picks"
        chosen = [chosen[place] for place in places]
    heads = [", ".join(filter(None, (one.name, group.name))) for group in chosen]
    return [(head, group, one) for head, group in zip(heads, chosen, strict=True)], note


class _Sheet:
    """Sizes and contents of a sheet. words: lines below a picture."""

    def __init__(self, blocks: Sequence[Block], pictures: Pictures, classes: Classes | None, most: int) -> None:
        self._pictures, self._classes, self._most = pictures, classes, most
        shown = [min(most, len(group.ids)) for _, group, _ in blocks]
        scored = any(group.scores is not None for _, group, _ in blocks)
        self.columns = max(4, min(_COLUMNS, max(shown)))
        self.cell = _SIDE + 0.04 + _WORDS * ((classes is not None) + scored)  # height [inches]
        self.lines = [-(-n // self.columns) for n in shown]
        self.heights = [max(n * self.cell, _BARS_LEAST if classes else 0) for n in self.lines]

    def drawn(self, blocks: Sequence[Block], title: str) -> Figure:
        """One block below the other, each below its own line."""
        bars = self._classes is not None
        wide = _LEFT + self.columns * _SIDE + (_GAP + _BARS if bars else 0) + _RIGHT
        foot = 0.06 if self._classes is None else _FOOT + _named_classes(self._classes)[2]
        top = 0.06 + 0.2 * len(title.splitlines())
        high = top + sum(self.heights) + (_HEAD + foot) * len(blocks)
        figure, below = blank((wide, high)), high - top
        if title:
            figure.suptitle(plain(title), x=_LEFT / wide, y=1 - 0.08 / high, ha="left", va="top", fontsize=10)
        for block, lines, height in zip(blocks, self.lines, self.heights, strict=True):
            below -= _HEAD + height
            bottom, tall = below + height - lines * self.cell, lines * self.cell
            size = (self.columns * _SIDE / wide, tall / high)
            self._tiles(figure.add_axes((_LEFT / wide, bottom / high, *size)), block, lines)
            if bars:
                left = _LEFT + self.columns * _SIDE + _GAP
                self._bars(figure.add_axes((left / wide, below / high, _BARS / wide, height / high)), block[1].ids)
            below -= foot
        return figure

    def _tiles(self, axes: Any, block: Block, lines: int) -> None:
        """Each picture in a square, and below it its class and its score."""
        head, group, series = block
        ids, cell = group.ids[: self._most], self.cell / _SIDE
        for place, (sample, picture) in enumerate(zip(ids.tolist(), self._pictures.some(ids), strict=True)):
            line, column = divmod(place, self.columns)
            high, wide = (0.46 * side / max(picture.shape[:2]) for side in picture.shape[:2])
            middle, centre = cell * line + 0.5, column + 0.5
            extent = (centre - wide, centre + wide, middle + high, middle - high)
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255 if picture.dtype == np.uint8 else 1, extent=extent)
            words = [_short(self._classes.name(sample))] if self._classes is not None else []
            words += [f"{group.scores[place]:.3g}"] if group.scores is not None else []
            color = _REJECTED if sample in series.rejected else "black"
            axes.text(centre, cell * line + 1.0, "\n".join(words), ha="center", va="top", fontsize=6, color=color)
            if color == _REJECTED:
                axes.plot(*_frame(extent), color=color, linewidth=1.5)
        axes.set(xlim=(0, self.columns), ylim=(cell * lines, 0), aspect="auto")
        axes.axis("off")
        axes.set_title(plain(self._said(head, group)), loc="left", fontsize=8, pad=3)

    def _said(self, head: str, group: Group) -> str:
        n = len(group.ids)
        said = counted(n, "pick") + (f", the first {self._most} shown" if n > self._most else "")
        if self._classes is not None:
            found = int(np.count_nonzero(self._classes.counts(group.ids)))
            said += f", {found} of {len(self._classes.names)} classes"
        return f"{head}: {said}" if head else said

    def _bars(self, axes: Any, ids: np.ndarray) -> None:
        if self._classes is not None:
            class_axis(axes, self._classes)
            axes.bar(np.arange(len(self._classes.names)), self._classes.counts(ids), width=0.8, color=_BAR)
            axes.set_ylabel("picks", fontsize=7)
            axes.tick_params(labelsize=6)
            axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)


def _frame(extent: tuple[float, float, float, float]) -> tuple[list[float], list[float]]:
    left, right, bottom, top = extent
    return [left, right, right, left, left], [bottom, bottom, top, top, bottom]


def _short(name: str) -> str:
    return plain(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…")


def class_axis(axes: Any, classes: Classes) -> None:
    """Classes along x, as many of them named as there is room for."""
    places, names, turned = _named_classes(classes)
    axes.set_xticks(places, names, rotation=90 if turned else 0, fontsize=6)
    axes.set_xlim(-0.6, len(classes.names) - 0.4)
    axes.set_xlabel("class", fontsize=7, labelpad=1)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def _named_classes(classes: Classes) -> tuple[np.ndarray, list[str], float]:
    """Places and names of the classes that are named, and how far these reach down where they are turned [inches]."""
    n = len(classes.names)
    places = np.arange(0, n, max(1, -(-n // 20)))
    names = [_short(classes.names[place]) for place in places]
    letters = max(map(len, names))
    turned = sum(len(name) + 1 for name in names) > 45
    return places, names, _LETTER * (letters - 1) if turned else 0.0
