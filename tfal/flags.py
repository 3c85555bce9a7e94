"""Flags of the run scripts: a recipe from a preset and what is typed, and a --help that a person reads."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tfal import plugins
from tfal.command import Parser
from tfal.errors import InputError, resolve_name
from tfal.files import read_json
from tfal.recipe import Recipe
from tfal.recipe.components import Declared, declared, owned, owners_of
from tfal.recipe.groups import GROUPS
from tfal.recipe.options import BALANCED, flag, type_text
from tfal.recipe.usage import refuse_unused, usage
from tfal.strategies import STRATEGIES, strategy_name

if TYPE_CHECKING:
    from tfal.learners.base import Builder

_EPILOG = (
    "--help all shows every option; --strategy NAME --help what a strategy and its learners add; --preset NAME --help "
    "the defaults of a preset. A strategy or network of your own: --strategy package.module:Class, "
    "--network package.module:function."
)


def parsed(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None,
) -> tuple[Recipe, list[str]]:
    """The recipe that a command line means: a preset, and what the flags change in it; and the names of these flags.

    --help is printed, and ends in SystemExit. Raises InputError for flags that cannot be used, and for those that
    nothing would look at.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    load_plugins(words)
    parser = Parser(allow_abbrev=False, argument_default=argparse.SUPPRESS, add_help=False)
    for found in declared().values():
        add_option(parser, found.option, found.option.default, "")
    parser.add_argument("--preset", metavar="NAME")
    parser.add_argument("-h", "--help", nargs="?", const="", metavar="all")
    known, unknown = parser.parse_known_args(words)
    if unknown:
        refuse_unknown(parser, unknown[0])
    options = vars(known)
    topic = options.pop("help", None)
    name = resolve_name("preset", options.pop("preset", next(iter(presets))), presets)
    recipe = presets[name].replace(**options)
    recipe = recipe.replace(network=plugins.network_name(recipe.network, networks))
    if topic is not None:
        if topic not in ("", "all"):
            raise InputError(f"--help takes nothing, or all. Received: {topic!r}.")
        origin = source if name == next(iter(presets)) else f"preset {name}"
        shown = declared() if topic == "all" else _shown(recipe, "strategy" in options or "initial" in options)
        print(_help(description, presets, networks, origin, presets[name], shown), end="")
        raise SystemExit(0)
    refuse_unused(options, usage(recipe))
    return recipe, list(options)


def load_plugins(words: Sequence[str]) -> None:
    """Imports the strategies of others that are named, so that their options are flags.

    Raises InputError for one that cannot be found; it tells what made results of that name, where there are some.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("--strategy", "--initial", "--resultsDir"):
        parser.add_argument(name, nargs="?", default="")
    named, _ = parser.parse_known_args(list(words))
    asked = [(name.strip(), ()) for name in (named.strategy or "").split(",")]
    for name, others in [*asked, ((named.initial or "").strip(), (BALANCED,))]:
        try:
            if name:
                strategy_name(name, others=others)
        except InputError as error:
            made_by = _made_by(Path(named.resultsDir or str(GROUPS["results_dir"].default)), name)
            raise InputError(f"{error}{made_by}") from None


def _made_by(results: Path, name: str) -> str:
    """What made the results of a strategy that is not there, as a recipe.json has it; "" where none tells."""
    for path in results.glob(f"*/{plugins.as_part(name)}/rep*/recipe.json"):
        with contextlib.suppress(InputError):
            about = read_json(path, "").get("strategies", {}).get(name, {})
            if "class" in about:
                version = f", version {about['version']}" if about.get("version") else ""
                return f" {path.parent.parent} was made by {about['class']}{version}: install its package to go on."
    return ""


def _shown(recipe: Recipe, with_components: bool) -> dict[str, Declared]:
    """The options that a recipe uses: those of groups, and those of its strategies and learners where these are asked
    for."""
    used, kinds = usage(recipe).names, {"open set": recipe.is_open, "low budgets": recipe.splits, "tables": recipe.csv}
    return {
        name: found
        for name, found in declared().items()
        if name in used and (kinds.get(found.option.metadata["group"], True) if found.in_group else with_components)
    }


def _help(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    origin: str,
    defaults: Recipe,
    shown: Mapping[str, Declared],
) -> str:
    """The text of --help. origin: of defaults that are the preset's."""
    parser = Parser(
        description=description, epilog=_EPILOG, add_help=False, usage="%(prog)s [--preset NAME] [--OPTION VALUE ...]"
    )
    listed = parser.add_argument_group("presets (--preset NAME; the first is the default)")
    for name, preset in presets.items():
        listed.add_argument(f"  {name}", help=_in_a_line(preset), metavar=name)
    names = {
        "strategy": [*STRATEGIES, *plugins.installed(plugins.STRATEGIES)],
        "network": [*networks, *plugins.installed(plugins.NETWORKS)],
    }
    groups: dict[str, Any] = {}
    for name, found in shown.items():
        title = found.option.metadata["group"] if found.in_group else owners_of(name)
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        valid = f": {', '.join(dict.fromkeys(names[name]))}" if name in names else ""
        add_option(groups[title], found.option, _default(found, name, defaults), origin, valid)
    return parser.format_help()


def _default(found: Declared, name: str, defaults: Recipe) -> Any:
    """What an option is in a preset where nothing else is typed; in words where its owners have several."""
    if found.in_group or name in dict(defaults.components):
        return getattr(defaults, name)
    return _told(dict(zip((*found.learners, *found.strategies), found.fields, strict=True)))


def _told(owners: Mapping[str, dataclasses.Field[Any]]) -> Any:
    """The default of an option that these have; in words where it is not that of all."""
    values = list(dict.fromkeys(field.default for field in owners.values()))
    if len(values) == 1:
        return values[0]
    return ", ".join(
        f"{_text(value)} ({', '.join(owner for owner, field in owners.items() if field.default == value)})"
        for value in values
    )


def _text(value: Any) -> str:
    return "not set" if value is None else str(value)


def _in_a_line(preset: Recipe) -> str:
    """What a preset does, for --help."""
    what = f"{preset.title} with {preset.network}: {preset.strategy.replace(',', ', ')}"
    if preset.splits:
        return f"{what}; {preset.splits} labels"
    return f"{what}; {preset.n_init} labels, {preset.n_query} more in each of {preset.n_step} rounds"


def add_strategy_options(group: Any, strategies: Collection[str]) -> None:
    """Adds the flags of all options that these strategies, by name, have of their own."""
    for owners in owned(strategies).values():
        add_option(group, next(iter(owners.values())), _told(owners), None)


def add_option(group: Any, field: dataclasses.Field[Any], value: Any, source: str | None, listed: str = "") -> None:
    """The flag of an option.

    value: its default; "" where it must be given. source: of defaults that are not the option's own; None: sources are
    not told. listed: names that it may have.
    """
    kind, choices = type_text(field).partition(" ")[0], field.metadata["choices"]
    origin = field.metadata["source"] or "tfal"
    if value != field.default and not (isinstance(value, str) and kind != "str"):
        origin = (source or "") if field.metadata["protocol"] else "tfal"
    told = "" if source is None else f"; source: {origin}"
    default = "required" if value == "" else f"default: {_text(value)}"
    group.add_argument(
        flag(field.name),
        dest=field.name,
        type={"int": int, "float": float}.get(kind, str),
        metavar="|".join(choices) or {"int": "N", "float": "X"}.get(kind, "NAME"),
        help=f"{field.metadata['help']}{listed} ({default}{told})".replace("%", "%%"),
    )


def refuse_unknown(parser: argparse.ArgumentParser, given: str, page: str = "--help all") -> NoReturn:
    """Raises InputError for an argument that `parser` does not know, with the nearest one. page: that shows all."""
    flags = {known.lower(): known for action in parser._actions for known in action.option_strings}
    nearest = difflib.get_close_matches(given.split("=")[0].lower(), flags, n=1, cutoff=0.5)
    hint = f" Did you mean {flags[nearest[0]]}?" if nearest else ""
    raise InputError(f"unknown argument {given!r}.{hint} {page} shows all of them.")
