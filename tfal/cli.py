"""The command line of the run scripts: flags from the recipe's fields, a progress bar, a table and a picture."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tfal.errors import InputError, TrainingError, resolve_name
from tfal.recipe import Recipe, flag
from tfal.strategies import STRATEGIES

if TYPE_CHECKING:
    from tfal.learners.classifier import Builder
    from tfal.loop import Job


def main(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None = None,
) -> int:
    """Runs a recipe from the command line and reports it.

    Args:
        description: first line of --help.
        presets: named recipes; the first one gives the defaults.
        networks: builders by name.
        source: where the protocol's defaults come from, for --help.
        argv: the arguments, sys.argv[1:] when not given.

    Returns:
        exit code: 0 done, 1 training went wrong, 2 something given cannot be used, 130 interrupted.
    """
    try:
        recipe = parse(description, presets, networks, source, argv)
        return _run_and_report(recipe, networks[recipe.network])
    except InputError as error:
        return _fail(str(error), 2)
    except TrainingError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted. The same command goes on from here.", 130)


def parse(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None = None,
) -> Recipe:
    """The recipe that a command line means: a preset, and what the flags change in it."""
    parser = _parser(description, presets, source)
    known, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse_unknown(parser, unknown[0])
    options = vars(known)
    preset = presets[resolve_name("preset", options.pop("preset", next(iter(presets))), presets)]
    recipe = dataclasses.replace(preset, **options)
    strategies = [resolve_name("strategy", each.strategy, STRATEGIES) for each in recipe.each_strategy()]
    network = resolve_name("network", recipe.network, networks)
    return dataclasses.replace(recipe, network=network, strategy=",".join(strategies))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See --help.")


def _parser(description: str, presets: Mapping[str, Recipe], source: str) -> argparse.ArgumentParser:
    parser = _Parser(description=description, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    default = next(iter(presets.values()))
    for field in dataclasses.fields(Recipe):
        value = getattr(default, field.name)
        shown = "not set" if value is None else value
        origin = source if field.metadata["protocol"] else "tfal"
        parser.add_argument(
            flag(field.name),
            dest=field.name,
            type={"int": int, "float": float}.get(str(field.type), str),
            metavar={"int": "N", "float": "X"}.get(str(field.type), "NAME"),
            help=f"{field.metadata['help']} (default: {shown}; source: {origin})",
        )
    names = ", ".join(presets)
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"named settings, changed by the other flags: {names} (default: the first)",
    )
    return parser


def _refuse_unknown(parser: argparse.ArgumentParser, given: str) -> NoReturn:
    flags = {known.lower(): known for action in parser._actions for known in action.option_strings}
    nearest = difflib.get_close_matches(given.split("=")[0].lower(), flags, n=1, cutoff=0.5)
    hint = f" Did you mean {flags[nearest[0]]}?" if nearest else ""
    raise InputError(f"unknown argument {given!r}.{hint} See --help for all of them.")


def _run_and_report(recipe: Recipe, build: Builder) -> int:
    from tfal import loop, report
    from tfal.data import load

    data = load(recipe.dataset, recipe.data_dir)
    recipe = dataclasses.replace(recipe, dataset=data.name)
    jobs = loop.plan(recipe, data)
    _say_what_is_done(jobs)
    if any(job.rounds_left for job in jobs):
        _start_tensorflow(recipe.backend)
        _run(recipe, build, data, jobs)
    else:
        list(loop.run(recipe, build, data=data))
    report.report(jobs[0].folder.experiment)
    return 0


def _start_tensorflow(backend: str) -> None:
    """Loads TensorFlow and says what will run where, in place of its start-up notes; they are shown when it fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow as tf

            gpus = len(tf.config.list_physical_devices("GPU"))
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    from tfal.learners.backend import choose_backend

    networks = f"{gpus} GPU(s)" if gpus else "the CPU"
    print(f"Networks: TensorFlow {tf.__version__} on {networks}. Kernels: {choose_backend(backend).name}.")


def _say_what_is_done(jobs: Sequence[Job]) -> None:
    for job in jobs:
        name = f"{job.recipe.strategy}, repetition {job.rep}"
        if not job.rounds_left:
            print(f"{name}: finished already, nothing to train.")
        elif job.rows:
            print(f"{name}: goes on at round {len(job.rows)} of {job.recipe.n_step}.")


def _run(recipe: Recipe, build: Builder, data: Any, jobs: Sequence[Job]) -> None:
    from tqdm import tqdm

    from tfal import loop

    epochs = sum(job.rounds_left for job in jobs) * recipe.n_epoch
    with tqdm(total=epochs, unit="epoch", smoothing=0.05) as bar:
        bar.set_description(f"{recipe.dataset}, {recipe.network}")
        for done in loop.run(recipe, build, data=data, on_epoch=bar.update):
            row = done.row
            bar.set_description(
                f"{done.strategy}, repetition {done.rep}: {row['labels']:.0f} labels, "
                f"test accuracy {row['test_accuracy']:.4f}"
            )


def _fail(message: str, code: int) -> int:
    print(f"{Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
    return code
