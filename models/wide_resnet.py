"""Wide residual network WRN-16-8."""

from __future__ import annotations

import keras
from keras import layers

from .parts import Shape, batch_norm, check, residual_conv


def wrn_16_8(input_shape: Shape, n_classes: int) -> keras.Model:
    """WRN-16-8: 3x3 stem with 16 filters, three groups of two pre-activation blocks, widths 128, 256, 512.

    Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016, without its optional dropout. Strides 1, 2, 2;
    a 1x1 projection of the activated input where the shape changes; BN and relu before the average pool.
    he_normal kernels, zero bias. 11,007,540 trainable parameters on (32, 32, 3) with 100 classes.

    Args:
        input_shape: (H, W, C), H and W >= 4.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 512), and the sums that each group hands
        on, not activated: stage1 (B, H, W, 128), stage2 (B, H/2, W/2, 256), stage3 (B, H/4, W/4, 512);
        rounded up.
    """
    check("WRN-16-8", input_shape, n_classes, smallest=4)
    images = keras.Input(input_shape, name="images")
    x = residual_conv(images, 16, 3, 1, "he_normal", "stem_conv")
    outputs = {}
    for stage, (filters, stride) in enumerate(((128, 1), (256, 2), (512, 2)), start=1):
        x = _block(x, filters, stride, f"stage{stage}_block1")
        x = _block(x, filters, 1, f"stage{stage}_block2")
        outputs[f"stage{stage}"] = x
    x = layers.ReLU(name="last_relu")(batch_norm(x, "last_bn"))
    features = layers.GlobalAveragePooling2D(name="features")(x)
    head = layers.Dense(n_classes, kernel_initializer="he_normal", dtype="float32", name="logits")
    return keras.Model(images, {"logits": head(features), "features": features, **outputs}, name="WRN-16-8")


def _block(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    """BN-relu-conv-BN-relu-conv, added to the input or to the projection of the activated input."""
    active = layers.ReLU(name=f"{name}_relu1")(batch_norm(x, f"{name}_bn1"))
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = residual_conv(active, filters, 1, stride, "he_normal", f"{name}_project")
    y = residual_conv(active, filters, 3, stride, "he_normal", f"{name}_conv1")
    y = layers.ReLU(name=f"{name}_relu2")(batch_norm(y, f"{name}_bn2"))
    y = residual_conv(y, filters, 3, 1, "he_normal", f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([y, shortcut])
