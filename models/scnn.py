"""S-CNN, the network of LDM-S for MNIST."""

from __future__ import annotations

import keras
from keras import layers

from models.parts import Shape, check, relu_conv


def scnn(input_shape: Shape, n_classes: int) -> keras.Model:
    """Two unpadded 3x3 convolutions (32, 64), max-pool 2, dropout 0.25, dense 128, dropout 0.5, dense C.

    Cho et al., Querying Easily Flip-flopped Samples for Deep Active Learning, ICLR 2024, and its code; the
    softmax is left to the loss. he_normal kernels, zero biases. 1,199,882 parameters on
    (28, 28, 1) with 10 classes.

    Args:
        input_shape: (H, W, C), H and W >= 6.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 128).
    """
    check("SCNN", input_shape, n_classes, smallest=6)
    images = keras.Input(input_shape, name="images")
    x = relu_conv(images, 32, "valid")
    x = relu_conv(x, 64, "valid")
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(layers.Dropout(0.25)(x))
    features = layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="features")(x)
    x = layers.Dropout(0.5)(features)
    logits = layers.Dense(n_classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    return keras.Model(images, {"logits": logits, "features": features}, name="SCNN")
