"""The table of bad input: what is given, and what must come of it."""

from __future__ import annotations

from tests.attack.inputs import conflicts, damaged, edited, files, options, python, tables, tools
from tests.attack.inputs.case import Case


def all_cases() -> list[Case]:
    """All of them. Every name is there once."""
    found = [
        case for area in (options, conflicts, tables, files, damaged, edited, tools, python) for case in area.cases()
    ]
    names = [case.name for case in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"every case needs a name of its own. Received twice: {twice[:10]}")
    return found
