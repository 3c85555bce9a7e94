"""The classifier: a fresh network in each round, trained on the labeled samples, kept at its best validation epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError, TrainingError, resolve_name
from tfal.images import AUGMENTATIONS, Images
from tfal.learners.outputs import NamedOutputs
from tfal.learners.runtime import read_batch_size, use_xla
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams

Builder = Callable[[tuple[int, int, int], int], Any]


class Classifier:
    """A Keras network that is trained anew in every round with one compiled training function.

    Each training seeds Keras, NumPy's global generator and Python's `random`: keras.utils.set_random_seed.

    Weights, optimizer state and dropout seeds are set back instead of building a new model, so nothing is traced
    again after the first round.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read, without softmax.
        images: the training images.
        n_classes: number of classes.
        recipe: batch, epochs, optimizer, learning rate and augmentation come from here.
    """

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        resolve_name("augmentation", recipe.augment, AUGMENTATIONS)
        self._build = lambda: build(images.shape, n_classes)
        self._images = images
        self._recipe = recipe
        self._network = self._first_network()
        self._outputs = NamedOutputs(self._network)
        if self._outputs.normalized:
            raise InputError(f"network {recipe.network!r} ends in a softmax; let its builder return the logits.")
        self._trainer = keras.Model(self._network.inputs, self._outputs.logits)
        self._trainer.compile(
            optimizer=_optimizer(recipe),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=use_xla(),
        )
        self._trainer.optimizer.build(self._trainer.trainable_variables)
        self._optimizer_start = [variable.numpy() for variable in self._trainer.optimizer.variables]

    def fit(self, pool: Pool, streams: Streams, on_epoch: Callable[[], object] | None = None) -> dict[str, float]:
        """Trains a fresh network on pool.labeled, and keeps the weights of the best epoch on pool.validation.

        Args:
            pool: labeled and validation samples with their labels.
            streams: "model" initialises the network, "batches" orders and augments the images.
            on_epoch: called after each epoch.

        Returns:
            best_epoch (from 1) and its train_loss, and val_accuracy where there is a validation set.

        Raises:
            TrainingError: the loss became NaN or infinite.
        """
        self._reset(streams.integer("model"))
        recipe, ids = self._recipe, pool.labeled
        history = self._trainer.fit(
            self._images.training(
                ids,
                pool.label[ids],
                recipe.n_batch,
                recipe.n_epoch,
                streams.integer("batches"),
                recipe.augment,
            ),
            steps_per_epoch=math.ceil(len(ids) / recipe.n_batch),
            epochs=recipe.n_epoch,
            validation_data=self._validation(pool),
            callbacks=self._callbacks(pool, on_epoch),
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        ).history
        accuracies = history.get("val_accuracy")
        best = recipe.n_epoch - 1 if accuracies is None else int(np.argmax(accuracies))
        found = {"best_epoch": best + 1, "train_loss": history["loss"][best]}
        return found if accuracies is None else {**found, "val_accuracy": accuracies[best]}

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of float32 images, in inference mode."""
        return self._outputs.read(batch, outputs)

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the last Dense layer."""
        return self._outputs.head()

    def _first_network(self) -> keras.Model:
        try:
            return self._build()
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"network {self._recipe.network!r} cannot be built for images {self._images.shape} ({reason}). "
                "Choose another --network."
            ) from error

    def _validation(self, pool: Pool) -> tf.data.Dataset | None:
        ids = pool.validation
        if not len(ids):
            return None
        return self._images.labeled(ids, pool.label[ids], read_batch_size(self._images.shape))

    def _callbacks(self, pool: Pool, on_epoch: Callable[[], object] | None) -> list[keras.callbacks.Callback]:
        callbacks: list[keras.callbacks.Callback] = [_EpochEnd(on_epoch)]
        if len(pool.validation):
            best = keras.callbacks.EarlyStopping(
                monitor="val_accuracy", mode="max", patience=self._recipe.n_epoch, restore_best_weights=True
            )
            callbacks.append(best)  # never stops early: the patience is the whole training
        return callbacks

    def _reset(self, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        fresh = self._build()
        for variable, start in zip(self._network.variables, fresh.variables, strict=True):
            variable.assign(start)  # weights, moving statistics and dropout seeds
        optimizer = self._trainer.optimizer
        for variable, value in zip(optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)


class _EpochEnd(keras.callbacks.Callback):
    """Stops at a loss that is no number, and reports progress."""

    def __init__(self, on_epoch: Callable[[], object] | None) -> None:
        super().__init__()
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            raise TrainingError(f"the training loss became {loss} in epoch {epoch + 1}")
        if self._on_epoch:
            self._on_epoch()


def _optimizer(recipe: Recipe) -> keras.optimizers.Optimizer:
    try:
        optimizer = keras.optimizers.get(recipe.optimizer)
    except ValueError:
        raise InputError(
            f"--optimizer must be the name of a Keras optimizer, such as adam, rmsprop or sgd. "
            f"Received: {recipe.optimizer!r}."
        ) from None
    optimizer.learning_rate = recipe.learning_rate
    return optimizer
