"""What was run: the settings, the options in which they differ, those that all share, versions and machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tfal.recipe.options import flag
from tfal.report.cautions import numbers
from tfal.report.comparison import Comparison, Setting
from tfal.report.tables.table import NONE, Table
from tfal.report.words import listed

_LONG = 60  # characters of a value in a table


def recipe_tables(comparison: Comparison) -> list[Table]:
    """The tables of what was run."""
    return [_runs(comparison), *_options(comparison), _environments(comparison)]


def _runs(comparison: Comparison) -> Table:
    rows = []
    for setting in comparison.settings:
        counts = [len(curves.reps) for curves in setting.curves.values()]
        labels = [curves.labels for curves in setting.curves.values()]
        first, last = min(each[0] for each in labels), max(each[-1] for each in labels)
        every = sorted({rep for curves in setting.curves.values() for rep in curves.reps})
        rows.append(
            (
                setting.name,
                listed(setting.strategies) if len(counts) <= 6 else f"{len(counts)}: {listed(setting.strategies)}",
                numbers(every) if min(counts) == max(counts) else f"{numbers(every)} ({min(counts)} to {max(counts)})",
                f"{max(map(len, labels))}",
                f"{first:.0f} to {last:.0f}",
                str(setting.folder),
            )
        )
    head = ("setting", "strategies", "repetitions", "rounds", "labels", "folder")
    return Table("runs", "What was run", head, tuple(rows))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


def _values(setting: Setting) -> dict[str, list[str]]:
    """The different values of every recorded option of a setting, but the strategy."""
    found: dict[str, list[str]] = {}
    for by_rep in setting.runs.values():
        for run in by_rep.values():
            for name, value in (run.recipe or {}).items():
                if name != "strategy" and (text := _text(value)) not in found.setdefault(name, []):
                    found[name].append(text)
    return found


def _options(comparison: Comparison) -> list[Table]:
    every = {setting.name: _values(setting) for setting in comparison.settings}
    names = sorted({name for values in every.values() for name in values})
    cells: Mapping[str, list[str]] = {
        name: [" / ".join(values.get(name, [NONE])) for values in every.values()] for name in names
    }
    shared = [name for name in names if len(set(cells[name])) == 1]
    other = [name for name in names if len(set(cells[name])) > 1]
    tables = []
    if other:
        rows = tuple((flag(name)[2:], *cells[name]) for name in other)
        notes = (f"{NONE}: not recorded there, as in runs of earlier versions. Several values in one setting: a / b.",)
        tables.append(Table("options", "Options in which settings differ", ("option", *every), rows, notes))
    rows = tuple((flag(name)[2:], cells[name][0]) for name in shared)
    note = () if rows else ("No recipe.json tells them.",)
    return [*tables, Table("shared", "Options that all settings share", ("option", "value"), rows, note)]


def _environments(comparison: Comparison) -> Table:
    every = {
        setting.name: {
            name: " / ".join(dict.fromkeys(_text(each[name]) for each in setting.environments if name in each))
            for name in dict.fromkeys(name for each in setting.environments for name in each)
        }
        for setting in comparison.settings
    }
    names = dict.fromkeys(name for values in every.values() for name in values)
    rows, alike = [], []
    for name in names:
        cells = [values.get(name, NONE) for values in every.values()]
        if len(set(cells)) == 1:
            alike.append((name, cells[0], "all settings"))
        else:
            rows += [(name, cell, setting) for setting, cell in zip(every, cells, strict=True) if cell != NONE]
    merged: dict[tuple[str, str], list[str]] = {}
    for name, cell, setting in rows:
        merged.setdefault((name, cell), []).append(setting)
    rows = [*alike, *((name, cell, listed(where)) for (name, cell), where in merged.items())]
    note = ("What runs of earlier versions did not record is left out.",) if rows else ("No recipe.json tells them.",)
    return Table("machines", "Versions and machines", ("what", "value", "settings"), tuple(rows), note)
