"""All repetitions of an experiment in two files: what is published of it, and what a report reads like the folders.

`rounds.csv` has the columns strategy and repetition before those of every repetition's own rounds.csv. `recipe.json`
has what all of them were made with under "shared", and under "runs" in what each group of them differs from that:

    {"shared": {"recipe": {"dataset": "digits", ...}, ...},
     "runs": [{"strategy": "ldms", "repetitions": [1, 2], "differs": {"recipe": {"strategy": "ldms"}}}, ...]}
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfal.errors import InputError
from tfal.files import make_folder, read_json, storage_errors, write_text
from tfal.storage.identity import check_stored
from tfal.storage.tables import Row, check_rounds, read_table, write_table

_ROUNDS, _RECIPE = "rounds.csv", "recipe.json"
_MEND = "Mend it, or join the results again."

Json = dict[str, Any]


class Stored(NamedTuple):
    """What the files of one repetition say. rows: the committed rounds. recipe: its recipe.json; None without one."""

    rows: list[Row]
    recipe: Json | None


StoredRuns = dict[tuple[str, int], Stored]  # by strategy and number of the repetition


def is_joined(experiment: Path) -> bool:
    """Whether the folder of an experiment holds a table of its own, beside or in place of those of its repetitions."""
    return (experiment / _ROUNDS).exists()


def read_joined(experiment: Path) -> StoredRuns:
    """The repetitions in the two files of `experiment`.

    Raises InputError when rounds.csv is no joined table, when a repetition's rounds are not 0, 1, 2, ..., or when
    recipe.json is damaged, names a repetition twice or one that has no rows.
    """
    path = experiment / _ROUNDS
    with storage_errors(path), path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.readline().strip().split(",")
    if "strategy" not in head and "round" in head:
        raise InputError(
            f"{path} is the table of one repetition. Expected: the columns strategy and repetition before those, or a "
            "folder such as results/mnist_SCNN, with <strategy>/rep001/rounds.csv in it."
        )
    table = read_table(path, ("strategy", "repetition", "round", "labels", "test_accuracy"), ("strategy",), _MEND)
    rows: dict[tuple[str, int], list[Row]] = {}
    for row in table:
        strategy, rep = row.pop("strategy"), row.pop("repetition")
        if not strategy or not isinstance(rep, int) or rep < 1:
            raise InputError(f"{path} is damaged (strategy {strategy!r}, repetition {rep!r}). {_MEND}")
        rows.setdefault((strategy, rep), []).append(row)
    for (strategy, rep), rounds in rows.items():
        check_rounds(f"{path}: {strategy}, repetition {rep}", rounds, _MEND)
    recipes = _read_recipes(experiment / _RECIPE, rows)
    return {key: Stored(rounds, recipes.get(key)) for key, rounds in rows.items()}


def write_joined(experiment: Path, runs: Mapping[tuple[str, int], Stored]) -> None:
    """Writes the two files of `experiment`, from which `read_joined` reads the same runs."""
    make_folder(experiment)
    known = {key: run.recipe for key, run in sorted(runs.items()) if run.recipe is not None}
    shared = shared_part(list(known.values()))
    groups = [
        {"strategy": strategy, "repetitions": [rep for _, rep in keys], "differs": without(known[keys[0]], shared)}
        for strategy, keys in _alike(known)
    ]
    rows = [
        {"strategy": strategy, "repetition": rep, **row}
        for (strategy, rep), run in sorted(runs.items())
        for row in run.rows
    ]
    # Rows whose options are not known yet can be read, options of repetitions without rows cannot.
    write_table(experiment / _ROUNDS, rows)
    write_text(experiment / _RECIPE, json.dumps({"shared": shared, "runs": groups}, indent=2) + "\n")


def shared_part(every: Sequence[Json]) -> Json:
    """What all objects have alike, and of objects in them that part; {} of none."""
    found: Json = {}
    for name in every[0] if every else ():
        values = [each[name] for each in every if name in each]
        if len(values) < len(every):
            continue
        if all(isinstance(value, dict) for value in values):
            found[name] = shared_part(values)
        elif len({json.dumps(value, sort_keys=True) for value in values}) == 1:
            found[name] = values[0]
    return found


def without(one: Json, shared: Json) -> Json:
    """What is in one object beyond the part that it shares with others."""
    found: Json = {}
    for name, value in one.items():
        if name not in shared:
            found[name] = value
        elif isinstance(value, dict) and (rest := without(value, shared[name])):
            found[name] = rest
    return found


def merged(shared: Json, rest: Json) -> Json:
    """The object whose shared part and rest are given; the rest counts where both say something."""
    found = dict(shared)
    for name, value in rest.items():
        both = isinstance(value, dict) and isinstance(shared.get(name), dict)
        found[name] = merged(shared[name], value) if both else value
    return found


def _alike(known: Mapping[tuple[str, int], Json]) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Groups of neighboring repetitions of one strategy that were made alike."""

    def group(key: tuple[str, int]) -> tuple[str, str]:
        return key[0], json.dumps(known[key], sort_keys=True)

    for (strategy, _), keys in itertools.groupby(known, group):
        yield strategy, list(keys)


def _read_recipes(path: Path, rows: Mapping[tuple[str, int], Any]) -> dict[tuple[str, int], Json]:
    if not path.exists():
        return {}
    stored = read_json(path, _MEND)
    shared, groups = stored.get("shared"), stored.get("runs")
    if not isinstance(shared, dict) or not isinstance(groups, list):
        raise InputError(f"{path} is damaged (it has no shared options, or no runs). {_MEND}")
    found: dict[tuple[str, int], Json] = {}
    for group in groups:
        strategy, reps, differs = _parts(path, group)
        recipe = merged(shared, differs)
        check_stored(path, recipe, _MEND)
        for rep in reps:
            what = f"{strategy}, repetition {rep!r}"
            if (strategy, rep) in found:
                raise InputError(f"{path} is damaged (it names {what}, twice). {_MEND}")
            if (strategy, rep) not in rows:
                raise InputError(f"{path} names {what}, of which {_ROUNDS} has no row. {_MEND}")
            found[strategy, rep] = recipe
    return found


def _parts(path: Path, group: Any) -> tuple[str, list[int], Json]:
    parts = {"strategy": str, "repetitions": list, "differs": dict}
    if not isinstance(group, dict) or not all(isinstance(group.get(name), kind) for name, kind in parts.items()):
        raise InputError(f"{path} is damaged (one of its runs: {str(group)[:60]!r}). {_MEND}")
    if any(isinstance(rep, bool) or not isinstance(rep, int) for rep in group["repetitions"]):
        raise InputError(f"{path} is damaged (repetitions: {group['repetitions']!r}). {_MEND}")
    return group["strategy"], group["repetitions"], group["differs"]
