"""The seam between networks and query strategies: ids in, arrays out. Neither side knows the other."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts.xp import array_module
from tfal.pool import Pool
from tfal.pool.asked import Asked
from tfal.streams import Streams

_FEATURES = frozenset({"features", "projection", "projection_views", "projection_rotations"})


class Reader(Protocol):
    """The network side of the view."""

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        """The named outputs of samples `ids`, in this order, chunk by chunk."""

    def head(self, learner: str) -> tuple[Any, Any]:
        """Kernel (d, C) and bias (C,) of the last Dense layer."""


class PoolView:
    """What a query strategy may see of a pool and of the networks trained on it.

    Ids are NumPy arrays. What is read from networks is NumPy or CuPy, as the reader gives it.

    It may read the learners that it declares, `learners`; None: any.

    Attributes:
        candidates: ids that may be picked, int64, ascending.
        labeled: ids that train the classifier.
        rejected: ids whose class turned out to be unknown (open-set pools).
        validation: ids that are held out, with labels, to judge the classifier by; there may be none.
        size: number of samples in the whole training set, labeled, validation and all.
        memory: what the strategy's `observe` of the round before gave back; empty in the first round.
        targets: where the candidates are a part of the pool: ids, drawn from all of it, that stand for what is to be
            covered. None: the candidates themselves.
        weights: (candidates,) float64, how many samples of the pool each candidate stands for; None: itself alone.
        asked: what `ask` asked for; None for strategies that do not.
        seconds_reading: wall-clock seconds spent in the networks so far.
    """

    def __init__(
        self,
        pool: Pool,
        candidates: np.ndarray,
        reader: Reader,
        streams: Streams,
        memory: Mapping[str, np.ndarray] | None = None,
        oracle: np.ndarray | None = None,
        learners: Collection[str] | None = None,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._streams = streams
        self._oracle = oracle
        self._learners = learners
        self.candidates = candidates
        self.labeled = pool.labeled
        self.rejected = pool.rejected
        self.validation = pool.validation
        self.size = len(pool)
        self.memory = memory or {}
        self.targets: np.ndarray | None = None
        self.weights: np.ndarray | None = None
        self.asked: Asked | None = None
        self.seconds_reading = 0.0

    def part(self, candidates: np.ndarray, reader: Reader, learners: Collection[str]) -> PoolView:
        """What another strategy, which reads `learners`, may see: some candidates, ascending, and no memory.

        reader: what it reads through, such as tfal.pool.read_once.ReadOnce.
        """
        return PoolView(self._pool, candidates, reader, self._streams, learners=learners)

    def labels(self, ids: np.ndarray) -> np.ndarray:
        """The classes (int32) of samples whose label was revealed; InputError for any other sample.

        Every rejected sample has the same number, which is that of no class.
        """
        labels = self._pool.label[ids]
        if np.any(labels < 0):
            hidden = np.asarray(ids)[labels < 0]
            if np.isin(hidden, self.labeled).all():
                raise InputError(
                    "this strategy reads the classes of labeled samples. Received: none. Give labels, the class of "
                    "each id in labeled."
                )
            raise InputError(
                f"labels can be read of labeled samples only. Received: unlabeled ids {hidden[:5].tolist()}."
            )
        found: np.ndarray = labels
        return found

    def ask(self, ids: np.ndarray) -> np.ndarray:
        """Buys the labels of some candidates at once, for strategies that say `asks = True`.

        They count against the n of the query, and belong among its picks. A query may be asked again from its start,
        with the same answers: it must follow from view, rng and answers alone.

        Args:
            ids: (k,) candidates, none of which was asked for before.

        Returns:
            (k,) int64: a class; tfal.pool.told.NO_CLASS (-1), none of the classes; or NOT_SURE (-2), where nobody can
            say it, which happens to people only. What `labels`, `labeled` and `rejected` tell stays what it was.

        Raises:
            InputError: other ids, more than n in all, or a strategy that does not say that it asks.
        """
        if self.asked is None:
            raise InputError(
                "labels within a query are for strategies that say `asks = True`, where somebody gives them. Received: "
                "a question without."
            )
        return self.asked(ids)

    def oracle_labels(self, ids: np.ndarray) -> np.ndarray:
        """The true classes of any samples, for strategies that say `oracle = True`; ValueError for all others.

        They come from `oracle`, the labels of the whole training set, which the view must have been made with.
        """
        if self._oracle is None:
            raise ValueError(
                "true labels of unlabeled samples are for strategies with `oracle = True` only. Received: a view made "
                "without `oracle`. Make it with the labels of the whole training set."
            )
        found: np.ndarray = self._oracle[ids]
        return found

    def is_known(self, ids: np.ndarray) -> np.ndarray:
        """Whether the revealed label of each sample is that of a known class, bool."""
        return ~np.isin(ids, self._pool.rejected)

    def fixed_sample(self, n: int) -> np.ndarray:
        """n ids of the whole pool (all of them when it is smaller), the same in every round of a repetition."""
        first_round = Streams(self._streams.seed, self._streams.rep)
        order = first_round("fixed_sample").permutation(self.size)
        return order[np.isin(order, self._pool.members)][:n]

    def head(self, learner: str) -> tuple[Any, Any]:
        """Kernel (d, C) and bias (C,) of the learner's last Dense layer, float32.

        Raises InputError for a learner that the strategy does not declare.
        """
        self._check_declared(learner)
        return self._reader.head(learner)

    def read(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> dict[str, Any]:
        """Named outputs of a learner, row i for ids[i], in one pass; a sample named twice is read once.

        Args:
            learner: a name that the strategy declares in `learners`.
            outputs: names such as "logits" or "features".
            ids: (m,) sample ids, in any order.

        Raises:
            InputError: a learner that the strategy does not declare.

        Warns:
            UserWarning: features, or projections, of all candidates are the same.
        """
        return self._gather(learner, outputs, lambda chunk: chunk, ids)

    def map(self, learner: str, outputs: Sequence[str], fn: Callable[[dict[str, Any]], Any], ids: np.ndarray) -> Any:
        """Like `read`, but keeps only `fn(chunk)`, one row a sample, so that wide outputs never exist whole."""
        return self._gather(learner, outputs, lambda chunk: {"value": fn(chunk)}, ids)["value"]

    def _check_declared(self, learner: str) -> None:
        if self._learners is not None and learner not in self._learners:
            raise InputError(
                f"a strategy reads what its `learners` name. Received: {learner!r}; it names "
                f"{', '.join(self._learners) or 'none'}. Add it there."
            )

    def _gather(
        self,
        learner: str,
        outputs: Sequence[str],
        fn: Callable[[dict[str, Any]], dict[str, Any]],
        ids: np.ndarray,
    ) -> dict[str, Any]:
        self._check_declared(learner)
        start = time.perf_counter()
        unique, place, position = np.unique(ids, return_index=True, return_inverse=True)
        whole: dict[str, Any] = {}
        row = 0
        distinct = len(unique) == len(position)  # then each row goes where it belongs, and nothing is held twice
        scattered = distinct and not np.array_equal(place, np.arange(len(unique)))
        is_candidate = np.isin(unique, self.candidates)
        alike = not _FEATURES.isdisjoint(outputs) and np.count_nonzero(is_candidate) == len(self.candidates) > 1
        first: dict[str, Any] = {}
        for chunk in self._reader.chunks(learner, outputs, unique):
            for name, value in fn(chunk).items():
                if row == 0:
                    whole[name] = array_module(value).empty((len(unique), *value.shape[1:]), value.dtype)
                part = slice(row, row + len(value))
                whole[name][array_module(value).asarray(place[part]) if scattered else part] = value
                among = np.flatnonzero(is_candidate[part])
                if alike and len(among):
                    alike = _all_equal(value, among, first.setdefault(name, value[int(among[0])]))
            row += len(value)
        self.seconds_reading += time.perf_counter() - start
        if alike:
            warnings.warn(
                f"all candidates have the same {' and '.join(outputs)} in the {learner}, which tell none of them "
                "apart. Likely causes: images that are all the same, such as black ones, or that are not scaled as in "
                "training, or a diverged network.",
                stacklevel=4,
            )
        if distinct:
            return whole
        return {name: value[array_module(value).asarray(position)] for name, value in whole.items()}


def _all_equal(values: Any, rows: np.ndarray, first: Any) -> bool:
    """Whether these rows are all `first`; looks at two of them where these differ, as they nearly always do."""
    xp = array_module(values)
    return all(bool((values[xp.asarray(some)] == first).all()) for some in (rows[:2], rows))
