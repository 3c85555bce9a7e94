"""A table as rows of text, and as csv and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tfal.report.compare import Difference

_LATEX = {
    **{each: f"\\{each}" for each in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "∞": r"$\infty$",
}
NONE = "-"  # a cell without a number
_FORMULAS = ("=", "+", "-", "@", "\t")


@dataclass(frozen=True)
class Table:
    """key: its name in files and links. head: one cell a column. rows: as many cells each. notes: sentences below.

    A table without rows says in its notes why.
    """

    key: str
    title: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def csv(self) -> str:
        """The head and the rows; quoted where they need it. A name that a spreadsheet would run gets an apostrophe."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_harmless, self.head))
        writer.writerows([map(_harmless, row) for row in self.rows])
        return text.getvalue()

    def latex(self) -> str:
        """A tabular of plain LaTeX, with its title and notes as comments."""
        lines = [f"% {line}" for text in (self.title, *self.notes) for line in text.splitlines()]
        lines.append(rf"\begin{{tabular}}{{l{'r' * (len(self.head) - 1)}}}")
        lines += [r"\hline", f"{_latex_row(self.head)}", r"\hline", *map(_latex_row, self.rows), r"\hline"]
        return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def _harmless(cell: str) -> str:
    is_number = cell == NONE or (cell[:1] in ("+", "-") and cell[1:2].isdigit())
    return f"'{cell}" if cell.startswith(_FORMULAS) and not is_number else cell


def _latex_row(cells: Sequence[str]) -> str:
    escaped = ("".join(_LATEX.get(letter, letter) for letter in " ".join(cell.split())) for cell in cells)
    return " & ".join(escaped) + r" \\"


def mean_std(values: np.ndarray, scale: float = 100.0, digits: int = 2) -> str:
    """Mean and standard deviation of values (R,) without NaN: "83.30 ± 0.87"; the mean alone of one value."""
    known = scale * values[np.isfinite(values)]
    if not len(known):
        return NONE
    spread = f" ± {known.std(ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{known.mean():.{digits}f}{spread}"


def difference(found: Difference) -> str:
    """A difference in percentage points: "+3.00 [+1.04, +4.96]"; the mean alone where an interval needs more."""
    mean = f"{100 * found.mean:+.2f}"
    return f"{mean} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]" if np.isfinite(found.low) else mean


def number(value: float, digits: int = 2) -> str:
    """A number with so many digits, or what stands for NaN and infinity."""
    if np.isnan(value):
        return NONE
    return "∞" if np.isinf(value) else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """A p-value; the smallest ones as a bound."""
    if np.isnan(value):
        return NONE
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
