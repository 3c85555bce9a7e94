"""VAAL's learner: an autoencoder that hides from a discriminator whether an image is labeled; trained in every round.

Sinha, Ebrahimi and Darrell, Variational Adversarial Active Learning, ICCV 2019, with the settings of the public code of
Chandra et al., On Initial Pools for Deep Active Learning, 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfal.data.images import Images
from tfal.errors import InputError, unknown_name
from tfal.learners.base import Builder, OnEpoch
from tfal.learners.vaal_networks import vaal_networks
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.streams import Streams
from tfal.training.finite import check_loss, check_trained

OUTPUTS = {"labeled_logit": tf.identity, "labeled_probability": tf.sigmoid}  # of the discriminator's logit
_FACTOR, _N_CUTS = 0.9, 25  # of the learning rate


class VAALearner:
    """A variational autoencoder (VAE) and a discriminator of its mu, trained against each other; see vaal_networks.

    Each step takes a batch of labeled and one of unlabeled images, both of pools that are shuffled in every pass. The
    VAE's loss: autoencoder_loss of both batches, and the cross-entropy of the discriminator with "labeled" for both.
    The discriminator's, with the VAE in inference mode: its cross-entropy with the truth. Two Adam with one rate.

    `read` knows "labeled_probability" and its logit, "labeled_logit", (B,) float32, in inference mode; the unlabeled
    images with the least of it are worth a label.

    Differences from the public code:
        The divergence is a mean over batch and dimensions, as the error is one (recipe.vaal_kl "mean"); summed up, as
            there ("sum"), it outweighs the error by orders of magnitude.
        Images are in [0, 1], neither augmented nor normalised; there they are both, also when they are scored.
        Fewer than 25 steps have a learning rate too; there, they are a division by zero.

    Args:
        build: not used; the networks of VAAL are its own.
        images: the training images, (H, W, 1) or (H, W, 3), at least 4 x 4 pixels.
        n_classes: not used.
        recipe: batch, epochs, learning rate, latent space and divergence come from here.

    Raises:
        InputError: images of another shape.
    """

    name: ClassVar[str] = "vaal"

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        self._images, self._recipe = images, recipe
        self._networks = self._fresh(np.random.default_rng(0))
        encoder, decoder, discriminator = self._networks
        self._sides = [  # optimizer and what it trains
            (_adam(recipe, variables), variables)
            for variables in (
                encoder.trainable_variables + decoder.trainable_variables,
                discriminator.trainable_variables,
            )
        ]
        batch = tf.TensorSpec([None, *images.shape], tf.float32)
        key = tf.TensorSpec([2], tf.int64)
        self._compiled_step = tf.function(self._step, input_signature=[key, batch, batch], autograph=False)
        self._compiled_read = tf.function(self._read, input_signature=[batch], autograph=False)
        self._trained = False

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> dict[str, float]:
        """Trains fresh networks on pool.labeled and pool.unlabeled; does nothing when none is unlabeled.

        Args:
            pool: at least one labeled sample.
            streams: "model" initialises the networks, "batches" orders the images and draws latent samples.
            on_epoch: called after each epoch with the learner's name, the epoch from 1, and their number.

        Returns:
            vae_loss and discriminator_loss, means of the last epoch.

        Raises:
            InputError: no labeled sample.
            TrainingError: a loss became NaN or infinite.
        """
        if not len(pool.labeled):
            raise InputError(f"{self.name} needs at least one labeled sample. Received: none. Label some first.")
        self._trained = False
        if not len(pool.unlabeled):
            return {}
        self._reset(streams("model"))
        batches, n_epoch = iter(self.batches(pool, streams)), self._recipe.n_epoch_vaal
        found: dict[str, float] = {}
        for epoch in range(n_epoch):
            found = self._epoch(batches, epoch, self._n_steps(pool))
            if on_epoch:
                on_epoch(self.name, epoch + 1, n_epoch)
        for network in self._networks:
            check_trained(network)
        self._trained = True
        return found

    def read(self, batch: tf.Tensor, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """The named outputs of a batch of images (B, H, W, C), of the values that the training images have.

        Raises InputError before `fit`, and for another output.
        """
        unknown = [name for name in outputs if name not in OUTPUTS]
        if unknown:
            raise unknown_name(f"output of {self.name}", unknown[0], [*OUTPUTS])
        if not self._trained:
            raise InputError(f"the learner {self.name!r} is not trained yet. Call fit first, with unlabeled samples.")
        logits = self._compiled_read(tf.cast(batch, tf.float32)) if outputs else None
        return {name: OUTPUTS[name](logits) for name in outputs}

    def batches(self, pool: Pool, streams: Streams) -> tf.data.Dataset:
        """What the steps of all epochs take: (key (2,) int64, labeled images, unlabeled images)."""
        *orders, draws = (int(number) for number in streams("batches").integers(2**31, size=3))
        n = self._recipe.n_epoch_vaal * self._n_steps(pool)
        pools = (pool.labeled, pool.unlabeled)
        pairs = tf.data.Dataset.zip(*(self._endless(ids, n, seed) for ids, seed in zip(pools, orders, strict=True)))
        return pairs.take(n).enumerate().map(lambda step, pair: (tf.stack([draws, step]), pair[0][0], pair[1][0]))

    def step(self, key: tf.Tensor, labeled: tf.Tensor, unlabeled: tf.Tensor) -> tf.Tensor:
        """One step of the VAE, then one of the discriminator; their losses (2,) float32."""
        return self._compiled_step(key, labeled, unlabeled)

    def _endless(self, ids: np.ndarray, n: int, seed: int) -> tf.data.Dataset:
        """At least n batches: whole passes, one after the other."""
        passes = ceil(n / ceil(len(ids) / self._recipe.n_batch_vaal))
        return self._images.training(ids, ids, self._recipe.n_batch_vaal, passes, seed)

    def _n_steps(self, pool: Pool) -> int:
        found: int = max(1, (len(pool.labeled) + len(pool.unlabeled)) // self._recipe.n_batch_vaal)
        return found

    def _epoch(self, batches: Iterator[Any], epoch: int, n_steps: int) -> dict[str, float]:
        total, losses = self._recipe.n_epoch_vaal * n_steps, tf.zeros(2)
        for step in range(epoch * n_steps, (epoch + 1) * n_steps):
            for optimizer, _ in self._sides:
                optimizer.learning_rate = decayed(self._recipe.lr_vaal, step, total)
            losses += self.step(*next(batches))
        vae, discriminator = (float(loss) / n_steps for loss in losses)
        check_loss(f"a loss of {self.name}", vae + discriminator, epoch + 1)
        return {"vae_loss": vae, "discriminator_loss": discriminator}

    def _step(self, key: tf.Tensor, labeled: tf.Tensor, unlabeled: tf.Tensor) -> tf.Tensor:
        encoder, _, discriminator = self._networks
        (vae_optimizer, vae_variables), (optimizer, variables) = self._sides
        with tf.GradientTape() as tape:
            vae_loss = self._vae_loss(labeled, 2 * key) + self._vae_loss(unlabeled, 2 * key + 1)
        vae_optimizer.apply(tape.gradient(vae_loss, vae_variables), vae_variables)
        (mu_labeled, _), (mu_unlabeled, _) = encoder(labeled, training=False), encoder(unlabeled, training=False)
        with tf.GradientTape() as tape:
            loss = cross_entropy(discriminator(mu_labeled), 1.0) + cross_entropy(discriminator(mu_unlabeled), 0.0)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return tf.stack([vae_loss, loss])

    def _vae_loss(self, images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        encoder, decoder, discriminator = self._networks
        mu, logvar = encoder(images, training=True)
        z = mu + tf.random.stateless_normal(tf.shape(mu), key) * tf.exp(logvar / 2)
        loss = autoencoder_loss(images, decoder(z, training=True), mu, logvar, self._recipe.vaal_kl)
        return loss + cross_entropy(discriminator(mu), 1.0)

    def _read(self, batch: tf.Tensor) -> tf.Tensor:
        mu, _ = self._networks.encoder(batch, training=False)
        return self._networks.discriminator(mu)

    def _fresh(self, rng: np.random.Generator) -> Any:
        return vaal_networks(self._images.shape, self._recipe.vaal_latent, rng)

    def _reset(self, rng: np.random.Generator) -> None:
        """Fresh values in the variables that the step was compiled with."""
        for network, fresh in zip(self._networks, self._fresh(rng), strict=True):
            for variable, start in zip(network.variables, fresh.variables, strict=True):
                variable.assign(start)
        for optimizer, _ in self._sides:
            for variable in optimizer.variables:  # also the rate, which each step is given
                variable.assign(tf.zeros_like(variable.value))


def autoencoder_loss(
    images: tf.Tensor, rebuilt: tf.Tensor, mu: tf.Tensor, logvar: tf.Tensor, kl: str = "mean"
) -> tf.Tensor:
    """Squared error, as a mean over all values, and the divergence -(1 + logvar - mu^2 - exp(logvar)) / 2.

    Args:
        images, rebuilt: (B, H, W, C).
        mu, logvar: (B, latent), the normal distribution of the latent samples.
        kl: the divergence "mean" over batch and dimensions, or its "sum".

    Returns:
        () float32.
    """
    divergence = -(1 + logvar - mu**2 - tf.exp(logvar)) / 2
    reduce = tf.reduce_mean if kl == "mean" else tf.reduce_sum
    return tf.reduce_mean((images - rebuilt) ** 2) + reduce(divergence)


def cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    """Mean binary cross-entropy () of logits (B,) with one target for all of them, 1 or 0."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.fill(tf.shape(logits), target), logits=logits)
    return tf.reduce_mean(losses)


def decayed(rate: float, step: int, total: int) -> float:
    """The learning rate of a step, from 0: times 0.9 after every 25th part of all steps, rounded down, at least 1."""
    return rate * _FACTOR ** (step // max(1, total // _N_CUTS))


def _adam(recipe: Recipe, variables: Sequence[Any]) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(recipe.lr_vaal, epsilon=1e-8)  # PyTorch's, not the 1e-7 of Keras
    optimizer.build(variables)
    return optimizer
