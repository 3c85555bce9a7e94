"""A detector of unknown classes: a classifier with one output more, which rejected samples train, for "lfosa"."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tfal.data.images import Images
from tfal.learners.base import Builder
from tfal.learners.classifier import Classifier
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.training.replicas import WholeBatchModel

MOMENTUM, DECAY = 0.9, 5e-4  # as published


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
        self._halved_every, self._temperature = recipe.halve_detector, recipe.detector_temperature
        own = recipe.replace(
            optimizer="sgd",
            learning_rate=recipe.lr_detector,
            momentum=MOMENTUM,
            nesterov="off",
            weight_decay=DECAY,
            n_epoch=recipe.n_epoch_detector,
            n_step_epoch=0,
        )
        super().__init__(build, images, n_classes + 1, own)

    def _samples(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        return np.union1d(pool.labeled, pool.rejected), pool.labeled[:0]

    def _rate(self, epoch: int) -> float:
        return float(self._recipe.learning_rate / 2 ** (epoch // self._halved_every))

    def _new_trainer(self) -> WholeBatchModel:
        scaled = self._outputs.tensors["logits"] / self._temperature
        return WholeBatchModel(self._network.inputs, scaled, strategy=self._strategy)
