"""What one repetition learns: its classes, its pool before the first round, its test set. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tfal.data import Dataset
from tfal.data.class_lists import known_classes
from tfal.errors import InputError
from tfal.pool import Pool, splits
from tfal.recipe import Recipe
from tfal.recipe.misfits import advice, misfits, over_budget
from tfal.recipe.options import BALANCED
from tfal.streams import Streams


@dataclass(frozen=True, eq=False)
class Task:
    """A classification task on a data set.

    n_classes: classes of the network. labels: (N,) int64, 0..n_classes-1, or n_classes for a class nobody asked for.
    start: the pool before the first query. test_ids, test_labels: the test samples of known classes.
    """

    n_classes: int
    labels: np.ndarray
    start: Pool
    test_ids: np.ndarray
    test_labels: np.ndarray


def make_task(recipe: Recipe, rep: int, data: Dataset) -> Task:
    """The task of repetition `rep` (from 1), the same for all strategies.

    Raises InputError, all at once and with values that fit, when the recipe asks for what the data cannot give.
    """
    data = _part(recipe, rep, data)
    problems, task = misfits(recipe, len(data.y_train), data.n_classes), None
    try:
        task = _open_task(recipe, rep, data) if recipe.is_open else _closed_task(recipe, rep, data)
    except InputError as error:
        problems.append(str(error))
    else:
        problems += over_budget(recipe, len(task.start.members))
    if task is None or problems:
        counts = np.bincount(data.y_train[data.readable], minlength=data.n_classes)
        raise InputError(" ".join(problems) + advice(recipe, len(data.y_train), len(data.readable), counts.tolist()))
    return task


def _part(recipe: Recipe, rep: int, data: Dataset) -> Dataset:
    """The data of which `n_train` training samples may be in a pool."""
    readable = data.readable
    if recipe.n_train > len(readable):
        raise InputError(
            f"--nTrain must be at most the {len(readable)} training samples of {recipe.dataset}. Received: "
            f"{recipe.n_train}. Lower it, or leave it out for all of them."
        )
    if not recipe.n_train:
        return data
    left_out = Streams(recipe.seed, rep)("train").permutation(readable)[recipe.n_train :]
    return replace(data, corrupt=np.union1d(data.corrupt, left_out))


def _closed_task(recipe: Recipe, rep: int, data: Dataset) -> Task:
    """A task of all classes. In a long tail, first labels and validation are drawn at random, as rare ones run out."""
    labels, members, streams = data.y_train, data.readable, Streams(recipe.seed, rep)
    if recipe.long_tail:
        members = members[splits.long_tail(labels[members], recipe.long_tail, streams("long_tail"))]
        rows = splits.at_random(len(members), recipe.n_init, recipe.n_valid, streams("split"))
    else:
        rows = splits.class_balanced(labels[members], recipe.n_init, recipe.n_valid, streams("split"))
    initial, validation = (members[part] for part in rows)
    initial = initial if recipe.initial == BALANCED else initial[:0]
    pool = Pool.unlabeled_pool(len(labels), members)
    if len(initial):
        check_classes(recipe, rep, labels[initial], data.n_classes)
    pool.label_samples(initial, labels[initial], 0)
    pool.set_validation(validation, labels[validation])
    return Task(data.n_classes, labels, pool, np.arange(len(data.y_test)), data.y_test)


def check_classes(recipe: Recipe, rep: int, labels: np.ndarray, n_classes: int) -> None:
    """Raises InputError where the first labels miss a class and the recipe refuses that, or where they miss all."""
    missing = np.setdiff1d(np.arange(n_classes), labels)
    if len(missing) == n_classes or (len(missing) and recipe.missing_classes == "refuse"):
        raise InputError(
            f"the {recipe.n_init} initial labels of repetition {rep} miss {len(missing)} of {n_classes} classes: "
            f"{missing[:10].tolist()}. Raise --nInit, or give --missingClasses allow."
        )


def _open_task(recipe: Recipe, rep: int, data: Dataset) -> Task:
    known, readable = _known(recipe, rep, data), data.readable
    rng = Streams(recipe.seed, rep)("split")
    split = splits.open_set(data.y_train[readable], known, recipe.ood_rate, recipe.n_init, recipe.n_valid, rng)
    pool = Pool.unlabeled_pool(len(data.y_train))
    pool.exclude(np.append(data.corrupt, readable[split.dropped]))
    initial = split.initial if recipe.initial == BALANCED else split.initial[:0]
    if len(initial):
        check_classes(recipe, rep, split.labels[initial], len(known))
    pool.label_samples(readable[initial], split.labels[initial], 0, len(known))
    pool.set_validation(readable[split.validation], split.labels[split.validation])
    labels = np.full(len(data.y_train), len(known))
    labels[readable] = split.labels
    test_labels = splits.renumbered(data.y_test, known, data.n_classes)
    test_ids = np.flatnonzero(test_labels < len(known))
    return Task(len(known), labels, pool, test_ids, test_labels[test_ids])


def _known(recipe: Recipe, rep: int, data: Dataset) -> tuple[int, ...]:
    if recipe.ood_dataset:
        return tuple(range(data.n_classes))
    n_known, listed = recipe.n_class_known, recipe.known_classes
    if listed is None:
        trial = rep - 1 if recipe.trial is None else recipe.trial
        return known_classes(data.name, data.n_classes, n_known, trial)
    known = tuple(int(number) for number in listed.split(","))
    if len(known) < 2 or n_known not in (0, len(known)):
        raise InputError(
            f"--knownClasses must name at least 2 classes, as many as --nClassKnown says (0: any number). "
            f"Received: {listed!r} and {n_known}."
        )
    return known
