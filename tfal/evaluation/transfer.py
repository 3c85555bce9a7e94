"""How good a labeled set is, by networks trained on it: fine-tuning of a pretrained one, and training from scratch.

As in the study of low budgets (Pourahmadi et al., arXiv 2110.12033; public code UCDvision/low-budget-al):
cross-entropy, shuffled batches, batch normalisation in training mode, a tenth of the learning rate at each milestone,
the last epoch counts. Differences from its code: a last batch of a single image joins the one before it, while there
batch normalisation fails on it; images and augmentation are the caller's, while there crops have 8 to 100 percent of
the area; seeds are set.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.initializers import RandomUniform

from tfal.data.augmentations import AUGMENTATIONS
from tfal.data.images import Images
from tfal.errors import InputError, resolve_name
from tfal.evaluation.scores import Scores, step_rates
from tfal.evaluation.trainer import GroupedAdam, Trainer, Training
from tfal.kernels.parts import check
from tfal.learners.base import Builder
from tfal.reading.named_outputs import NamedOutputs
from tfal.training.optimizers import CoupledSGD

FINETUNE_MILESTONES, SCRATCH_MILESTONES = (50, 75), (30, 60, 90)  # percent of the epochs
_MOMENTUM, _DECAY = 0.9, 1e-4
DEFAULT = Training()


def finetune(
    network: keras.Model,
    images: Images,
    ids: np.ndarray,
    labels: np.ndarray,
    test_images: Images,
    test_ids: np.ndarray,
    test_labels: np.ndarray,
    *,
    n_classes: int,
    seed: int,
    training: Training = DEFAULT,
    lr_network: float = 1e-4,
    lr_head: float = 0.01,
) -> Scores:
    """Scores after one fine-tuning; for several labeled sets keep one `finetuner`, which compiles once.

    Args:
        network, images, n_classes, training, lr_network, lr_head: as for `finetuner`.
        ids, labels: (n,) labeled images, distinct, and their classes in 0..C-1, aligned.
        test_images, test_ids, test_labels: (T,) the images of the test and their classes, aligned.
        seed: in [0, 2**32), of the new head, the order of the images, and their augmentation.

    Raises InputError for what does not fit, TrainingError for a loss that is no number.
    """
    trainer = finetuner(network, images, n_classes, training, lr_network, lr_head)
    trainer.fit(ids, labels, seed)
    return trainer.scores(test_images, test_ids, test_labels)


def from_scratch(
    build: Builder,
    images: Images,
    ids: np.ndarray,
    labels: np.ndarray,
    test_images: Images,
    test_ids: np.ndarray,
    test_labels: np.ndarray,
    *,
    n_classes: int,
    seed: int,
    training: Training = DEFAULT,
    learning_rate: float = 0.1,
) -> Scores:
    """Scores after one training from scratch; for several labeled sets keep one `scratch_trainer`.

    Arguments and errors are those of `scratch_trainer` and `finetune`.
    """
    trainer = scratch_trainer(build, images, n_classes, training, learning_rate)
    trainer.fit(ids, labels, seed)
    return trainer.scores(test_images, test_ids, test_labels)


def finetuner(
    network: keras.Model,
    images: Images,
    n_classes: int,
    training: Training = DEFAULT,
    lr_network: float = 1e-4,
    lr_head: float = 0.01,
) -> Trainer:
    """Trains all of a pretrained network, and a new (unit length, Linear) head on its features, with Adam.

    Milestones at 50 and 75 percent of the epochs, or the training's, for both rates.

    Args:
        network: pretrained; (B, H, W, C) -> features (B, D), or a dict with "features", or a classifier that
            NamedOutputs can read. It is copied, never changed.
        images: the training images.
        n_classes: C, at least 2.
        training: epochs, batch, augmentation, devices; its `prepare` must be the preparation that the network was
            trained with.
        lr_network, lr_head: learning rates at the start, positive.

    Raises InputError for options out of range, and a network without features.
    """
    _check(n_classes, training, {"lr_network": lr_network, "lr_head": lr_head})
    pretrained = keras.Model(network.inputs, features_of(network))
    weights = pretrained.get_weights()

    def build() -> keras.Model:
        copy = keras.models.clone_model(pretrained, clone_function=_trainable_copy, recursive=True)
        copy.set_weights(weights)
        limit = 1 / math.sqrt(copy.output.shape[-1])
        start = {name: RandomUniform(-limit, limit) for name in ("kernel_initializer", "bias_initializer")}
        x = layers.UnitNormalization(dtype="float32", name="new_head_unit")(copy.output)
        return keras.Model(copy.inputs, layers.Dense(n_classes, dtype="float32", name="new_head", **start)(x))

    def optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
        new = {id(variable) for variable in model.layers[-1].trainable_variables}
        factors = [1.0 if id(variable) in new else lr_network / lr_head for variable in model.trainable_variables]
        return GroupedAdam(lr_head, factors)

    rates = step_rates(lr_head, training.epochs, training.milestones or FINETUNE_MILESTONES)
    return Trainer(build, optimizer, rates, images, training)


def scratch_trainer(
    build: Builder,
    images: Images,
    n_classes: int,
    training: Training = DEFAULT,
    learning_rate: float = 0.1,
) -> Trainer:
    """Trains new networks by SGD with momentum 0.9 and a coupled weight decay of 1e-4.

    Milestones at 30, 60 and 90 percent of the epochs, or the training's.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read, without softmax.
        images: the training images.
        n_classes: C, at least 2.
        training: epochs, batch, augmentation, preparation, devices.
        learning_rate: at the start, positive.

    Raises InputError for options out of range, and a network whose logits cannot be read.
    """
    _check(n_classes, training, {"learning_rate": learning_rate})

    def network() -> keras.Model:
        made = build(images.shape, n_classes)
        return keras.Model(made.inputs, NamedOutputs(made).trainable_logits(n_classes, made.name))

    rates = step_rates(learning_rate, training.epochs, training.milestones or SCRATCH_MILESTONES)
    return Trainer(network, lambda _: CoupledSGD(learning_rate, _MOMENTUM, _DECAY), rates, images, training)


def features_of(network: keras.Model) -> keras.KerasTensor:
    """The symbolic features (B, D) of a network.

    Its output "features", or what NamedOutputs finds before the last Dense layer, or else its only output, if (B, D).
    Raises InputError where there is none of these.
    """
    output = network.outputs[0] if isinstance(network, keras.Sequential) else getattr(network, "output", None)
    if isinstance(output, dict) and "features" in output:
        return output["features"]
    try:
        return NamedOutputs(network).features
    except InputError:
        if isinstance(output, keras.KerasTensor) and len(output.shape) == 2:
            return output
        raise


def _trainable_copy(layer: Any) -> Any:
    """A new layer of the same kind. Layers that are made frozen have variables that no gradient reaches, ever."""
    config = layer.get_config()
    return layer.__class__.from_config({**config, "trainable": True} if isinstance(layer, keras.Layer) else config)


def _check(n_classes: int, training: Training, rates: dict[str, Any]) -> None:
    check.whole_number("epochs", training.epochs)
    resolve_name("augmentation", training.augment, AUGMENTATIONS)
    for name, value in (("n_classes", n_classes), ("batch", training.batch)):
        if check.whole_number(name, value) < 2:
            raise InputError(f"{name}: expected at least 2, received {value}. Choose a larger number.")
    for name, rate in rates.items():
        if not 0 < rate < float("inf"):
            raise InputError(f"{name}: expected a positive number, received {rate}. Choose such a number.")
