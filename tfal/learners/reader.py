"""Runs samples through learners for a PoolView."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf


class Source(Protocol):
    """Images that can be read by id."""

    def batches(self, ids: np.ndarray, batch_size: int) -> tf.data.Dataset:
        """The images of `ids`, in this order."""


class LearnerReader:
    """The network side of a PoolView: named outputs of samples, batch by batch.

    source: the images; learners: by name, each with read(batch, outputs) and head(); batch_size: images a batch.
    """

    def __init__(self, source: Source, learners: Mapping[str, Any], batch_size: int) -> None:
        self._source = source
        self._learners = learners
        self._batch_size = batch_size

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """See tfal.view.Reader."""
        for batch in self._source.batches(ids, self._batch_size):
            found = self._learners[learner].read(batch, outputs)
            yield {name: value.numpy() for name, value in found.items()}

    def head(self, learner: str) -> tuple[np.ndarray, np.ndarray]:
        """See tfal.view.Reader."""
        return self._learners[learner].head()
