"""The command line of the run scripts: flags from the recipe's fields, a progress bar, a table and a picture."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfal.command import quiet_start, run_command
from tfal.flags import parsed
from tfal.learners import LEARNERS
from tfal.plugins import load_network
from tfal.progress import Progress
from tfal.recipe import Recipe
from tfal.recipe.usage import refuse_unused, usage

if TYPE_CHECKING:
    from tfal.jobs import Job
    from tfal.learners.base import Builder
    from tfal.loop import Round


def main(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None = None,
    program: str | None = None,
) -> int:
    """Runs a recipe from the command line and reports it.

    Args:
        description: first line of --help.
        presets: named recipes; the first one gives the defaults.
        networks: builders by name.
        source: where the first preset has its values from, for --help.
        argv: the arguments, sys.argv[1:] when not given.
        program: what the command is called in its messages, the script's name when not given.

    Returns:
        exit code, see run_command.
    """

    def work() -> int:
        recipe, typed = parsed(description, presets, networks, source, argv)
        return _run_and_report(recipe, typed, load_network(recipe.network, networks))

    return run_command(program or Path(sys.argv[0]).name, work)


def parse(
    description: str,
    presets: Mapping[str, Recipe],
    networks: Mapping[str, Builder],
    source: str,
    argv: Sequence[str] | None = None,
) -> Recipe:
    """The recipe that a command line means, see tfal.flags.parsed."""
    return parsed(description, presets, networks, source, argv)[0]


def _run_and_report(recipe: Recipe, typed: Sequence[str], build: Builder) -> int:
    from tfal import report
    from tfal.data import load_for

    data = load_for(recipe)
    refuse_unused(typed, usage(recipe, data))
    recipe = recipe.replace(dataset=data.name)
    if recipe.prepare != "off":
        return _prepare(recipe, build, data)
    run = _run_low_budget if recipe.splits else _run_loop
    report.report(run(recipe, build, data))
    return 0


def _prepare(recipe: Recipe, build: Builder, data: Any) -> int:
    """Makes what several runs need once, and runs none of them."""
    from tfal import prepare

    if prepare.needs(recipe) is None:
        print(f"{recipe.title}, {recipe.strategy}: {prepare.NOTHING}")
        return 0
    start_tensorflow(recipe)
    with _Progress(1, f"{recipe.title}, {recipe.network}", (), "preparation") as progress:
        found = prepare.prepare(recipe, build, data=data, on_epoch=progress.epoch)
        progress.advance()
    print(found)
    return 0


def _run_loop(recipe: Recipe, build: Builder, data: Any) -> Path:
    """Runs the loop as far as it is not done; returns the folder of the experiment."""
    from tfal import jobs as planned
    from tfal import loop

    jobs = planned.plan(recipe, data)
    for line in planned.already_done(jobs):
        print(line)
    if any(job.rounds_left for job in jobs):
        start_tensorflow(recipe)
        _run(recipe, build, data, jobs)
    else:
        list(loop.run_jobs(jobs, build, data))
    return jobs[0].folder.experiment


def _run_low_budget(recipe: Recipe, build: Builder, data: Any) -> Path:
    """Judges the labeled sets of the low-budget study that are left; returns the folder of the experiment."""
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
    classifiers = {job.strategy.task_learner for job in jobs}
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
            doing = LEARNERS[learner].shown if learner in LEARNERS else f"training {learner}"
            self.below(doing, "epoch", epoch, epochs)

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
