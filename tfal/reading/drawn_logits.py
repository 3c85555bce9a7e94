"""Logits of several draws of one network, such as dropout masks or noise on weights, by one compiled function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfal.reading.graph import Call
from tfal.reading.inference import check_repeats, check_same
from tfal.reading.named_outputs import NamedOutputs


class DrawnLogits:
    """Logits of n draws, in float32; what a draw is, `_draws` says.

    outputs: the network. Of one that ends in a softmax the logits before it are given.
    """

    def __init__(self, outputs: NamedOutputs, n: int) -> None:
        self._n, self._outputs, self._head = n, outputs, outputs.logits_head()

    def _draws(self, batch: tf.Tensor, key: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        """What gives the logits (B, C) of the draw with a number; traced once. key: (2,) int64, of the seed."""
        raise NotImplementedError

    def _compile(self, name: str, calls: Sequence[Call]) -> None:
        """The last step of a subclass' `__init__`. name: what errors call the network. calls: all that it computes."""
        symbolic = self._outputs.input
        images = tf.TensorSpec([None, *symbolic.shape[1:]], symbolic.dtype)

        @tf.function(input_signature=[images, tf.TensorSpec([], tf.int64)])  # type: ignore[untyped-decorator]
        def sample(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            draw = self._draws(batch, tf.stack([seed, tf.zeros_like(seed)]))
            logits = tf.map_fn(draw, tf.range(self._n), fn_output_signature=tf.float32, parallel_iterations=1)
            return tf.transpose(logits, [1, 0, 2])

        self._sample: Any = sample
        self._new, self._repeats = True, check_repeats(sample, name, calls)

    def read(self, batch: Any, seed: int) -> tf.Tensor:
        """(B, n, C) float32: the logits of a batch of images, draw k by (seed, k).

        Raises InputError for a model that gives other values each time, and for probabilities in place of logits.
        """
        batch, key = tf.cast(batch, self._outputs.input.dtype), tf.constant(seed, tf.int64)
        logits = self._sample(batch, key)
        if self._new:
            self._outputs.check_logits(logits)
            if not self._repeats:
                check_same(logits, self._sample(batch, key), self._outputs.model_name)
            self._new = False
        return logits
