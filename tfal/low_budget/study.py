"""The low-budget study: features once, then labeled sets of any strategy and budget, then what they are worth.

Source: "A Simple Baseline for Low-Budget Active Learning", arXiv 2110.12033, and its public code
(UCDvision/low-budget-al). Strategies see the features of a frozen encoder, normalised to length 1. Those that ask a
classifier see a linear head on them, trained on the labels so far; their first budget is that of random sampling, or of
the strategy that their method names (`Strategy.first`).

Differences from the public code: everything is seeded; files are named by the requested budget and hold exactly so many
ids; labels are never read through the images.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.data import Dataset, data_for
from tfal.errors import training_of
from tfal.low_budget.jobs import Job, plan
from tfal.on_demand import OnDemand
from tfal.pool.view import PoolView
from tfal.prepare import refuse_preparing
from tfal.recipe import Recipe
from tfal.recipe.usage import idle
from tfal.storage.index_files import write_ids
from tfal.storage.tables import Row
from tfal.strategies import check_memory, make_strategy, picks_of
from tfal.streams import Streams

if TYPE_CHECKING:
    from tfal.learners.base import Builder, OnEpoch
    from tfal.low_budget.session import Session

LOGGER = logging.getLogger("tfal")


@dataclass(frozen=True)
class BudgetResult:
    """One labeled set and what it is worth. row: what rounds.csv says of it."""

    strategy: str
    rep: int
    row: Row


def run(
    recipe: Recipe,
    build: Builder,
    *,
    data: Dataset | None = None,
    on_epoch: OnEpoch | None = None,
) -> Iterator[BudgetResult]:
    """Chooses and judges the labeled sets of every strategy, repetition and budget, from where the files end.

    What is given is checked at once; the work is done as results are asked for, in a `for` loop or by list(...), and a
    warning says so where none ever was.

    Args:
        recipe: what to run; `splits` names the budgets.
        build: (input shape, number of classes) -> the network of simclr and of training from scratch.
        data: the data set; loaded by name when not given.
        on_epoch: called with ("simclr", epoch, epochs) in the pretraining and with ("features", images, all images)
            while features are read.

    Raises:
        InputError: something cannot be used; raised before anything is written.
        TrainingError: a training went wrong. What was written stays.
    """
    refuse_preparing(recipe)
    recipe, data = data_for(recipe, data)
    planned = plan(recipe, data)
    for line in idle(recipe, data):
        LOGGER.warning(line)
    jobs = [job for job in planned if job.n_left]
    if len(jobs) < len(planned):
        LOGGER.warning("%d of %d repetitions are judged already.", len(planned) - len(jobs), len(planned))
    return OnDemand(run_jobs(jobs, recipe, build, data, on_epoch), "tfal.low_budget.run")


def run_jobs(
    jobs: Sequence[Job], recipe: Recipe, build: Builder, data: Dataset, on_epoch: OnEpoch | None = None
) -> Generator[BudgetResult]:
    """Those that `plan` found unfinished; see `run`."""
    if jobs:
        from tfal.data.image_files import named_errors
        from tfal.low_budget.session import Session
        from tfal.training.runtime import settings_restored

        with settings_restored(), named_errors():
            session = Session(recipe, build, data, on_epoch, jobs)
            for job in jobs:
                with job.folder.locked():
                    yield from _judged(job, session)


def _judged(job: Job, session: Session) -> Iterator[BudgetResult]:
    rows = job.folder.rows()
    session.notes.say(job.folder.start())
    selections = selected(job, session)
    for row in session.rows(job, selections, len(rows)):
        rows.append(row)
        job.folder.write_rows(rows)
        yield BudgetResult(job.recipe.strategy, job.rep, row)


def selected(job: Job, session: Session) -> dict[int, np.ndarray]:
    """The ids of every budget, from their files, or chosen now and written."""
    chosen, found = job.start, {}
    for step, budget in enumerate(job.budgets):
        stored = job.stored(budget, chosen, session.members)
        if stored is not None:
            chosen = stored
        else:
            began = time.perf_counter()
            where = f"the head that {job.recipe.strategy} asks for {budget} labels in repetition {job.rep}"
            with training_of(where, "Lower --lrHead, or look at the images and labels."):
                chosen = _query(job, step, budget, chosen, session)
            about = _about(job, chosen, session, time.perf_counter() - began)
            write_ids(job.index_file(budget), chosen, about)
        found[budget] = chosen
    return found


def _query(job: Job, step: int, budget: int, chosen: np.ndarray, session: Session) -> np.ndarray:
    """So many ids: those chosen before and the picks for this budget, or picks alone where budgets do not nest.

    What the strategy keeps for the next budget is written first: the file of the ids is what counts.
    """
    strategy = asked = job.strategy.in_round(step)
    labels = session.labels
    chosen = chosen if strategy.nested_budgets else chosen[:0]
    pool = session.empty_pool()
    pool.label_samples(chosen, labels[chosen], 0)
    if strategy.needs_labels and not len(chosen):
        strategy = make_strategy(strategy.first, None)
    streams = Streams(job.recipe.seed, job.rep, step)
    reader = session.reader(strategy, chosen, streams)
    candidates, memory = pool.unlabeled, job.folder.memory(step)
    view = PoolView(pool, candidates, reader, streams, memory, labels if strategy.oracle else None, strategy.learners)
    picks = picks_of(
        strategy, view, budget - len(chosen), streams("query"), job.recipe.strategy, lambda ids: labels[ids]
    )
    pool.label_samples(picks.ids, labels[picks.ids], step)
    where = f"{budget} labels in repetition {job.rep} of {job.recipe.strategy}"
    kept = check_memory(strategy.observe(view, picks, streams("observe")), where)
    job.folder.write_memory(step + 1, kept if strategy is asked else {})  # what another one learned is of no use to it
    return np.concatenate([chosen, picks.ids])


def _about(job: Job, ids: np.ndarray, session: Session, seconds: float) -> dict[str, Any]:
    from tfal.evaluation.scores import class_coverage

    return {
        "n": len(ids),
        "coverage": class_coverage(session.labels[ids], session.n_classes),
        "strategy": job.recipe.strategy,
        "repetition": job.rep,
        "seconds_query": seconds,
        "recipe": job.recipe.identity(),
    }
