"""The pictures of a cold-start study, as PNG. Arrays in; every function writes one file.

Those of Chen et al., Making Your First Choice, 2022 (arXiv 2210.02442), and its public code, with axes that say what
they show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfal.report.correlation import Correlation
from tfal.report.figures import Style, panels, save
from tfal.show.plane import in_the_plane

MOST_POINTS = 25_000  # of a data map or an embedding
MOST_TSNE = 5_000
_GREY, _CHOSEN, _UNIFORM = "0.55", "C3", "C0"


def scatter(
    path: Path,
    random: tuple[np.ndarray, np.ndarray],
    chosen: tuple[float, np.ndarray],
    found: Correlation,
    names: tuple[str, str, str],
) -> None:
    """Score against accuracy: random pools with their regression line, and beside them the chosen pool.

    random: (n,) scores and (n,) accuracies, fractions. chosen: its score, and an accuracy for each training. found: of
    the random pools. names: title, criterion, what the score is a sum of.
    """
    x, y = random[0], 100 * random[1]
    title, criterion, summed = names
    figure, (left, right) = _panels(2, (7.2, 4.2), width_ratios=(3, 1), sharey=True)
    left.scatter(x, y, color=_GREY, s=22, label=f"random pool (n = {len(x)})")
    if np.isfinite(found.pearson_r):
        ends = np.array([x.min(), x.max()])
        line = np.polynomial.Polynomial.fit(x, y, 1)(ends)
        label = f"regression: Pearson r = {found.pearson_r:.2f}, p = {found.pearson_p:.2g}"
        left.plot(ends, line, color="k", linewidth=1.2, label=label)
    label = f"{criterion} (n = {len(chosen[1])})"
    right.scatter(np.full(len(chosen[1]), chosen[0]), 100 * chosen[1], color=_CHOSEN, marker="D", s=28, label=label)
    left.set(xlabel=f"summed score of random pools [{summed}]", ylabel="test accuracy [%]")
    right.set_xlabel("of the chosen pool")
    right.locator_params(axis="x", nbins=3)
    _finish(figure, path, title, legend=True)


def accuracy_curves(
    path: Path,
    random: Mapping[int, np.ndarray],
    chosen: Mapping[str, Mapping[int, np.ndarray]],
    looks: Mapping[str, Style],
    title: str,
) -> None:
    """Accuracy against number of images: random pools as points, chosen pools as mean and standard deviation.

    random: accuracies of the random pools by budget, fractions. chosen: by criterion and budget, of its trainings.
    looks: of each criterion.
    """
    figure, (axes,) = _panels(1, (7.2, 4.8))
    shown = {budget: 100 * values for budget, values in sorted(random.items())}
    x = np.concatenate([np.full(len(values), budget) for budget, values in shown.items()])
    axes.scatter(x, np.concatenate(list(shown.values())), color=_GREY, s=10, alpha=0.5, label="random pools")
    means = [values.mean() for values in shown.values()]
    axes.plot(list(shown), means, color=_GREY, linewidth=1.5, label="random, mean")
    gaps = np.diff(np.log(list(shown)))
    step = float(np.exp(0.45 * min([*gaps, 0.7]) / max(len(chosen), 3)))
    for number, (name, values) in enumerate(chosen.items()):
        budgets = sorted(values)
        shift = step ** (1 + number)  # beside each other, on a logarithmic axis
        found = [100 * values[budget] for budget in budgets]
        axes.errorbar(
            np.array(budgets) * shift,
            [v.mean() for v in found],
            [v.std(ddof=1) if len(v) > 1 else 0 for v in found],
            **looks[name]._asdict(),
            markersize=4,
            linewidth=0.8,
            capsize=2,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_xticks(list(shown), [str(budget) for budget in shown])
    axes.minorticks_off()
    axes.set_xlim(min(shown) / 1.2, 2 * max(shown))
    axes.set(xlabel="labeled images (log scale; criteria shifted to the right)", ylabel="test accuracy [%]")
    axes.set_title("chosen pools: mean ± std over trainings", fontsize=9)
    _finish(figure, path, title, legend=True)


def class_histogram(
    path: Path,
    random: Mapping[int, np.ndarray],
    chosen: Mapping[int, np.ndarray],
    names: Sequence[str],
    titles: tuple[str, str],
) -> None:
    """Images of each class: of random pools on average, of one with all classes alike, and of the chosen pool.

    random, chosen: counts (C,) by budget; a panel for each. names: of the classes. titles: of the picture, and of what
    was chosen.
    """
    n_classes, budgets = len(names), sorted(chosen)[:4]
    height = min(0.8 + 0.34 * n_classes, 14)
    figure, grid = _panels(len(budgets), (1.2 + 2.7 * len(budgets), 1.0 + height), sharey=True)
    places = np.arange(n_classes)
    for axes, budget in zip(grid, budgets, strict=True):
        uniform = np.full(n_classes, budget / n_classes)
        bars = (("random, mean", random[budget], _GREY), ("uniform", uniform, _UNIFORM))
        for row, (label, counts, color) in enumerate((*bars, (titles[1], chosen[budget], _CHOSEN))):
            axes.barh(places + 0.27 * (row - 1), counts, height=0.25, color=color, label=label)
        axes.set_title(f"{budget} images, {int((chosen[budget] > 0).sum())} of {n_classes} classes chosen", fontsize=8)
        axes.set_xlabel("images")
    step = max(1, -(-n_classes // 40))
    grid[0].set_yticks(places[::step], [str(name) for name in names[::step]])
    grid[0].set_ylabel("class")
    grid[0].set_ylim(n_classes - 0.4, -0.6)  # the first class on top
    _finish(figure, path, titles[0], legend=True)


def data_map(
    path: Path,
    variability: np.ndarray,
    confidence: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    titles: tuple[str, str],
) -> None:
    """Variability against confidence, colored by class; at most 25,000 samples, evenly taken.

    variability, confidence: (N,). labels: (N,) 0..C-1. titles: of the picture, and whose probability it is.
    """
    rows = _some(len(labels))
    figure, (axes,) = _panels(1, (6.4, 6.0))
    _classes(axes, variability[rows], confidence[rows], labels[rows], names)
    axes.set(xlabel=f"variability: std over epochs of {titles[1]}", ylabel=f"confidence: mean of {titles[1]}")
    _finish(figure, path, titles[0], legend=len(names) <= 20)


def embedding(features: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Features (N, d) in two dimensions, float32 (N, 2), and how: t-SNE up to 5,000 samples, PCA beyond."""
    return in_the_plane(features, "pca" if len(features) > MOST_TSNE else "tsne", seed)


def embedding_map(
    path: Path,
    points: np.ndarray,
    labels: np.ndarray,
    selected: np.ndarray,
    names: Sequence[str],
    titles: tuple[str, str],
) -> None:
    """Points (N, 2) colored by class, the rows `selected` as crosses. titles: of the picture, how points were made."""
    rows = _some(len(points))
    figure, (axes,) = _panels(1, (6.4, 6.0))
    _classes(axes, points[rows, 0], points[rows, 1], labels[rows], names)
    axes.scatter(
        *points[selected].T, marker="x", color="k", s=55, linewidths=1.6, label=f"selected (n = {len(selected)})"
    )
    axes.set(xlabel=f"{titles[1]}, first axis", ylabel=f"{titles[1]}, second axis", xticks=[], yticks=[])
    _finish(figure, path, titles[0], legend=True)


def _classes(axes: Any, x: np.ndarray, y: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    """Points in the order of the samples, so that no class covers another; few classes are in the legend."""
    import matplotlib as mpl

    few = len(names) <= 20
    colormap = mpl.colormaps["tab10" if len(names) <= 10 else "tab20" if few else "turbo"]
    colors = [colormap(klass if few else klass / len(names)) for klass in range(len(names))]
    axes.scatter(x, y, color=np.array(colors)[labels], alpha=0.3, s=10, linewidths=0)
    for name, color in zip(names, colors if few else (), strict=False):
        axes.scatter([], [], color=color, s=14, label=str(name))


def _some(n: int) -> np.ndarray:
    """At most MOST_POINTS rows, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.int64))


def _panels(n: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    figure, grid = panels(1, n, size, **options)
    return figure, grid[0]


def _finish(figure: Any, path: Path, title: str, legend: bool) -> None:
    """Title, one legend below all panels, and the file."""
    figure.suptitle(title, fontsize=11)
    if legend:
        entries: dict[str, Any] = {}
        for axes in figure.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        wide = 0.45 + 0.065 * max(map(len, entries))  # of an entry [inches]
        columns = max(1, min(len(entries), int(figure.get_figwidth() / wide)))
        figure.legend(entries.values(), entries, loc="outside lower center", ncols=columns, fontsize=8)
    save(figure, path)
