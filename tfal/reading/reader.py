"""Runs samples through learners for a PoolView."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts.xp import to_numpy
from tfal.reading.backend import Backend
from tfal.reading.output_cache import OutputCache
from tfal.storage.feature_store import Source
from tfal.training.finite import check_outputs


class LearnerReader:
    """The network side of a PoolView: named outputs of samples, batch by batch.

    source: the images; learners: by name, each with read(batch, outputs) and head(); batch_size: images a batch;
    backend: where the kernels compute; cache: what frozen learners gave in earlier rounds.

    Outputs that are no numbers are refused with the ids of their samples.

    A learner is frozen when it has `frozen_for`, the ids (ascending) that it was trained for, and that is not None.
    """

    def __init__(
        self,
        source: Source,
        learners: Mapping[str, Any],
        batch_size: int,
        backend: Backend,
        cache: OutputCache | None = None,
    ) -> None:
        self._source = source
        self._learners = learners
        self._batch_size = batch_size
        self._backend = backend
        self._cache = cache

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        """See tfal.pool.view.Reader. A chunk holds until the next one is asked for."""
        if learner not in self._learners:
            raise InputError(
                f"a strategy reads what its `learners` name. Received: {learner!r}; it names "
                f"{', '.join(self._learners) or 'none'}. Add it there."
            )
        frozen_for = getattr(self._learners[learner], "frozen_for", None)
        if self._cache is None or frozen_for is None:
            yield from self._read(learner, outputs, ids)
            return
        self._cache.start(learner, frozen_for)
        wanted, size = self._cache.to_read(learner, outputs, ids, self._batch_size), self._batch_size
        for start, found in enumerate(self._read(learner, outputs, wanted)):
            part = wanted[start * size : (start + 1) * size]
            self._cache.keep(learner, part, {name: to_numpy(value) for name, value in found.items()})
        for start in range(0, len(ids), size):
            rows = self._cache.rows(learner, outputs, ids[start : start + size])
            yield {name: self._backend.from_host(values) for name, values in rows.items()}

    def _read(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        for start, batch in enumerate(self._source.batches(ids, self._batch_size)):
            found = self._learners[learner].read(batch, outputs)
            check_outputs(found, ids[start * self._batch_size :][: len(batch)])
            yield {name: self._backend.from_tensor(value) for name, value in found.items()}
            self._backend.release()

    def head(self, learner: str) -> tuple[Any, Any]:
        """See tfal.pool.view.Reader."""
        kernel, bias = self._learners[learner].head()
        return self._backend.from_host(kernel), self._backend.from_host(bias)
