"""Noise on weights: what a network answers when all its weights are a little off.

Li et al., Deep Active Learning with Noise Stability, AAAI 2024.

Differences from its public code, and why:
- No weight is ever written: layers see other values while they are called, so that nothing has to be set back, whatever
  ends the reading.
- Noise follows from (seed, draw, weight) alone: no answer depends on the other images of a batch.
- BatchNorm, as everything else, is in inference mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfal.errors import InputError
from tfal.given import check_int
from tfal.reading.drawn_logits import DrawnLogits
from tfal.reading.graph import layers_in
from tfal.reading.inference import infer
from tfal.reading.named_outputs import NamedOutputs

# What multiplies in a layer, by Keras' names: kernels, and the scales of normalizations; neither biases nor statistics.
_MULTIPLY = {"kernel", "gamma", "scale", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel", "embeddings"}


class WeightNoise(DrawnLogits):
    """Logits under n_noise draws of noise on all weights, in float32.

    In draw k each weight w, a kernel or the scale of a normalization, is w + scale * ||w|| * x / ||x||, with x standard
    normal of its shape and Frobenius norms; biases stay.

    Args:
        outputs: the network. Of one that ends in a softmax the logits before it are given.
        n_noise: draws, at least 1.
        scale: length of the noise as a share of that of the weight.
        name: what errors call the network; its own name when not given.

    Raises:
        InputError: no such weight lies before the logits, or one is computed with in half precision, where so small a
            change is lost.
    """

    def __init__(self, outputs: NamedOutputs, n_noise: int, scale: float, name: str | None = None) -> None:
        check_int("n_noise", n_noise, 1)
        super().__init__(outputs, n_noise)
        self._scale = scale
        name = name or outputs.model_name
        self._calls = outputs.graph.needed([self._head.value])
        operations = [call.operation for call in self._calls]
        behind = [self._head.dense] if self._head.applied and self._head.dense is not None else []
        self._weights = _multiplying([*operations, *behind], name)
        self._compile(name, self._calls)

    def _draws(self, batch: tf.Tensor, key: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        def one_draw(number: tf.Tensor) -> tf.Tensor:
            with keras.StatelessScope(self._disturbed(key, number)):
                (value,) = infer(self._calls, {self._outputs.graph.inputs[0]: batch}, [self._head.value])
                return self._head.logits(value)

        return one_draw

    def _disturbed(self, key: tf.Tensor, number: tf.Tensor) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Each weight, and what stands for it in a draw."""
        fold_in, found = tf.random.experimental.stateless_fold_in, []
        for place, weight in enumerate(self._weights):
            value = tf.cast(weight.value, tf.float32)
            noise = tf.random.stateless_normal(tf.shape(value), fold_in(fold_in(key, number), place))
            step = noise * (self._scale * tf.norm(value) / tf.norm(noise))
            found.append((weight, tf.cast(value + step, weight.dtype)))
        return found


def _multiplying(operations: Sequence[Any], name: str) -> list[keras.Variable]:
    """The weights that get noise, each once, in a fixed order. Raises InputError where there are none, or in halves."""
    found: dict[int, keras.Variable] = {}
    for layer in layers_in(operations):
        for weight in layer._trainable_variables + layer._non_trainable_variables:
            if weight.name not in _MULTIPLY or not weight.dtype.startswith(("float", "bfloat")):
                continue
            if layer.compute_dtype not in ("float32", "float64"):
                raise InputError(
                    f"layer {layer.name!r} of model {name!r} computes in {layer.compute_dtype}, which rounds away the "
                    "noise that noise_stability adds to its weights. Read a copy of the model in float32, or choose "
                    "another strategy."
                )
            found[id(weight)] = weight
    if not found:
        raise InputError(
            f"model {name!r} has no kernel of a Keras layer before its logits, which noise_stability disturbs. Choose "
            "another strategy."
        )
    return list(found.values())
