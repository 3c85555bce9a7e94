"""Tables and curves from result files: `python -m tfal.report results/mnist_SCNN`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.files import write_atomically
from tfal.runfolder import read_memory, read_rows
from tfal.strategies import STRATEGIES

_COLORS = [f"C{number}" for number in range(10)]


# What a table is made of where rounds.csv has it: title, and whether the picture has a panel of it.
MORE = {
    "purity": ("Purity: share of known classes among the labels bought last (first line: the initial ones)", True),
    "known_recall": ("Known-class recall: share of the pool's samples of known classes that are labeled", False),
    "balanced_accuracy": ("Balanced test accuracy: mean over the classes of the share that is found", True),
    "coverage": ("Class coverage: share of the classes that are among the labels", False),
    "linear_top1": ("Linear probe on frozen features, top-1", True),
    "linear_top5": ("Linear probe on frozen features, top-5", False),
    "knn_top1": ("Nearest neighbors of frozen features, top-1", True),
    "finetune_top1": ("Fine-tuning of the encoder, top-1", True),
    "scratch_top1": ("Training from scratch, top-1", True),
}


@dataclass(frozen=True)
class Curve:
    """The repetitions of one strategy, as far as all of them got.

    labels: (T,) number of labels. accuracy: (R, T) test accuracy, a fraction, one row a repetition. others: (R, T)
    fractions by the names of MORE, as far as the runs have them.
    """

    labels: np.ndarray
    accuracy: np.ndarray
    others: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def mean(self) -> np.ndarray:
        """(T,) mean over the repetitions."""
        return self.accuracy.mean(axis=0)

    @property
    def std(self) -> np.ndarray:
        """(T,) sample standard deviation over the repetitions (R - 1 in the denominator); 0 for one repetition."""
        return self.accuracy.std(axis=0, ddof=1) if len(self.accuracy) > 1 else np.zeros(len(self.labels))

    def area(self, first: float, last: float) -> np.ndarray:
        """(R,) area under the budget curve between two of its numbers of labels, in [0, 1].

        Trapezoids over the labels, divided by their range; the accuracy itself when the range is one number.
        """
        inside = (self.labels >= first) & (self.labels <= last)
        labels, accuracy = self.labels[inside], self.accuracy[:, inside]
        if len(labels) == 1:
            return accuracy[:, 0]
        return np.trapezoid(accuracy, labels, axis=1) / (labels[-1] - labels[0])


def read_curves(experiment: Path) -> dict[str, Curve]:
    """The curves of all strategies with results below `experiment`, by name.

    Raises InputError when there is none, or when repetitions of one strategy have different budgets.
    """
    curves = {}
    for folder in sorted({path.parent.parent for path in experiment.glob("*/rep*/rounds.csv")}):
        runs = [read_rows(path) for path in sorted(folder.glob("rep*/rounds.csv"))]
        runs = [rows for rows in runs if rows]
        if runs:
            curves[folder.name] = _curve(runs, folder)
    if not curves:
        raise InputError(
            f"no results in {str(experiment)!r}. Expected: a folder such as results/mnist_SCNN, "
            "with <strategy>/rep001/rounds.csv in it."
        )
    return curves


def _curve(runs: Sequence[Sequence[Mapping[str, float]]], folder: Path) -> Curve:
    common = min(len(rows) for rows in runs)
    labels = np.array([[row["labels"] for row in rows[:common]] for rows in runs])
    if np.any(labels != labels[0]):
        raise InputError(f"the repetitions in {folder} have different numbers of labels. Report them apart.")

    def column(name: str) -> np.ndarray:
        return np.array([[row.get(name, np.nan) for row in rows[:common]] for rows in runs])

    return Curve(labels[0], column("test_accuracy"), {name: column(name) for name in MORE if name in runs[0][0]})


def table(curves: Mapping[str, Curve]) -> str:
    """Labels against mean and standard deviation of the test accuracy in percent, and the area below, as text."""
    lines, widths = _lines(curves, {name: curve.accuracy for name, curve in curves.items()})
    shared = _shared_labels(curves)
    if not shared:
        return "\n".join([*lines, "area: the strategies have no number of labels in common"])
    areas = [_mean_std(curve.area(shared[0], shared[-1])) for curve in curves.values()]
    lines.append("  ".join(["area".rjust(6)] + [a.rjust(w) for a, w in zip(areas, widths, strict=True)]))
    where = f"{shared[0]:.0f} to {shared[-1]:.0f} labels"
    lines.append(f"area: area under the budget curve, {where}, trapezoids, as a share of the full range [%]")
    return "\n".join(lines)


def more_tables(curves: Mapping[str, Curve]) -> str:
    """The same of everything else that the runs measured, for the strategies that have it; "" when none has."""
    parts = []
    for name, (title, _) in MORE.items():
        found = _having(curves, name)
        if found:
            lines, _ = _lines(found, {strategy: curve.others[name] for strategy, curve in found.items()})
            head, colon, meaning = title.partition(":")
            parts.append("\n".join([f"{head} [%]{colon}{meaning}", *lines]))
    return "\n\n".join(parts)


def _having(curves: Mapping[str, Curve], name: str) -> dict[str, Curve]:
    """The curves that have these values, where they are not the accuracy itself."""
    found = {strategy: curve for strategy, curve in curves.items() if name in curve.others}
    same = all(np.array_equal(curve.others[name], curve.accuracy) for curve in found.values())
    return {} if same else found


def _lines(curves: Mapping[str, Curve], values: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    """A head and one line for each number of labels, of values (R, T) by strategy; and the widths of the columns."""
    names = list(curves)
    heads = [f"{_shown(name)} ({len(curves[name].accuracy)} rep.)" for name in names]
    widths = [max(len(head), 14) for head in heads]
    lines = ["  ".join(["labels".rjust(6)] + [h.rjust(w) for h, w in zip(heads, widths, strict=True)])]
    for labels in sorted({int(value) for curve in curves.values() for value in curve.labels}):
        cells = [
            _cell(curves[name].labels, values[name], labels).rjust(w) for name, w in zip(names, widths, strict=True)
        ]
        lines.append("  ".join([str(labels).rjust(6), *cells]))
    return lines, widths


def _shown(strategy: str) -> str:
    """The strategy's name, and that it is a bound and no method."""
    known = STRATEGIES.get(strategy)
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


def plot(curves: Mapping[str, Curve], title: str, path: Path) -> None:
    """Writes the mean curves with bands of one standard deviation as PNG; for open-set pools, purity too."""
    plt = _pyplot()
    panels = [("test accuracy", {name: curve.accuracy for name, curve in curves.items()})]
    for name, (head, shown) in MORE.items():
        found = _having(curves, name) if shown else {}
        if found:
            panels.append((head.partition(":")[0], {strategy: curve.others[name] for strategy, curve in found.items()}))
    size = (6.4 * len(panels), 4.2)
    figure, grid = plt.subplots(1, len(panels), figsize=size, dpi=150, layout="constrained", squeeze=False)
    alpha = 0.15 if len(curves) <= 4 else 0.05  # many bands would hide each other
    colors = dict(zip(curves, _COLORS * len(curves), strict=False))
    for axes, (name, values) in zip(grid[0], panels, strict=True):
        for strategy, rows in values.items():
            _band(
                axes,
                curves[strategy].labels,
                100 * rows,
                f"{_shown(strategy)} (n = {len(rows)})",
                colors[strategy],
                alpha,
            )
        axes.set(xlabel="labels", ylabel="[%]")
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
    handles, names = grid[0, 0].get_legend_handles_labels()
    columns = min(len(names), 4 * len(panels))
    head = "mean ± std over repetitions"
    figure.legend(handles, names, loc="outside lower center", ncols=columns, title=head, fontsize=8, title_fontsize=8)
    figure.suptitle(title)
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
    plt.close(figure)


def _band(axes: Any, x: np.ndarray, values: np.ndarray, label: str, color: str, alpha: float) -> None:
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else 0 * x
    axes.plot(x, mean, marker="o", markersize=3, label=label, color=color)
    axes.fill_between(x, mean - std, mean + std, alpha=alpha, color=color, linewidth=0)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def draw_memories(experiment: Path) -> list[Path]:
    """Pictures of what strategies learned over the rounds, one for each repetition; where they are."""
    plt, paths = _pyplot(), []
    for folder in sorted({path.parent.parent for path in experiment.glob("*/rep*/memory/round*.npz")}):
        name = folder.parent.name
        memories = [read_memory(path) for path in sorted((folder / "memory").glob("round*.npz"))]
        figure = STRATEGIES[name].draw(memories, f"{experiment.name.replace('_', ', ')}: {name}, {folder.name}")
        if figure is not None:
            paths.append(folder / "memory.png")
            write_atomically(paths[-1], partial(figure.savefig, format="png"))
            plt.close(figure)
    return paths


def report(experiment: Path) -> Path:
    """Prints the table of all strategies in `experiment`, writes curves.png there, and says where; returns its path."""
    curves = read_curves(experiment)
    print(f"\nTest accuracy [%], mean ± standard deviation over repetitions: {experiment.name}")
    print(table(curves))
    more = more_tables(curves)
    if more:
        print(f"\n{more}")
    path = experiment / "curves.png"
    plot(curves, experiment.name.replace("_", ", "), path)
    for picture in draw_memories(experiment):
        print(f"\nWhat the strategy learned: {picture}")
    print(f"\nCurves: {path}   Files: {experiment}{'/'}")
    return path


def main() -> int:
    """The command line: folders to report."""
    folders = sys.argv[1:]
    if not folders or folders[0] in ("-h", "--help"):
        print("usage: python -m tfal.report RESULTS_FOLDER [...]   e.g. results/mnist_SCNN", file=sys.stderr)
        return 0 if folders else 2
    try:
        for folder in folders:
            report(Path(folder))
    except InputError as error:
        print(f"report: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
