"""Where data lie, as a command line says it: one folder for all data sets, or one by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfal.errors import InputError


def data_dirs(given: Sequence[str]) -> dict[str, str]:
    """Folders of --dataDir [NAME=]DIR by the name of a set or data set; "" for all others.

    Raises InputError where one is given twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, where = text.rpartition("=") if not Path(text).exists() else ("", "", text)
        if name in found:
            raise InputError(f"--dataDir is given twice for {name or 'all runs'}. Received: {text!r}. Leave one out.")
        found[name] = str(Path(where if equals else text).absolute())
    return found


def data_dir(known: Mapping[str, str], *names: str) -> str | None:
    """The folder that is given for the first of these names that has one, or else for all; None without any."""
    return next((known[name] for name in (*names, "") if name in known), None)
