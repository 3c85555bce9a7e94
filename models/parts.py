"""What several networks share: the check of their arguments, and small blocks."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

Shape = tuple[int, int, int]


def check(network: str, input_shape: Sequence[int], n_classes: int, smallest: int) -> None:
    """Raises ValueError unless images are (H, W, C) with H and W >= `smallest`, and n_classes >= 2."""
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(f"{network} takes images (H, W, C). Received: input_shape={tuple(input_shape)}.")
    if min(input_shape[:2]) < smallest:
        raise ValueError(
            f"{network} needs images of at least {smallest} x {smallest} pixels. "
            f"Received: input_shape={tuple(input_shape)}. Enlarge the images or choose a smaller network."
        )
    if n_classes < 2:
        raise ValueError(f"{network} needs at least 2 classes. Received: n_classes={n_classes}.")


def relu_conv(x: keras.KerasTensor, filters: int, padding: str) -> keras.KerasTensor:
    """3x3 convolution with relu, he_normal kernel and zero bias: the block of the small networks."""
    conv = layers.Conv2D(filters, 3, padding=padding, activation="relu", kernel_initializer="he_normal")
    return conv(x)


def residual_conv(
    x: keras.KerasTensor,
    filters: int,
    size: int,
    stride: int,
    initializer: keras.initializers.Initializer | str,
    name: str,
) -> keras.KerasTensor:
    """size x size convolution without bias, padded by size // 2 on every side.

    Keras pads "same" on one side only where a stride of 2 meets an even size; the published residual networks
    pad both sides, so there the padding is a layer of its own.
    """
    if stride > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    padding = "same" if stride == 1 else "valid"
    conv = layers.Conv2D(filters, size, stride, padding, use_bias=False, kernel_initializer=initializer, name=name)
    return conv(x)


def batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Batch normalisation with epsilon 1e-5 and momentum 0.9 (0.1 as other libraries count it)."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)
