"""Tables and curves from result files: `python -m tfal.report results/mnist_SCNN`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.command import Parser, run_command
from tfal.data.places import data_dirs
from tfal.errors import InputError
from tfal.recipe.options import flag
from tfal.report.figures import Style, panels, save, styles
from tfal.report.results import MORE, Curve, Run, curve_of, options_that_differ, read_runs, told_apart
from tfal.storage.runfolder import read_memory
from tfal.strategies import STRATEGIES, find_strategy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 120  # of a table where nothing says how wide the terminal is [characters]
_PANEL = (6.4, 4.2)  # of a picture [inches]


def table(curves: Mapping[str, Curve], width: int | None = None) -> str:
    """Labels against mean and standard deviation of the test accuracy in percent, and the area below, as text.

    width: characters of a line, beyond which strategies go on in a table below; that of the terminal when not given.
    """
    shared = _shared_labels(curves)
    areas = {name: _mean_std(curve.area(shared[0], shared[-1])) for name, curve in curves.items()} if shared else {}
    lines = _lines(curves, {name: curve.accuracy for name, curve in curves.items()}, width, areas)
    if not shared:
        return "\n".join([*lines, "area: the strategies have no number of labels in common"])
    where = f"{shared[0]:.0f} to {shared[-1]:.0f} labels"
    lines.append(f"area: area under the budget curve, {where}, trapezoids, as a share of the full range [%]")
    return "\n".join(lines)


def more_tables(curves: Mapping[str, Curve], width: int | None = None) -> str:
    """Tables like that of `table` of everything else that the runs measured, for the strategies that have it; or ""."""
    parts = []
    for name, (title, _) in MORE.items():
        found = _having(curves, name)
        if found:
            lines = _lines(found, {strategy: curve.others[name] for strategy, curve in found.items()}, width)
            head, colon, meaning = title.partition(":")
            parts.append("\n".join([f"{head} [%]{colon}{meaning}", *lines]))
    return "\n\n".join(parts)


def _having(curves: Mapping[str, Curve], name: str) -> dict[str, Curve]:
    """The curves that have these values, where they are not the accuracy itself."""
    found = {strategy: curve for strategy, curve in curves.items() if name in curve.others}
    same = all(np.array_equal(curve.others[name], curve.accuracy) for curve in found.values())
    return {} if same else found


def _lines(
    curves: Mapping[str, Curve], values: Mapping[str, Any], width: int | None, areas: Mapping[str, str] | None = None
) -> list[str]:
    """A head and one line for each number of labels, of values (R, T) by strategy, and one of areas if there are any.

    As many strategies stand side by side as the width holds; the others follow below an empty line.
    """
    rows = sorted({int(value) for curve in curves.values() for value in curve.labels})
    width = width or shutil.get_terminal_size((_WIDTH, 24)).columns
    blocks: list[list[str]] = []
    for name, curve in curves.items():
        head = f"{_shown(name)} ({len(curve.accuracy)} rep.)"
        cells = [head, *(_cell(curve.labels, values[name], labels) for labels in rows)]
        cells += [areas[name]] if areas else []
        column = ["  " + cell.rjust(max(len(head), 14)) for cell in cells]
        if not blocks or len(blocks[-1][0]) + len(column[0]) > width:
            blocks.append([name.rjust(6) for name in ("labels", *map(str, rows), *(["area"] if areas else []))])
        blocks[-1] = [line + cell for line, cell in zip(blocks[-1], column, strict=True)]
    return [line for number, block in enumerate(blocks) for line in [*[""] * (number > 0), *block]]


def _shown(strategy: str) -> str:
    """The strategy's name, and that it is a bound and no method."""
    known = find_strategy(strategy)
    return f"{strategy}, oracle" if known and known.oracle else strategy


def _shared_labels(curves: Mapping[str, Curve]) -> list[float]:
    """The numbers of labels that all strategies reached, ascending: areas are compared over the same budgets."""
    return sorted(set.intersection(*(set(curve.labels.tolist()) for curve in curves.values())))


def _cell(all_labels: np.ndarray, values: np.ndarray, labels: int) -> str:
    column = np.flatnonzero(all_labels == labels)
    return _mean_std(values[:, column[0]]) if len(column) else "-"


def _mean_std(values: np.ndarray) -> str:
    spread = f"{100 * values.std(ddof=1):5.2f}" if len(values) > 1 else "    -"
    return f"{100 * values.mean():6.2f} ±{spread}"


def plot(curves: Mapping[str, Curve], title: str, path: Path) -> Figure:
    """The mean curves with bands of one standard deviation, written as PNG; for open-set pools, purity too."""
    shown = [("Test accuracy", {name: curve.accuracy for name, curve in curves.items()})]
    for name, (head, has_panel) in MORE.items():
        found = _having(curves, name) if has_panel else {}
        if found:
            shown.append((head, {strategy: curve.others[name] for strategy, curve in found.items()}))
    looks, alpha = (
        styles(curves, list(STRATEGIES)),
        0.15 if len(curves) <= 4 else 0.05,
    )  # many bands would hide each other
    names = [f"{_shown(name)} (n = {len(curve.accuracy)})" for name, curve in curves.items()]
    columns = max(1, min(len(names), int(_PANEL[0] * len(shown) / (0.7 + 0.052 * max(map(len, names))))))
    legend = 0.35 + 0.16 * -(-len(names) // columns)
    figure, grid = panels(1, len(shown), (_PANEL[0] * len(shown), _PANEL[1] + legend))
    for axes, (name, values) in zip(grid[0], shown, strict=True):
        for strategy, rows in values.items():
            _band(axes, curves[strategy].labels, 100 * rows, looks[strategy], alpha)
        head, _, meaning = name.partition(": ")
        axes.set(xlabel="labeled samples", ylabel="\n".join(textwrap.wrap(f"{meaning or head} [%]", 50)))
        axes.set_title(head, fontsize=10)
    _legend(figure, dict(zip(names, looks.values(), strict=True)), columns)
    figure.suptitle(title)
    save(figure, path)
    return figure


def _band(axes: Any, x: np.ndarray, values: np.ndarray, look: Style, alpha: float) -> None:
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else 0 * x
    axes.plot(x, mean, markersize=4, linewidth=1.2, **look._asdict())
    low, high = np.clip([mean - std, mean + std], 0, 100)  # of shares: none is outside
    axes.fill_between(x, low, high, alpha=alpha, color=look.color, linewidth=0)


def _legend(figure: Figure, looks: Mapping[str, Style], columns: int) -> None:
    """One legend below all panels, of every strategy, whichever panels it is in."""
    from matplotlib.lines import Line2D

    line: dict[str, Any] = {"markersize": 4, "linewidth": 1.2}
    handles = [Line2D([], [], label=name, **line, **look._asdict()) for name, look in looks.items()]
    head = "mean ± std over n repetitions"
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        title=head,
        fontsize=8,
        title_fontsize=8,
        handlelength=3,
    )


def draw_memories(experiment: Path) -> list[Path]:
    """Pictures of what strategies learned over the rounds, one for each repetition; where they are.

    Strategies that are not installed here have none.
    """
    paths = []
    for folder in sorted({path.parent.parent for path in experiment.glob("*/rep*/memory/round*.npz")}):
        strategy = find_strategy(folder.parent.name)
        if strategy is None:
            continue
        memories = [
            read_memory(path, strategy.memory_shapes) for path in sorted((folder / "memory").glob("round*.npz"))
        ]
        figure = strategy.draw(memories, f"{_titled(experiment)}: {folder.parent.name}, {folder.name}")
        if figure is not None:
            paths.append(folder / "memory.png")
            save(figure, paths[-1])
    return paths


def _titled(experiment: Path) -> str:
    return ", ".join(experiment.resolve().name.rsplit("_", 1))


def different_options(runs: Mapping[str, Mapping[int, Run]]) -> str:
    """What the runs of one experiment do not share, of the options that all of them recorded, in one line; or ""."""
    found = options_that_differ([run for by_rep in runs.values() for run in by_rep.values()])
    parts = [f"{flag(name)[2:]} {', '.join(map(repr, values))}" for name, values in found.items()]
    return f"These runs were made with different options: {'; '.join(parts)}." if parts else ""


def report(experiment: Path, name: str | None = None) -> Figure:
    """Prints the tables of all strategies in `experiment`, writes curves.png there, and says where.

    name: what to call it, the folder's own name when not given. Returns the figure, which a notebook shows.
    Raises InputError when there are no results, or when they are damaged.
    """
    experiment = Path(experiment)
    runs = read_runs(experiment)
    curves = {strategy: curve_of(by_rep, strategy) for strategy, by_rep in runs.items()}
    print(f"\nTest accuracy [%], mean ± standard deviation over repetitions: {name or experiment.resolve().name}")
    for part in (table(curves), different_options(runs), more_tables(curves)):
        if part:
            print(f"{part}\n")
    path = experiment / "curves.png"
    figure = plot(curves, _titled(experiment), path)
    for picture in draw_memories(experiment):
        print(f"What the strategy learned: {picture}")
    print(f"Curves: {path}   Files: {experiment}{'/'}")
    return figure


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.report") -> int:
    """The command line: folders to report, as text and pictures or on one page."""

    def work() -> int:
        parser = Parser(description="tables, curves and statistics of results, as text and PNG or on one page")
        parser.add_argument("folders", nargs="*", metavar="FOLDER", help="results, such as results/mnist_SCNN")
        parser.add_argument(
            "--html",
            type=Path,
            metavar="FILE",
            help="all of it on this page, of experiments or of folders with experiments somewhere below them, with "
            "figures and tables in <FILE>_files beside it; needs requirements-report.txt",
        )
        parser.add_argument(
            "--dataDir",
            metavar="[NAME=]DIR",
            action="append",
            default=[],
            help="with --html: folder with the data, of all runs or of the data set NAME, for pictures of what was "
            "picked; may be given several times; for digits any folder goes",
        )
        given = parser.parse_args(arguments)
        if given.dataDir and given.html is None:
            raise InputError("--dataDir is for the page. Received: no --html. Add --html report.html.")
        if not given.folders:
            raise InputError("give at least one folder of results, such as results/mnist_SCNN. Received: none.")
        paths = [Path(folder) for folder in given.folders]
        if given.html is not None:
            from tfal.report.page import write_report

            print("\n".join(write_report(paths, given.html, data_dirs(given.dataDir))))
            return 0
        for path in paths:
            read_runs(path)  # all of them, before a picture is drawn
        for path, name in zip(paths, told_apart(paths), strict=True):
            report(path, name)
        return 0

    return run_command(program, work, "The same command begins again.")
