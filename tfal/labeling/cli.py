"""The command line of a folder that people label: python run_folder.py, or tfal folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfal import plugins
from tfal.cli import start_tensorflow
from tfal.command import Parser, run_command
from tfal.flags import add_option, add_strategy_options, load_plugins, refuse_unknown
from tfal.labeling.options import Options, flags, usable_strategies
from tfal.labeling.place import Place
from tfal.recipe import Recipe
from tfal.recipe.components import owned

if TYPE_CHECKING:
    from tfal.learners.base import Builder

_DESCRIPTION = (
    "Labels a folder of pictures in rounds: each call reads what was labeled since, trains a classifier, says how good "
    "it is, and asks for the next pictures, on a page and in a csv file."
)
_EPILOG = "Label on the page to_label.html or in to_label.csv, then run the same command again."


def main(networks: Mapping[str, Builder], argv: Sequence[str] | None = None, program: str | None = None) -> int:
    """Does one round from the command line.

    Args:
        networks: builders by name.
        argv: the arguments, sys.argv[1:] when not given.
        program: what the command is called in its messages, the script's name when not given.

    Returns:
        exit code, see run_command.
    """

    def work() -> int:
        options = parse(networks, argv)
        build = plugins.load_network(options.network, networks)
        place = Place(options)
        start_tensorflow(Recipe(backend=options.backend, threads=options.threads))
        from tfal.labeling.round import Round
        from tfal.training.built import checked_builder

        with place.locked():
            Round(place, options, checked_builder(build, options.network)).run()
        return 0

    return run_command(program or Path(sys.argv[0]).name, work)


def parse(networks: Mapping[str, Builder], argv: Sequence[str] | None = None) -> Options:
    """The options that a command line means. Raises InputError; --help is printed, and ends in SystemExit."""
    words = sys.argv[1:] if argv is None else list(argv)
    load_plugins(words)
    parser = Parser(description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    names = {"strategy": usable_strategies(), "initial": usable_strategies(unlabeled=True), "network": list(networks)}
    groups: dict[str, Any] = {}
    for field in flags():
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        listed = f": {', '.join(names[field.name])}" if field.name in names else ""
        add_option(groups[title], field, field.default, None, listed)
    add_strategy_options(parser.add_argument_group("options of strategies"), names["strategy"])
    known, unknown = parser.parse_known_args(words)
    if unknown:
        refuse_unknown(parser, unknown[0], "--help")
    given = vars(known)
    given["network"] = plugins.network_name(given.get("network", Options.network), networks)
    own = {name: given.pop(name) for name in owned(names["strategy"]) if name in given}
    return Options(**given, own=own)
