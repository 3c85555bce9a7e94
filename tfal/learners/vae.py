"""A variational autoencoder, trained once without labels: how hard is each image to rebuild?

Kingma and Welling, Auto-Encoding Variational Bayes, ICLR 2014, with layers and settings of Chandra et al., On Initial
Pools for Deep Active Learning, 2021, which buys the images with the largest loss first. Differences from their public
code:
- Images are scaled to [-1, 1], what the decoder's tanh can give; there they are normalised to about [-2, 2], so that
  the loss mostly tells how bright an image is.
- The loss of an image is that of its mean latent vector, there of one random draw; images are scored as they are,
  there in random crops.
- Images are seen in another order in each epoch and without crops; there in one order for all epochs.
- Weights start as in Keras, from Glorot and Bengio's uniform distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfal.data.images import Images
from tfal.data.pipeline import PREFETCH, parallel_map
from tfal.errors import InputError
from tfal.learners.base import Builder
from tfal.learners.pretrained import Pretrained
from tfal.recipe import Recipe
from tfal.training.optimizers import CoupledAdam

WIDTH, WIDEST = 32, 512  # channels of the first stage, doubled from stage to stage, and their largest number
LEAST = 3  # pixels; a stage halves an image, rounded up, and must leave 2 x 2 places
DECAY = 5e-4


class VAE(Pretrained):
    """An autoencoder that is trained once for a pool, see Pretrained; it is no Keras network of the recipe's.

    Outputs: "vae_loss" (B,), `reconstruction_error` + w * `divergence` with the mean latent vector, in inference mode,
    where w is the batch over the number of images, as in training; "features" (B, recipe.vae_latent), the means.

    Args:
        build, n_classes: not used; the network is always that of `autoencoder`.
        images: the training images, uint8, of one or three channels.
        recipe: results_dir, n_epoch_vae, n_batch_vae, lr_vae, vae_latent.

    Raises:
        InputError: images of another kind.
    """

    name = "vae"
    outputs = ("vae_loss", "features")

    def __init__(self, build: Builder, images: Images, n_classes: int, recipe: Recipe) -> None:
        super().__init__(images, recipe)
        _check_images(images)

    @property
    def n_epoch(self) -> int:
        """Epochs of the whole training."""
        found: int = self._recipe.n_epoch_vae
        return found

    def _new_network(self) -> keras.Model:
        return autoencoder(self._images.shape, self._recipe.vae_latent)

    def _trainer(self, network: keras.Model, n: int) -> keras.Model:
        trainer = _Trainer(network.inputs, network.output, weight=self._weight(n), name=self.name)
        trainer.compile(optimizer=CoupledAdam(self._recipe.lr_vae, DECAY), jit_compile=False)
        trainer.optimizer.build(trainer.trainable_variables)
        return trainer

    def _weight(self, n: int) -> float:
        found: float = min(self._recipe.n_batch_vae, n) / n
        return found

    def _batches(self, ids: np.ndarray, seeds: Sequence[int], first_epoch: int) -> tf.data.Dataset:
        recipe = self._recipe
        batches = self._images.training(
            ids, ids, recipe.n_batch_vae, self.n_epoch, seeds[0], first_epoch=first_epoch
        ).enumerate(first_epoch * self._n_steps(len(ids)))

        def with_noise(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
            images, shape = batch[0], [tf.shape(batch[0])[0], recipe.vae_latent]
            key = tf.stack([tf.constant(seeds[1], tf.int64), step])
            return {"images": images, "noise": tf.random.stateless_normal(shape, key)}

        return parallel_map(batches, with_noise).prefetch(PREFETCH)

    def _n_steps(self, n: int) -> int:
        found: int = math.ceil(n / self._recipe.n_batch_vae)
        return found

    def _identity(self, ids: np.ndarray, seed: int) -> dict[str, Any]:
        names = ("n_batch_vae", "lr_vae", "vae_latent")
        return {**super()._identity(ids, seed), "decay": DECAY, **{name: getattr(self._recipe, name) for name in names}}

    def _read(self, network: keras.Model, images: tf.Tensor) -> dict[str, tf.Tensor]:
        noise = tf.zeros([tf.shape(images)[0], self._recipe.vae_latent])
        found = network({"images": images, "noise": noise}, training=False)
        error = reconstruction_error(images, found["rebuilt"])
        loss = error + self._weight(self.n_images) * divergence(found["mu"], found["log_var"])
        return {"vae_loss": loss, "features": found["mu"]}


class _Trainer(keras.Model):  # type: ignore[misc]
    """An autoencoder with its loss; a subclass of a functional model, so fit and its callbacks work as they are."""

    def __init__(self, *arguments: Any, weight: float = 1.0, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._weight = weight

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """The mean over the batch."""
        error = reconstruction_error(x["images"], y_pred["rebuilt"])
        return tf.reduce_mean(error + self._weight * divergence(y_pred["mu"], y_pred["log_var"]))


def reconstruction_error(images: tf.Tensor, rebuilt: tf.Tensor) -> tf.Tensor:
    """(B,) mean squared difference of images (B, H, W, C) in [0, 1], scaled to [-1, 1], and what was rebuilt."""
    return tf.reduce_mean(tf.square(2.0 * images - 1.0 - rebuilt), axis=(1, 2, 3))


def divergence(mu: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    """Kullback-Leibler divergence of normal distributions from the standard one: -sum(1 + log_var - mu^2 - var) / 2.

    mu, log_var: (B, d) means and log variances. Returns (B,).

    Example:
        >>> divergence(tf.constant([[1.0, 0.0], [0.0, 2.0]]), tf.zeros((2, 2))).numpy().tolist()
        [0.5, 2.0]
    """
    return -0.5 * tf.reduce_sum(1.0 + log_var - tf.square(mu) - tf.exp(log_var), axis=1)


def autoencoder(shape: tuple[int, ...], latent: int) -> keras.Model:
    """Images and noise -> mu, log_var, and the image rebuilt from mu + noise * deviation.

    The encoder has as many stages as leave at least 2 x 2 places: convolution 3 x 3 of stride 2 with a border of one
    zero on every side, batch normalisation, leaky ReLU; 32, 64, 128, ... channels, at most 512. 32 x 32 pixels: four
    stages, as published. The decoder mirrors them by transposed convolutions, each cut to the size of its stage, and
    ends in a convolution 3 x 3 and tanh.

    Args:
        shape: (H, W, C) of an image, H and W at least 3.
        latent: dimensions of the latent space.

    Returns:
        A model {images (B, H, W, C) in [0, 1], noise (B, latent)} -> {mu, log_var (B, latent), rebuilt (B, H, W, C)
        in [-1, 1]}.
    """
    images, noise = keras.Input(shape, name="images"), keras.Input((latent,), name="noise")
    sizes = _sizes(shape)
    widths = [min(WIDTH * 2**stage, WIDEST) for stage in range(len(sizes) - 1)]
    x = layers.Rescaling(scale=2.0, offset=-1.0, name="centered")(images)
    for width in widths:
        x = layers.ZeroPadding2D(1)(x)  # "same" would put all zeros of an even size on one side
        x = _normalized(layers.Conv2D(width, 3, 2)(x))
    x = layers.Flatten()(x)
    mu, log_var = (layers.Dense(latent, dtype="float32", name=name)(x) for name in ("mu", "log_var"))
    x = mu + noise * keras.ops.exp(0.5 * log_var)
    x = layers.Dense(sizes[-1][0] * sizes[-1][1] * widths[-1])(x)
    x = layers.Reshape((*sizes[-1], widths[-1]))(x)
    for stage in reversed(range(len(widths))):
        x = _normalized(_doubled(x, sizes[stage], widths[max(stage - 1, 0)]))
    rebuilt = layers.Conv2D(shape[2], 3, padding="same", activation="tanh", dtype="float32", name="rebuilt")(x)
    outputs = {"mu": mu, "log_var": log_var, "rebuilt": rebuilt}
    return keras.Model({"images": images, "noise": noise}, outputs, name="vae")


def _sizes(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Height and width before the first stage and after each."""
    sizes = [(shape[0], shape[1])]
    while min(sizes[-1]) >= LEAST:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def _doubled(x: keras.KerasTensor, size: tuple[int, int], width: int) -> keras.KerasTensor:
    """The transposed convolution that belongs to a stage of the encoder, with the size of its input."""
    made = layers.Conv2DTranspose(width, 3, 2)(x)  # of s places 2 * s + 1; the first lies in the encoder's border
    height, width = size
    return layers.Cropping2D(((1, made.shape[1] - 1 - height), (1, made.shape[2] - 1 - width)))(made)


def _normalized(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(negative_slope=0.01)(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))


def _check_images(images: Images) -> None:
    shape = images.shape
    if not images.scale or len(shape) != 3 or shape[2] not in (1, 3) or min(shape[:2]) < LEAST:
        kind = "uint8" if images.scale else "float"
        raise InputError(
            f"vae needs uint8 images (H, W, 1) or (H, W, 3) of at least {LEAST} x {LEAST} pixels. "
            f"Received: {kind} of {shape}. Give such images, or choose a strategy without it."
        )
