"""The command `tfal`, or `python -m tfal`: everything that tfal does from a command line, by one name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tfal import __version__
from tfal.command import run_command
from tfal.errors import InputError, resolve_name
from tfal.recipe.protocols import NAMES, protocol

Command = Callable[[Sequence[str], str], int]


def _run(arguments: Sequence[str], program: str) -> int:
    name = _first("protocol", arguments, {name: _line(protocol(name).__doc__) for name in NAMES}, program)
    if name is None:
        return 0
    from tfal.cli import main
    from tfal.networks import builders

    chosen = protocol(name)
    description = chosen.__doc__ or ""
    return main(description, chosen.PRESETS, builders(), chosen.SOURCE, arguments[1:], f"{program} {name}")


def _with_networks(module: str) -> Command:
    """The `main` of a module, which is imported once it is asked for, and which takes networks by name first."""

    def work(arguments: Sequence[str], program: str) -> int:
        from tfal.networks import builders

        return int(importlib.import_module(module).main(builders(), arguments, program))

    return work


def _main_of(module: str) -> Command:
    """The `main` of a module, which is imported once it is asked for."""
    return lambda arguments, program: int(importlib.import_module(module).main(arguments, program))


COMMANDS: dict[str, tuple[str, Command]] = {
    "run": ("active learning by a published protocol, such as that of mnist; run --help lists them", _run),
    "sweep": ("all runs of a manifest, on this machine or on a cluster", _main_of("tfal.sweep.cli")),
    "select": ("which samples of a very large pool to label next, chosen in parts", _main_of("tfal.sharded.cli")),
    "report": ("tables and curves of results", _main_of("tfal.report.learning_curves")),
    "compare": ("differences between results, with 95 % intervals", _main_of("tfal.report.compare")),
    "correlation": ("whether first labels foretell the accuracy of later rounds", _main_of("tfal.report.correlation")),
    "join": ("results as two files to publish, which the others read like the folders", _main_of("tfal.report.join")),
    "tidy": ("results as one tidy table, csv or Parquet, for pandas and the like", _main_of("tfal.report.tidy")),
    "coldstart": (
        "the cold-start benchmark: which images to label before any label is known",
        _with_networks("tfal.coldstart.cli"),
    ),
    "folder": ("labels a folder of your own pictures, in rounds", _with_networks("tfal.labeling.cli")),
    "convert-torch": ("a PyTorch checkpoint of a ResNet as a file for --encoder", _main_of("tfal.convert_torch")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one of COMMANDS; returns the exit code, see run_command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = "python -m tfal" if Path(sys.argv[0]).name == "__main__.py" else "tfal"

    def work() -> int:
        if given[:1] == ["--version"]:
            print(f"tfal {__version__}")
            return 0
        name = _first("command", given, {name: text for name, (text, _) in COMMANDS.items()}, program)
        return 0 if name is None else COMMANDS[name][1](given[1:], f"{program} {name}")

    return run_command(program, work)


def _first(kind: str, given: Sequence[str], texts: Mapping[str, str], program: str) -> str | None:
    """The name that the first argument means; None after --help, which is answered with all names and their texts.

    Raises InputError when no name comes first.
    """
    first = given[0] if given else "none"
    if first in ("-h", "--help"):
        width = max(map(len, texts))
        listed = "\n".join(f"  {name:{width}}  {text}" for name, text in texts.items())
        print(f"usage: {program} {kind.upper()} [...]\n\n{listed}\n\n{program} {kind.upper()} --help tells more.")
        return None
    if not given or first.startswith("-"):
        names = ", ".join(texts)
        raise InputError(f"the {kind} comes first, one of {names}. Received: {first}. See {program} --help.")
    return resolve_name(kind, first, texts)


def _line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
