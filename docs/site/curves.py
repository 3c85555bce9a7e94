"""Learning curves of a strategy from the reference results, one panel an experiment, the others in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfal.report.results import Curve, read_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
BASELINE = "random"
MOST = 6  # panels


class Experiment(NamedTuple):
    """title: in words. page: its README, from the root. curves: by strategy, or by what chose the first labels."""

    title: str
    page: str
    curves: Mapping[str, Curve]


@cache
def experiments() -> Sequence[Experiment]:
    """All of results/reference in which strategies are compared."""
    found: dict[str, Experiment] = {}
    starts: dict[str, dict[str, Curve]] = {}
    for table in sorted(REFERENCE.rglob("rounds.csv")):
        name, page = table.parent.name, _page(table.parent)
        before, is_start, rest = name.partition("-from-")
        if not is_start:
            found[name] = Experiment(name.replace("_", ", "), page, read_curves(table.parent))
        elif BASELINE in (curves := read_curves(table.parent)):
            start, _, network = rest.rpartition("_")
            both = f"{before}, {network}, first labels"
            starts.setdefault(both, {})[start] = curves[BASELINE]
            found[both] = Experiment(both, page, starts[both])
    return [experiment for experiment in found.values() if len(experiment.curves) > 1]


def _page(folder: Path) -> str:
    while not (folder / "README.md").exists():
        folder = folder.parent
    return (folder / "README.md").relative_to(ROOT).as_posix()


def of_strategy(name: str) -> list[Experiment]:
    """The experiments that have a strategy: those of most repetitions, and of these of most strategies, first."""
    having = [experiment for experiment in experiments() if name in experiment.curves]
    return sorted(having, key=lambda e: (-len(e.curves[name].accuracy), -len(e.curves)))[:MOST]


def draw(name: str) -> Figure:
    """The curves of one strategy: mean over repetitions, and one standard deviation to both sides."""
    from matplotlib.figure import Figure

    shown = of_strategy(name)
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    width, height = 3.4 * columns, 2.7 * rows + 0.3
    figure = Figure(figsize=(width, height), dpi=110)
    grid = figure.subplots(rows, columns, squeeze=False)
    edges = {"left": 0.55 / width, "right": 1 - 0.1 / width, "bottom": 0.8 / height, "top": 1 - 0.3 / height}
    figure.subplots_adjust(**edges, wspace=0.25, hspace=0.38)  # a layout by constraints takes as long as all else
    for axes, experiment in zip(grid.ravel(), shown, strict=False):
        _panel(axes, experiment, name)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_axis_off()
    handles: dict[str, Any] = {}
    for axes in grid.ravel():
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles=handles.values(), labels=handles, loc="lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _panel(axes: Any, experiment: Experiment, name: str) -> None:
    looks: dict[str, dict[str, Any]] = {
        BASELINE: {"color": "black", "linestyle": "--", "zorder": 3},
        name: {"color": "#D55E00", "linewidth": 2, "zorder": 4},
    }
    for other, curve in experiment.curves.items():
        values = 100 * curve.accuracy
        look = looks.get(other, {"color": "#bbbbbb", "label": "others"})
        axes.plot(curve.labels, values.mean(axis=0), **({"label": other, "linewidth": 1.2} | look))
        if other == name and len(values) > 1:
            spread = values.std(axis=0, ddof=1)
            low, high = values.mean(axis=0) - spread, values.mean(axis=0) + spread
            axes.fill_between(curve.labels, low, high, color=look["color"], alpha=0.2, linewidth=0)
    axes.set_xlabel("labeled samples", fontsize=8)
    axes.set_ylabel("test accuracy [%]", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title(experiment.title, fontsize=8)
    axes.grid(alpha=0.3)
