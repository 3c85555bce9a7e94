"""The loop: train, test, read, query, label, commit. The only file that knows the order."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tfal.data import Dataset, data_for
from tfal.errors import InputError, training_of
from tfal.initial_pool import initial_strategy, label_initial
from tfal.jobs import Job, already_done, plan
from tfal.learners import LEARNERS, Builder, OnEpoch, check_learner
from tfal.on_demand import OnDemand
from tfal.pool import LABELED, Pool
from tfal.pool.told import told_of
from tfal.pool.view import PoolView
from tfal.prepare import refuse_preparing
from tfal.recipe import Recipe
from tfal.recipe.options import flag
from tfal.recipe.usage import idle
from tfal.storage.environment import Notes
from tfal.storage.tables import Row
from tfal.strategies import Picks, Strategy, check_memory, picks_of
from tfal.streams import Streams
from tfal.trackers import OnRound, Trackers

LOGGER = logging.getLogger("tfal")


@dataclass(frozen=True)
class Round:
    """One trained network, and what was picked with it.

    row: what rounds.csv says of this round. picks: None in the last round. n_known: how many of them are of a known
    class.
    """

    strategy: str
    rep: int
    row: Row
    picks: Picks | None
    n_known: int


def run(
    recipe: Recipe,
    build: Builder,
    *,
    data: Dataset | None = None,
    on_epoch: OnEpoch | None = None,
    on_round: OnRound | None = None,
) -> Iterator[Round]:
    """Runs every repetition of every strategy of `recipe`, from where its result files end; yields each new round.

    What is given is checked at once; networks are trained as rounds are asked for: a warning says so where none was.
    Operations are deterministic and global generators are seeded while it runs; both end with it as they were.

    Args:
        recipe: what to run.
        build: (input shape, number of classes) -> a new keras.Model that ends in logits; see models/.
        data: the data set, as tfal.load or tfal.data.from_arrays give it; loaded by name from recipe.data_dir when not
            given. Results stand under its name, whatever recipe.dataset says.
        on_epoch: called after each training epoch with the learner's name, the epoch from 1, and their number.
        on_round: called after each round that is committed, and not again when a run goes on, with a row: dataset,
            network, strategy, repetition and what rounds.csv says. Its first error is said, and it is called no more.

    Raises:
        InputError: something cannot be used; raised before anything is written.
        TrainingError: a loss, weights or logits became NaN or infinite. What was committed stays.
    """
    if isinstance(recipe, Recipe) and recipe.splits:
        raise InputError(
            f"this runs query rounds. Received: a recipe with splits={recipe.splits!r}. Give it to tfal.low_budget.run."
        )
    if on_epoch is not None and not callable(on_epoch):
        raise InputError(f"on_epoch must be a function (name, epoch, epochs). Received: a {type(on_epoch).__name__}.")
    if on_round is not None and not callable(on_round):
        raise InputError(f"on_round must be a function (row). Received: a {type(on_round).__name__}.")
    refuse_preparing(recipe)
    recipe, data = data_for(recipe, data)
    jobs = plan(recipe, data)
    for line in idle(recipe, data) + already_done(jobs):
        LOGGER.warning(line)
    return OnDemand(run_jobs(jobs, build, data, on_epoch, on_round), "tfal.run")


def run_jobs(
    jobs: Sequence[Job],
    build: Builder,
    data: Dataset,
    on_epoch: OnEpoch | None = None,
    on_round: OnRound | None = None,
) -> Generator[Round]:
    """What `plan` found to be done; see `run`."""
    for job in jobs:
        if not job.rounds_left:  # a stop may have come between the last row and these files
            job.folder.write_accuracies(job.rows, job.strategy.original_path)
            job.folder.drop_weights(len(job.rows) - 3)
    unfinished = [job for job in jobs if job.rounds_left]
    if unfinished:
        from tfal.data.image_files import named_errors
        from tfal.training.runtime import settings_restored

        with settings_restored(), named_errors(), contextlib.closing(Trackers(unfinished[0].recipe, on_round)) as told:
            session = _Session(unfinished, build, data, on_epoch)
            for job in unfinished:
                yield from _repetition(job, session, told)


class _Session:
    """What all repetitions share: images and learners, so that every network is compiled once."""

    def __init__(self, jobs: list[Job], build: Builder, data: Dataset, on_epoch: OnEpoch | None) -> None:
        from tfal.data.image_files import open_images
        from tfal.reading.backend import choose_backend
        from tfal.reading.output_cache import OutputCache
        from tfal.reading.reader import LearnerReader
        from tfal.training.built import checked_builder
        from tfal.training.layers import Watched
        from tfal.training.runtime import distribution, prepare_tensorflow, read_batch_size

        recipe = jobs[0].recipe
        prepare_tensorflow(recipe.threads)
        build = Watched(checked_builder(build, recipe.network))
        self.data, self.on_epoch = data, on_epoch
        self.images, self.test_images = open_images(data.x_train, data.corrupt), open_images(data.x_test)
        self.read_batch = read_batch_size(data.input_shape, distribution(recipe.devices).num_replicas_in_sync)
        n_classes, backend = jobs[0].task.n_classes, choose_backend(recipe.backend)
        self.initial = initial_strategy(recipe, n_classes)
        names = {name for job in jobs for name in _learners(job, job.strategy)} | set(
            self.initial.learners if self.initial else ()
        )
        made = {name: LEARNERS[name](build, self.images, n_classes, recipe) for name in sorted(names)}
        self.learners: dict[str, Any] = {name: check_learner(name, learner) for name, learner in made.items()}
        network = build.described(self.images.shape, n_classes)
        self.notes = Notes()
        for job in jobs:
            job.folder.check_network(network)
            if job.strategy.required_outputs:
                self.learners[job.strategy.task_learner].check_outputs(job.strategy.required_outputs)
        cache = OutputCache(len(self.images))
        self.reader = LearnerReader(self.images, self.learners, self.read_batch, backend, cache)


def _learners(job: Job, strategy: Strategy) -> list[str]:
    """The learners to be trained for `strategy`, the job's or that of a round, each once."""
    return list(dict.fromkeys((job.strategy.task_learner, *strategy.learners)))


def _repetition(job: Job, session: _Session, told: Trackers) -> Iterator[Round]:
    with job.folder.locked():
        n_told = len(job.folder.rows())
        # read again: another process may have gone on before this one had the lock
        rows, pool = job.committed()
        session.notes.say(job.folder.start())
        for step in range(len(rows), job.recipe.n_step + 1):
            row, answer = _round(job, step, pool, session)
            rows.append(row)
            if job.recipe.warm_start == "on":
                job.folder.write_weights(step, session.learners[job.strategy.task_learner].weights())
            job.folder.commit(pool, rows, job.strategy.original_path, answer.memory)
            job.folder.drop_weights(step - 1 if answer.picks is not None else step - 2)
            if step >= n_told:
                told.on_round(job.recipe, job.rep, row)
            known = 0 if answer.picks is None else int(np.sum(pool.state[answer.picks.ids] == LABELED))
            yield Round(job.recipe.strategy, job.rep, row, answer.picks, known)


class _Answer(NamedTuple):
    """What came of a query: the picks, what the strategy keeps for the next round, seconds spent in the networks."""

    picks: Picks | None = None
    memory: Mapping[str, np.ndarray] = MappingProxyType({})
    seconds_reading: float = 0.0


def _round(job: Job, step: int, pool: Pool, session: _Session) -> tuple[Row, _Answer]:
    """Trains, tests and queries; the picks are labeled in `pool` as round step + 1."""
    streams, clock = Streams(job.recipe.seed, job.rep, step), _Clock()
    if session.initial and step == 0:
        for name in session.initial.learners:
            _fit(name, f"the first labels by {job.recipe.initial}", pool, streams, session)
        label_initial(job.recipe, job.rep, session.initial, job.task, pool, session.reader)
    row: Row = {"round": step, "labels": pool.n_bought}
    found = _train(job, step, pool, streams, session)
    seconds = {"seconds_train": clock.lap()}
    if session.initial or job.recipe.long_tail:
        row["coverage"] = len(np.unique(pool.label[pool.labeled])) / job.task.n_classes
    row |= _test(job, step, pool, session) | (_open_set_row(job, step, pool) if job.recipe.is_open else {}) | found
    seconds["seconds_test"] = clock.lap()
    answer = _Answer()
    if step < job.recipe.n_step and len(pool.unlabeled):
        answer = _query(job, step, pool, streams, session)
    seconds |= {"seconds_read": answer.seconds_reading, "seconds_query": clock.lap() - answer.seconds_reading}
    return row | seconds | {"peak_memory_mb": _peak_memory_mb()}, answer


def _open_set_row(job: Job, step: int, pool: Pool) -> Row:
    """purity: share of known classes in the labels bought last. known_recall: share of the pool's known samples that
    are labeled."""
    bought = pool.round == step
    n_known = int(np.sum(job.task.labels[pool.members] < job.task.n_classes))
    return {
        "purity": float(np.mean(pool.state[bought] == LABELED)) if bought.any() else float("nan"),
        "known_recall": len(pool.labeled) / n_known,
    }


def _train(job: Job, step: int, pool: Pool, streams: Streams, session: _Session) -> dict[str, float]:
    """Trains what this round needs, of which the last needs no query; returns the log of its task_learner."""
    judged, log = job.strategy.task_learner, dict[str, float]()
    for name in _learners(job, job.strategy.in_round(step)) if step < job.recipe.n_step else [judged]:
        if step and name == judged and job.recipe.warm_start == "on":
            session.learners[name].start_from(job.folder.weights(step - 1))
        found = _fit(name, _where(job, step), pool, streams, session)
        log = found if name == judged else log
    return log


def _fit(name: str, where: str, pool: Pool, streams: Streams, session: _Session) -> dict[str, float]:
    learner = session.learners[name]
    with training_of(where, _mend(name)):
        found: dict[str, float] = learner.fit(pool, streams, session.on_epoch)
        return found


def _where(job: Job, step: int) -> str:
    return f"round {step} in repetition {job.rep} of {job.recipe.strategy}"


def _mend(name: str) -> str:
    return f"Lower {flag(LEARNERS[name].learning_rate_option)}, or look at the images and labels."


def _test(job: Job, step: int, pool: Pool, session: _Session) -> Row:
    """What is known of the network that was trained: its scores on the test samples, and whether it still changes."""
    from tfal.evaluation.round_scores import fitted_temperature, round_scores
    from tfal.evaluation.stop_set import answers, stop_scores, stop_set

    task, learner, size = job.task, session.learners[job.strategy.task_learner], session.read_batch
    held_out, watched = pool.validation, stop_set(task.start, job.recipe.seed, job.rep)
    with training_of(_where(job, step), _mend(job.strategy.task_learner)):
        scale = None
        if len(held_out):
            scale = fitted_temperature(learner, session.images.batches(held_out, size), pool.label[held_out])
        batches = session.test_images.batches(task.test_ids, size)
        row = round_scores(learner, batches, task.test_labels, task.n_classes, scale, bool(job.recipe.long_tail))
        if not len(watched):
            return row
        predicted, entropies = answers(learner, session.images.batches(watched, size))
    before = job.folder.predictions(step - 1, len(watched))
    job.folder.write_predictions(step, predicted, before)
    return row | stop_scores(predicted, before, entropies, watched, pool)


def _query(job: Job, step: int, pool: Pool, streams: Streams, session: _Session) -> _Answer:
    """Asks the strategy, labels its picks, and lets it observe them."""
    unlabeled, task = pool.unlabeled, job.task
    n_pool = min(job.recipe.n_pool, len(unlabeled))
    candidates = np.sort(streams("candidates").choice(unlabeled, n_pool, replace=False))
    strategy = job.strategy.in_round(step)
    oracle = task.labels if strategy.oracle else None
    view = PoolView(pool, candidates, session.reader, streams, job.folder.memory(step), oracle, strategy.learners)
    n = min(job.recipe.n_query, n_pool)
    picks = picks_of(
        strategy, view, n, streams("query"), job.recipe.strategy, lambda ids: told_of(task.labels[ids], task.n_classes)
    )
    pool.label_samples(picks.ids, task.labels[picks.ids], step + 1, task.n_classes)
    memory = strategy.observe(view, picks, streams("observe"))
    check_memory(memory, _where(job, step))
    return _Answer(picks, memory, view.seconds_reading)


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def _peak_memory_mb() -> float:
    """The largest memory of this process since its start [MB]; NaN on Windows, which has no such count."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
