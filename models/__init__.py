"""Networks by name: functions (input shape, number of classes) -> functional keras.Model with named outputs.

Every network answers with a dict: `logits` (B, C), without softmax and float32 even under mixed precision;
`features`, the input of the last Dense layer in inference; convolutional networks also `stage1`, `stage2`, ...
Images come in as floats, scaled by the data pipeline. A new network is one function and one line of BUILDERS.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any


def _build(module: str, function: str, input_shape: tuple[int, int, int], n_classes: int, **options: Any) -> Any:
    """Calls a builder; Keras loads only now, so that `--help` or a mistyped flag is answered at once."""
    return getattr(importlib.import_module(f".{module}", __package__), function)(input_shape, n_classes, **options)


BUILDERS: dict[str, Callable[[tuple[int, int, int], int], Any]] = {
    "SCNN": partial(_build, "scnn", "scnn"),
    "KCNN": partial(_build, "kcnn", "kcnn"),
    "MLP": partial(_build, "mlp", "mlp"),
    "ResNet18": partial(_build, "resnet", "resnet18"),
    "ResNet18-16": partial(_build, "resnet", "resnet18", width=16),
    "ResNet18-Dropout": partial(_build, "resnet", "resnet18_dropout"),
    "ResNet18-ImageNet": partial(_build, "resnet", "resnet18_imagenet"),
    "ResNet50-ImageNet": partial(_build, "resnet", "resnet50_imagenet"),
    "WRN-16-8": partial(_build, "wide_resnet", "wrn_16_8"),
}
