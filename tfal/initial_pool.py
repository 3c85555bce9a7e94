"""The first labels: chosen by a query strategy that needs no classifier, before anything is trained."""

from __future__ import annotations

import numpy as np

from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.task import Task, check_classes
from tfal.pool.view import PoolView, Reader
from tfal.recipe import Recipe
from tfal.recipe.options import BALANCED
from tfal.strategies import Strategy, make_strategy, name_of, picks_of
from tfal.streams import Streams


def initial_strategy(recipe: Recipe, n_classes: int) -> Strategy | None:
    """What chooses the first labels; None where the split gives them. Raises InputError for one that needs labels."""
    if recipe.initial == BALANCED:
        return None
    strategy = make_strategy(recipe.initial, with_clusters(recipe, n_classes))
    if strategy.parts:
        raise InputError(
            f"--initial is one query, and a strategy that switches later has no place there. Received: "
            f"{recipe.initial!r}. Name {name_of(strategy.in_round(0))}."
        )
    if strategy.asks and not strategy.needs_labels:
        raise InputError(
            f"--initial must be a strategy that is asked once. Received: {recipe.initial!r}, which asks for labels "
            "within its query."
        )
    if strategy.needs_labels:
        instead = f" Its own first labels are those of {strategy.first}." if strategy.first != "random" else ""
        raise InputError(
            f"--initial must be {BALANCED} or a strategy that needs no labels, such as random, kmeans or typiclust. "
            f"Received: {recipe.initial!r}, which reads {' and '.join(strategy.learners)}.{instead}"
        )
    return strategy


def with_clusters(recipe: Recipe, n_classes: int) -> Recipe:
    """The recipe for strategies, which do not know the number of classes: as many clusters, where none is given."""
    return recipe.replace(n_cluster=recipe.n_cluster or n_classes)


def label_initial(recipe: Recipe, rep: int, strategy: Strategy, task: Task, pool: Pool, reader: Reader) -> np.ndarray:
    """Labels the first recipe.n_init samples in `pool`, the same for all query strategies; returns their ids.

    Raises InputError where a class got no label and recipe.missing_classes is "refuse", or where no class got one.
    """
    candidates, n, streams = pool.unlabeled, recipe.n_init, Streams(recipe.seed, rep)
    view = PoolView(
        pool, candidates, reader, streams, oracle=task.labels if strategy.oracle else None, learners=strategy.learners
    )
    picks = picks_of(strategy, view, n, streams("initial"), recipe.initial)
    pool.label_samples(picks.ids, task.labels[picks.ids], 0, task.n_classes)
    check_classes(recipe, rep, pool.label[pool.labeled], task.n_classes)
    return picks.ids
