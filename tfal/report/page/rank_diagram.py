"""The critical-difference diagram of Demsar, JMLR 2006, as strokes and words, whatever draws it.

A scale of mean ranks; below it a line from each strategy's rank to its name, the better half on the left, the best on
top; bars over those that are not told apart; above the scale how far apart two must be by Nemenyi's test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THIN, THICK = 1.2, 4.5  # of a stroke
_BAR = 0.45  # distance of bars of cliques, where that of names is 1
_SIDE = 0.45  # room for names on each side, as a share of the scale
_MOST_TICKS = 12


@dataclass(frozen=True)
class Stroke:
    """A line through points. said: what it stands for, in words."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    width: float = THIN
    is_bar: bool = False
    said: str = ""


@dataclass(frozen=True)
class Word:
    """A text at a point. align: "left", "center" or "right", the part of it that is at x."""

    x: float
    y: float
    text: str
    align: str


@dataclass(frozen=True)
class Diagram:
    """y grows downward, from 0 at the scale. x_range, y_range: of all that is drawn."""

    strokes: tuple[Stroke, ...]
    words: tuple[Word, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]


def diagram(names: tuple[str, ...], mean: np.ndarray, critical: float, cliques: tuple[tuple[int, ...], ...]) -> Diagram:
    """names, mean: (K,) best first. critical: Nemenyi's difference. cliques: of places in `names`."""
    k, ranks = len(names), [float(each) for each in mean]
    last = max(float(k), 1 + critical)
    side, below = _SIDE * (last - 1), _BAR * (len(cliques) + 1)
    strokes, words = _scale(last, critical)
    for number, clique in enumerate(cliques, start=1):
        ends, over = (ranks[clique[0]], ranks[clique[-1]]), 0.012 * (last - 1)
        said = f"not told apart: {', '.join(names[place] for place in clique)}"
        y = (_BAR * number,) * 2
        strokes.append(Stroke((ends[0] - over, ends[1] + over), y, THICK, True, said))
    half = -(-k // 2)
    for place, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        left = place < half
        level = below + 0.6 + (place if left else k - 1 - place)
        edge = 1 - 0.02 * (last - 1) if left else last + 0.02 * (last - 1)
        strokes.append(Stroke((rank, rank, edge), (0, level, level), said=f"{name}: {rank:.2f}"))
        words.append(
            Word(
                edge + (-0.01 if left else 0.01) * (last - 1),
                level,
                f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}",
                _ALIGN[left],
            )
        )
    return Diagram(tuple(strokes), tuple(words), (1 - side, last + side), (-3.0, below + half + 0.4))


_ALIGN = {True: "right", False: "left"}


def _scale(last: float, critical: float) -> tuple[list[Stroke], list[Word]]:
    strokes = [Stroke((1, last), (0, 0)), Stroke((1, 1 + critical), (-2.3, -2.3), THICK, True, f"CD = {critical:.2f}")]
    words = [
        Word((1 + last) / 2, -1.35, "mean rank (1 is best)", "center"),
        Word(1 + critical + 0.02 * (last - 1), -2.3, f"critical difference (Nemenyi, .05) = {critical:.2f}", "left"),
    ]
    step = max(1, -(-int(last) // _MOST_TICKS))
    for tick in range(1, int(last) + 1, step):
        strokes.append(Stroke((tick, tick), (-0.22, 0)))
        words.append(Word(tick, -0.6, f"{tick}", "center"))
    return strokes, words
