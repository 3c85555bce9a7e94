"""Charts for the page: Plotly's figures as json, and Plotly's script."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.report.figures import Style
from tfal.report.page.charts import Chart, Heat, Line, Lines, RankLines

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
_LAYOUT: dict[str, Any] = {
    "margin": {"l": 60, "r": 20, "t": 32, "b": 50},
    "template": None,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "hovermode": "closest",
}


def plotly() -> tuple[Any, str]:
    """plotly.graph_objects, and the script that draws what it makes. Raises InputError where it is not installed."""
    try:
        from plotly import graph_objects
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("--html needs Plotly. Install it: pip install -r requirements-report.txt.") from None
    return graph_objects, get_plotlyjs()


def figure_json(graph_objects: Any, chart: Chart, looks: Mapping[str, Style]) -> str:
    """The chart as Plotly's json. Names are escaped, as Plotly takes some tags in text for markup."""
    if isinstance(chart, Lines):
        figure = _lines(graph_objects, chart, looks)
    elif isinstance(chart, Heat):
        figure = _heat(graph_objects, chart)
    else:
        figure = _ranks(graph_objects, chart)
    return str(figure.to_json())


def _text(name: str) -> str:
    return html.escape(name, quote=False)


def _rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()]


def _lines(graph_objects: Any, chart: Lines, looks: Mapping[str, Style]) -> Any:
    traces: list[Any] = []
    for line in chart.lines:
        look = looks[line.name]
        if np.isfinite(line.low).any():
            traces.append(_band(graph_objects, line, look, chart.steps, 0.15 if len(chart.lines) <= 8 else 0.06))
        traces.append(_curve(graph_objects, line, look, chart.steps))
    side = len(chart.lines) > 6
    legend = {"itemwidth": 30} if side else {"orientation": "h", "y": -0.2}
    figure = graph_objects.Figure(traces, {**_LAYOUT, "legend": legend, "height": 520 if side else 460})
    figure.update_xaxes(title=_text(chart.x_title), automargin=True)
    figure.update_yaxes(title=_text(chart.y_title), automargin=True)
    return figure


def _curve(graph_objects: Any, line: Line, look: Style, steps: bool) -> Any:
    note = f" ({_text(line.note)})" if line.note else ""
    ends = [
        f"<br>{low:.2f} to {high:.2f}" if np.isfinite(low) else ""
        for low, high in zip(line.low.tolist(), line.high.tolist(), strict=True)
    ]
    return graph_objects.Scatter(
        x=_rounded(line.x),
        y=_rounded(line.y),
        customdata=ends,
        mode="lines" if steps else "lines+markers",
        name=f"{_text(line.name)}{note}",
        legendgroup=_text(line.name),
        line={"color": look.color, "dash": _DASHES[look.linestyle], "width": 1.8, "shape": "hv" if steps else "linear"},
        marker={"symbol": _SYMBOLS[look.marker], "size": 7},
        hovertemplate=f"{_text(line.name)}<br>%{{x:.5~g}}: %{{y:.2f}}%{{customdata}}<extra></extra>",
    )


def _band(graph_objects: Any, line: Line, look: Style, steps: bool, opacity: float) -> Any:
    there = np.flatnonzero(np.isfinite(line.low))
    x, low, high = (values[there] for values in (line.x, line.low, line.high))
    if steps:
        x, low, high = np.repeat(x, 2)[1:], np.repeat(low, 2)[:-1], np.repeat(high, 2)[:-1]
    red, green, blue = (int(look.color[place : place + 2], 16) for place in (1, 3, 5))
    return graph_objects.Scatter(
        x=_rounded(np.concatenate([x, x[::-1]])),
        y=_rounded(np.concatenate([high, low[::-1]])),
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{opacity})",
        name=_text(line.name),
        legendgroup=_text(line.name),
        showlegend=False,
        hoverinfo="skip",
        meta="band",
    )


def _heat(graph_objects: Any, chart: Heat) -> Any:
    names, n = [_text(name) for name in chart.names], len(chart.names)
    figure = graph_objects.Figure(
        graph_objects.Heatmap(
            z=[_rounded(row) for row in chart.values],
            x=names,
            y=names,
            zmin=0,
            colorscale="Cividis",
            texttemplate="%{z:.1f}" if n <= 20 else "",
            hovertemplate="%{y} beats %{x}: %{z:.2f}<extra></extra>",
        ),
        {**_LAYOUT, "height": max(360, _ROW * n + 180)},
    )
    figure.update_xaxes(title="is beaten", automargin=True, tickangle=-90, type="category", showgrid=False)
    figure.update_yaxes(title="beats", automargin=True, autorange="reversed", type="category", showgrid=False)
    return figure


def _ranks(graph_objects: Any, chart: RankLines) -> Any:
    names, n = [_text(name) for name in chart.names], len(chart.names)
    right = float((chart.mean + chart.half).max())
    traces = [
        graph_objects.Scatter(
            x=_rounded(chart.mean),
            y=list(range(n)),
            text=names,
            mode="markers",
            marker={"size": 10, "color": "#0072B2"},
            error_x={"type": "constant", "value": chart.half, "color": "#0072B2"},
            hovertemplate="%{text}: %{x:.2f}<extra></extra>",
            showlegend=False,
        )
    ]
    for number, clique in enumerate(chart.cliques):
        traces.append(
            graph_objects.Scatter(
                x=[right + 0.15 * (number + 1)] * 2,
                y=[clique[0] - 0.2, clique[-1] + 0.2],
                mode="lines",
                line={"width": 6, "color": "#D55E00"},
                hovertemplate="not told apart<extra></extra>",
                showlegend=False,
            )
        )
    figure = graph_objects.Figure(traces, {**_LAYOUT, "height": max(220, 34 * n + 110)})
    figure.update_xaxes(title="mean rank (1 is best)", automargin=True)
    figure.update_yaxes(tickvals=list(range(n)), ticktext=names, range=[n - 0.5, -0.5], automargin=True, zeroline=False)
    return figure


def in_script(text: str) -> str:
    """Json that ends no script element, whatever stands in it."""
    return text.replace("<", "\\u003c")
