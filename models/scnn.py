"""S-CNN, the network of LDM-S for MNIST."""

from __future__ import annotations

import keras
from keras import layers

from .parts import Shape, check, relu_conv


def scnn(input_shape: Shape, n_classes: int) -> keras.Model:
    """Two unpadded 3x3 convolutions (32, 64), max-pool 2, dropout 0.25, dense 128, dropout 0.5, dense C.

    Cho et al., Querying Easily Flip-flopped Samples for Deep Active Learning, ICLR 2024, and its code; the
    softmax is left to the loss. he_normal kernels, zero biases. 1,199,882 parameters on
    (28, 28, 1) with 10 classes.

    Args:
        input_shape: (H, W, C), H and W >= 6.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 128), and what each convolution gives:
        stage1 (B, H-2, W-2, 32), stage2 (B, H-4, W-4, 64).
    """
    check("SCNN", input_shape, n_classes, smallest=6)
    images = keras.Input(input_shape, name="images")
    stage1 = relu_conv(images, 32, "valid")
    stage2 = relu_conv(stage1, 64, "valid")
    x = layers.MaxPooling2D()(stage2)
    x = layers.Flatten()(layers.Dropout(0.25)(x))
    features = layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="features")(x)
    x = layers.Dropout(0.5)(features)
    logits = layers.Dense(n_classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    outputs = {"logits": logits, "features": features, "stage1": stage1, "stage2": stage2}
    return keras.Model(images, outputs, name="SCNN")
