"""What is asked of all shards, and what one of them sees: a strategy, a pool, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal.asking import Given, open_given
from tfal.pool import Pool
from tfal.pool.view import PoolView, Reader
from tfal.reading.tables import Layer
from tfal.reading.user_tables import UserTable
from tfal.sharded.partition import Candidates, random_ids
from tfal.strategies import Strategy
from tfal.streams import Streams


@dataclass(frozen=True)
class Arrays:
    """What is read of the samples, row i of sample i: arrays, memory maps, or paths of .npy files.

    features: embeddings (N, d), or None. logits: of a classifier, (N, C); None: of a linear head on the features, where
    a strategy asks for some.
    """

    features: Any = None
    logits: Any = None

    @property
    def tables(self) -> dict[str, UserTable]:
        """What was given, by name. Raises InputError for what is no such array."""
        found = {"features": self.features, "logits": self.logits}
        return {name: UserTable(name, name, array) for name, array in found.items() if array is not None}

    def given(self, strategy: Strategy, **more: Any) -> Given:
        """What the strategy is to read; see tfal.query."""
        if self.logits is None:
            return Given(features=self.features, **more)
        if "encoder" in strategy.learners or self.features is None:
            return Given(model={"classifier": {"logits": self.logits}}, features=self.features, **more)
        return Given(model={"classifier": {"logits": self.logits, "features": self.features}}, **more)


@dataclass(frozen=True)
class Known:
    """What is known of samples.

    labeled: (l,) int64, ascending. labels: (l,) int64, their classes, NOT_GIVEN where unknown. rejected: (r,) int64.
    """

    labeled: np.ndarray
    labels: np.ndarray
    rejected: np.ndarray


@dataclass(frozen=True)
class Question:
    """Which n samples should be labeled next, asked of n_shard parts of a pool.

    size: samples of the pool. head: the linear head on features, where one is read; see `tried`.
    """

    strategy: Strategy
    n: int
    arrays: Arrays
    known: Known
    size: int
    n_shard: int
    seed: int = 0
    backend: str = "auto"
    head: Layer | None = None

    @property
    def candidates(self) -> Candidates:
        """The samples that may be picked."""
        return Candidates(self.size, np.union1d(self.known.labeled, self.known.rejected))

    @property
    def targets(self) -> np.ndarray | None:
        """Ids of what is to be covered, the same for all shards; None: a shard covers its own samples."""
        if self.n_shard == 1 or not self.strategy.n_target:
            return None
        return random_ids(self.candidates, self.strategy.n_target, self.seed)

    def view(self, ids: np.ndarray, weights: np.ndarray | None = None, keep: Any = None) -> Part:
        """A part of the pool, of candidates `ids`, ascending. weights: as of PoolView. keep: as Given.kept_head."""
        targets = self.targets
        members = np.unique(np.concatenate([ids, self.known.labeled, ids[:0] if targets is None else targets]))
        head = self.head
        kept = keep if head is None else lambda train: head
        given = self.arrays.given(self.strategy, backend=self.backend, members=members, kept_head=kept)
        pool, streams = Pool.unlabeled_pool(len(members)), Streams(self.seed)
        pool.label_samples(np.searchsorted(members, self.known.labeled), self.known.labels, 0)
        reader = _Noted(open_given(self.strategy, given).reader(pool, streams))
        view = PoolView(pool, np.searchsorted(members, ids), reader, streams, learners=self.strategy.learners)
        view.weights = weights
        view.targets = None if targets is None else np.searchsorted(members, targets)
        return Part(members, view, reader.outputs)


@dataclass(frozen=True)
class Part:
    """A part of the pool: the ids of its samples, ascending, and what a strategy sees of it, by place among these.

    outputs: names of those that were read so far.
    """

    members: np.ndarray
    view: PoolView
    outputs: set[str]


class _Noted:
    """A reader, and which outputs were asked for; see tfal.pool.view.Reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.outputs: set[str] = set()

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        self.outputs.update(outputs)
        return self._reader.chunks(learner, outputs, ids)

    def head(self, learner: str) -> tuple[Any, Any]:
        return self._reader.head(learner)
