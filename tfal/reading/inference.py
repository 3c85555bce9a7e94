"""Inference mode that deserves its name: whatever a model's builder asked for, an image has one answer.

Keras' `training=False` leaves three things: a layer that is told to train where the graph was built, a subclass that
always drops values (the MCDropout of a well-known book), and a layer that draws random numbers or keeps a state of
its own. The first two are put to rest, the third is refused.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.graph import Call, Value, layers_in, run, takes_training

SPATIAL = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)
DROPOUT = (keras.layers.Dropout, *SPATIAL, keras.layers.GaussianDropout, keras.layers.AlphaDropout)
_STATE = re.compile(r"Assign\w*VariableOp|Resource(Scatter|Apply|SparseApply|StridedSliceAssign)\w*|Rng(ReadAnd)?Skip")
_RANDOM = re.compile(
    r"Random(Uniform|StandardNormal|Gamma|Poisson|Shuffle)\w*|\w*TruncatedNormal|Multinomial|Stateful[UTSR]\w*"
)
_PYTHON = re.compile(r"(Eager)?PyFunc\w*")
_RESTING = threading.RLock()
_NOT_STATEFUL = re.compile(r"Stateless\w*|StatefulPartitionedCall")


class _Outermost(keras.Layer):  # type: ignore[misc]
    """Tells all layers that are called inside, at any depth, that they are not training."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(autocast=False, dtype="float32", name="reading")
        self._function = function

    def call(self, x: Any, training: bool | None = None) -> Any:
        """What the function gives; x is nothing, as a layer has to be called with something."""
        return self._function()


def infer(
    calls: Sequence[Call],
    values: dict[Value, Any],
    targets: Sequence[Value],
    rule: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """The targets, made of `values` by the calls in inference mode.

    rule: what is called in place of an operation; `at_rest` when not given.
    """

    def made() -> list[Any]:
        found = run(calls, values, rule or at_rest)
        return [found[target] for target in targets]

    with _noise_off([call.operation for call in calls]):
        result: list[Any] = _Outermost(made)(tf.zeros([]), training=False)
        return result


def at_rest(operation: Any) -> Callable[..., Any]:
    """The operation in inference mode, whatever the model's builder asked for."""
    if not takes_training(operation):
        found: Callable[..., Any] = operation
        return found
    return lambda *arguments, **named: operation(*arguments, **{**named, "training": False})


def check_repeats(function: Any, name: str, calls: Sequence[Call]) -> bool:
    """Whether every operation of a traced function is TensorFlow's own; False where Python code is called.

    Raises InputError when the function, of the calls of model `name`, draws random numbers or changes a variable.
    """
    python = False
    for scope, kind in _operations(function.get_concrete_function().graph):
        python |= bool(_PYTHON.fullmatch(kind))
        if not _NOT_STATEFUL.fullmatch(kind) and (_STATE.fullmatch(kind) or _RANDOM.fullmatch(kind)):
            raise _no_inference(name, _layer_of(scope, calls))
    return not python


def check_same(first: Any, second: Any, name: str) -> None:
    """Raises InputError when two readings of the same images by model `name` differ by more than rounding."""
    for tensors in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        one, other = (tensor.numpy() for tensor in tensors)
        if not np.allclose(one, other, rtol=1e-3, atol=1e-3 * float(np.abs(one).max(initial=0)), equal_nan=True):
            raise _no_inference(name, "one of its layers")


@contextlib.contextmanager
def _noise_off(operations: Collection[Any]) -> Iterator[None]:
    """Sets the rates of all layers of noise to 0, for layers that call them, or derive from them, as if in training.

    They are the layers of the caller's model, which other threads may be reading: one after the other.
    """
    with _RESTING:
        found = [
            (layer, attribute, getattr(layer, attribute))
            for layer in layers_in(operations)
            for attribute in _noise_attributes(layer)
        ]
        try:
            for layer, attribute, _ in found:
                setattr(layer, attribute, 0.0)
            yield
        finally:
            for layer, attribute, value in found:
                setattr(layer, attribute, value)


def _noise_attributes(layer: keras.Layer) -> tuple[str, ...]:
    """What says how much noise a layer makes in training."""
    if isinstance(layer, DROPOUT):
        return ("rate",)
    if isinstance(layer, keras.layers.GaussianNoise):
        return ("stddev",)
    if hasattr(layer, "get_dropout_mask"):  # a recurrent cell, which draws its masks at rest, too, and throws them away
        return ("dropout", "recurrent_dropout")
    return ()


def _operations(graph: Any) -> Iterator[tuple[str, str]]:
    """Name and kind of all operations of a traced function, those of functions that it calls included."""
    definition = graph.as_graph_def()
    yield from ((node.name, node.op) for node in definition.node)
    for inner in definition.library.function:
        yield from ((node.name, node.op) for node in inner.node_def)


def _layer_of(scope: str, calls: Sequence[Call]) -> str:
    """The layer that an operation belongs to by the name of its scope."""
    names = {re.sub(r"_\d+$", "", call.operation.name): call.operation for call in calls}
    for part in scope.split("/"):
        layer = names.get(re.sub(r"_\d+$", "", part))
        if layer is not None:
            return f"its layer {layer.name!r}, a {type(layer).__name__},"
    return "one of its layers"


def _no_inference(name: str, what: str) -> InputError:
    return InputError(
        f"model {name!r} cannot be read: {what} draws random numbers or keeps a state of its own in inference mode, so "
        "that an image has another answer each time. Expected: the same answer. Let the layer do so only when it is "
        "called with training=True, or leave it out of the model."
    )
