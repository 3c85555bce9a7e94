"""Trains one Keras network on many labeled sets, each time from the start: what the trainings of transfer.py share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfal.data.images import Images
from tfal.data.pipeline import PREFETCH, parallel_map
from tfal.evaluation.scores import Scores, checked_ids, checked_labels
from tfal.reading.named_outputs import NamedOutputs
from tfal.training.engine import Engine
from tfal.training.finite import checked_logits
from tfal.training.replicas import WholeBatchModel, networks_on
from tfal.training.runtime import distribution, read_batch_size

Prepare = Callable[[tf.Tensor], tf.Tensor]


class Training(NamedTuple):
    """What both trainings have in common.

    epochs: at least 1. batch: images of a step, at least 2. augment: a name of AUGMENTATIONS. prepare: applied to
    every batch of float32 images behind the augmentation, and in the test, such as a normalisation. devices: "one" or
    "all", see Recipe. milestones: percent of the epochs, where the rate falls to a tenth; None: those of the training.
    """

    epochs: int = 100
    batch: int = 128
    augment: str = "none"
    prepare: Prepare = tf.identity
    devices: str = "one"
    milestones: tuple[int, ...] | None = None


class GroupedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam with learning rates of their own for some variables, as parameter groups have them in PyTorch.

    A step of Adam is proportional to the learning rate, so it is the rate that is scaled. Scaled gradients would change
    nothing, since Adam divides by their size. As always in Keras, epsilon is added before the bias of the root is
    corrected, in PyTorch after it.

    Args:
        learning_rate: what the factors multiply.
        factors: one for each trainable variable, in their order.
    """

    def __init__(self, learning_rate: float, factors: Sequence[float], **rest: Any) -> None:
        super().__init__(learning_rate=learning_rate, epsilon=1e-8, **rest)
        self.factors = list(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable; Keras calls it."""
        super().update_step(gradient, variable, learning_rate * self.factors[self._get_variable_index(variable)])


class Trainer:
    """Trains the same network on one labeled set after the other, each time from the start; see Engine.

    Each training seeds Keras, NumPy's global generator and Python's `random`: keras.utils.set_random_seed.

    Args:
        build: makes the network, images -> logits, with the values that a training starts from.
        optimizer: for the network.
        rates: learning rate of each epoch, of the optimizer's own.
        images: the training images.
        training: epochs, batch, augmentation, preparation.
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        optimizer: Callable[[keras.Model], keras.optimizers.Optimizer],
        rates: np.ndarray,
        images: Images,
        training: Training,
    ) -> None:
        self._rates, self._images, self._training = rates, images, training
        self._strategy = distribution(training.devices)
        with networks_on(self._strategy):
            made = build()
        self._network = WholeBatchModel(made.inputs, made.output, strategy=self._strategy)
        with networks_on(self._strategy):
            chosen = optimizer(self._network)
        self._engine = Engine(build, self._network, self._network, chosen, self._strategy)
        self._outputs = NamedOutputs(self._network, strategy=self._strategy)

    @property
    def network(self) -> keras.Model:
        """Images -> logits, as it was last trained; its weights change with the next training."""
        return self._network

    def fit(self, ids: np.ndarray, labels: np.ndarray, seed: int) -> float:
        """Trains from the start on images `ids` (n,), distinct, with `labels` (n,) in 0..C-1; the last loss.

        Raises InputError for ids or labels that do not fit, TrainingError for a loss or a weight that is no number.
        """
        ids = checked_ids("ids", ids, len(self._images))
        labels = checked_labels("labels", labels, len(ids), self._network.output.shape[-1])
        self._engine.reset(seed)
        batches, n_steps = self._batches(ids, labels, seed)
        history = self._engine.train(batches, n_steps, self._training.epochs, self._rates.__getitem__)
        return float(history["loss"][-1])

    def scores(self, images: Images, ids: np.ndarray, labels: np.ndarray) -> Scores:
        """What the network as it was last trained scores on the test images `ids` (T,); `labels` (T,) in 0..C-1."""
        labels = checked_labels("test_labels", labels, len(ids), self._network.output.shape[-1])
        ranks, size = [], read_batch_size(images.shape, self._strategy.num_replicas_in_sync)
        for start, batch in enumerate(images.batches(ids, size)):
            logits = checked_logits(self._outputs.read(self._training.prepare(batch), ["logits"])["logits"].numpy())
            order = np.argsort(-logits, axis=1, kind="stable")  # of equal logits the lower class is first
            ranks.append((order == labels[start * size :][: len(batch), None]).argmax(axis=1))
        return Scores.of_ranks(np.concatenate(ranks))

    def _batches(self, ids: np.ndarray, labels: np.ndarray, seed: int) -> tuple[tf.data.Dataset, int]:
        """The batches of all epochs, and how many an epoch has."""
        epochs, batch, augment, prepare, *_ = self._training
        batches = self._images.training(ids, labels, batch, epochs, seed, augment)
        n_steps = math.ceil(len(ids) / batch)
        if len(ids) % batch == 1 and n_steps > 1:  # one image has no variance to normalise by
            n_steps -= 1
            batches = batches.rebatch([batch] * (n_steps - 1) + [batch + 1])
        return parallel_map(batches, lambda x, y: (prepare(x), y)).prefetch(PREFETCH), n_steps
