"""Encoders: networks pretrained on all images of the pool, without labels, and then frozen for all rounds.

The one of MQ-Net (Park et al., NeurIPS 2022) and the two of CCAL (Du et al., ICCV 2021), with the settings of MQ-Net's
public code, and a SimCLR for low budgets. Differences from that code: encoders see images in [0, 1], in training and
when read, while there the training clamps normalised images to [0, 1] and the reading does not (`coder_input`); CCAL's
reading averages mild crops at fixed places instead of one random view under a global seed (`ccal_views`); an encoder is
trained once for each set of images, not once for each trial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfal.data.images import PREFETCH, Images
from tfal.errors import InputError, TrainingError
from tfal.learners.classifier import Builder, OnEpoch
from tfal.learners.contrastive import Contrastive, encoder
from tfal.learners.encoder_cache import EncoderFile, Snapshot
from tfal.learners.encoder_reader import EncoderReader
from tfal.learners.lars import LARS, WarmupCosine
from tfal.learners.optimizers import CoupledSGD
from tfal.learners.replicas import networks_on, own_dropout
from tfal.learners.runtime import distribution
from tfal.learners.views import N_ROTATIONS, check_rotatable, contrastive_views
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams

FORMAT = 1  # to be raised with every change after which a training ends in other weights


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

    def optimizer(self, rate: WarmupCosine) -> keras.optimizers.Optimizer:
        """A new one."""
        return (LARS if self.lars else CoupledSGD)(rate, self.momentum, self.decay)


class Encoder:
    """A network that is pretrained once for a pool, with its file as memory; the base of CSI and CCAL's two.

    Args:
        build: (input shape, number of classes) -> a network that NamedOutputs can read; its features are used.
        images: the training images, uint8, of one or three channels; square for CSI.
        n_classes: for `build` only.
        recipe: network, augmentation, devices, results_dir and the options of encoders.

    Raises:
        InputError: images that cannot be augmented or turned.
    """

    name: str
    method: Method

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        _check_images(images, self.method.n_rotations)
        self._build = lambda: encoder(build(images.shape, n_classes), self.method.n_rotations)
        self._images, self._recipe, self._strategy = images, recipe, distribution(recipe.devices)
        self._made_for: tuple[int, np.ndarray] | None = None
        self._loss = math.nan
        self._network: keras.Model | None = None
        self._reader: EncoderReader | None = None

    @property
    def frozen_for(self) -> np.ndarray | None:
        """Ids of the pool that it was trained for; its outputs stay as they are until this is another array."""
        return self._made_for[1] if self._made_for else None

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        return self._recipe.n_epoch_ccal

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains on all images of the pool, or goes on from the last epoch in the file, or takes what is finished.

        The training depends on the images, the recipe and streams.seed, not on repetition, round, state or labels.
        Seeds Keras, NumPy's global generator and Python's `random` when it builds the network.

        Args:
            pool: its members are the images.
            streams: only its seed counts.
            on_epoch: called with (name, epochs done, all epochs) at the start and after each epoch.

        Returns:
            <name>_loss: mean of the last epoch.

        Raises:
            InputError: the file is damaged or does not fit.
            TrainingError: the loss became NaN or infinite.
        """
        members, made_for = pool.members, self._made_for
        if made_for is None or made_for[0] != streams.seed or not np.array_equal(made_for[1], members):
            self._load_or_train(members, Streams(streams.seed), on_epoch)
            self._made_for = streams.seed, members
        return {f"{self.name}_loss": self._loss}

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """Named outputs of a batch of images in [0, 1]; see EncoderReader."""
        if self._reader is None:
            raise InputError(f"the encoder {self.name!r} is not trained yet. Call fit first.")
        return self._reader.read(batch, outputs)

    def _load_or_train(self, ids: np.ndarray, streams: Streams, on_epoch: OnEpoch | None) -> None:
        numbers = [int(number) for number in streams("pretrain").integers(2**31, size=3)]
        file = EncoderFile(Path(self._recipe.results_dir) / "encoders", self.name, self._identity(ids, numbers[0]))
        keras.utils.set_random_seed(numbers[0])
        with networks_on(self._strategy):
            network = self._build()
        with file.locked():
            found = file.load()
            if found:
                file.assign(network.variables, found.weights)
            own_dropout(self._strategy, network)
            if on_epoch:
                on_epoch(self.name, found.epoch if found else 0, self.n_epoch)
            if found is None or found.epoch < self.n_epoch:
                self._loss = self._train(network, ids, numbers[1:], file, found, on_epoch)
            else:
                self._loss = found.loss
        self._network = network
        self._reader = EncoderReader(network, self._prepared, self._recipe.ccal_views, self._strategy)

    def _train(
        self,
        network: keras.Model,
        ids: np.ndarray,
        seeds: Sequence[int],
        file: EncoderFile,
        found: Snapshot | None,
        on_epoch: OnEpoch | None,
    ) -> float:
        recipe, first = self._recipe, found.epoch if found else 0
        n_steps = math.ceil(len(ids) / recipe.n_batch_encoder)
        rate = WarmupCosine(recipe.lr_encoder, recipe.n_warmup, self.n_epoch, n_steps, self.method.floor)
        trainer = self.trainer(network, rate)
        if found:
            file.assign(trainer.optimizer.variables, found.optimizer)

        def end(epoch: int, logs: dict[str, float]) -> None:
            done, loss = epoch + 1, logs["loss"]
            if not math.isfinite(loss):
                raise TrainingError(f"the loss of the encoder {self.name} became {loss} in epoch {done}")
            optimizer = trainer.optimizer.variables if done < self.n_epoch else []
            file.save(Snapshot(done, loss, _values(network.variables), _values(optimizer)))
            if on_epoch:
                on_epoch(self.name, done, self.n_epoch)

        history = trainer.fit(
            self.views(ids, seeds, first),
            steps_per_epoch=n_steps,
            initial_epoch=first,
            epochs=self.n_epoch,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end)],
            shuffle=False,  # the pipeline has its own order
            verbose=0,
        ).history
        return float(history["loss"][-1])

    def trainer(self, network: keras.Model, rate: WarmupCosine) -> Contrastive:
        """The compiled model that trains `network`; it shares its weights."""
        trainer = Contrastive(network.inputs, network.output, strategy=self._strategy)
        with networks_on(self._strategy):
            optimizer = self.method.optimizer(rate)
            optimizer.build(trainer.trainable_variables)
        trainer.compile(optimizer=optimizer, jit_compile=False)
        return trainer

    def views(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int = 0) -> tf.data.Dataset:
        """The training's batches of views from an epoch on; seeds: of the order and of the views."""
        recipe = self._recipe
        batches = self._images.training(
            ids, ids, recipe.n_batch_encoder, self.n_epoch, seeds[0], recipe.augment, first_epoch
        )
        first_step = first_epoch * math.ceil(len(ids) / recipe.n_batch_encoder)
        views = batches.enumerate(first_step).map(
            lambda step, batch: contrastive_views(self._prepared(batch[0]), self.method.n_rotations, seeds[1], step),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        return views.prefetch(PREFETCH)

    def _prepared(self, images: tf.Tensor) -> tf.Tensor:
        if self._recipe.coder_input == "unit":
            return images
        mean, std = self._images.channel_statistics()
        return (images - mean) / std

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        """All that the weights depend on."""
        recipe = self._recipe
        statistics = self._images.channel_statistics() if recipe.coder_input == "code" else ()
        names = ("network", "n_batch_encoder", "n_warmup", "lr_encoder", "coder_input", "augment")
        n_devices = self._strategy.num_replicas_in_sync
        return {
            "format": FORMAT,
            "learner": self.name,
            "n_epoch": self.n_epoch,
            "seed": seed,
            "images": self._images.digest(ids),
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
        return self._recipe.n_epoch_csi


class SimCLR(Encoder):
    """The encoder of the low-budget study where no pretrained one is at hand: SimCLR with CSI's LARS.

    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020.
    """

    name = "simclr"
    method = Method(1, lars=True, momentum=0.9, decay=1e-6, floor=0.0)

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        return self._recipe.n_epoch_simclr

    def backbone(self) -> keras.Model:
        """Images (B, H, W, C) in [0, 1] -> features (B, d); shares the weights. Raises InputError before `fit`."""
        if self._network is None:
            raise InputError(f"the encoder {self.name!r} is not trained yet. Call fit first.")
        images = keras.Input(self._images.shape, name="images")
        return keras.Model(images, self._network(self._prepared(images))["features"])


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


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]
