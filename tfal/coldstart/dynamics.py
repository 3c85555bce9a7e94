"""Contrastive training dynamics: how surely a SimCLR training finds the second view of every image, epoch by epoch.

Source: Chen et al., Making Your First Choice, 2022 (arXiv 2210.02442), and its public code. Differences:
- There the probabilities are those of the training batches, of weights that change within the epoch. Here one pass in
  inference mode follows every epoch, over the same two views of every image and the same batches in all epochs.
- There the logits are divided in place by one temperature after the other, so that "0.05" means 0.001. Here every
  temperature divides the similarities themselves.
- SimCLR in place of MoCo v2, with the settings of the low-budget study's encoder; the negatives are those of a batch,
  in both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.coldstart.data_maps import TEMPERATURES, DataMap, RunningMoments, data_map
from tfal.data.contrastive_views import contrastive_views
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.contrastive import TEMPERATURE
from tfal.learners.contrastive_encoders import Encoder, Method
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams

FORMAT = 1  # to be raised with every change after which a training ends in other numbers
N_COMPARED = 256  # images of a batch of the pass, so 510 negatives


def positive_probabilities(projections: tf.Tensor, temperature: float) -> tf.Tensor:
    """softmax(cosine / temperature) of every row at the row that it belongs to, among all rows but itself.

    Args:
        projections: (2N, d) float; rows i and i + N are the views of one image, so 2N - 2 rows are negatives.
        temperature: above 0.

    Returns:
        (2N,) float32, in [0, 1].
    """
    z = tf.math.l2_normalize(tf.cast(projections, tf.float32), axis=1)
    n = tf.shape(z)[0]
    logits = tf.matmul(z, z, transpose_b=True) / temperature
    logits = tf.linalg.set_diag(logits, tf.fill([n], logits.dtype.min))
    positives = tf.roll(tf.range(n), n // 2, axis=0)
    return tf.gather(tf.nn.softmax(logits, axis=1), positives, axis=1, batch_dims=1)


class ContrastiveDynamics(Encoder):
    """SimCLR that keeps the running moments of every image in its file, see Pretrained.

    Its settings are those of the low-budget study's encoder, whatever the recipe has of other methods; images are not
    augmented before the views are made, and stay on one device.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read; its features are used.
        images: uint8, of one or three channels.
        n_classes: for `build` only.
        recipe: network and the options of encoders; `n_epoch_simclr` epochs.
        folder: where the file is.

    Attributes, after `fit`: loss (n,), NT-Xent of each image after the last epoch; identity, all that they depend on.

    Raises:
        InputError: images that cannot be augmented; from `fit`, a single image.
    """

    name = "simclr"
    method = Method(1, lars=True, momentum=0.9, decay=1e-6, floor=0.0)

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe, folder: Path) -> None:
        if not images.scale or len(images.shape) != 3 or images.shape[2] not in (1, 3):
            raise InputError(
                f"contrastive training needs uint8 images (H, W, 1) or (H, W, 3). Received: images of {images.shape}. "
                "Give such images, or choose criteria of --oracle only."
            )
        super().__init__(build, images, n_classes, recipe)
        self._folder, self._file_name = folder, "dynamics"
        self._strategy, self._augment = tf.distribute.get_strategy(), "none"
        self._moments = [RunningMoments((0,)) for _ in TEMPERATURES]
        self._pass: Callable[[], list[np.ndarray]] | None = None
        self._pass_seed = 0
        self.loss, self.identity = np.zeros(0), dict[str, Any]()

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        found: int = self._recipe.n_epoch_simclr
        return found

    def map(self, temperature: float) -> DataMap:
        """The data map at a temperature, which must be one of TEMPERATURES."""
        return data_map(self._moments[TEMPERATURES.index(temperature)])

    def features(self, batch: tf.Tensor) -> tf.Tensor:
        """Features (B, d) of images as they are; call `fit` first."""
        return self.network(batch, training=False)["features"]

    def prepared(self, images: tf.Tensor) -> tf.Tensor:
        """Nothing is done to images in [0, 1] before views and network."""
        return images

    def _load_or_train(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None) -> None:
        n = len(pool.members)
        if n < 2:
            raise InputError(f"contrastive training needs at least 2 images. Received: {n}. Give more.")
        self._moments, self.loss = [RunningMoments((n,)) for _ in TEMPERATURES], np.zeros(n)
        self._pass, self._pass_seed = None, int(streams("pretrain").integers(2**31, size=4)[3])  # behind Pretrained's
        super()._load_or_train(pool, streams, on_epoch)

    def _after_epoch(self, network: keras.Model, ids: np.ndarray) -> None:
        if self._pass is None:
            self._pass = _pass(network, self._images, ids, self._pass_seed)
        *probabilities, self.loss = self._pass()
        for moments, values in zip(self._moments, probabilities, strict=True):
            moments.add(values)

    def _state(self) -> list[np.ndarray]:
        return [array for moments in self._moments for array in (moments.mean, moments.squares)] + [self.loss]

    def _take_state(self, state: list[np.ndarray], epoch: int) -> None:
        for moments, mean, squares in zip(self._moments, state[:-1:2], state[1:-1:2], strict=True):
            moments.n, moments.mean, moments.squares = epoch, mean, squares
        self.loss = state[-1]

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        recipe = self._recipe
        names = ("network", "n_batch_encoder", "n_warmup", "lr_encoder", "n_epoch_simclr")
        own = {"format": FORMAT, "seed": seed, "images": self._images.digest(ids), "temperatures": list(TEMPERATURES)}
        own |= {"n_compared": N_COMPARED} | {name: getattr(recipe, name) for name in names}
        self.identity = own
        return own


def _pass(network: keras.Model, images: Images, ids: np.ndarray, seed: int) -> Callable[[], list[np.ndarray]]:
    """A function that gives what one pass finds: float64 (n,) for each of TEMPERATURES, then the losses.

    Images are compared in an order of their own, since neighbors in a data set are often of one class, and always as
    many at once: the last batch is filled up with images that were compared before, which keep their numbers.
    """
    n, size = len(ids), min(N_COMPARED, len(ids))
    order = np.random.default_rng(seed).permutation(n)
    batches = [order[start : start + size] for start in (*range(0, n - size + 1, size), n - size)]

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def compare(batch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        projections = network(contrastive_views(batch, 1, seed, step), training=False)["projection"]
        probabilities = [positive_probabilities(projections, t) for t in (*TEMPERATURES, TEMPERATURE)]
        found = tf.reduce_mean(tf.reshape(tf.stack(probabilities), [len(probabilities), 2, -1]), axis=1)
        losses = -tf.math.log(tf.maximum(probabilities[-1], 1e-30))
        return tf.concat([found[:-1], tf.reduce_mean(tf.reshape(losses, [1, 2, -1]), axis=1)], axis=0)

    def one_pass() -> list[np.ndarray]:
        found = np.full((len(TEMPERATURES) + 1, n), np.nan)
        read = images.batches(ids[np.concatenate(batches)], size)
        for step, (rows, batch) in enumerate(zip(batches, read, strict=True)):
            new = np.isnan(found[0, rows])
            found[:, rows[new]] = compare(batch, tf.constant(step, tf.int64)).numpy()[:, new]
        return list(found)

    return one_pass
