"""EOAL's detector: K + 1 classes, a binary head for each known class, and clusters of the rejected samples."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops

from tfal.kernels import kmeans
from tfal.kernels.eoal import NO_CENTER
from tfal.learners.base import OnEpoch
from tfal.learners.classifier import readable
from tfal.learners.detector import Detector, Training
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.replicas import WholeBatchModel, share_of_loss
from tfal.training.runtime import read_batch_size

_INTRA = 0.1  # of the distance to the own center, beside the contrast to the others


class EntropicDetector(Detector):
    """A Detector whose features also feed K binary heads, and gather around the centers of rejected samples.

    Safaei et al., Entropic Open-Set Active Learning, AAAI 2024. The loss is the cross-entropy of the logits divided by
    recipe.entropic_temperature, plus heads_loss, plus recipe.cluster_weight times clusters_loss. Before each epoch the
    features of the rejected samples are clustered anew, as many clusters as known classes.

    `read` also knows binary_logits (B, K, 2), not of the class and of it, and center_distances (B, K), NO_CENTER to a
    center that there is not.

    Differs from the public code: clusters are those of k-means, not of FINCH with a required number, and a rejected
    sample belongs to the nearest center; one optimizer serves network and heads, without Nesterov momentum; all sums
    over probabilities are those of logits, which no 1e-8 bounds.
    """

    name: ClassVar[str] = "entropic_detector"

    def _training_of(self, recipe: Recipe) -> Training:
        return Training(recipe.lr_entropic, recipe.n_epoch_entropic, recipe.halve_entropic, recipe.entropic_temperature)

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains on pool.labeled and pool.rejected; see Detector."""
        self._seed = streams.integer("model")
        return super().fit(pool, streams, on_epoch)

    def _extended(self, network: keras.Model) -> keras.Model:
        tensors, k = readable(network, self._n_classes, self._recipe).tensors, self._n_classes - 1
        heads = layers.Dense(2 * k, dtype="float32", name="binary_heads")(tensors["features"])
        return keras.Model(
            network.inputs,
            {
                **tensors,
                "binary_logits": layers.Reshape((k, 2), dtype="float32", name="binary_logits")(heads),
                "center_distances": _Centers(k, dtype="float32", name="centers")(tensors["features"]),
            },
        )

    def _new_trainer(self) -> WholeBatchModel:
        names = ("logits", "binary_logits", "center_distances")
        outputs = {name: self._outputs.tensors[name] for name in names}
        how = self._how.temperature, self._recipe.pareto_alpha, self._recipe.cluster_weight
        return _EntropicModel(self._network.inputs, outputs, how=how, strategy=self._strategy, name="entropic")

    def _callbacks(self, pool: Pool, on_epoch: OnEpoch | None) -> list[keras.callbacks.Callback]:
        return [_Clusters(self, pool.rejected), *super()._callbacks(pool, on_epoch)]

    def cluster(self, ids: np.ndarray, epoch: int) -> None:
        """Places the centers among the features of these samples; none where there is no sample."""
        layer = self._network.get_layer("centers")
        if not len(ids):
            layer.place(None)
            return
        size = read_batch_size(self._images.shape, self._strategy.num_replicas_in_sync)
        parts = [self.read(batch, ["features"])["features"].numpy() for batch in self._images.batches(ids, size)]
        features = np.concatenate(parts).astype(np.float32)
        k = min(self._n_classes - 1, len(np.unique(features, axis=0)))
        layer.place(kmeans(features, k, rng=np.random.default_rng([self._seed, epoch])).centers)


def heads_loss(labels: Any, binary_logits: Any, alpha: float, any_rejected: Any) -> Any:
    """What binary heads lack: half the mean over known samples of the loss of their own head and of the worst other,
    and half that of all heads over rejected samples, which are to be unsure.

    Args:
        labels: (B,) integers, from 0 to K; K is rejected.
        binary_logits: (B, K, 2), not of the class, and of it.
        alpha: share of the rejected samples, 1 - alpha that of the known ones, where there are rejected ones at all.
        any_rejected: 1 or 0, whether there are in the training set.

    Returns:
        A float32 scalar; a kind of which the batch has no sample adds 0.
    """
    k = binary_logits.shape[1]
    labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
    losses = -ops.log_softmax(ops.cast(binary_logits, "float32"), axis=-1)  # (B, K, 2)
    own = ops.one_hot(labels, k)  # all 0 of a rejected sample
    known = ops.cast(labels < k, "float32")
    alpha = alpha * any_rejected
    positive = ops.sum(losses[:, :, 1] * own, axis=1)
    negative = ops.max(losses[:, :, 0] * (1 - own), axis=1)
    unsure = ops.sum(losses, axis=(1, 2)) / k
    of_known = _mean(known, positive + negative) * (1 - alpha)
    return (of_known + _mean(1 - known, unsure) * alpha) / 2


def clusters_loss(labels: Any, distances: Any, n_known: int) -> Any:
    """How far rejected samples are from their nearest center, and how near to others.

    The mean over rejected samples (label n_known) of 0.1 d + log sum_j exp(d - d_j), d the least of the distances d_j
    (B, C); a float32 scalar, 0 where the batch has none.
    """
    rejected = ops.cast(ops.reshape(labels, (-1,)) >= n_known, "float32")
    own = ops.min(distances, axis=1)
    contrast = ops.logsumexp(own[:, None] - distances, axis=1)
    return _mean(rejected, _INTRA * own + contrast)


def _mean(those: Any, values: Any) -> Any:
    return ops.sum(those * values) / ops.maximum(ops.sum(those), 1.0)


class _Centers(layers.Layer):  # type: ignore[misc]
    """Distances to centers that are placed from outside; variables, so that nothing is retraced."""

    def __init__(self, count: int, **named: Any) -> None:
        super().__init__(**named)
        self.count = count

    def build(self, shape: Any) -> None:
        self.centers = self.add_weight(
            shape=(self.count, shape[-1]), initializer="zeros", trainable=False, name="centers"
        )
        self.used = self.add_weight(shape=(self.count,), initializer="zeros", trainable=False, name="used")

    def place(self, centers: np.ndarray | None) -> None:
        found = 0 if centers is None else len(centers)
        whole = np.zeros(self.centers.shape, np.float32)
        if centers is not None:
            whole[:found] = centers
        self.centers.assign(whole)
        self.used.assign((np.arange(self.count) < found).astype(np.float32))

    def call(self, features: Any) -> Any:
        squares = ops.sum(ops.square(features[:, None] - self.centers[None]), axis=-1)
        used = ops.convert_to_tensor(self.used)
        return ops.where(used[None] > 0.5, ops.sqrt(squares + 1e-12), NO_CENTER)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape[0], self.count


class _Clusters(keras.callbacks.Callback):  # type: ignore[misc]
    """Clusters the rejected samples before each epoch, and after the last one."""

    def __init__(self, learner: EntropicDetector, ids: np.ndarray) -> None:
        super().__init__()
        self._learner, self._ids = learner, ids

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._learner.cluster(self._ids, epoch)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._learner.cluster(self._ids, self.params["epochs"])


class _EntropicModel(WholeBatchModel):
    """Cross-entropy, heads_loss and clusters_loss."""

    def __init__(self, *arguments: Any, how: tuple[float, float, float] = (1.0, 0.0, 0.0), **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._how = how

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of EntropicDetector, and what the builder's regularizers add."""
        temperature, alpha, weight = self._how
        logits, distances = y_pred["logits"], y_pred["center_distances"]
        losses = keras.losses.sparse_categorical_crossentropy(y, logits / temperature, from_logits=True)
        any_rejected = ops.cast(
            ops.min(distances) < NO_CENTER / 2, "float32"
        )  # of the training set: then there are centers
        found = ops.mean(losses) + heads_loss(y, y_pred["binary_logits"], alpha, any_rejected)
        return share_of_loss(found + weight * clusters_loss(y, distances, logits.shape[1] - 1) + sum(self.losses))
