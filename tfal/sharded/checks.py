"""A question to shards as it is given: checked, and tried out, before anything is done."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfal.asking import checked_number, checked_strategy, open_given, shown_name
from tfal.errors import InputError
from tfal.given import check_int, given_ids, given_labels
from tfal.kernels.parts.tiles import slices
from tfal.reading.tables import CHUNK, Layer
from tfal.sharded.question import Arrays, Known, Question
from tfal.strategies import STRATEGIES, Strategy
from tfal.streams import Streams

_PROBE = 64  # candidates that a question is tried out with
_CHECKED = 2 * 10**9  # bytes of an array, as float32, all of whose rows are looked at before anything is done


def checked_question(
    strategy: str | Strategy,
    n: int,
    arrays: Arrays,
    known: tuple[Any, Any, Any] = (None, None, None),
    *,
    n_shard: int = 1,
    seed: int = 0,
    backend: str = "auto",
    options: Mapping[str, Any] | None = None,
) -> Question:
    """The question, if it means something; `tried` says whether it can be answered.

    Args:
        strategy, n, seed, backend, options: as of tfal.query.
        arrays: what is read of the samples.
        known: labeled, labels and rejected as tfal.query takes them.
        n_shard: in how many parts.

    Raises:
        InputError: something cannot be used, or cannot be chosen in so many parts.
    """
    chosen = checked_strategy(strategy, options or {}, {"n_shard", "labeled", "labels", "rejected", "seed", "backend"})
    _check_splits(chosen)
    check_int("n_shard", n_shard, 1)
    check_int("seed", seed, 0)
    opened = open_given(chosen, arrays.given(chosen, backend=backend))
    if opened.size is None:
        raise InputError("features or logits must be given: ids are positions in them. Received: neither.")
    found = _known(chosen, opened.size, opened.n_classes, *known)
    question = Question(chosen, 1, arrays, found, opened.size, int(n_shard), int(seed), backend)
    if not len(question.candidates):
        raise InputError("labeled and rejected must leave a sample to pick. Received: all of them.")
    n = checked_number(n, len(question.candidates))
    _check_shards(chosen, n, len(question.candidates), int(n_shard))
    return dataclasses.replace(question, n=n)


def _known(strategy: Strategy, size: int, n_classes: int | None, labeled: Any, labels: Any, rejected: Any) -> Known:
    ids, no = given_ids("labeled", labeled, size), given_ids("rejected", rejected, size)
    if strategy.uses_labels and labels is None and len(ids):
        raise InputError(
            f"strategy {shown_name(strategy)} needs labels, the class of each id in labeled. Received: None."
        )
    both = np.intersect1d(ids, no)
    if len(both):
        raise InputError(f"a sample is labeled or rejected, not both. Received: {both[:5].tolist()} in both.")
    order = ids.argsort()
    return Known(ids[order], given_labels(labels, ids, n_classes)[order], np.sort(no))


def _check_splits(strategy: Strategy) -> None:
    if strategy.splits in ("scores", "rounds"):
        return
    known = ", ".join(sorted(name for name, kind in STRATEGIES.items() if kind.splits and of_arrays(kind)))
    raise InputError(
        f"strategy {shown_name(strategy)} cannot choose from a pool in parts: what it takes of one hangs on the "
        f"others. Those that can: {known}. Ask it by tfal.query, or choose another."
    )


def of_arrays(kind: type[Strategy]) -> bool:
    """Whether a strategy reads what features or logits of a classifier tell."""
    return {*kind.learners} <= {"classifier", "encoder"} and kind.required_outputs == ()


def _check_shards(strategy: Strategy, n: int, m: int, n_shard: int) -> None:
    """Raises InputError for more shards than a pool of m candidates can have."""
    if strategy.splits == "scores":
        most, why = -(-m // CHUNK), f"scores are read in blocks of {CHUNK:,} candidates, so that they are the same"
    else:
        most, why = m // n, f"each shard must have {n:,} candidates to choose from"
    if n_shard > most:
        raise InputError(f"n_shard must be at most {most} for {m:,} candidates: {why}. Received: {n_shard}.")


def tried(question: Question) -> Question:
    """The question after it was put to a few samples, and all rows were looked at where they are not too many.

    With the linear head on features, if the strategy asks for one: it is trained here, once for all shards.

    Raises InputError where the strategy cannot answer, or would not look at something that was given.
    """
    _check_rows(question.arrays)
    heads: list[Layer] = []

    def keep(train: Callable[[], Layer]) -> Layer:
        heads.append(train())
        return heads[-1]

    strategy, few = question.strategy, np.arange(min(_PROBE, len(question.candidates)))
    part = question.view(question.candidates.ids(few), keep=keep)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few samples may well look alike
        if strategy.splits == "scores":
            strategy.row_scores(part.view)
        else:
            strategy.query(part.view, 1, Streams(question.seed)("query"))
    idle = [] if heads else [name for name in question.arrays.tables if name not in part.outputs]
    if idle:
        raise InputError(
            f"strategy {shown_name(strategy)} reads {' and '.join(sorted(part.outputs))}, and would not look at "
            f"{idle[0]}. Received: both. Leave {idle[0]} out."
        )
    return dataclasses.replace(question, head=heads[-1] if heads else None)


def _check_rows(arrays: Arrays) -> None:
    """Raises InputError for rows that are not finite, where an array is not too large to look at all of them."""
    for table in arrays.tables.values():
        if 4 * math.prod(table.shape) <= _CHECKED:
            for rows in slices(len(table), CHUNK):
                table[np.arange(rows.start, rows.stop)]
