"""K-CNN, the network of LDM-S for CIFAR-10."""

from __future__ import annotations

import keras
from keras import layers

from .parts import Shape, check, relu_conv


def kcnn(input_shape: Shape, n_classes: int) -> keras.Model:
    """Twice two padded 3x3 convolutions (32, 64), max-pool 2, dropout 0.25; dense 512, dropout 0.5, dense C.

    Cho et al., Querying Easily Flip-flopped Samples for Deep Active Learning, ICLR 2024, and its code; the
    softmax is left to the loss. he_normal kernels, zero biases. 2,168,362 parameters on
    (32, 32, 3) with 10 classes.

    Args:
        input_shape: (H, W, C), H and W >= 4.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 512), and what each pair of convolutions gives,
        before the max-pool: stage1 (B, H, W, 32), stage2 (B, H/2, W/2, 64); rounded down.
    """
    check("KCNN", input_shape, n_classes, smallest=4)
    images = keras.Input(input_shape, name="images")
    x, stages = images, {}
    for stage, filters in enumerate((32, 64), start=1):
        x = relu_conv(x, filters, "same")
        x = relu_conv(x, filters, "same")
        stages[f"stage{stage}"] = x
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    features = layers.Dense(512, activation="relu", kernel_initializer="he_normal", name="features")(x)
    x = layers.Dropout(0.5)(features)
    logits = layers.Dense(n_classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    return keras.Model(images, {"logits": logits, "features": features, **stages}, name="KCNN")
