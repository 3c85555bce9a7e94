"""Runs samples through learners for a PoolView."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfal.learners.backend import Backend


class Source(Protocol):
    """Images that can be read by id."""

    def batches(self, ids: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """The images of `ids`, in this order."""


class LearnerReader:
    """The network side of a PoolView: named outputs of samples, batch by batch.

    source: the images; learners: by name, each with read(batch, outputs) and head(); batch_size: images a batch;
    backend: where the kernels compute.
    """

    def __init__(self, source: Source, learners: Mapping[str, Any], batch_size: int, backend: Backend) -> None:
        self._source = source
        self._learners = learners
        self._batch_size = batch_size
        self._backend = backend

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        """See tfal.view.Reader. A chunk holds until the next one is asked for."""
        for batch in self._source.batches(ids, self._batch_size):
            found = self._learners[learner].read(batch, outputs)
            yield {name: self._backend.from_tensor(value) for name, value in found.items()}
            self._backend.release()

    def head(self, learner: str) -> tuple[Any, Any]:
        """See tfal.view.Reader."""
        kernel, bias = self._learners[learner].head()
        return self._backend.from_host(kernel), self._backend.from_host(bias)
