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

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.coldstart.data_maps import TEMPERATURES, DataMap, RunningMoments, data_map
from tfal.data.contrastive_views import contrastive_views
from tfal.data.images import Images
from tfal.data.pipeline import PREFETCH, parallel_map
from tfal.errors import InputError
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.contrastive import TEMPERATURE, Contrastive, encoder
from tfal.recipe import Recipe
from tfal.storage.checkpoint import EncoderFile, Snapshot
from tfal.streams import Streams
from tfal.training.finite import check_loss
from tfal.training.lars import LARS, WarmupCosine
from tfal.training.layers import described

FORMAT = 1  # to be raised with every change after which a training ends in other numbers
N_COMPARED = 256  # images of a batch of the pass, so 510 negatives
MOMENTUM, DECAY = 0.9, 1e-6  # of LARS, as for every SimCLR here


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


class ContrastiveDynamics:
    """A SimCLR training that keeps the running moments of every image; it goes on where its file ends.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read; its features are used.
        images: uint8, of one or three channels.
        n_classes: for `build` only.
        recipe: network and the options of encoders; `n_epoch_simclr` epochs.
        folder: where the file is.

    Raises:
        InputError: images that cannot be augmented.
    """

    name = "simclr"

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe, folder: Path) -> None:
        if not images.scale or len(images.shape) != 3 or images.shape[2] not in (1, 3):
            raise InputError(
                f"contrastive training needs uint8 images (H, W, 1) or (H, W, 3). Received: images of {images.shape}. "
                "Give such images, or choose criteria of --oracle only."
            )
        self._build = lambda: encoder(build(images.shape, n_classes), 1)
        self._images, self._recipe, self._folder = images, recipe, folder
        self._network: keras.Model | None = None
        self.identity: dict[str, Any] = {}
        self._moments = [RunningMoments((0,)) for _ in TEMPERATURES]
        self.loss = np.zeros(0)

    def fit(self, ids: np.ndarray, streams: Streams, on_epoch: OnEpoch | None = None) -> None:
        """Trains on the images `ids` (n,), one pass after every epoch. Only the seed of the streams counts.

        Then `loss` (n,) is NT-Xent of each image after the last epoch, `identity` all that the numbers depend on.

        Raises:
            InputError: the file is damaged.
            TrainingError: the loss became NaN or infinite.
        """
        if len(ids) < 2:
            raise InputError(f"contrastive training needs at least 2 images. Received: {len(ids)}. Give more.")
        numbers = [int(number) for number in Streams(streams.seed)("pretrain").integers(2**31, size=4)]
        self.identity = self._identity(ids, numbers[0])
        again = self._build()
        keras.utils.set_random_seed(numbers[0])
        network = self._network = self._build()
        file = EncoderFile(self._folder, "dynamics", self.identity, described(network, again))
        self._moments, self.loss = [RunningMoments((len(ids),)) for _ in TEMPERATURES], np.zeros(len(ids))
        with file.locked():
            found = file.load()
            self._take(file, found)
            done = found.epoch if found else 0
            if on_epoch:
                on_epoch(self.name, done, self._recipe.n_epoch_simclr)
            if done < self._recipe.n_epoch_simclr:
                self._train(network, ids, numbers[1:], file, found, on_epoch)

    def map(self, temperature: float) -> DataMap:
        """Of one of TEMPERATURES."""
        return data_map(self._moments[TEMPERATURES.index(temperature)])

    def features(self, batch: tf.Tensor) -> tf.Tensor:
        """Features (B, d) of images as they are; call `fit` first."""
        return self._trained(batch, training=False)["features"]

    @property
    def _trained(self) -> keras.Model:
        if self._network is None:
            raise ValueError("fit was not called")
        return self._network

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        recipe = self._recipe
        names = ("network", "n_batch_encoder", "n_warmup", "lr_encoder", "n_epoch_simclr")
        own = {"format": FORMAT, "seed": seed, "images": self._images.digest(ids), "temperatures": list(TEMPERATURES)}
        return own | {"n_compared": N_COMPARED} | {name: getattr(recipe, name) for name in names}

    def _state(self) -> list[np.ndarray]:
        return [array for moments in self._moments for array in (moments.mean, moments.squares)] + [self.loss]

    def _take(self, file: EncoderFile, found: Snapshot | None) -> None:
        """Weights and moments of a file; behind the weights stands what `_state` gives."""
        if found is None:
            return
        variables, n_state = self._trained.variables, len(self._state())
        file.assign(variables, found.weights[:-n_state])
        state = found.weights[-n_state:]
        if [array.shape for array in state] != [array.shape for array in self._state()]:
            raise file.unusable("its moments do not fit the images")
        for moments, mean, squares in zip(self._moments, state[:-1:2], state[1:-1:2], strict=True):
            moments.n, moments.mean, moments.squares = found.epoch, mean, squares
        self.loss = state[-1]

    def _train(
        self,
        network: keras.Model,
        ids: np.ndarray,
        seeds: list[int],
        file: EncoderFile,
        found: Snapshot | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        recipe, first, n_epoch = self._recipe, found.epoch if found else 0, self._recipe.n_epoch_simclr
        n_steps = math.ceil(len(ids) / recipe.n_batch_encoder)
        trainer = Contrastive(network.inputs, network.output)
        rate = WarmupCosine(recipe.lr_encoder, recipe.n_warmup, n_epoch, n_steps)
        trainer.compile(optimizer=LARS(rate, MOMENTUM, DECAY), jit_compile=False)
        trainer.optimizer.build(trainer.trainable_variables)
        if found:
            file.assign(trainer.optimizer.variables, found.optimizer)
        one_pass = _pass(network, self._images, ids, seeds[2])

        def end(epoch: int, logs: dict[str, float]) -> None:
            done, loss = epoch + 1, logs["loss"]
            check_loss("the loss of the contrastive training", loss, done)
            *probabilities, self.loss = one_pass()
            for moments, values in zip(self._moments, probabilities, strict=True):
                moments.add(values)
            optimizer = trainer.optimizer.variables if done < n_epoch else []
            weights = [*_values(network.variables), *self._state()]
            file.save(Snapshot(done, loss, weights, _values(optimizer)))
            if on_epoch:
                on_epoch(self.name, done, n_epoch)

        trainer.fit(
            self._views(ids, seeds, first),
            steps_per_epoch=n_steps,
            initial_epoch=first,
            epochs=n_epoch,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end)],
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        )

    def _views(self, ids: np.ndarray, seeds: list[int], first_epoch: int) -> tf.data.Dataset:
        """The training's batches of views, from an epoch on."""
        size = self._recipe.n_batch_encoder
        batches = self._images.training(ids, ids, size, self._recipe.n_epoch_simclr, seeds[0], "none", first_epoch)
        views = parallel_map(
            batches.enumerate(first_epoch * math.ceil(len(ids) / size)),
            lambda step, batch: contrastive_views(batch[0], 1, seeds[1], step),
        )
        return views.prefetch(PREFETCH)


def _pass(network: keras.Model, images: Images, ids: np.ndarray, seed: int) -> Callable[[], list[np.ndarray]]:
    """A function that gives what one pass finds: float64 (n,) for each of TEMPERATURES, then the losses.

    Images are compared in an order of their own, since neighbors in a data set are often of one class, and always as
    many at once: the last batch is filled up with images that were compared before, which keep their numbers.
    """
    n, size = len(ids), min(N_COMPARED, len(ids))
    order = np.random.default_rng(seed).permutation(n)
    batches = [order[start : start + size] for start in (*range(0, n - size + 1, size), n - size)]

    @tf.function(reduce_retracing=True)
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


def _values(variables: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]
