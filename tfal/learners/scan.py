"""Clusters without labels: SCAN, and the self-label stage after it.

Van Gansbeke et al., SCAN: Learning to Classify Images without Labels, ECCV 2020, as Chandra et al., On Initial Pools
for Deep Active Learning, 2021, use it. Differences from their public code:
- All batches are full and in a new order in each epoch. The later one of the two takes them in the order of the data
  set, which may be sorted by class, and then the entropy of a batch says nothing.
- An image is no neighbor of itself.
- Strong views are SimCLR's, mirrored for colour images only; there crops and four operations of RandAugment. A weak
  view is the image as it is, and pseudo-labels come from inference mode; there crops in training mode.
- The self-label stage has no weight decay, see SelfLabel.
- Both end with the last epoch, as no image is set apart; there the lowest loss on validation images counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfal.data.contrastive_views import FLIP, SIMCLR
from tfal.data.images import Images
from tfal.data.pipeline import PREFETCH, parallel_map
from tfal.errors import InputError
from tfal.kernels import nearest_neighbors
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.contrastive import encoder
from tfal.learners.contrastive_encoders import SimCLR
from tfal.learners.pretrained import Pretrained
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.optimizers import CoupledAdam
from tfal.training.runtime import read_batch_size

ENTROPY_WEIGHT = 5.0
CONFIDENT = 0.99  # a larger probability makes a pseudo-label
DECAY = 1e-4
_LEAST = 1e-8  # probability inside the logarithm of an entropy


class _ScanModel(keras.Model):  # type: ignore[misc]
    """fit(batches of views whose second half are neighbors of the first)."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """`scan_loss` of both halves."""
        return scan_loss(*tf.split(y_pred["logits"], 2))


class _SelfLabelModel(keras.Model):  # type: ignore[misc]
    """fit(batches of strong views, and of the same images as they are)."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """`self_label_loss`."""
        return self_label_loss(self(y, training=False)["logits"], y_pred["logits"])


class _Clustering(Pretrained):
    """An encoder's backbone with a linear head of clusters that starts from another learner's weights; see Scan."""

    outputs = ("logits", "features")
    _loss_model: type[keras.Model]
    _decay: float
    _start: SimCLR | Scan

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        super().__init__(images, recipe)
        self._build: Callable[[], keras.Model] = lambda: encoder(build(images.shape, n_classes), 1)
        self._n_clusters = recipe.n_cluster or n_classes

    def _new_network(self) -> keras.Model:
        network = self._build()
        features = network.output["features"]
        logits = layers.Dense(self._n_clusters, dtype="float32", name="logits")(features)
        return keras.Model(network.inputs, {"features": features, "logits": logits}, name=self.name)

    def _trainer(self, network: keras.Model, n: int) -> keras.Model:
        trainer = self._loss_model(network.inputs, network.output, name=self.name)
        trainer.compile(optimizer=CoupledAdam(self._recipe.lr_scan, self._decay), jit_compile=False)
        trainer.optimizer.build(trainer.trainable_variables)
        return trainer

    def _batch(self, n: int) -> int:
        found: int = min(self._recipe.n_batch_scan, n)
        return found

    def _n_steps(self, n: int) -> int:
        return n // self._batch(n)

    def _order(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(steps, batch) rows of one epoch; the images that would not fill a batch are left out of it."""
        size = self._batch(n)
        return rng.permutation(n)[: n // size * size].reshape(-1, size)

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        names = ("n_batch_scan", "lr_scan")
        own = {
            "n_cluster": self._n_clusters,
            "decay": self._decay,
            **{name: getattr(self._recipe, name) for name in names},
        }
        return {**super()._identity(ids, seed), **own, "start": self._start._identity(ids, seed)}

    def prepared(self, images: tf.Tensor) -> tf.Tensor:
        """What is done to images in [0, 1] before views and network."""
        return self._start.prepared(images)

    def _read(self, network: keras.Model, images: tf.Tensor) -> dict[str, tf.Tensor]:
        found: dict[str, tf.Tensor] = network(self.prepared(images), training=False)
        return found


class Scan(_Clustering):
    """SimCLR's backbone and a linear head, trained so that neighbors fall into the same cluster; see Pretrained.

    It starts from the learner "simclr", which is trained first, or read from its own file. Outputs: "logits" (B, K)
    and "features" (B, d).

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read; its features are used.
        images: the training images, uint8, of one or three channels.
        n_classes: number of clusters where recipe.n_cluster is 0.
        recipe: n_cluster, n_epoch_scan, n_batch_scan, lr_scan, n_neighbor_scan, and simclr's options.

    Raises:
        InputError: images that cannot be augmented; from `fit`, a pool of a single image.
    """

    name = "scan"
    _loss_model = _ScanModel
    _decay = DECAY

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        super().__init__(build, images, n_classes, recipe)
        self._start: SimCLR = SimCLR(build, images, n_classes, recipe)

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training, without SimCLR's."""
        found: int = self._recipe.n_epoch_scan
        return found

    def _prepare(
        self, network: keras.Model, fresh: bool, pool: Pool, streams: Streams, on_epoch: OnEpoch | None
    ) -> None:
        if len(pool.members) < 2:
            raise InputError("scan needs a pool of at least 2 images, neighbors of each other. Received: 1.")
        self._start.fit(pool, streams, on_epoch)
        self._neighbors = self._nearest(pool.members)
        if fresh:
            _copy(self._start.network.get_layer("backbone"), network.get_layer("backbone"))

    def _nearest(self, ids: np.ndarray) -> np.ndarray:
        """(n, k) ids: for each image those whose features have the largest cosine."""
        batches = self._images.batches(ids, read_batch_size(self._images.shape))
        features = np.concatenate([self._start.read(batch, ["features"])["features"].numpy() for batch in batches])
        k = min(self._recipe.n_neighbor_scan, len(ids) - 1)
        found: np.ndarray = ids[nearest_neighbors(features, features, k, metric="cosine", exclude_self=True).rows]
        return found

    def _batches(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int) -> tf.data.Dataset:
        """Batches of strong views: images, then a neighbor of each. The ids of all epochs are drawn at once."""
        epochs = [self._pairs(ids, np.random.default_rng([seeds[0], e])) for e in range(first_epoch, self.n_epoch)]
        batches = self._images.stream(np.concatenate(epochs), 2 * self._batch(len(ids)))
        views = parallel_map(
            batches.enumerate(first_epoch * self._n_steps(len(ids))),
            lambda step, images: strong_views(self.prepared(images), seeds[1], step),
        )
        return views.prefetch(PREFETCH)

    def _pairs(self, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Ids of one epoch, batch after batch: first the images, then the neighbors."""
        rows = self._order(len(ids), rng)
        partners = self._neighbors[rows, rng.integers(self._neighbors.shape[1], size=rows.shape)]
        return np.concatenate([ids[rows], partners], axis=1).ravel()

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        return {**super()._identity(ids, seed), "n_neighbor_scan": self._recipe.n_neighbor_scan}


class SelfLabel(_Clustering):
    """Scan, trained further by its own confident answers; see Scan and Pretrained.

    A probability above 0.99 for the image as it is makes a label for its strong view; a batch without any teaches
    nothing. So there is no weight decay, which Adam would turn into full steps there. Outputs, args and errors: those
    of Scan; recipe: n_epoch_self_label, too.
    """

    name = "self_label"
    _loss_model = _SelfLabelModel
    _decay = 0.0

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        super().__init__(build, images, n_classes, recipe)
        self._start: Scan = Scan(build, images, n_classes, recipe)

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training, without those before it."""
        found: int = self._recipe.n_epoch_self_label
        return found

    def _prepare(
        self, network: keras.Model, fresh: bool, pool: Pool, streams: Streams, on_epoch: OnEpoch | None
    ) -> None:
        if fresh:
            self._start.fit(pool, streams, on_epoch)
            _copy(self._start.network, network)

    def _batches(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int) -> tf.data.Dataset:
        """(strong views, the same images as they are). The ids of all epochs are drawn at once."""
        epochs = [
            ids[self._order(len(ids), np.random.default_rng([seeds[0], epoch]))].ravel()
            for epoch in range(first_epoch, self.n_epoch)
        ]

        def views(step: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = self.prepared(images)
            return strong_views(images, seeds[1], step), images

        batches = self._images.stream(np.concatenate(epochs), self._batch(len(ids)))
        return parallel_map(batches.enumerate(first_epoch * self._n_steps(len(ids))), views).prefetch(PREFETCH)


def scan_loss(anchors: tf.Tensor, neighbors: tf.Tensor, entropy_weight: float = ENTROPY_WEIGHT) -> tf.Tensor:
    """SCAN's loss: -mean log(p_i . q_i) - entropy_weight * H(mean of p), natural logarithms.

    Args:
        anchors, neighbors: (B, K) float logits; p and q are their softmax. Row i of both are neighbors.
        entropy_weight: how much even clusters count.

    Returns:
        () float32.

    Example:
        >>> p, q = tf.constant([[2.0, 0, 0], [0, 1, 0]]), tf.constant([[1.0, 0, 0], [0, 2, 0]])
        >>> round(float(scan_loss(p, q)), 5)
        -4.33493
    """
    log_p, log_q = (tf.nn.log_softmax(tf.cast(logits, tf.float32)) for logits in (anchors, neighbors))
    consistency = -tf.reduce_mean(tf.reduce_logsumexp(log_p + log_q, axis=1))
    mean = tf.reduce_mean(tf.exp(log_p), axis=0)
    return consistency + entropy_weight * tf.reduce_sum(mean * tf.math.log(tf.maximum(mean, _LEAST)))


def self_label_loss(weak: tf.Tensor, strong: tf.Tensor, threshold: float = CONFIDENT) -> tf.Tensor:
    """Cross-entropy of strong views with the labels that confident weak views give, all clusters weighing the same.

    The weighted mean over the samples whose largest probability in the weak view exceeds the threshold; the weight of
    one with label c is their number over the number of those with label c. 0 where there is none.

    Args:
        weak, strong: (B, K) float logits of two views of the same images; no gradient flows into the weak ones.
        threshold: in [0, 1).

    Returns:
        () float32.
    """
    probabilities = tf.nn.softmax(tf.stop_gradient(tf.cast(weak, tf.float32)))
    confident = tf.cast(tf.reduce_max(probabilities, axis=1) > threshold, tf.float32)
    labels = tf.argmax(probabilities, axis=1)
    counts = tf.reduce_sum(tf.one_hot(labels, probabilities.shape[1]) * confident[:, None], axis=0)
    weights = confident * tf.math.divide_no_nan(tf.reduce_sum(confident), tf.gather(counts, labels))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.cast(strong, tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(weights * losses), tf.reduce_sum(weights))


def strong_views(images: tf.Tensor, seed: int, step: tf.Tensor) -> tf.Tensor:
    """One strongly changed view of each image (B, H, W, C) in [0, 1]; it follows from (seed, step) and the row.

    SimCLR's jitter, grey and crops of 8 to 100 percent of the area; colour images are mirrored half the time, too.
    """
    key = tf.stack([tf.constant(seed, tf.int64), step])
    draws = tf.random.stateless_uniform([tf.shape(images)[0], FLIP.n_draws + SIMCLR.n_draws], key)
    if images.shape[-1] != 1:
        images = FLIP.apply(images, draws[:, : FLIP.n_draws])
    return SIMCLR.apply(images, draws[:, FLIP.n_draws :])


def _copy(source: Any, target: Any) -> None:
    """Weights, moving statistics and random states of layers."""
    for variable, value in zip(target.variables, source.variables, strict=True):
        variable.assign(value)
