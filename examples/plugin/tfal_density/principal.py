"""The learner: an autoencoder in closed form, the principal components of the pool's images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.errors import unknown_name
from tfal.learners import OnEpoch
from tfal.pool import Pool
from tfal.streams import Streams


class Principal:
    """Reads "squared_error" (B,): the mean squared error of images that are rebuilt from principal components.

    Args: see tfal.learners.Learner. images: of any size; recipe.n_principal: components, or as many as there are.
    """

    def __init__(self, build: Any, images: Any, n_classes: int, recipe: Any) -> None:
        self._images, self._n = images, recipe.n_principal
        self._mean = self._components = tf.zeros(0)

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> Mapping[str, float]:
        """Finds the components of all images of the pool."""
        rows = np.concatenate([np.asarray(batch) for batch in self._images.batches(pool.members, 512)])
        flat = rows.reshape(len(rows), -1).astype(np.float64)
        mean = flat.mean(axis=0)
        _, _, components = np.linalg.svd(flat - mean, full_matrices=False)
        self._mean = tf.constant(mean, tf.float32)
        self._components = tf.constant(components[: self._n], tf.float32)
        if on_epoch:
            on_epoch("principal", 1, 1)
        return {}

    def read(self, batch: Any, outputs: Sequence[str]) -> Mapping[str, Any]:
        """The named outputs of a batch (B, H, W, C)."""
        for name in outputs:
            if name != "squared_error":
                raise unknown_name("output of principal", name, ["squared_error"])
        flat = tf.reshape(batch, (tf.shape(batch)[0], -1)) - self._mean
        rebuilt = flat @ tf.transpose(self._components) @ self._components
        return {"squared_error": tf.reduce_mean((flat - rebuilt) ** 2, axis=1)}
