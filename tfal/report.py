"""Tables and curves from result files: `python -m tfal.report results/mnist_SCNN`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfal.errors import InputError
from tfal.files import write_atomically
from tfal.runfolder import read_rows


@dataclass(frozen=True)
class Curve:
    """The repetitions of one strategy, as far as all of them got.

    labels: (T,) number of labels. accuracy: (R, T) test accuracy, a fraction, one row a repetition.
    """

    labels: np.ndarray
    accuracy: np.ndarray

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
    return Curve(labels[0], np.array([[row["test_accuracy"] for row in rows[:common]] for rows in runs]))


def table(curves: Mapping[str, Curve]) -> str:
    """Labels against mean and standard deviation of the test accuracy in percent, and the area below, as text."""
    names = list(curves)
    heads = [f"{name} ({len(curves[name].accuracy)} rep.)" for name in names]
    widths = [max(len(head), 14) for head in heads]
    lines = ["  ".join(["labels".rjust(6)] + [h.rjust(w) for h, w in zip(heads, widths, strict=True)])]
    for labels in sorted({int(value) for curve in curves.values() for value in curve.labels}):
        cells = [_cell(curves[name], labels).rjust(w) for name, w in zip(names, widths, strict=True)]
        lines.append("  ".join([str(labels).rjust(6), *cells]))
    shared = _shared_labels(curves)
    if not shared:
        return "\n".join([*lines, "area: the strategies have no number of labels in common"])
    areas = [_mean_std(curves[name].area(shared[0], shared[-1])) for name in names]
    lines.append("  ".join(["area".rjust(6)] + [a.rjust(w) for a, w in zip(areas, widths, strict=True)]))
    where = f"{shared[0]:.0f} to {shared[-1]:.0f} labels"
    lines.append(f"area: area under the budget curve, {where}, trapezoids, as a share of the full range [%]")
    return "\n".join(lines)


def _shared_labels(curves: Mapping[str, Curve]) -> list[float]:
    """The numbers of labels that all strategies reached, ascending: areas are compared over the same budgets."""
    return sorted(set.intersection(*(set(curve.labels.tolist()) for curve in curves.values())))


def _cell(curve: Curve, labels: int) -> str:
    column = np.flatnonzero(curve.labels == labels)
    return _mean_std(curve.accuracy[:, column[0]]) if len(column) else "-"


def _mean_std(values: np.ndarray) -> str:
    spread = f"{100 * values.std(ddof=1):5.2f}" if len(values) > 1 else "    -"
    return f"{100 * values.mean():6.2f} ±{spread}"


def plot(curves: Mapping[str, Curve], title: str, path: Path) -> None:
    """Writes the mean curves with bands of one standard deviation as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.2), dpi=150, layout="constrained")
    for name, curve in curves.items():
        label = f"{name} (n = {len(curve.accuracy)})"
        (line,) = axes.plot(curve.labels, 100 * curve.mean, marker="o", markersize=3, label=label)
        low, high = 100 * (curve.mean - curve.std), 100 * (curve.mean + curve.std)
        axes.fill_between(curve.labels, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
    axes.set(xlabel="labels", ylabel="test accuracy [%]", title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", title="mean ± std over repetitions", fontsize=8, title_fontsize=8)
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
    plt.close(figure)


def report(experiment: Path) -> Path:
    """Prints the table of all strategies in `experiment`, writes curves.png there, and says where; returns its path."""
    curves = read_curves(experiment)
    print(f"\nTest accuracy [%], mean ± standard deviation over repetitions: {experiment.name}")
    print(table(curves))
    path = experiment / "curves.png"
    plot(curves, experiment.name.replace("_", ", "), path)
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
