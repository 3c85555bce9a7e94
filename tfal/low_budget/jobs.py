"""What a low-budget study does: repetitions of strategies, checked before anything is written."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfal.data import Dataset, fingerprint
from tfal.errors import InputError
from tfal.files import check_writable
from tfal.learners import LEARNERS
from tfal.plugins import as_part
from tfal.recipe import Recipe
from tfal.storage.index_files import query_seconds, read_pool_ids
from tfal.storage.runfolder import RunFolder
from tfal.storage.tables import Row
from tfal.strategies import Strategy, make_strategy
from tfal.strategies.base import no_validation


@dataclass(frozen=True)
class Job:
    """One repetition of one strategy.

    budgets: ascending. start: ids labeled beforehand. rows: the budgets already judged.
    """

    recipe: Recipe
    rep: int
    strategy: Strategy
    folder: RunFolder
    budgets: tuple[int, ...]
    start: np.ndarray
    rows: list[Row]

    @property
    def n_left(self) -> int:
        """Labeled sets still to be judged."""
        return max(len(self.budgets) - len(self.rows), 0)

    def index_file(self, budget: int) -> Path:
        """Where the ids of a budget are."""
        return self.folder.path / f"{as_part(self.recipe.strategy)}_{self.recipe.dataset}_{budget}.npy"

    def stored(self, budget: int, chosen: np.ndarray, members: np.ndarray) -> np.ndarray | None:
        """The ids in the file of a budget, which begin with `chosen`, those before, where budgets nest; None: no file.

        Raises InputError for anything else than ids of the pool.
        """
        path = self.index_file(budget)
        if not path.exists():
            return None
        ids = read_pool_ids(path, members, budget)
        query_seconds(path)
        strategy = self.strategy.in_round(self.budgets.index(budget))
        if strategy.nested_budgets and not np.array_equal(ids[: len(chosen)], chosen):
            raise InputError(f"{path} does not begin with the {len(chosen)} ids chosen before. Remove its folder.")
        return ids

    def check(self, members: np.ndarray) -> None:
        """Raises InputError when an index file is not what it should be: before anything is trained."""
        chosen: np.ndarray | None = self.start
        for budget in self.budgets:
            before = chosen if chosen is not None else self.start
            chosen = self.stored(budget, before, members)


def plan(recipe: Recipe, data: Dataset) -> list[Job]:
    """All repetitions of all strategies, checked against data and files. Raises InputError; writes nothing."""
    return [_checked(job, data.readable) for job in asked_for(recipe, data)]


def asked_for(recipe: Recipe, data: Dataset) -> list[Job]:
    """All repetitions of all strategies, checked against the data; no file but that of the first ids is looked at.

    Raises InputError.
    """
    budgets = _budgets(recipe.splits or "")
    members = data.readable
    start = _start_ids(recipe.resume_indices, members)
    if not len(start) < budgets[0] <= budgets[-1] <= len(members):
        raise InputError(
            f"--splits must be more than the {len(start)} labels at the start and at most the {len(members)} "
            f"samples of {recipe.dataset}. Received: {recipe.splits}."
        )
    data_print, jobs = fingerprint(data), []
    for single in recipe.each_strategy():
        strategy = make_strategy(single.strategy, single)
        _check_strategy(single.strategy, strategy)
        if strategy.needs_validation:
            raise no_validation(single.strategy)
        _check_head(single)
        strategy.check_pool(np.setdiff1d(members, start), budgets[0] - len(start), len(data.y_train))
        for rep in single.reps:
            jobs.append(Job(single, rep, strategy, RunFolder(single, rep, data_print), budgets, start, []))
    return jobs


def _checked(job: Job, members: np.ndarray) -> Job:
    """The job with the budgets that are judged, once all files that it needs have been looked at."""
    check_writable(job.folder.path)
    job = dataclasses.replace(job, rows=job.folder.rows())
    if not job.folder.is_of_another_try():
        job.check(members)
    return job


def budgets_left(jobs: Sequence[Job]) -> int:
    """Labeled sets still to be judged."""
    return sum(job.n_left for job in jobs)


def _start_ids(path: str | None, known: np.ndarray) -> np.ndarray:
    return np.zeros(0, np.int64) if path is None else read_pool_ids(Path(path), known)


def _budgets(text: str) -> tuple[int, ...]:
    try:
        budgets = tuple(int(number) for number in text.split(","))
    except ValueError:
        budgets = ()
    if not budgets or budgets[0] < 1 or any(b <= a for a, b in itertools.pairwise(budgets)):
        raise InputError(
            f"--splits must be ascending whole numbers, a comma list such as 10,20,50. Received: {text!r}."
        )
    return budgets


def _check_strategy(name: str, strategy: Strategy) -> None:
    other = [learner for learner in strategy.learners if not LEARNERS[learner].from_features]
    missing = [*other, *strategy.required_outputs]
    if missing:
        raise InputError(
            f"strategy {name!r} reads {' and '.join(missing)}, which frozen features have not. Run it without --splits."
        )


def _check_head(recipe: Recipe) -> None:
    """Raises InputError for a strategy that applies the head to the features that it sees, where these are others."""
    if recipe.head_input == "raw" and recipe.strategy == "ldms":
        raise InputError(
            "strategy 'ldms' applies the linear head to features of length 1, and --headInput raw trains it on others. "
            "Give --headInput unit, and --lrHead 0.01."
        )
