"""Charts for the page: figures as Plotly's script reads them, json, and that script.

They are written as plain dictionaries: Plotly's own classes check each value, which takes longer than all else; a test
gives them what is written here.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.report.figures import Style
from tfal.report.page.charts import Chart, Heat, Line, Lines, RankLines
from tfal.report.page.rank_diagram import diagram

_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "*": "star",
}
_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot"}
_ROW = 24  # of a strategy in a list [pixels]
_DIGITS = 6
_BAR = "#D55E00"

Json = dict[str, Any]

_LAYOUT: Json = {
    "margin": {"l": 60, "r": 20, "t": 32, "b": 50},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "hovermode": "closest",
}


def plotly_script() -> str:
    """The script that draws what `figure_json` says. Raises InputError where Plotly is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("--html needs Plotly. Install it: pip install -r requirements-report.txt.") from None
    return str(get_plotlyjs())


def figure_json(chart: Chart, looks: Mapping[str, Style]) -> str:
    """The chart as Plotly's json. Names are escaped, as Plotly takes some tags in text for markup."""
    if isinstance(chart, Lines):
        figure = _lines(chart, looks)
    elif isinstance(chart, Heat):
        figure = _heat(chart)
    else:
        figure = _ranks(chart)
    return json.dumps(figure, allow_nan=False, separators=(",", ":"))


def _text(name: str) -> str:
    return html.escape(name, quote=False)


def _rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None for value in values.tolist()]


def _axis(title: str, **more: Any) -> Json:
    return {"title": {"text": _text(title)}, "automargin": True, **more}


def _lines(chart: Lines, looks: Mapping[str, Style]) -> Json:
    opacity = 0.15 if len(chart.lines) <= 8 else 0.06
    banded = [line for line in chart.lines if np.isfinite(line.low).any()]
    traces = [_band(line, looks[line.name], chart.steps, opacity) for line in banded]  # behind all curves
    traces += [_curve(line, looks[line.name], chart.steps) for line in chart.lines]
    side = len(chart.lines) > 6
    legend = {"itemwidth": 30} if side else {"orientation": "h", "y": -0.2}
    axes = {"xaxis": _axis(chart.x_title), "yaxis": _axis(chart.y_title)}
    return {"data": traces, "layout": {**_LAYOUT, **axes, "legend": legend, "height": 520 if side else 460}}


def _curve(line: Line, look: Style, steps: bool) -> Json:
    note = f" ({_text(line.note)})" if line.note else ""
    ends = [
        f"<br>{low:.2f} to {high:.2f}" if math.isfinite(low) else ""
        for low, high in zip(line.low.tolist(), line.high.tolist(), strict=True)
    ]
    return {
        "type": "scatter",
        "x": _rounded(line.x),
        "y": _rounded(line.y),
        "customdata": ends,
        "mode": "lines" if steps else "lines+markers",
        "name": f"{_text(line.name)}{note}",
        "legendgroup": _text(line.name),
        "line": {
            "color": look.color,
            "dash": _DASHES[look.linestyle],
            "width": 1.8,
            "shape": "hv" if steps else "linear",
        },
        "marker": {"symbol": _SYMBOLS[look.marker], "size": 7},
        "hovertemplate": f"{_text(line.name)}<br>%{{x:.5~g}}: %{{y:.2f}}%{{customdata}}<extra></extra>",
    }


def _band(line: Line, look: Style, steps: bool, opacity: float) -> Json:
    there = np.flatnonzero(np.isfinite(line.low))
    x, low, high = (values[there] for values in (line.x, line.low, line.high))
    if steps:
        x, low, high = np.repeat(x, 2)[1:], np.repeat(low, 2)[:-1], np.repeat(high, 2)[:-1]
    red, green, blue = (int(look.color[place : place + 2], 16) for place in (1, 3, 5))
    return {
        "type": "scatter",
        "x": _rounded(np.concatenate([x, x[::-1]])),
        "y": _rounded(np.concatenate([high, low[::-1]])),
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},{opacity})",
        "name": _text(line.name),
        "legendgroup": _text(line.name),
        "showlegend": False,
        "hoverinfo": "skip",
        "meta": "band",
    }


def _heat(chart: Heat) -> Json:
    names, n = [_text(name) for name in chart.names], len(chart.names)
    trace = {
        "type": "heatmap",
        "z": [_rounded(row) for row in chart.values],
        "x": names,
        "y": names,
        "zmin": 0,
        "colorscale": "Cividis",
        "texttemplate": "%{z:.1f}" if n <= 20 else "",
        "hovertemplate": "%{y} beats %{x}: %{z:.2f}<extra></extra>",
    }
    alike = {"type": "category", "showgrid": False}
    axes = {
        "xaxis": _axis("is beaten", tickangle=-90, **alike),
        "yaxis": _axis("beats", autorange="reversed", **alike),
    }
    return {"data": [trace], "layout": {**_LAYOUT, **axes, "height": max(360, _ROW * n + 180)}}


def _ranks(chart: RankLines) -> Json:
    """The critical-difference diagram, without axes of Plotly's."""
    made = diagram(chart.names, chart.mean, chart.critical, chart.cliques)
    traces: list[Json] = [
        {
            "type": "scatter",
            "x": list(stroke.x),
            "y": list(stroke.y),
            "mode": "lines",
            "line": {"color": _BAR if stroke.is_bar else "#000000", "width": stroke.width * 1.2},
            "hoverinfo": "text" if stroke.said else "skip",
            "text": _text(stroke.said),
            "showlegend": False,
        }
        for stroke in made.strokes
    ]
    words = [
        {
            "x": word.x,
            "y": word.y,
            "text": _text(word.text),
            "xanchor": word.align,
            "yanchor": "middle",
            "showarrow": False,
            "font": {"size": 12},
        }
        for word in made.words
    ]
    top, bottom = made.y_range
    layout = {
        **_LAYOUT,
        "margin": {"l": 10, "r": 10, "t": 32, "b": 10},
        "xaxis": {"visible": False, "range": list(made.x_range)},
        "yaxis": {"visible": False, "range": [bottom, top]},
        "annotations": words,
        "height": round(_ROW * (bottom - top)) + 42,
    }
    return {"data": traces, "layout": layout}


def in_script(text: str) -> str:
    """Json that ends no script element, whatever stands in it."""
    return text.replace("<", "\\u003c")
