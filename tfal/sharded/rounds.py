"""What a shard does, and what is chosen from what all of them found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts.xp import to_numpy
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.reading.tables import CHUNK
from tfal.sharded.partition import random_shard, range_of
from tfal.sharded.question import Part, Question
from tfal.strategies import check_picks, picks_of
from tfal.streams import Streams

Found = dict[str, np.ndarray]  # arrays by name


def shard(question: Question, number: int) -> Found:
    """What shard `number`, from 0, finds: "scores" of its candidates, or "ids" that it picks and their "weights".

    Raises InputError for rows that are not finite.
    """
    if question.strategy.splits == "scores":
        return _scores(question, number)
    ids = random_shard(question.candidates, number, question.n_shard, question.seed)
    part = question.view(ids)
    places = _query(question, part, number)
    found = {"ids": part.members[places]}
    weights = question.strategy.stands_for(part.view, places) if question.n_shard > 1 else None
    return found if weights is None else {**found, "weights": weights}


def union(question: Question, found: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """The picks, ids (n,) int64 in the order of picking, from what the shards found, in their order."""
    if question.strategy.splits == "scores":
        return _by_scores(question, np.concatenate([each["scores"] for each in found]))
    if question.n_shard == 1:
        return found[0]["ids"]
    ids = np.concatenate([each["ids"] for each in found])
    order = ids.argsort()
    weights = np.concatenate([each["weights"] for each in found])[order] if "weights" in found[0] else None
    part = question.view(ids[order], weights)
    picks: np.ndarray = part.members[_query(question, part, question.n_shard)]
    return picks


def _query(question: Question, part: Part, round: int) -> np.ndarray:
    """The places (n,) that the strategy picks in a part. round: of its random numbers."""
    strategy, view = question.strategy, part.view
    strategy.check_pool(view.candidates, question.n, len(part.members))
    return picks_of(strategy, view, question.n, Streams(question.seed, round=round)("query")).ids


def _scores(question: Question, number: int) -> Found:
    part = question.view(range_of(question.candidates, number, question.n_shard, CHUNK))
    scores = to_numpy(question.strategy.row_scores(part.view))
    if scores.shape != part.view.candidates.shape:
        raise InputError(
            f"strategy {type(question.strategy).__name__} must give one score for each of {len(part.view.candidates)} "
            f"candidates. Received: shape {scores.shape}."
        )
    return {"scores": scores}


def _by_scores(question: Question, scores: np.ndarray) -> np.ndarray:
    """As one process chooses: ties and noise are drawn for all candidates."""
    candidates, streams = question.candidates, Streams(question.seed)
    ids = candidates.ids(np.arange(len(candidates)))
    nothing: Any = None  # is read: the view has no learners
    view = PoolView(Pool.unlabeled_pool(0), ids, nothing, streams, learners=())
    picks = question.strategy.choose(view, scores, question.n, streams("query"))
    return check_picks(picks, ids, question.n, type(question.strategy).__name__).ids
