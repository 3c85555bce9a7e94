"""What the loop has to do: repetitions of strategies, checked before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from tfal.data import Dataset, fingerprint
from tfal.evaluation.stop_set import stop_size
from tfal.files import check_writable
from tfal.initial_pool import initial_strategy, with_clusters
from tfal.pool import Pool
from tfal.pool.task import Task, make_task
from tfal.recipe import Recipe
from tfal.storage.runfolder import RunFolder
from tfal.storage.tables import Row
from tfal.strategies import Strategy, make_strategy
from tfal.strategies.base import no_validation
from tfal.trackers import check_trackers


@dataclass(frozen=True)
class Job:
    """One repetition of one strategy, and how far it is.

    recipe: names this strategy alone. rep: from 1. task: what it learns. rows: the rounds already committed.
    """

    recipe: Recipe
    rep: int
    strategy: Strategy
    folder: RunFolder
    task: Task
    rows: list[Row]

    @property
    def rounds_left(self) -> int:
        """Networks still to be trained."""
        return max(self.recipe.n_step + 1 - len(self.rows), 0)

    def committed(self) -> tuple[list[Row], Pool]:
        """The rounds that stay, as the files have them now, and the pool after them.

        A round that was the last of a run that has more rounds now is left out: nothing was picked in it. Raises
        InputError for files of another run, or damaged ones.
        """
        rows = self.folder.rows()
        pool = self._pool(rows)
        picked = (pool.round == len(rows)).any()
        if rows and len(rows) <= self.recipe.n_step and len(pool.unlabeled) and not picked:
            rows = rows[:-1]
            pool = self._pool(rows)
        return rows, pool

    def _pool(self, rows: list[Row]) -> Pool:
        return self.folder.pool(self.task.start, rows, self.task.labels, self.task.n_classes)


def plan(recipe: Recipe, data: Dataset) -> list[Job]:
    """All repetitions of all strategies of a recipe, checked against the data and the files that are there.

    Raises InputError for anything that cannot be run or resumed. Writes nothing.
    """
    check_trackers(recipe)
    return [_checked(job) for job in asked_for(recipe, data)]


def asked_for(recipe: Recipe, data: Dataset) -> list[Job]:
    """All repetitions of all strategies of a recipe, checked against the data; no file is looked at.

    Raises InputError for anything that cannot be run.
    """
    initial = initial_strategy(recipe, data.n_classes)
    data_print, jobs = fingerprint(data), []
    tasks = {rep: make_task(recipe, rep, data) for rep in recipe.reps}
    for single in recipe.each_strategy():
        strategy = make_strategy(single.strategy, with_clusters(single, tasks[recipe.reps[0]].n_classes))
        for rep, task in tasks.items():
            _check_pool(recipe, initial, strategy, task)
            if strategy.needs_validation and not len(task.start.validation):
                raise no_validation(single.strategy)
            jobs.append(Job(single, rep, strategy, RunFolder(single, rep, data_print), task, []))
    return jobs


def _check_pool(recipe: Recipe, initial: Strategy | None, strategy: Strategy, task: Task) -> None:
    candidates, size = task.start.unlabeled, len(task.labels)
    if initial:
        initial.check_pool(candidates, recipe.n_init, size)
    strategy.check_pool(candidates, min(recipe.n_query, len(candidates)) if recipe.n_step else 0, size)


def _checked(job: Job) -> Job:
    """The job with the rounds that are there, once all files that it needs have been read."""
    check_writable(job.folder.path)
    rows, _ = job.committed()
    job = dataclasses.replace(job, rows=rows)
    job.folder.memory(len(rows))
    job.folder.predictions(len(rows) - 1, stop_size(job.task.start))
    if rows and job.rounds_left and job.recipe.warm_start == "on":
        job.folder.weights(len(rows) - 1)
    return job


def already_done(jobs: Sequence[Job]) -> list[str]:
    """What a run takes up in place of training it, a line for each strategy."""
    found = []
    for strategy in dict.fromkeys(job.recipe.strategy for job in jobs):
        of_one = [job for job in jobs if job.recipe.strategy == strategy]
        done = [f"{job.rep}" for job in of_one if not job.rounds_left]
        if done:
            more = max(len(job.rows) for job in of_one if not job.rounds_left) - of_one[0].recipe.n_step - 1
            kept = f" ({more} rounds more than asked for are kept)" if more > 0 else ""
            found.append(f"{strategy}, {_repetitions(done)}: finished already, nothing to train{kept}.")
        found += [
            f"{strategy}, repetition {job.rep}: goes on at round {len(job.rows)} of {job.recipe.n_step}."
            for job in of_one
            if job.rows and job.rounds_left
        ]
    return found


def _repetitions(numbers: list[str]) -> str:
    return f"repetition {numbers[0]}" if len(numbers) == 1 else f"repetitions {', '.join(numbers)}"
