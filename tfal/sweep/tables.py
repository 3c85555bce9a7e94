"""Tables of a manifest's file, checked as they are taken out."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

from tfal.errors import InputError, unknown_name
from tfal.sweep.job import Resources

Options = dict[str, Any]


@contextlib.contextmanager
def inside(where: str) -> Iterator[None]:
    """An InputError in here says where it is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def table_of(where: str, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The table of this name, empty where there is none."""
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"{where}: [{name}] must be a table. Received: {table!r}.")
    return table


def rows_of(where: str, content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of tables of this name, empty where there is none."""
    rows = content.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{where}: {name} must be a list of tables, [[{name}]]. Received: {rows!r}.")
    return rows


def refuse_unknown(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises InputError, with the nearest known one, for the first key that is none of these."""
    for key in table:
        if key not in known:
            raise InputError(f"{where}: {unknown_name('key', key, known)}")


def resources_of(where: str, table: Any) -> tuple[Options, Options]:
    """Those of a job, and what belongs to the manifest."""
    if not isinstance(table, dict):
        raise InputError(f"{where}: resources must be a table. Received: {table!r}.")
    of_a_job, shared = {f.name for f in fields(Resources)}, ("gpu_hours", "n_shard")
    refuse_unknown(f"{where}, resources", table, (*of_a_job, *shared))
    for name, value in table.items():
        whole = name in ("threads", "gpus", "n_shard")
        number = type(value) is int or (not whole and type(value) is float)
        if not number or not value >= (0 if name in ("threads", "gpus") else 1 if name == "n_shard" else 1e-3):
            kind = "a whole number" if whole else "a positive number"
            raise InputError(f"{where}, resources: {name} must be {kind}. Received: {value!r}.")
    return {k: v for k, v in table.items() if k in of_a_job}, {k: v for k, v in table.items() if k in shared}
