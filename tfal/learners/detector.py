"""Detectors of unknown classes: a classifier with one output more, which rejected samples train."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
from keras import ops

from tfal.data.images import Images
from tfal.learners.base import Builder
from tfal.learners.classifier import Classifier
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.training.replicas import WholeBatchModel, share_of_loss

MOMENTUM, DECAY = 0.9, 5e-4  # as published


class Training(NamedTuple):
    """Learning rate, epochs, after how many of them the rate is halved, and what logits are divided by in the loss."""

    rate: float
    n_epoch: int
    halved_every: int
    temperature: float = 1.0


class Detector(Classifier):
    """A Classifier of the K known classes and, as class K, all others, trained on labeled and rejected samples.

    Ning et al., Active Learning for Open-set Annotation, CVPR 2022: the cross-entropy of logits divided by
    recipe.detector_temperature, SGD with momentum 0.9 and weight decay 5e-4, a rate that is halved every
    recipe.halve_detector epochs, whole passes, weights of the last epoch; no validation. Batches, augmentation and
    normalisation are those of the classifier.

    `read` gives logits (B, K + 1), not divided.

    Differs from the public code: its temperature for unknown samples is an option that is 2 there and 0.5 in its
    instructions; here one temperature is for all.
    """

    name: ClassVar[str] = "detector"

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        self._how = self._training_of(recipe)
        own = recipe.replace(
            optimizer="sgd",
            learning_rate=self._how.rate,
            momentum=MOMENTUM,
            nesterov="off",
            weight_decay=DECAY,
            n_epoch=self._how.n_epoch,
            n_step_epoch=0,
        )
        super().__init__(build, images, n_classes + 1, own)

    def _training_of(self, recipe: Recipe) -> Training:
        return Training(recipe.lr_detector, recipe.n_epoch_detector, recipe.halve_detector, recipe.detector_temperature)

    def _samples(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        return np.union1d(pool.labeled, pool.rejected), pool.labeled[:0]

    def _rate(self, epoch: int) -> float:
        return float(self._how.rate / 2 ** (epoch // self._how.halved_every))

    def _new_trainer(self) -> WholeBatchModel:
        scaled = self._outputs.tensors["logits"] / self._how.temperature
        return WholeBatchModel(self._network.inputs, scaled, strategy=self._strategy)


class EnergyDetector(Detector):
    """A Detector that also learns to give known classes a low energy, and unknown ones a high one.

    Zong et al., Rethinking Epistemic and Aleatoric Uncertainty for Active Open-Set Annotation, CVPR 2025. E is
    -log sum exp of the logits of the known classes. To the cross-entropy comes recipe.energy_weight times the mean of
    max(0, E - recipe.energy_known)^2 over known samples of a batch, and that of max(0, recipe.energy_unknown - E)^2
    over rejected ones. Its rate, epochs and halving are lr_energy, n_epoch_energy and halve_energy.

    Differs from the public code: in a batch without known, or without rejected, samples their mean is 0, not NaN.
    """

    name: ClassVar[str] = "energy_detector"

    def _training_of(self, recipe: Recipe) -> Training:
        return Training(recipe.lr_energy, recipe.n_epoch_energy, recipe.halve_energy)

    def _new_trainer(self) -> WholeBatchModel:
        margins = self._recipe.energy_weight, self._recipe.energy_known, self._recipe.energy_unknown
        logits = self._outputs.tensors["logits"]
        return _EnergyModel(self._network.inputs, logits, margins=margins, strategy=self._strategy, name="energy")


def energy_loss(labels: Any, logits: Any, known: float, unknown: float) -> Any:
    """What known samples have of energy beyond `known`, and unknown ones miss of `unknown`: means of squares, added.

    Args:
        labels: (B,) integers, from 0 to K; K is unknown.
        logits: (B, K + 1).
        known, unknown: energies.

    Returns:
        A float32 scalar; a kind of which there is no sample adds 0.
    """
    logits = ops.cast(logits, "float32")
    energy = -ops.logsumexp(logits[:, :-1], axis=1)
    is_known = ops.cast(ops.reshape(labels, (-1,)) < logits.shape[1] - 1, "float32")
    parts = ((is_known, energy - known), (1 - is_known, unknown - energy))
    return sum(ops.sum(those * ops.square(ops.relu(gap))) / ops.maximum(ops.sum(those), 1.0) for those, gap in parts)


class _EnergyModel(WholeBatchModel):
    """Cross-entropy and energy_loss."""

    def __init__(self, *arguments: Any, margins: tuple[float, float, float] = (0.0, 0.0, 0.0), **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._margins = margins

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean cross-entropy + weight * energy_loss, and what the builder's regularizers add."""
        weight, known, unknown = self._margins
        losses = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
        return share_of_loss(ops.mean(losses) + weight * energy_loss(y, y_pred, known, unknown) + sum(self.losses))
