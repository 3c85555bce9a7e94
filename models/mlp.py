"""A perceptron with one hidden layer, for small or tabular data."""

from __future__ import annotations

import keras
from keras import layers

from .parts import Shape, check


def mlp(input_shape: Shape, n_classes: int) -> keras.Model:
    """Flatten, dense 256 relu, dense C.

    The OpenML network of Ash et al., Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds
    (BADGE), ICLR 2020. The layers of the MLP that LDM-S reports are not known. he_normal kernels, zero
    biases. 203,530 parameters on (28, 28, 1) with 10 classes.

    Args:
        input_shape: (H, W, C), any size.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 256).
    """
    check("MLP", input_shape, n_classes, smallest=1)
    images = keras.Input(input_shape, name="images")
    x = layers.Flatten()(images)
    features = layers.Dense(256, activation="relu", kernel_initializer="he_normal", name="features")(x)
    logits = layers.Dense(n_classes, kernel_initializer="he_normal", dtype="float32", name="logits")(features)
    return keras.Model(images, {"logits": logits, "features": features}, name="MLP")
