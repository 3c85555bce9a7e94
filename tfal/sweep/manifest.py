"""A manifest: one TOML file that says what is compared. docs/SWEEPS.md tells how to write one."""

from __future__ import annotations

import contextlib
import dataclasses
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tfal.errors import InputError, resolve_name, unknown_name
from tfal.files import storage_errors
from tfal.recipe.components import declared, unknown_option
from tfal.recipe.names import check_part
from tfal.strategies import strategy_name
from tfal.sweep.job import Resources

_TABLES = ("sweep", "base", "grid", "set", "strategy", "resources", "published")
_OF_A_VARIANT = _TABLES
_OF_THE_WHOLE = ("published", "gpu_hours")  # what is known of a manifest says nothing of its variants
_OF_A_SET = ("name", "grid", "resources")
_OWN = ("protocol", "preset", "command")  # beside the options of a recipe
_BY_COMMAND_LINE = ("results_dir", "prepare", "shard", "n_shard")
_PUBLISHED = {"labels": (int,), "value": (float, int), "source": (str,)}
_TOLD = {"set": (str,), "strategy": (str,), "std": (float, int), "metric": (str,)}

Options = dict[str, Any]
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


@dataclass(frozen=True)
class Manifest:
    """What is compared, and what is known of it.

    about, source: in words; the publication. gpu_hours: an estimate; None: none. n_shard: jobs that read the features
    of one data set. published: numbers of the publication: labels, value, source, perhaps set, strategy, std, metric.
    """

    path: Path
    name: str
    sets: tuple[OptionSet, ...]
    about: str = ""
    source: str = ""
    gpu_hours: float | None = None
    n_shard: int = 1
    published: tuple[Options, ...] = ()


def read_manifest(path: Path, variant: str | None = None) -> Manifest:
    """The manifest in a file; with `variant`, what its table of that name changes.

    Raises InputError for a file that is none, for unknown keys, with the nearest known one, and for an empty grid.
    """
    content, where = _content(path), str(path)
    variants = [name for name in content if name not in _TABLES and isinstance(content[name], dict)]
    _refuse_unknown(where, {name: 0 for name in content if name not in variants}, _TABLES)
    for name in variants:
        _refuse_unknown(f"{where}, variant [{name}] (or a misspelt table)", content[name], _OF_A_VARIANT)
    changes = content if variant is None else content[resolve_name(f"variant of {path}", variant, variants)]
    if variant is not None:
        content = _varied(content, changes)
    about = _table(where, content, "sweep")
    with _in(where):
        name = check_part("name", str(about.get("name", path.stem)))
    _refuse_unknown(f"{where}, [sweep]", about, ("name", "about", "source"))
    resources, shared = _resources(where, _table(where, content, "resources"))
    sets = tuple(_sets(where, content, resources))
    # A variant may have fewer strategies than the whole.
    _refuse_unused(where, _by_strategy(where, _table(where, changes, "strategy")), sets)
    return Manifest(
        path,
        f"{name}-{variant}" if variant else name,
        sets,
        str(about.get("about", "")),
        str(about.get("source", "")),
        published=tuple(_published(where, row) for row in _rows(where, content, "published")),
        **shared,
    )


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            f"there is no manifest {path}. Give the path of a TOML file, such as reproduce/ldms_mnist.toml."
        )
    with storage_errors(path), path.open("rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not TOML: {error}. Mend it there.") from None


def _varied(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with what a variant changes, key by key; lists, of sets and of published numbers, as a whole."""
    kept = {name: table for name, table in content.items() if name not in _OF_THE_WHOLE}
    if isinstance(kept.get("resources"), dict):
        kept["resources"] = {key: value for key, value in kept["resources"].items() if key not in _OF_THE_WHOLE}
    return kept | {
        name: _changed(kept.get(name, {}), table) if isinstance(table, dict) else table
        for name, table in changes.items()
    }


def _changed(table: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A table with other values of some keys, which may be spelled as flags in one and as fields in the other."""
    new = {_folded(key) for key in changes}
    kept = table.items() if isinstance(table, dict) else ()
    return {key: value for key, value in kept if _folded(key) not in new} | dict(changes)


def _sets(where: str, content: Mapping[str, Any], resources: Options) -> list[OptionSet]:
    shared, grid = _table(where, content, "base"), _table(where, content, "grid")
    by_strategy = _by_strategy(where, _table(where, content, "strategy"))
    found: list[OptionSet] = []
    for row in _rows(where, content, "set") or [{}]:
        name = str(row.get("name", ""))
        here = f"{where}, set {name!r}" if row else where
        if row:
            with _in(here):
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
        own_resources, of_the_whole = _resources(here, row.get("resources", {}))
        if of_the_whole:
            raise InputError(f"{here}: {min(of_the_whole)} is of the whole manifest. Write it below [resources].")
        chosen = OptionSet(name, base | own, {} if free else combined, Resources(**{**resources, **own_resources}))
        found.append(chosen if free else dataclasses.replace(chosen, own=_own(here, chosen, by_strategy)))
    return found


def _own(where: str, chosen: OptionSet, by_strategy: Mapping[str, Options]) -> dict[str, Options]:
    """Options of those strategies that the set has."""
    found = {name: by_strategy[name] for name in map(strategy_name, chosen.strategies()) if name in by_strategy}
    if both := chosen.grid.keys() & {option for options in found.values() for option in options}:
        raise InputError(f"{where} has {min(both)} in its grid, and for one strategy. Leave one of them out.")
    return found


def _refuse_unused(where: str, by_strategy: Mapping[str, Options], sets: Sequence[OptionSet]) -> None:
    for name in by_strategy:
        if not any(name in chosen.own for chosen in sets):
            raise InputError(
                f"{where}, [strategy.{name}]: no set has this strategy. Leave it out, or add it to a grid."
            )


def _by_strategy(where: str, table: Mapping[str, Any]) -> dict[str, Options]:
    """Options of single strategies, by the one spelling of their names."""
    found: dict[str, Options] = {}
    for key, options in table.items():
        here = f"{where}, [strategy.{key}]"
        with _in(here):
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
            with _in(where):
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
    known = {_folded(name): name for name in (*declared(), *_OWN)}
    name = known.get(_folded(key))
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


def _resources(where: str, table: Any) -> tuple[Options, Options]:
    """Those of a job, and what belongs to the manifest."""
    if not isinstance(table, dict):
        raise InputError(f"{where}: resources must be a table. Received: {table!r}.")
    of_a_job, shared = {f.name for f in fields(Resources)}, ("gpu_hours", "n_shard")
    _refuse_unknown(f"{where}, resources", table, (*of_a_job, *shared))
    for name, value in table.items():
        whole = name in ("threads", "gpus", "n_shard")
        number = type(value) is int or (not whole and type(value) is float)
        if not number or not value >= (0 if name in ("threads", "gpus") else 1 if name == "n_shard" else 1e-3):
            kind = "a whole number" if whole else "a positive number"
            raise InputError(f"{where}, resources: {name} must be {kind}. Received: {value!r}.")
    return {k: v for k, v in table.items() if k in of_a_job}, {k: v for k, v in table.items() if k in shared}


def _published(where: str, row: Options) -> Options:
    kinds = {**_PUBLISHED, **_TOLD}
    _refuse_unknown(f"{where}, published", row, kinds)
    wrong = [name for name in kinds if name in row and not isinstance(row[name], kinds[name])]
    wrong += [name for name in _PUBLISHED if name not in row]
    if wrong:
        raise InputError(
            f"{where}, published: each needs labels (a whole number), value (a number) and source (text). "
            f"Received: {row}. Mend {wrong[0]}."
        )
    return row


@contextlib.contextmanager
def _in(where: str) -> Iterator[None]:
    """An InputError in here says where it is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _table(where: str, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise InputError(f"{where}: [{name}] must be a table. Received: {table!r}.")
    return table


def _rows(where: str, content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = content.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{where}: {name} must be a list of tables, [[{name}]]. Received: {rows!r}.")
    return rows


def _refuse_unknown(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{where}: {unknown_name('key', key, known)}")


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
