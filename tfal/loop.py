"""The loop: train, test, read, query, label, commit. The only file that knows the order."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfal import splits
from tfal.data import Dataset, fingerprint, load
from tfal.errors import TrainingError, resolve_name
from tfal.files import check_writable
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.runfolder import Row, RunFolder
from tfal.strategies import STRATEGIES, Picks, Strategy, check_picks, make_strategy
from tfal.streams import Streams
from tfal.view import PoolView

if TYPE_CHECKING:
    from tfal.learners.classifier import Builder

TASK = "classifier"  # the learner whose test accuracy is the result


@dataclass(frozen=True)
class Job:
    """One repetition of one strategy, and how far it is.

    recipe: names this strategy alone. rep: from 1. rows: the rounds already committed.
    """

    recipe: Recipe
    rep: int
    strategy: Strategy
    folder: RunFolder
    start: Pool
    rows: list[Row]

    @property
    def rounds_left(self) -> int:
        """Networks still to be trained."""
        return self.recipe.n_step + 1 - len(self.rows)


@dataclass(frozen=True)
class Round:
    """One trained network, and what was picked with it.

    row: what rounds.csv says of this round. picks: None in the last round.
    """

    strategy: str
    rep: int
    row: Row
    picks: Picks | None


def plan(recipe: Recipe, data: Dataset) -> list[Job]:
    """All repetitions of all strategies of a recipe, checked against the data and the files that are there.

    Raises InputError for anything that cannot be run or resumed. Writes nothing.
    """
    recipe.check_against(len(data.y_train), data.n_classes)
    data_print, jobs = fingerprint(data), []
    for single in recipe.each_strategy():
        name = resolve_name("strategy", single.strategy, STRATEGIES)
        single, strategy = dataclasses.replace(single, strategy=name), make_strategy(name, single)
        for rep in range(1, single.n_rep + 1):
            folder = RunFolder(single, rep, data_print)
            check_writable(folder.path)
            start, rows = _start_pool(single, rep, data.y_train), folder.rows()
            folder.pool(start, rows)
            jobs.append(Job(single, rep, strategy, folder, start, rows))
    return jobs


def run(
    recipe: Recipe, build: Builder, *, data: Dataset | None = None, on_epoch: Callable[[], object] | None = None
) -> Iterator[Round]:
    """Runs every repetition of every strategy of `recipe`, from where its result files end; yields each new round.

    Args:
        recipe: what to run.
        build: (input shape, number of classes) -> a keras.Model that ends in logits; see models/.
        data: the data set; loaded by name from recipe.data_dir when not given.
        on_epoch: called after each training epoch.

    Raises:
        InputError: something cannot be used; raised before anything is written.
        TrainingError: the loss became NaN or infinite. What was committed stays.
    """
    data = load(recipe.dataset, recipe.data_dir) if data is None else data
    jobs = plan(recipe, data)
    for job in jobs:
        if not job.rounds_left:  # a stop may have come between the last row and these files
            job.folder.write_accuracies(job.rows, job.strategy.original_path)
    unfinished = [job for job in jobs if job.rounds_left]
    if unfinished:
        bench = _Bench(unfinished, build, data, on_epoch)
        for job in unfinished:
            yield from _repetition(job, bench)


class _Bench:
    """What all repetitions share: images and learners, so that every network is compiled once."""

    def __init__(self, jobs: list[Job], build: Builder, data: Dataset, on_epoch: Callable[[], object] | None) -> None:
        from tfal.images import Images
        from tfal.learners import LEARNERS
        from tfal.learners.backend import choose_backend
        from tfal.learners.runtime import prepare_tensorflow, read_batch_size

        prepare_tensorflow()
        self.data, self.on_epoch = data, on_epoch
        self.images, self.test_images = Images(data.x_train), Images(data.x_test)
        self.read_batch, self.backend = read_batch_size(data.input_shape), choose_backend(jobs[0].recipe.backend)
        names = {TASK}.union(*(job.strategy.learners for job in jobs))
        self.learners = {
            name: LEARNERS[name](build, self.images, data.n_classes, jobs[0].recipe) for name in sorted(names)
        }


def _repetition(job: Job, bench: _Bench) -> Iterator[Round]:
    with job.folder.locked():
        rows = job.folder.rows()  # read again: another process may have gone on before this one had the lock
        pool = job.folder.pool(job.start, rows)
        job.folder.start()
        for step in range(len(rows), job.recipe.n_step + 1):
            row, picks = _round(job, step, pool, bench)
            rows.append(row)
            job.folder.commit(pool, rows, job.strategy.original_path)
            yield Round(job.recipe.strategy, job.rep, row, picks)


def _round(job: Job, step: int, pool: Pool, bench: _Bench) -> tuple[Row, Picks | None]:
    """Trains, tests and queries; the picks are labeled in `pool` as round step + 1."""
    streams, clock = Streams(job.recipe.seed, job.rep, step), _Clock()
    labels = len(pool.labeled)
    found = _train(job, step, pool, streams, bench)
    seconds = {"seconds_train": clock.lap()}
    accuracy = _test(bench)
    seconds["seconds_test"] = clock.lap()
    picks, reading = None, 0.0
    if step < job.recipe.n_step and len(pool.unlabeled):
        picks, reading = _query(job, step, pool, streams, bench)
    seconds |= {"seconds_read": reading, "seconds_query": clock.lap() - reading}
    row = {"round": step, "labels": labels, "test_accuracy": accuracy} | found | seconds
    return row | {"peak_memory_mb": _peak_memory_mb()}, picks


def _train(job: Job, step: int, pool: Pool, streams: Streams, bench: _Bench) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in dict.fromkeys((TASK, *job.strategy.learners)):
        try:
            log = bench.learners[name].fit(pool, streams, bench.on_epoch if name == TASK else None)
        except TrainingError as error:
            raise TrainingError(
                f"{error} of round {step} in repetition {job.rep} of {job.recipe.strategy}. "
                "Lower --learningRate, or look at the images and labels."
            ) from None
        found |= log if name == TASK else {}
    return found


def _test(bench: _Bench) -> float:
    from tfal.evaluate import test_accuracy

    return test_accuracy(bench.learners[TASK], bench.test_images, bench.data.y_test, bench.read_batch)


def _query(job: Job, step: int, pool: Pool, streams: Streams, bench: _Bench) -> tuple[Picks, float]:
    """Asks the strategy, labels its picks; also the seconds spent reading the networks."""
    from tfal.learners.reader import LearnerReader

    unlabeled = pool.unlabeled
    n_pool = min(job.recipe.n_pool, len(unlabeled))
    candidates = np.sort(streams("candidates").choice(unlabeled, n_pool, replace=False))
    reader = LearnerReader(bench.images, bench.learners, bench.read_batch, bench.backend)
    view = PoolView(pool, candidates, reader, streams)
    n = min(job.recipe.n_query, n_pool)
    picks = check_picks(job.strategy.query(view, n, streams("query")), candidates, n, job.recipe.strategy)
    pool.label_samples(picks.ids, bench.data.y_train[picks.ids], step + 1)
    job.strategy.observe(view, picks)
    return picks, view.seconds_reading


def _start_pool(recipe: Recipe, rep: int, labels: np.ndarray) -> Pool:
    initial, validation = splits.class_balanced(
        labels, recipe.n_init, recipe.n_valid, Streams(recipe.seed, rep)("split")
    )
    pool = Pool.unlabeled_pool(len(labels))
    pool.label_samples(initial, labels[initial], 0)
    pool.set_validation(validation, labels[validation])
    return pool


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def _peak_memory_mb() -> float:
    """Of this process since its start; NaN on Windows, which has no such count."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
