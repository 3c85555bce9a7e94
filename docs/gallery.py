"""All strategies of closed sets on one pool in the plane, picks by round: python -m docs.gallery docs/gallery.png

The pool and what stands for networks is docs.toy, so neither TensorFlow nor a download is needed; about a minute.
The same versions of the packages draw the same picture.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.toy import CANNOT, Played, plane, play
from tfal.errors import InputError
from tfal.files import write_atomically
from tfal.strategies import STRATEGIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 6
EDGE = 1.15  # of the plane that is shown
CLASSES = ("#9ecae1", "#a1d99b", "#bcbddc")  # of the pool; the regions of a class are the same, paler
ROUNDS = (("#fee391", "o"), ("#fe9929", "^"), ("#cc4c02", "s"), ("#661b00", "D"))


def closed_set() -> list[str]:
    """The names of the gallery's strategies, in the order of STRATEGIES."""
    return [name for name in STRATEGIES if name not in CANNOT and not STRATEGIES[name].open_sets]


def draw_picks(axes: Any, played: Played, open_set: bool = False) -> None:
    """One panel: the pool, the regions of the last network, the first labels and the picks of each round."""
    from matplotlib.colors import to_rgb

    points, classes = plane()
    side = np.linspace(-EDGE, EDGE, 160)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    regions = np.array([to_rgb(color) for color in CLASSES])[played.networks.predicted(grid)]
    axes.imshow(1 - 0.3 * (1 - regions.reshape(len(side), -1, 3)), extent=(-EDGE, EDGE, -EDGE, EDGE), origin="lower")
    for label, color in enumerate(CLASSES):
        unknown = open_set and label == len(CLASSES) - 1
        look = {"marker": "x", "s": 9, "color": "#999999"} if unknown else {"s": 7, "color": color}
        axes.scatter(*points[classes == label].T, linewidths=0.6, **look)
    for number, (ids, (color, marker)) in enumerate(zip(played.rounds, ROUNDS, strict=True), 1):
        look = {"marker": marker, "s": 26, "color": color, "edgecolors": "black", "linewidths": 0.5}
        axes.scatter(*points[ids].T, label=f"picks of round {number}", zorder=3, **look)
    first = {"marker": "P", "s": 34, "color": "white", "edgecolors": "black", "linewidths": 0.8}
    axes.scatter(*points[played.first].T, label="first labels", zorder=2, **first)
    axes.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xticks=[], yticks=[])


def picture(name: str) -> Figure:
    """One strategy alone. Raises InputError where the plane has nothing for it to read."""
    from matplotlib.figure import Figure

    open_set = STRATEGIES[name].open_sets
    played = play(name, open_set)
    figure = Figure(figsize=(4.2, 4.8), dpi=110)
    draw_picks(figure.add_axes((0.01, 0.12, 0.98, 0.98 * 4.2 / 4.8)), played, open_set)
    figure.legend(loc="lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def gallery() -> Figure:
    """All of closed_set() that find what they read in the plane."""
    from matplotlib.figure import Figure

    played = {}
    for name in closed_set():
        try:
            played[name] = play(name)
        except InputError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    rows = -(-len(played) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 2, rows * 2.17 + 0.4), dpi=110, layout="constrained")
    panels = figure.subplots(rows, COLUMNS).ravel()
    for axes in panels[len(played) :]:
        axes.set_axis_off()
    for axes, (name, found) in zip(panels, played.items(), strict=False):
        draw_picks(axes, found)
        axes.set_title(name, fontsize=9)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of at most 128 colors, which is a third of the size, whole or not at all; it names its panels."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Description", " ".join(axes.get_title() for axes in figure.axes).strip())
    whole = BytesIO()
    figure.savefig(whole, format="png")
    small = Image.open(whole).convert("RGB").quantize(128)
    write_atomically(path, lambda file: small.save(file, format="png", optimize=True, pnginfo=notes))


if __name__ == "__main__":
    save(gallery(), Path(sys.argv[1]))
