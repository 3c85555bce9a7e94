"""Encoders: networks pretrained on all images of the pool, without labels, and then frozen for all rounds.

The one of MQ-Net (Park et al., NeurIPS 2022) and the two of CCAL (Du et al., ICCV 2021), with the settings of MQ-Net's
public code, and a SimCLR for low budgets. Differences from that code: encoders see images in [0, 1], in training and
when read, while there the training clamps normalised images to [0, 1] and the reading does not (`coder_input`); CCAL's
reading averages mild crops at fixed places instead of one random view under a global seed (`ccal_views`); an encoder is
trained once for each set of images, not once for each trial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from tfal.data.augmentations import Augmentation
from tfal.data.contrastive_views import (
    HUE_SHIFT,
    JITTER,
    LEAST_AREA,
    N_ROTATIONS,
    SIMCLR,
    check_rotatable,
    contrastive_views,
    simclr_changes,
)
from tfal.data.images import Images
from tfal.data.pipeline import PREFETCH, parallel_map
from tfal.errors import InputError
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.contrastive import TEMPERATURE, Contrastive, encoder, nt_xent, one_sided_nt_xent
from tfal.learners.pretrained import Pretrained
from tfal.learners.simclr_loss import N_NEGATIVES, SimCLRLoss
from tfal.pool import Pool
from tfal.reading.encoder_outputs import OUTPUTS, EncoderReader
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.optimizers import LARS, CoupledSGD, EpochCosine, WarmupCosine
from tfal.training.replicas import networks_on
from tfal.training.runtime import distribution

_SGD_FLOOR = 1e-3  # last rate over first
_SIMCLR_DEFAULTS = {  # those that are not in Method
    "simclr_temperature": TEMPERATURE,
    "simclr_sides": "both",
    "simclr_jitter": JITTER,
    "simclr_hue": HUE_SHIFT,
    "simclr_crop": LEAST_AREA,
}


class Method(NamedTuple):
    """How an encoder is trained.

    n_rotations: 4, CSI; 1, SimCLR. lars: or SGD, both with momentum and decay. floor: learning rate at the end of the
    cosine.
    """

    n_rotations: int
    lars: bool
    momentum: float
    decay: float
    floor: float

    def optimizer(self, rate: LearningRateSchedule) -> keras.optimizers.Optimizer:
        """A new one."""
        return (LARS if self.lars else CoupledSGD)(rate, self.momentum, self.decay)


class Encoder(Pretrained):
    """A network that is pretrained by contrast, see Pretrained; the base of CSI, SimCLR and CCAL's two.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read; its features are used.
        images: the training images, uint8, of one or three channels; square for CSI.
        n_classes: for `build` only.
        recipe: network, augmentation, devices, results_dir and the options of encoders.

    Raises:
        InputError: images that cannot be augmented or turned.
    """

    outputs: tuple[str, ...] = OUTPUTS
    method: Method
    changes: Augmentation = SIMCLR  # of the views

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        super().__init__(images, recipe)
        _check_images(images, self.method.n_rotations)
        self._build: Callable[[], keras.Model] = lambda: encoder(
            build(images.shape, n_classes), self.method.n_rotations
        )
        self._strategy, self._augment = distribution(recipe.devices), recipe.augment
        self._reader: EncoderReader

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        found: int = self._recipe.n_epoch_ccal
        return found

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of images in [0, 1]; see EncoderReader."""
        self._check_outputs(outputs)
        return self._reader.read(batch, outputs)

    def _load_or_train(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None) -> None:
        super()._load_or_train(pool, streams, on_epoch)
        self._reader = EncoderReader(self.network, self.prepared, self._recipe.ccal_views, self._strategy)

    def _new_network(self) -> keras.Model:
        return self._build()

    def _trainer(self, network: keras.Model, n: int) -> Contrastive:
        return self.trainer(network, self._schedule(self._n_steps(n)))

    def _schedule(self, n_steps: int) -> LearningRateSchedule:
        """The learning rate of a training whose epochs have so many steps."""
        recipe = self._recipe
        return WarmupCosine(recipe.lr_encoder, recipe.n_warmup, self.n_epoch, n_steps, self.method.floor)

    def _loss_of(self, projections: tf.Tensor) -> tf.Tensor:
        return nt_xent(projections)

    def trainer(self, network: keras.Model, rate: LearningRateSchedule) -> Contrastive:
        """The compiled model that trains `network`; it shares its weights."""
        trainer = Contrastive(network.inputs, network.output, strategy=self._strategy, loss=self._loss_of)
        with networks_on(self._strategy):
            optimizer = self.method.optimizer(rate)
            optimizer.build(trainer.trainable_variables)
        trainer.compile(optimizer=optimizer, jit_compile=False)
        return trainer

    def _n_steps(self, n: int) -> int:
        found: int = math.ceil(n / self._recipe.n_batch_encoder)
        return found

    def _batches(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int) -> tf.data.Dataset:
        return self.views(ids, seeds, first_epoch)

    def views(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int = 0) -> tf.data.Dataset:
        """The training's batches of views from an epoch on; seeds: of the order and of the views."""
        recipe = self._recipe
        batches = self._images.training(
            ids, ids, recipe.n_batch_encoder, self.n_epoch, seeds[0], self._augment, first_epoch
        )
        views = parallel_map(
            batches.enumerate(first_epoch * self._n_steps(len(ids))),
            lambda step, batch: contrastive_views(
                self.prepared(batch[0]), self.method.n_rotations, seeds[1], step, self.changes
            ),
        )
        return views.prefetch(PREFETCH)

    def prepared(self, images: tf.Tensor) -> tf.Tensor:
        """What is done to images in [0, 1] before views and network."""
        if self._recipe.coder_input == "unit":
            return images
        mean, std = self._images.channel_statistics()
        return (images - mean) / std

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        recipe = self._recipe
        statistics = self._images.channel_statistics() if recipe.coder_input == "code" else ()
        names = ("network", "n_batch_encoder", "n_warmup", "lr_encoder", "coder_input", "augment")
        n_devices = self._strategy.num_replicas_in_sync
        return {
            **super()._identity(ids, seed),
            "statistics": [values.tolist() for values in statistics],
            **self.method._asdict(),
            **{name: getattr(recipe, name) for name in names},
            **({"n_devices": n_devices} if n_devices > 1 else {}),
        }


class CSI(Encoder):
    """MQ-Net's encoder: CSI with LARS."""

    name = "csi"
    method = Method(N_ROTATIONS, lars=True, momentum=0.9, decay=1e-6, floor=0.0)

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        found: int = self._recipe.n_epoch_csi
        return found


class SimCLR(Encoder):
    """The encoder of the low-budget study where no pretrained one is at hand, and that of the initial pools: SimCLR.

    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020. By default with CSI's
    LARS, strengths and loss; recipe.simclr_* gives others, such as those of SCAN and of the study of initial pools,
    where "sgd" has no warm-up, and a rate that falls to a thousandth. `read` also knows "simclr_loss" (B,), see
    SimCLRLoss; its negatives are drawn from the pool's members by streams.seed.
    """

    name = "simclr"
    outputs = (*OUTPUTS, "simclr_loss")
    _losses: SimCLRLoss | None = None

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        lars = recipe.simclr_optimizer == "lars"
        floor = 0.0 if lars else _SGD_FLOOR * recipe.lr_encoder
        self.method = Method(1, lars, momentum=0.9, decay=recipe.simclr_decay, floor=floor)
        self.changes = simclr_changes(recipe.simclr_jitter, recipe.simclr_hue, recipe.simclr_crop)
        super().__init__(build, images, n_classes, recipe)

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        found: int = self._recipe.n_epoch_simclr
        return found

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of images in [0, 1]; see EncoderReader and SimCLRLoss."""
        self._check_outputs(outputs)
        others = [name for name in outputs if name != "simclr_loss"]
        found = super().read(batch, others) if others else {}
        if len(others) < len(outputs):
            if self._losses is None:
                self._losses = SimCLRLoss(
                    self.network, self.prepared, self._images, self._negatives, self._recipe.simclr_temperature
                )
            found["simclr_loss"] = self._losses(batch)
        return {name: found[name] for name in outputs}

    def backbone(self) -> keras.Model:
        """Images (B, H, W, C) in [0, 1] -> features (B, d); shares the weights. Raises InputError before `fit`."""
        network, images = self.network, keras.Input(self._images.shape, name="images")
        return keras.Model(images, network(self.prepared(images))["features"])

    def _load_or_train(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None) -> None:
        super()._load_or_train(pool, streams, on_epoch)
        members = pool.members
        self._negatives = streams("fixed_sample").permutation(members)[:N_NEGATIVES]
        self._losses = None

    def _schedule(self, n_steps: int) -> LearningRateSchedule:
        if self.method.lars:
            return super()._schedule(n_steps)
        return EpochCosine(self._recipe.lr_encoder, self.n_epoch, n_steps, self.method.floor)

    def _loss_of(self, projections: tf.Tensor) -> tf.Tensor:
        loss = one_sided_nt_xent if self._recipe.simclr_sides == "one" else nt_xent
        return loss(projections, self._recipe.simclr_temperature)

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        """Options at their defaults are left out: files from before there were any stay what they are."""
        options = {name: getattr(self._recipe, name) for name in _SIMCLR_DEFAULTS}
        changed = {name: value for name, value in options.items() if value != _SIMCLR_DEFAULTS[name]}
        return {**super()._identity(ids, seed), **changed}


class CCALSemantic(Encoder):
    """CCAL's first encoder, which tells what an image shows: SimCLR with SGD."""

    name = "ccal_semantic"
    method = Method(1, lars=False, momentum=0.0, decay=5e-4, floor=1e-4)


class CCALDistinctive(Encoder):
    """CCAL's second encoder, which tells images apart: CSI with the same SGD."""

    name = "ccal_distinctive"
    method = Method(N_ROTATIONS, lars=False, momentum=0.0, decay=5e-4, floor=1e-4)


def _check_images(images: Images, n_rotations: int) -> None:
    if not images.scale or len(images.shape) != 3 or images.shape[2] not in (1, 3):
        kind = "uint8" if images.scale else "float"
        raise InputError(
            f"encoders need uint8 images (H, W, 1) or (H, W, 3), whose colours they change. "
            f"Received: {kind} of {images.shape}. Give such images, or choose a strategy without encoders."
        )
    check_rotatable(images.shape, n_rotations)
