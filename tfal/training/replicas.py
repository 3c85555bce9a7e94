"""One network on several devices, as if it were on one: each takes a part of every batch.

A MirroredStrategy keeps a copy of every variable on each device and adds up the gradients. The usual data-parallel
training minimises the mean of the losses of the parts: that is the loss of the batch only where all parts are equally
large, and never where a loss compares samples. Here the outputs of all parts are gathered first, so that all losses are
those of the batch. What stays different is what layers compute over their part in training: batch normalization, whose
moving statistics become the mean of those of the parts, and dropout masks.

Keras could split the batches itself, by an input pipeline for each device; each training and each validation would then
take seconds to begin. Here its `fit` knows nothing of the devices: only a step of the training does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def networks_on(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Networks and optimizers that are made inside have their variables on each device of the strategy.

    Moving statistics are averaged over the devices. Keras leaves them to each device, so that copies come to differ.
    """
    if strategy.num_replicas_in_sync == 1:
        yield
        return
    with strategy.scope(), tf.variable_creator_scope(_averaged):
        yield


def _averaged(create: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
    is_float = tf.as_dtype(options.get("dtype") or tf.float32).is_floating
    if is_float and not options.get("trainable") and options.get("aggregation") == tf.VariableAggregation.NONE:
        options["aggregation"] = tf.VariableAggregation.MEAN
    return create(**options)


def own_dropout(strategy: tf.distribute.Strategy, network: keras.Model) -> None:
    """Gives each device dropout masks of its own; to be called when the variables of a network were set."""
    for variable in filter(is_dropout_seed, network.variables) if strategy.num_replicas_in_sync > 1 else ():
        for device, state in enumerate(strategy.experimental_local_results(variable.value)):
            state.assign_add([device, 0])


def is_dropout_seed(variable: keras.Variable) -> bool:
    """Whether a variable of a network is the state of Keras' random numbers, which reading does not use."""
    return bool(variable.path.endswith("seed_generator_state"))


def reading_function(
    strategy: tf.distribute.Strategy, read: Callable[[tf.Tensor], Any], signature: tf.TensorSpec
) -> Callable[[tf.Tensor], Any]:
    """`read`, from a batch to tensors with a row for each image, compiled; each device reads a part of the batch."""

    def read_parts(batch: tf.Tensor) -> Any:
        return _by_parts(strategy, read, batch)

    compiled: Callable[[tf.Tensor], Any] = tf.function(
        read if strategy.num_replicas_in_sync == 1 else read_parts,
        input_signature=[signature],
        autograph=False,  # which converts no layer of Keras anyway
    )
    return compiled


class WholeBatchModel(keras.Model):  # type: ignore[misc]
    """A functional model that `fit` trains on all devices of a strategy with the loss of the whole batch.

    Its layers and its optimizer are made inside `networks_on`, the model itself and `compile` outside.
    """

    def __init__(self, *arguments: Any, strategy: tf.distribute.Strategy | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._strategy = tf.distribute.get_strategy() if strategy is None else strategy

    def train_step(self, data: Any) -> Any:
        """One step on one batch; Keras calls it."""
        if self._strategy.num_replicas_in_sync == 1:
            return super().train_step(data)
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)

        def step(x: tf.Tensor, y: tf.Tensor | None) -> Any:
            with tf.GradientTape() as tape:
                y_pred = _gathered(self(_part(x), training=True), tf.shape(x)[0])
                loss = self.compute_loss(x, y, y_pred)
            variables = self.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return y_pred, loss

        y_pred, losses = self._strategy.run(step, args=(x, y))
        y_pred = tf.nest.map_structure(lambda copies: self._strategy.experimental_local_results(copies)[0], y_pred)
        loss = tf.add_n(self._strategy.experimental_local_results(losses))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, y_pred)


def share_of_loss(loss: tf.Tensor) -> tf.Tensor:
    """What `compute_loss` returns for the loss of the whole batch: gradients of the devices are added up."""
    n = tf.distribute.get_strategy().num_replicas_in_sync
    return loss if n == 1 else loss / n


def _by_parts(strategy: tf.distribute.Strategy, function: Callable[[tf.Tensor], Any], batch: tf.Tensor) -> Any:
    """function(batch), from (B, ...) to tensors (B, ...), a part on each device."""
    found = strategy.run(lambda whole: function(_part(whole)), args=(batch,))

    def join(parts: Any) -> tf.Tensor:
        return tf.concat(strategy.experimental_local_results(parts), axis=0)[: tf.shape(batch)[0]]

    return tf.nest.map_structure(join, found)


def _part(batch: tf.Tensor) -> tf.Tensor:
    """The rows of this device: ceil(B / n) in a row, the last part may be shorter.

    Where no rows are left, the last one again, at the end of what is joined, which is cut off there: batch
    normalization makes NaN of no rows.
    """
    context = tf.distribute.get_replica_context()
    with tf.device("CPU:0"):  # where the batch is: only the part goes to the device
        count = tf.shape(batch)[0]
        size = -(-count // context.num_replicas_in_sync)
        start = tf.minimum(context.replica_id_in_sync_group * size, count - 1)
        return batch[start : start + size]


def _gathered(parts: Any, count: tf.Tensor) -> Any:
    """The outputs of all devices in order, on each of them; gradients flow back to where they came from."""
    context = tf.distribute.get_replica_context()
    return tf.nest.map_structure(lambda part: context.all_gather(part, axis=0)[:count], parts)
