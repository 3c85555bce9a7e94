"""The three networks of VAAL: encoder and decoder of a variational autoencoder, and a discriminator.

Sinha, Ebrahimi and Darrell, Variational Adversarial Active Learning, ICCV 2019, with the layers of the public code of
Chandra et al., On Initial Pools for Deep Active Learning, 2021, for images of any size.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from keras.initializers import VarianceScaling

from tfal.errors import InputError

CHANNELS = (128, 256, 512, 1024)  # of the encoder's stages; small images have the first ones alone
N_HIDDEN, WIDTH = 4, 512  # layers of the discriminator and their units
LEAST = 4  # pixels; a stage halves an image and must leave 2 x 2


class Networks(NamedTuple):
    """encoder: images (B, H, W, C) -> mu, logvar, both (B, latent). decoder: (B, latent) -> images, any real numbers.
    discriminator: (B, latent) -> the logit (B,) of coming from a labeled image."""

    encoder: keras.Model
    decoder: keras.Model
    discriminator: keras.Model


def vaal_networks(shape: tuple[int, ...], latent: int, rng: np.random.Generator) -> Networks:
    """New networks; kernels are Kaiming-normal (fan-in, not truncated) with seeds from rng, biases are 0.

    The encoder has as many stages as leave at least 2 x 2 places, four at most: convolution 4 x 4 of stride 2 with one
    row of zeros on every side, batch normalisation as PyTorch counts it, ReLU. The decoder mirrors all but the first
    of them; where sizes are odd it makes too many rows and columns, and the last ones are cut off. With 32 x 32 x 3
    and a latent of 32: 11.3, 11.6 and 0.8 million parameters.

    Args:
        shape: (H, W, C) of an image; H and W at least 4, C 1 or 3.
        latent: dimensions of the latent space.
        rng: what the starting values come from.

    Raises:
        InputError: images of another shape.
    """
    if len(shape) != 3 or min(shape[:2]) < LEAST or shape[2] not in (1, 3):
        raise InputError(
            f"vaal needs images (H, W, 1) or (H, W, 3) of at least {LEAST} x {LEAST} pixels. Received: {shape}. "
            "Give such images, or choose another strategy."
        )
    channels = CHANNELS[: min(len(CHANNELS), min(shape[:2]).bit_length() - 2)]
    start = _Kaiming(rng)
    return Networks(
        _encoder(shape, channels, latent, start),
        _decoder(shape, channels, latent, start),
        _discriminator(latent, start),
    )


class _Kaiming:
    """Gives a new initializer with a seed of its own at each call."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __call__(self) -> VarianceScaling:
        return VarianceScaling(2.0, "fan_in", "untruncated_normal", seed=int(self._rng.integers(2**31)))


def _encoder(shape: tuple[int, ...], channels: tuple[int, ...], latent: int, start: _Kaiming) -> keras.Model:
    x = images = keras.Input(shape, name="images")
    for width in channels:
        x = layers.ZeroPadding2D(1)(x)  # "same" would put all zeros of an odd size on one side
        x = _normalized(layers.Conv2D(width, 4, 2, use_bias=False, kernel_initializer=start())(x))
    x = layers.Flatten()(x)
    mu, logvar = (layers.Dense(latent, kernel_initializer=start(), name=name)(x) for name in ("mu", "logvar"))
    return keras.Model(images, [mu, logvar], name="vaal_encoder")


def _decoder(shape: tuple[int, ...], channels: tuple[int, ...], latent: int, start: _Kaiming) -> keras.Model:
    height, width, colors = shape
    shrunk = 2 ** (len(channels) - 1)
    rows, columns = -(-height // shrunk), -(-width // shrunk)
    z = keras.Input((latent,), name="z")
    x = layers.Dense(rows * columns * channels[-1], kernel_initializer=start())(z)
    x = layers.Reshape((rows, columns, channels[-1]))(x)
    for n in reversed(channels[:-1]):
        deconvolution = layers.Conv2DTranspose(n, 4, 2, padding="same", use_bias=False, kernel_initializer=start())
        x = _normalized(deconvolution(x))
    x = layers.Conv2D(colors, 1, kernel_initializer=start())(x)  # what a transposed 1 x 1 convolution is, too
    images = layers.Cropping2D(((0, rows * shrunk - height), (0, columns * shrunk - width)))(x)
    return keras.Model(z, images, name="vaal_decoder")


def _discriminator(latent: int, start: _Kaiming) -> keras.Model:
    x = mu = keras.Input((latent,), name="mu")
    for _ in range(N_HIDDEN):
        x = layers.Dense(WIDTH, "relu", kernel_initializer=start())(x)
    logit = layers.Reshape(())(layers.Dense(1, kernel_initializer=start())(x))
    return keras.Model(mu, logit, name="vaal_discriminator")


def _normalized(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))
