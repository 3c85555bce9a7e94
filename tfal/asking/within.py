"""Queries that ask for labels, answered by people: each ask is a batch, and the query is asked again once it is told.

A query follows from view, random numbers and answers alone. So it is begun anew after each batch, with the pool,
candidates and random numbers that it began with, and goes on until it asks for what nobody has told yet.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tfal.asking.ask import ask
from tfal.asking.later import observes
from tfal.asking.opened import Opened
from tfal.asking.strategy import shown_name
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.ledger import NOTHING, Ledger
from tfal.strategies import Strategy
from tfal.streams import Streams

if TYPE_CHECKING:
    from tfal.asking.round import Question

CANDIDATES = "candidates"  # of a query that goes on, in its file


class Batch(NamedTuple):
    """ids: (k,) int64, of which nothing is known. goes_on: whether the query does, once they are told."""

    ids: np.ndarray
    goes_on: bool


class _Untold(BaseException):
    """Leaves a query that asks for labels which nobody has told; no strategy can take it for an error of its own."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids


def begun_in(question: Question, ledger: Ledger) -> int:
    """The round in which the query began that this question goes on with, or a new one's.

    Warns where an open query is left for another one.
    """
    last, round = ledger.open_query, len(ledger.rounds)
    if last is None:
        return round
    if (question.name, question.options, question.n) == (last.strategy, last.options, last.n):
        return last.begun
    told = sum(int(np.sum(ledger.told(asked.ids))) for asked in ledger.rounds[last.begun :])
    warnings.warn(
        f"{last.strategy!r} was asked for {last.n}, of which {told} have labels, and is not asked for the rest: "
        "something else is asked for now, and begins anew.",
        stacklevel=4,
    )
    return round


def next_batch(
    strategy: Strategy, opened: Opened, pool: Pool, n: int, streams: Streams, candidates: np.ndarray, ledger: Ledger
) -> Batch:
    """What a query needs next; no ids where it is over and all of its picks are known.

    pool, streams, candidates: those that the query began with. ledger: what is known now.

    Warns where samples of its earlier batches are none that it asks for now.
    """
    if observes(strategy):
        raise InputError(
            f"a strategy that asks for labels within its query cannot learn from round to round in a campaign. "
            f"Received: {shown_name(strategy)}, which does both. Run it through tfal.run."
        )
    path = np.zeros(0, np.int64)

    def tell(ids: np.ndarray) -> np.ndarray:
        nonlocal path
        path, known = np.append(path, ids), ledger.known(ids)
        if (known == NOTHING).any():
            raise _Untold(ids[known == NOTHING])
        return known

    try:
        path = ask(strategy, opened, pool, n, streams, {}, candidates, tell)[0].ids
        batch = Batch(path[ledger.known(path) == NOTHING], False)
    except _Untold as left:
        batch = Batch(left.ids, True)
    _warn_of_strays(path, ledger)
    return batch


def _warn_of_strays(path: np.ndarray, ledger: Ledger) -> None:
    last = ledger.open_query
    if last is None:
        return
    asked = np.concatenate([one.ids for one in ledger.rounds[last.begun :]])
    strays = np.setdiff1d(asked[ledger.known(asked) != NOTHING], path)
    if len(strays):
        warnings.warn(
            f"{len(strays)} samples that {last.strategy!r} asked for in this query are none that it asks for now, such "
            f"as {strays[:5].tolist()}: a label was corrected, or the model or features are others than when the query "
            "began. Their labels stay, beside the n of the query.",
            stacklevel=6,
        )
