"""ResNet-18 with two stems, for small images (CIFAR) and for ImageNet, and ResNet-50 for ImageNet.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016. Four stages of blocks, widths 64, 128, 256, 512,
strides 1, 2, 2, 2, a 1x1 projection where the shape changes. ResNet-18 has two basic blocks a stage; the one for small
images also comes narrower, for CPUs. ResNet-50 has 3, 4, 6, 3 bottlenecks, four times as wide at their end; as in
torchvision ("v1.5") their 3x3 convolution has the stride, and no convolution has a bias: keras.applications differs in
both, so its weights do not fit here.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import keras
from keras import layers
from keras.initializers import Initializer, RandomUniform, VarianceScaling

from .parts import Shape, batch_norm, check, residual_conv

Initializers = Callable[[], Initializer]
Block = Callable[[keras.KerasTensor, int, int, Initializers, str], keras.KerasTensor]


def resnet18(input_shape: Shape, n_classes: int, width: int = 64) -> keras.Model:
    """ResNet-18 for small images: 3x3 stem with stride 1, no max-pool.

    The classifier of MQ-Net (Park et al., Meta-Query-Net, NeurIPS 2022). Kernels and the head's bias start
    uniform in +-1 / sqrt(fan-in), PyTorch's default, as in that code. 11,170,884 trainable parameters on
    (32, 32, 3) with 4 classes; 700,692 with a width of 16, which no paper uses.

    Args:
        input_shape: (H, W, C), H and W >= 8.
        n_classes: at least 2.
        width: w, filters of the first stage; each further stage has twice as many.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 8w), stage1 (B, H, W, w),
        stage2 (B, H/2, W/2, 2w), stage3 (B, H/4, W/4, 4w), stage4 (B, H/8, W/8, 8w); rounded up.
    """
    name = "ResNet18" if width == 64 else f"ResNet18-{width}"
    check(name, input_shape, n_classes, smallest=8)
    images = keras.Input(input_shape, name="images")
    x = residual_conv(images, width, 3, 1, _fan_in_uniform(), "stem_conv")
    x = layers.ReLU(name="stem_relu")(batch_norm(x, "stem_bn"))
    return _body(images, x, n_classes, _fan_in_uniform, name)


def resnet18_dropout(input_shape: Shape, n_classes: int) -> keras.Model:
    """ResNet-18 for small images with a 3x3 max-pool, stride 2, behind its 3x3 stem, and dropout 0.5 before the head.

    The classifier of the toolkit behind "On Initial Pools for Deep Active Learning" (2020; public code
    acl21/deep-active-learning-pytorch), in which the study's own code has a projection to 128 values, and dropout for
    one of its strategies only. Start as in resnet18_imagenet. 11,173,962 trainable parameters on (32, 32, 3) with 10
    classes.

    Args:
        input_shape: (H, W, C), H and W >= 16.
        n_classes: at least 2.

    Returns:
        As resnet18_imagenet, with stages of (H/2, W/2) to (H/16, W/16), rounded up.
    """
    name = "ResNet18-Dropout"
    check(name, input_shape, n_classes, smallest=16)
    images = keras.Input(input_shape, name="images")
    x = residual_conv(images, 64, 3, 1, _fan_out_normal(), "stem_conv")
    x = _stem_pool(layers.ReLU(name="stem_relu")(batch_norm(x, "stem_bn")))
    return _body(images, x, n_classes, _fan_out_normal, name, dropout=0.5)


def resnet18_imagenet(input_shape: Shape, n_classes: int) -> keras.Model:
    """ResNet-18 for photographs: 7x7 stem and 3x3 max-pool, stride 2 each, torchvision's layout.

    Convolutions start as kaiming normal over fan-out (He et al., ICCV 2015), the head uniform in
    +-1 / sqrt(fan-in), as in torchvision. 11,689,512 trainable parameters on (224, 224, 3) with 1000 classes.

    Args:
        input_shape: (H, W, C), H and W >= 32.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 512), stage1 (B, H/4, W/4, 64),
        stage2 (B, H/8, W/8, 128), stage3 (B, H/16, W/16, 256), stage4 (B, H/32, W/32, 512); rounded up.
    """
    name = "ResNet18-ImageNet"
    images, x = _imagenet_stem(name, input_shape, n_classes)
    return _body(images, x, n_classes, _fan_out_normal, name)


def resnet50_imagenet(input_shape: Shape, n_classes: int) -> keras.Model:
    """ResNet-50 for photographs, torchvision's layout ("v1.5"); stem and start as in resnet18_imagenet.

    25,557,032 trainable parameters on (224, 224, 3) with 1000 classes.

    Args:
        input_shape: (H, W, C), H and W >= 32.
        n_classes: at least 2.

    Returns:
        A model (B, H, W, C) -> logits (B, n_classes), features (B, 2048), stage1 (B, H/4, W/4, 256),
        stage2 (B, H/8, W/8, 512), stage3 (B, H/16, W/16, 1024), stage4 (B, H/32, W/32, 2048); rounded up.
    """
    name = "ResNet50-ImageNet"
    images, x = _imagenet_stem(name, input_shape, n_classes)
    return _body(images, x, n_classes, _fan_out_normal, name, _bottleneck, (3, 4, 6, 3))


def _imagenet_stem(name: str, input_shape: Shape, n_classes: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    check(name, input_shape, n_classes, smallest=32)
    images = keras.Input(input_shape, name="images")
    x = residual_conv(images, 64, 7, 2, _fan_out_normal(), "stem_conv")
    return images, _stem_pool(layers.ReLU(name="stem_relu")(batch_norm(x, "stem_bn")))


def _stem_pool(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # after a relu, zeros never win the maximum
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def _block(x: keras.KerasTensor, filters: int, stride: int, initializer: Initializers, name: str) -> keras.KerasTensor:
    """conv-BN-relu-conv-BN, added to the input, relu."""
    shortcut = _shortcut(x, filters, stride, initializer, name)
    x = residual_conv(x, filters, 3, stride, initializer(), f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(batch_norm(x, f"{name}_bn1"))
    x = residual_conv(x, filters, 3, 1, initializer(), f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([batch_norm(x, f"{name}_bn2"), shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _bottleneck(
    x: keras.KerasTensor, filters: int, stride: int, initializer: Initializers, name: str
) -> keras.KerasTensor:
    """1x1, 3x3 with the stride, 1x1 four times as wide, each with BN, the first two with relu; added, relu."""
    shortcut = _shortcut(x, 4 * filters, stride, initializer, name)
    x = residual_conv(x, filters, 1, 1, initializer(), f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(batch_norm(x, f"{name}_bn1"))
    x = residual_conv(x, filters, 3, stride, initializer(), f"{name}_conv2")
    x = layers.ReLU(name=f"{name}_relu2")(batch_norm(x, f"{name}_bn2"))
    x = residual_conv(x, 4 * filters, 1, 1, initializer(), f"{name}_conv3")
    x = layers.Add(name=f"{name}_add")([batch_norm(x, f"{name}_bn3"), shortcut])
    return layers.ReLU(name=f"{name}_relu3")(x)


def _shortcut(
    x: keras.KerasTensor, filters: int, stride: int, initializer: Initializers, name: str
) -> keras.KerasTensor:
    """The input as it is, or projected to the shape of the block's output."""
    if stride == 1 and x.shape[-1] == filters:
        return x
    return batch_norm(residual_conv(x, filters, 1, stride, initializer(), f"{name}_project"), f"{name}_project_bn")


def _body(
    images: keras.KerasTensor,
    x: keras.KerasTensor,
    n_classes: int,
    initializer: Initializers,
    name: str,
    block: Block = _block,
    n_blocks: tuple[int, ...] = (2, 2, 2, 2),
    dropout: float = 0.0,
) -> keras.Model:
    """The stages, the first as wide as the stem `x`, and the head."""
    filters, outputs = x.shape[-1], {}
    for stage, (stride, n) in enumerate(zip((1, 2, 2, 2), n_blocks, strict=True), start=1):
        for i in range(1, n + 1):
            x = block(x, filters, stride if i == 1 else 1, initializer, f"stage{stage}_block{i}")
        outputs[f"stage{stage}"] = x
        filters *= 2
    features = layers.GlobalAveragePooling2D(name="features")(x)
    limit = 1 / sqrt(features.shape[-1])
    head = layers.Dense(
        n_classes,
        kernel_initializer=_fan_in_uniform(),
        bias_initializer=RandomUniform(-limit, limit),
        dtype="float32",
        name="logits",
    )
    x = layers.Dropout(dropout, name="dropout")(features) if dropout else features
    return keras.Model(images, {"logits": head(x), "features": features, **outputs}, name=name)


# A new object for each layer: one initializer gives the same values to all layers of one shape.


def _fan_in_uniform() -> Initializer:
    """Uniform in +-1 / sqrt(fan-in): the limit of variance scaling is sqrt(3 * scale / fan-in)."""
    return VarianceScaling(1 / 3, "fan_in", "uniform")


def _fan_out_normal() -> Initializer:
    return VarianceScaling(2.0, "fan_out", "untruncated_normal")
