"""The command line of the run scripts: flags from the recipe's fields, a progress bar, a table and a picture."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tfal.command import Parser, quiet_start, run_command
from tfal.errors import InputError, resolve_name
from tfal.progress import Progress
from tfal.recipe import Recipe
from tfal.recipe.options import flag
from tfal.recipe.usage import refuse_unused, usage
from tfal.strategies import STRATEGIES

if TYPE_CHECKING:
    from tfal.learners.classifier import Builder
    from tfal.loop import Job, Round


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
        source: where the first preset has its values from, for --help.
        argv: the arguments, sys.argv[1:] when not given.

    Returns:
        exit code, see run_command.
    """

    def work() -> int:
        recipe, typed = _parsed(description, presets, networks, source, argv)
        return _run_and_report(recipe, typed, networks[recipe.network])

    return run_command(Path(sys.argv[0]).name, work)


def parse(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None = None,
) -> Recipe:
    """The recipe that a command line means: a preset, and what the flags change in it.

    Raises InputError for flags that cannot be used, and for those that nothing would look at.
    """
    return _parsed(description, presets, networks, source, argv)[0]


def _parsed(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None,
) -> tuple[Recipe, list[str]]:
    """The recipe, and the names of the options that were typed."""
    parser = _parser(description, presets, networks, source)
    known, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse_unknown(parser, unknown[0])
    options = vars(known)
    preset = presets[resolve_name("preset", options.pop("preset", next(iter(presets))), presets)]
    recipe = dataclasses.replace(preset, **options)
    recipe = dataclasses.replace(recipe, network=resolve_name("network", recipe.network, networks))
    refuse_unused(options, usage(recipe))
    return recipe, list(options)


def _parser(
    description: str, presets: Mapping[str, Recipe], networks: Mapping[str, Builder], source: str
) -> argparse.ArgumentParser:
    parser = Parser(description=description, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    default = next(iter(presets.values()))
    groups: dict[str, Any] = {}
    names = {"strategy": STRATEGIES, "network": networks}
    for field in dataclasses.fields(Recipe):
        title = field.metadata["group"]
        group = groups.setdefault(title, None) or parser.add_argument_group(title)
        groups[title] = group
        listed = f": {', '.join(names[field.name])}" if field.name in names else ""
        add_option(group, field, getattr(default, field.name), source, listed)
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"named settings, changed by the other flags: {', '.join(presets)} (default: the first)",
    )
    return parser


def add_option(group: Any, field: dataclasses.Field[Any], value: Any, source: str, listed: str) -> None:
    """The flag of a field.

    value: its default. source: of defaults that are not the recipe's. listed: names that it may have.
    """
    kind, choices = str(field.type).partition(" ")[0], field.metadata["choices"]
    shown = "not set" if value is None else value
    origin = field.metadata["source"] or "tfal"
    if value != field.default:
        origin = source if field.metadata["protocol"] else "tfal"
    group.add_argument(
        flag(field.name),
        dest=field.name,
        type={"int": int, "float": float}.get(kind, str),
        metavar="|".join(choices) or {"int": "N", "float": "X"}.get(kind, "NAME"),
        help=f"{field.metadata['help']}{listed} (default: {shown}; source: {origin})",
    )


def _refuse_unknown(parser: argparse.ArgumentParser, given: str) -> NoReturn:
    flags = {known.lower(): known for action in parser._actions for known in action.option_strings}
    nearest = difflib.get_close_matches(given.split("=")[0].lower(), flags, n=1, cutoff=0.5)
    hint = f" Did you mean {flags[nearest[0]]}?" if nearest else ""
    raise InputError(f"unknown argument {given!r}.{hint} See --help for all of them.")


def _run_and_report(recipe: Recipe, typed: Sequence[str], build: Builder) -> int:
    from tfal import report
    from tfal.data import load_for

    data = load_for(recipe)
    refuse_unused(typed, usage(recipe, data))
    recipe = dataclasses.replace(recipe, dataset=data.name)
    run = _run_low_budget if recipe.splits else _run_loop
    report.report(run(recipe, build, data))
    return 0


def _run_loop(recipe: Recipe, build: Builder, data: Any) -> Path:
    """Runs the loop as far as it is not done; returns the folder of the experiment."""
    from tfal import loop

    jobs = loop.plan(recipe, data)
    for line in loop.already_done(jobs):
        print(line)
    if any(job.rounds_left for job in jobs):
        start_tensorflow(recipe)
        _run(recipe, build, data, jobs)
    else:
        list(loop.run_jobs(jobs, build, data))
    return jobs[0].folder.experiment


def _run_low_budget(recipe: Recipe, build: Builder, data: Any) -> Path:
    """The same for the low-budget study."""
    from tfal import low_budget

    jobs = low_budget.plan(recipe, data)
    left = low_budget.budgets_left(jobs)
    if left:
        start_tensorflow(recipe)
        with _Progress(left, f"{recipe.title}, {recipe.network}", ("judged",), "labeled set") as progress:
            for judged in low_budget.run_jobs([job for job in jobs if job.n_left], recipe, build, data, progress.epoch):
                progress.epoch("judged", 0, left)
                progress.say(judged.strategy, judged.rep, judged.row)
    else:
        print("All labeled sets are judged already, nothing to do.")
    return jobs[0].folder.experiment


def start_tensorflow(recipe: Recipe) -> None:
    """Loads TensorFlow and says what will run where, in place of its start-up notes; they are shown when it fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_start():
        import tensorflow as tf

        from tfal.training import runtime

        runtime.prepare_tensorflow(recipe.threads)
        gpus = len(tf.config.list_physical_devices("GPU"))
        used = runtime.distribution(recipe.devices).num_replicas_in_sync
    from tfal.reading.backend import choose_backend

    networks = f"TensorFlow {tf.__version__} on {_devices(recipe.devices, gpus, used)}"
    print(f"Networks: {networks}. Kernels: {choose_backend(recipe.backend).name}.")


def _devices(asked: str, gpus: int, used: int) -> str:
    """What networks run on, in words; used: how many devices."""
    kind = "GPU" if gpus else "CPU device"
    if used > 1:
        return f"{used} {kind}s"
    name = "the CPU" if not gpus else "the GPU" if gpus == 1 else f"1 of {gpus} GPUs"
    return f"{name}, the only device that --devices all finds" if asked == "all" else name


def _run(recipe: Recipe, build: Builder, data: Any, jobs: Sequence[Job]) -> None:
    from tfal import loop

    epochs = sum(job.rounds_left for job in jobs) * recipe.n_epoch
    classifiers = {job.strategy.task for job in jobs}
    with _Progress(epochs, f"{recipe.title}, {recipe.network}", classifiers) as progress:
        for done in loop.run_jobs(jobs, build, data, progress.epoch):
            progress.round(done)


class _Progress(Progress):
    """A bar over all that is trained round by round, and one below it while an encoder is pretrained or read."""

    def __init__(self, epochs: int, description: str, classifiers: Collection[str], unit: str = "epoch") -> None:
        super().__init__(epochs, unit, description)
        self._classifiers = classifiers

    def epoch(self, learner: str, epoch: int, epochs: int) -> None:
        """One epoch of a learner is over; the first call for an encoder tells how far it was."""
        if learner in self._classifiers:
            self.advance()
        elif learner == "features":
            self.below("reading features", "image", epoch, epochs)
        else:
            self.below(f"pretraining the encoder {learner}", "epoch", epoch, epochs)

    def say(self, strategy: str, rep: int, row: Mapping[str, float]) -> str:
        """The newest result; returns what it belongs to."""
        what = f"{strategy}, repetition {rep}"
        found = f"{row['labels']} labels, test accuracy {row['test_accuracy']:.4f}"
        seconds = sum(value for name, value in row.items() if name.startswith("seconds_"))
        self.result(f"{what}: {found}", f"{what}, round {row['round']}: {found}, {seconds:.1f} s")
        return what

    def round(self, done: Round) -> None:
        """One round is committed."""
        row, what = done.row, self.say(done.strategy, done.rep, done.row)
        if done.picks is not None and not done.n_known:
            self.note(
                f"{what}, round {row['round']}: all {len(done.picks.ids)} picks are of unknown classes; "
                "training goes on with the labels that are there."
            )
