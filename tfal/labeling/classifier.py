"""The classifier of a folder of pictures, and how good it is by the labels that are there.

Whatever is trained, it ends in a linear head on features, so strategies and predictions read it in one way: a row of
features for each picture, and the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
from keras import layers
from scipy.special import softmax

from tfal.data.image_files import ImageFiles, named_errors
from tfal.errors import training_of
from tfal.evaluation.linear_heads import Head, linear_heads
from tfal.evaluation.trainer import Trainer, Training
from tfal.evaluation.transfer import finetuner, scratch_trainer
from tfal.labeling.accuracy import folds
from tfal.labeling.encoding import Encoding
from tfal.labeling.options import Options
from tfal.reading.named_outputs import NamedOutputs
from tfal.streams import Streams
from tfal.training.finite import checked_logits
from tfal.training.runtime import read_batch_size

if TYPE_CHECKING:
    from tfal.learners.base import Builder

_MOST_FOLDS, _MOST_FOLDS_NETWORK = 10, 5  # of heads, which are trained together, and of whole networks
_BATCH = 32
_RATE = 0.1  # of heads, ten times that of studies with more labels: few labels are few steps
_CHUNK = 8192  # rows whose logits are computed at once


class Labeled(NamedTuple):
    """Pictures that train the classifier: ids (n,), and the output of each, labels (n,) in 0..n_outputs-1."""

    ids: np.ndarray
    labels: np.ndarray
    n_outputs: int


class Trained(NamedTuple):
    """A trained classifier.

    network: pictures (B, size, size, 3) in [0, 1] -> probabilities (B, C). head: from features to logits. features:
    (N, d) by id, of the pictures that were asked for.
    """

    network: keras.Model
    head: Head
    features: np.ndarray

    def probabilities(self, ids: np.ndarray) -> np.ndarray:
        """(n, C) float64, rows sum to 1."""
        found = [np.zeros((0, len(self.head.bias)))]
        for start in range(0, len(ids), _CHUNK):
            rows = np.asarray(self.features[ids[start : start + _CHUNK]], np.float32)
            found.append(softmax((rows @ self.head.kernel + self.head.bias).astype(np.float64), axis=1))
        return np.concatenate(found)

    def on_features(self) -> keras.Model:
        """The head as a model of its own, features (B, d) -> logits (B, C), for strategies."""
        inputs = keras.Input(self.head.kernel.shape[:1], name="features")
        head = layers.Dense(len(self.head.bias), name="logits")
        model = keras.Model(inputs, head(inputs))
        head.set_weights(list(self.head))
        return model


@dataclass(frozen=True)
class Classifiers:
    """Trains classifiers of one kind, each anew.

    features: (N, d) of the encoder, by id, rows of length 1; build: the network of scratch.
    """

    options: Options
    encoding: Encoding
    features: np.ndarray
    build: Builder

    def train(self, labeled: Labeled, ids: np.ndarray, temperature: float = 1.0) -> Trained:
        """A classifier of all labeled pictures, and its features of `ids`, those that may be asked for or predicted.

        temperature: what its logits are divided by, see tfal.evaluation.calibration.temperature.

        Raises TrainingError for a loss or weights that are no numbers, InputError for a picture that cannot be read.
        """
        seed = Streams(self.options.seed).integer("model")
        if self.options.model == "linear":
            (head,) = self._heads(labeled, [np.arange(len(labeled.ids))], seed)
            head = Head(*(array / np.float32(temperature) for array in head))
            return Trained(self._network_of(head), head, self.features)
        with named_errors(), training_of(f"the training by --model {self.options.model}", _MEND):
            trainer = self._trainer(labeled.n_outputs)
            trainer.fit(labeled.ids, labeled.labels, seed)
            outputs = NamedOutputs(trainer.network)
            features = self._read(outputs, "features", ids)
            kernel, bias = outputs.head()
        logits = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(trainer.network.output)
        probabilities = layers.Softmax(name="probabilities", dtype="float32")(logits)
        table = np.zeros((len(self.features), features.shape[1]), np.float32)
        table[ids] = features
        return Trained(
            keras.Model(trainer.network.inputs, probabilities), Head(kernel / temperature, bias / temperature), table
        )

    def cross_validated(self, labeled: Labeled) -> tuple[np.ndarray, int]:
        """Logits (n, C) of each labeled picture by a classifier that was trained without it; number of folds.

        Every class has at least two pictures. Raises the same as `train`.
        """
        is_linear = self.options.model == "linear"
        parts = folds(labeled.labels, _MOST_FOLDS if is_linear else _MOST_FOLDS_NETWORK, self.options.seed)
        seed = Streams(self.options.seed).integer("evaluate")
        found = np.zeros((len(labeled.ids), labeled.n_outputs), np.float32)
        if is_linear:
            heads = self._heads(labeled, [train for train, _ in parts], seed)
            for (_, test), head in zip(parts, heads, strict=True):
                found[test] = self.features[labeled.ids[test]] @ head.kernel + head.bias
            return found, len(parts)
        with named_errors(), training_of(f"the training by --model {self.options.model}", _MEND):
            trainer = self._trainer(labeled.n_outputs)
            outputs = NamedOutputs(trainer.network)
            for train, test in parts:
                trainer.fit(labeled.ids[train], labeled.labels[train], seed)
                found[test] = self._read(outputs, "logits", labeled.ids[test])
        return found, len(parts)

    def _heads(self, labeled: Labeled, selections: list[np.ndarray], seed: int) -> list[Head]:
        """Linear heads on rows of `labeled`."""
        with training_of("the linear head", _MEND):
            return linear_heads(
                np.asarray(self.features[labeled.ids]),
                labeled.labels,
                selections,
                n_classes=labeled.n_outputs,
                seeds=[seed] * len(selections),
                learning_rate=_RATE,
            )

    def _network_of(self, head: Head) -> keras.Model:
        encoder = self.encoding.network
        unit = layers.UnitNormalization(dtype="float32", name="unit")(encoder.output)
        last = layers.Dense(len(head.bias), "softmax", dtype="float32", name="probabilities")
        network = keras.Model(encoder.inputs, last(unit))
        last.set_weights(list(head))
        return network

    @cached_property
    def _images(self) -> ImageFiles:
        return ImageFiles(self.encoding.listing)

    def _trainer(self, n_outputs: int) -> Trainer:
        training = Training(self.options.n_epoch, _BATCH, "flip_crop")
        if self.options.model == "finetune":
            return finetuner(self.encoding.network, self._images, n_outputs, training)
        return scratch_trainer(self.build, self._images, n_outputs, training)

    def _read(self, outputs: NamedOutputs, name: str, ids: np.ndarray) -> np.ndarray:
        batches = self._images.batches(ids, read_batch_size(self._images.shape))
        found = np.concatenate([outputs.read(batch, [name])[name].numpy() for batch in batches])
        return checked_logits(found)


_MEND = "Look at the pictures and their labels."
