"""The classifier: a fresh network in each round, trained on the labeled samples, kept at its best validation epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfal.data.augmentations import check_augmentation
from tfal.data.images import Images
from tfal.data.pipeline import PREFETCH, parallel_map
from tfal.errors import InputError, TrainingError
from tfal.evaluation.scores import predicted_classes
from tfal.learners.base import Builder, OnEpoch
from tfal.pool import Pool
from tfal.reading.named_outputs import NamedOutputs
from tfal.reading.stochastic_outputs import Draws, SampledOutputs
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.engine import Engine
from tfal.training.optimizers import learning_rate, make_optimizer
from tfal.training.replicas import WholeBatchModel, networks_on
from tfal.training.runtime import distribution, read_batch_size


class Classifier:
    """A Keras network that is trained anew in every round with one compiled training function.

    Each training seeds Keras, NumPy's global generator and Python's `random`: keras.utils.set_random_seed.

    Nothing is traced again after the first round, see Engine.

    recipe.devices "all" splits batches over all devices. What one device would compute is computed, up to rounding,
    but for batch normalization in training mode and dropout masks.

    recipe.normalize "channels" subtracts the mean of each channel over all training images and divides by its
    deviation: 0.2470, 0.2435, 0.2616 on CIFAR-10. The 0.2023, 0.1994, 0.2010 of many published codes, MQ-Net's among
    them, are about the mean deviation inside one image.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read, without softmax.
        images: the training images.
        n_classes: number of classes.
        recipe: batch, epochs and their steps, optimizer, schedule, augmentation, normalisation and devices come from
            here.
    """

    name: ClassVar[str] = "classifier"

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        check_augmentation(recipe.augment, images)
        self._images = images
        self._recipe, self._n_classes = recipe, n_classes
        self._statistics = images.channel_statistics() if recipe.normalize == "channels" else None
        self._build: Callable[[], keras.Model] = lambda: self._extended(build(images.shape, n_classes))
        self._strategy = distribution(recipe.devices)
        with networks_on(self._strategy):
            optimizer = make_optimizer(recipe)
            self._network = self._build()
        self._outputs = readable(self._network, n_classes, recipe, self._strategy)
        self._outputs.read(np.zeros((2, *images.shape), np.float32), ["logits"])  # a network without answers is refused
        self._sampled = SampledOutputs(
            self._outputs,
            recipe.network,
            Draws.of(recipe),
            mirrored=recipe.augment == "flip_crop",
            prepare=self._normalized,
        )
        self._start: Sequence[np.ndarray] | None = None
        self._engine = Engine(self._build, self._network, self._new_trainer(), optimizer, self._strategy)

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains a fresh network on pool.labeled, and keeps the weights of the best epoch on pool.validation.

        Args:
            pool: labeled and validation samples with their labels, 0..C-1.
            streams: "model" initialises the network, "batches" orders and augments the images, "dropout" is what
                mc_logits, view_logits and noise_logits of this network follow from.
            on_epoch: called after each epoch with the learner's name, the epoch from 1, and their number.

        Returns:
            best_epoch (from 1) and its train_loss, and val_accuracy where there is a validation set.

        Raises:
            TrainingError: the loss, or a weight in the last step, became NaN or infinite.
        """
        self._engine.reset(streams.integer("model"), self._take_start)
        self._sampled.seed = streams.integer("dropout")
        recipe, steps = self._recipe, epoch_steps(self._recipe, len(self._samples(pool)[0]))
        history = self._engine.train(
            self._training(pool, steps, streams.integer("batches")),
            steps,
            recipe.n_epoch,
            self._rate,
            self._callbacks(pool, on_epoch),
        )
        accuracies = history.get("val_accuracy")
        best = recipe.n_epoch - 1 if accuracies is None else int(np.argmax(accuracies))
        found = {"best_epoch": best + 1, "train_loss": history["loss"][best]}
        return found if accuracies is None else {**found, "val_accuracy": accuracies[best]}

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of float32 images, normalised as in training, in inference mode.

        Beside those of the network: mc_logits, view_logits and noise_logits, see SampledOutputs.
        """
        return self._sampled.read(batch, outputs)

    def check_outputs(self, outputs: Sequence[str]) -> None:
        """Raises InputError where one that SampledOutputs draws is among `outputs` and this network cannot give it."""
        self._sampled.check(outputs)

    def weights(self) -> list[np.ndarray]:
        """The network's weights and moving statistics, copied."""
        return [np.array(variable.numpy()) for variable in self._network.weights]

    def load(self, weights: Sequence[np.ndarray]) -> None:
        """Takes on what `weights` gave. Raises InputError for arrays of another network."""
        shapes = [tuple(variable.shape) for variable in self._network.weights]
        received = [np.shape(values) for values in weights]
        if shapes != received:
            differing = [pair for pair in zip(received, shapes, strict=False) if pair[0] != pair[1]]
            raise InputError(
                f"weights must be the {len(shapes)} arrays of network {self._recipe.network!r}. Received: "
                f"{len(received)} arrays, the first that differs {differing[0] if differing else 'being left over'}. "
                "Give what weights() of the same network gave."
            )
        for variable, values in zip(self._network.weights, weights, strict=True):
            variable.assign(values)

    def start_from(self, weights: Sequence[np.ndarray]) -> None:
        """The next `fit`, and it alone, begins with what `weights` gave in place of fresh ones: a warm start.

        Its optimizer starts anew. Raises InputError for arrays of another network.
        """
        self.load(weights)
        self._start = [np.array(values) for values in weights]

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the last Dense layer; the bias is 0 where it has none."""
        return self._outputs.head()

    def _extended(self, network: keras.Model) -> keras.Model:
        """What is trained in place of the network that was built; all its values are set back in every round."""
        return network

    def _new_trainer(self) -> WholeBatchModel:
        """What is trained: a model over the layers of the network."""
        return WholeBatchModel(self._network.inputs, self._outputs.tensors["logits"], strategy=self._strategy)

    def _samples(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        """Ids of the samples that train the network, and of those that tell its best epoch."""
        return pool.labeled, pool.validation

    def _rate(self, epoch: int) -> float:
        """The learning rate of an epoch, from 0."""
        return learning_rate(self._recipe, epoch)

    def _callbacks(self, pool: Pool, on_epoch: OnEpoch | None) -> list[keras.callbacks.Callback]:
        callbacks: list[keras.callbacks.Callback] = [_Report(self.name, self._recipe.n_epoch, on_epoch)]
        if len(self._samples(pool)[1]):
            best = keras.callbacks.EarlyStopping(
                monitor="val_accuracy", mode="max", patience=self._recipe.n_epoch, restore_best_weights=True
            )
            callbacks += [_Validation(self.validation(pool)), best]  # never stops: the patience is the whole training
        return callbacks

    def _training(self, pool: Pool, steps: int, seed: int) -> tf.data.Dataset:
        """The batches of all epochs: whole passes over the samples, one after the other."""
        recipe, ids = self._recipe, self._samples(pool)[0]
        total = recipe.n_epoch * steps
        passes = math.ceil(total / math.ceil(len(ids) / recipe.n_batch))
        batches = self._images.training(ids, pool.label[ids], recipe.n_batch, passes, seed, recipe.augment)
        batches = batches.take(total)
        if self._statistics is None:
            return batches
        # Behind the augmentation, so that the zeros it pads with are black as in the images.
        normalized = parallel_map(batches, lambda images, labels: (self._normalized(images), labels))
        return normalized.prefetch(PREFETCH)

    def validation(self, pool: Pool) -> Callable[[], float]:
        """What gives the share of pool.validation that the network, as it is, classifies right."""
        ids, keep = pool.validation, self._recipe.keep_validation == "on"
        size = read_batch_size(self._images.shape, self._strategy.num_replicas_in_sync)
        batches, labels = self._images.batches(ids, size, keep=keep), pool.label[ids]
        return lambda: float(np.mean(predicted_classes(self, batches) == labels))

    def _normalized(self, images: tf.Tensor) -> tf.Tensor:
        if self._statistics is None:
            return images
        mean, std = self._statistics
        return (images - mean) / std

    def _take_start(self) -> None:
        if self._start is not None:
            self.load(self._start)
            self._start = None


class _Validation(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts the accuracy on the validation set among the logs of an epoch, for the callbacks behind it.

    In place of Keras' own validation, whose pipeline starts threads anew in each epoch and copies the images again.
    """

    def __init__(self, accuracy: Callable[[], float]) -> None:
        super().__init__()
        self._accuracy = accuracy

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        try:
            accuracy = self._accuracy()
        except TrainingError as error:
            raise TrainingError(f"{error} in epoch {epoch + 1}") from None
        if logs is not None:
            logs["val_accuracy"] = accuracy


class _Report(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports progress."""

    def __init__(self, name: str, epochs: int, on_epoch: OnEpoch | None) -> None:
        super().__init__()
        self._name = name
        self._epochs = epochs
        self._on_epoch = on_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._on_epoch:
            self._on_epoch(self._name, epoch + 1, self._epochs)


def epoch_steps(recipe: Recipe, n_labeled: int) -> int:
    """The training steps of an epoch with n_labeled samples, at least 1.

    One pass over the samples, or recipe.n_step_epoch steps of an endless row of passes. "at_least" ends an epoch
    only with a pass, as MQ-Net's code does (Park et al., NeurIPS 2022): 105 steps, not 100, for 7 batches a pass.
    """
    whole = math.ceil(n_labeled / recipe.n_batch)
    if not recipe.n_step_epoch:
        return whole
    if recipe.steps == "exactly":
        return recipe.n_step_epoch
    return math.ceil(recipe.n_step_epoch / whole) * whole


def readable(
    network: keras.Model, n_classes: int, recipe: Recipe, strategy: tf.distribute.Strategy | None = None
) -> NamedOutputs:
    """The network's outputs. Raises InputError for a network that does not give logits of n_classes."""
    outputs = NamedOutputs(network, strategy=strategy)
    outputs.trainable_logits(n_classes, recipe.network)
    return outputs
