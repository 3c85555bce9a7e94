"""The picture by which MQ-Net explains itself: the learned score over purity and informativeness, round by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfal.report.figures import panels
from tfal.strategies.meta_model import MetaModel

COLUMNS = 3


def contours(memories: Sequence[Mapping[str, np.ndarray]], title: str) -> Any:
    """A matplotlib figure, one panel a round: contours of the score that was learned from a query, and that query."""
    columns = min(COLUMNS, len(memories))
    rows = -(-len(memories) // columns)
    size = (3.1 * columns + 0.4, 2.8 * rows + 0.9)
    figure, grid = panels(rows, columns, size)
    for axes in grid.ravel()[len(memories) :]:
        axes.set_axis_off()
    for number, (memory, axes) in enumerate(zip(memories, grid.ravel(), strict=False), start=1):
        _panel(axes, memory)
        axes.set_title(f"after query {number}", fontsize=9)
    figure.supxlabel("purity: largest cosine to a labeled sample", fontsize=9)
    figure.supylabel("informativeness", fontsize=9)
    figure.suptitle(f"{title}\nlearned score (brighter: larger), and the samples it was learned from", fontsize=9)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=8)
    return figure


def _panel(axes: Any, memory: Mapping[str, np.ndarray]) -> None:
    informativeness, purity = memory["raw"].T
    x, y = np.meshgrid(_span(purity), _span(informativeness))
    raw = np.stack([y.ravel(), x.ravel()], axis=1)
    scores = MetaModel.load(memory).scores(np.exp((raw - memory["mean"]) / memory["std"])).reshape(x.shape)
    axes.contourf(x, y, scores, levels=12, cmap="viridis", alpha=0.8)
    known = memory["known"].astype(bool)
    axes.scatter(
        purity[known], informativeness[known], s=11, c="white", edgecolors="black", linewidths=0.5, label="known"
    )
    axes.scatter(purity[~known], informativeness[~known], s=13, c="red", marker="x", linewidths=0.9, label="unknown")
    axes.locator_params(nbins=5)
    axes.tick_params(labelsize=7)


def _span(values: np.ndarray) -> np.ndarray:
    """60 places over the values and a little beyond."""
    margin = 0.05 * (values.max() - values.min()) or 0.5
    return np.linspace(values.min() - margin, values.max() + margin, 60)
