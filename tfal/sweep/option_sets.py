"""What a manifest compares: sets of options, a grid of some of them, and options of single strategies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tfal.errors import InputError, folded
from tfal.recipe.components import declared, unknown_option
from tfal.recipe.names import check_part
from tfal.strategies import strategy_name
from tfal.sweep.job import Resources
from tfal.sweep.tables import Options, inside, resources_of, rows_of, table_of

_OF_A_SET = ("name", "grid", "resources")
_OWN = ("protocol", "preset", "command")  # beside the options of a recipe
_BY_COMMAND_LINE = ("results_dir", "prepare", "shard", "n_shard")

Grid = dict[str, list[Any]]


@dataclass(frozen=True)
class OptionSet:
    """Runs that share options: all combinations of `grid`, which names options, "strategy" and "rep" too.

    name: its folder below the results; "" in a manifest without sets. own: options of one strategy alone, by its name,
    in place of those of `base`.
    """

    name: str
    base: Options
    grid: Grid
    resources: Resources = field(default_factory=Resources)
    own: dict[str, Options] = field(default_factory=dict)

    def strategies(self) -> list[str]:
        """As they are written; empty where the preset has its own."""
        named = self.grid.get("strategy", self.base.get("strategy", []))
        listed = ",".join(map(str, named if isinstance(named, list) else [named]))
        return [name.strip() for name in listed.split(",") if name]


def option_sets(where: str, content: Mapping[str, Any], resources: Options, used: Iterable[str]) -> list[OptionSet]:
    """The sets of a manifest's tables; one without a name where it lists none.

    Args:
        where: what errors begin with.
        content: its tables, a variant's changes among them.
        resources: of a run, where a set has none of its own.
        used: keys of [strategy] that some set must have.

    Raises:
        InputError: unknown keys, with the nearest known one, values twice, an empty grid, what no set would look at.
    """
    shared, grid = table_of(where, content, "base"), table_of(where, content, "grid")
    by_strategy = _by_strategy(where, table_of(where, content, "strategy"))
    found: list[OptionSet] = []
    for row in rows_of(where, content, "set") or [{}]:
        name = str(row.get("name", ""))
        here = f"{where}, set {name!r}" if row else where
        if row:
            with inside(here):
                check_part("name", name)
        if name in {other.name for other in found}:
            raise InputError(f"{where} has two sets called {name!r}. Give one of them another name.")
        free = "command" in shared or "command" in row
        own = _options(here, {key: value for key, value in row.items() if key not in _OF_A_SET}, free)
        own_grid = _grid(here, row.get("grid", {}))
        if both := own.keys() & own_grid.keys():
            raise InputError(f"{here} has {min(both)} as an option and in its grid. Leave one of them out.")
        combined = {key: values for key, values in _grid(where, grid).items() if key not in own} | own_grid
        base = {key: value for key, value in _options(where, shared, free).items() if key not in combined}
        own_resources, of_the_whole = resources_of(here, row.get("resources", {}))
        if of_the_whole:
            raise InputError(f"{here}: {min(of_the_whole)} is of the whole manifest. Write it below [resources].")
        chosen = OptionSet(name, base | own, {} if free else combined, Resources(**{**resources, **own_resources}))
        found.append(chosen if free else dataclasses.replace(chosen, own=_own(here, chosen, by_strategy)))
    for key in used:
        if not any(strategy_name(key) in chosen.own for chosen in found):
            raise InputError(f"{where}, [strategy.{key}]: no set has this strategy. Leave it out, or add it to a grid.")
    return found


def _own(where: str, chosen: OptionSet, by_strategy: Mapping[str, Options]) -> dict[str, Options]:
    """Options of those strategies that the set has."""
    found = {name: by_strategy[name] for name in map(strategy_name, chosen.strategies()) if name in by_strategy}
    if both := chosen.grid.keys() & {option for options in found.values() for option in options}:
        raise InputError(f"{where} has {min(both)} in its grid, and for one strategy. Leave one of them out.")
    return found


def _by_strategy(where: str, table: Mapping[str, Any]) -> dict[str, Options]:
    """Options of single strategies, by the one spelling of their names."""
    found: dict[str, Options] = {}
    for key, options in table.items():
        here = f"{where}, [strategy.{key}]"
        with inside(here):
            name = strategy_name(key)
        if name in found or not isinstance(options, dict) or not options:
            raise InputError(f"{here} must be one table of options. Received: {options!r}. Give it some, once.")
        found[name] = _options(here, options)
        if wrong := found[name].keys() & {*_OWN, "strategy"}:
            raise InputError(f"{here}: {min(wrong)} is the same for all strategies. Write it below [base].")
    return found


def _options(where: str, table: Mapping[str, Any], free: bool = False) -> Options:
    """Options by the names of their fields, which may be written like flags. free: a command knows their names."""
    found: Options = {}
    for key, value in table.items():
        name = key if free else _name(where, key)
        if name in found:
            raise InputError(f"{where} has {key} twice. Leave one of them out.")
        if isinstance(value, dict):
            raise InputError(f"{where}: {key} must be a value. Received: a table. See docs/SWEEPS.md.")
        if name == "rep":
            raise InputError(f"{where}: rep = {value!r} belongs into a grid. Write it below [grid].")
        if name == "strategy":
            with inside(where):
                _load(value)
        found[name] = value
    return found


def _grid(where: str, table: Any) -> Grid:
    if not isinstance(table, dict):
        raise InputError(f"{where}: grid must be a table of lists. Received: {table!r}.")
    found: Grid = {}
    reps = {"rep": table["rep"]} if "rep" in table else {}
    for name, value in {**_options(where, {k: v for k, v in table.items() if k != "rep"}), **reps}.items():
        values = list(range(1, value + 1)) if name == "rep" and type(value) is int else value
        values = values if isinstance(values, list) else [values]
        if not values:
            raise InputError(f"{where}: the grid is empty, since {name} has no values. Give some, or leave it out.")
        if len({repr(each) for each in values}) < len(values):
            raise InputError(f"{where}: the grid has a value of {name} twice. Received: {values}. Leave one out.")
        found[name] = values
    return found


def _name(where: str, key: str) -> str:
    """The field that a key means. Raises InputError for one that no option has."""
    known = {folded(name): name for name in (*declared(), *_OWN)}
    name = known.get(folded(key))
    if name is None:
        raise InputError(f"{where}: {unknown_option(key)}")
    if name == "n_rep":
        raise InputError(
            f"{where}: nRep has no place in a manifest, whose runs are single ones. Write rep = 5 in [grid]."
        )
    if name in _BY_COMMAND_LINE:
        raise InputError(f"{where}: {key} has no place in a manifest. Leave it out.")
    return name


def _load(strategies: Any) -> None:
    """Imports strategies of others, so that their options are known."""
    for name in strategies if isinstance(strategies, list) else str(strategies).split(","):
        strategy_name(str(name).strip())
