"""Where the logits of a classifier are read: before its softmax or sigmoid, by whatever name that goes.

What stands behind the last Dense layer is told by what it does to numbers, not by its name: `tf.nn.softmax`,
`keras.ops.softmax`, a Lambda layer and `Activation("linear", dtype="float32")` are all what they do.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.graph import Call, Graph, Value, calls_as_keras
from tfal.reading.inference import infer

_ROWS = 6


@dataclass(frozen=True)
class Head:
    """Where logits are read.

    Attributes:
        value: what is read of the model.
        n_classes: C, 2 for a single unit.
        dense: the layer whose kernel makes the logits; None where that is no Dense layer.
        before: what `dense` multiplies.
    """

    value: Value
    n_classes: int
    dense: keras.layers.Dense | None = None
    before: Value | None = None

    @property
    def applied(self) -> bool:
        """Whether `value` is what `dense` multiplies, since a softmax or sigmoid lies inside that layer."""
        return self.value is self.before

    @property
    def binary(self) -> bool:
        """Whether one unit z stands for the logits (0, z)."""
        return self.dense is not None and self.dense.units == 1

    def last_layer(self) -> keras.layers.Dense:
        """The Dense layer that makes the logits; InputError where none does."""
        if self.dense is None:
            raise InputError(
                "the layer named for the logits has no kernel, but this strategy needs the one that makes the logits. "
                "Name a Dense layer, in tfal.query: outputs={'logits': <name of a Dense layer>}."
            )
        return self.dense

    def layer_input(self) -> keras.KerasTensor:
        """The symbolic input of that layer; InputError where there is none."""
        self.last_layer()
        return self.value.symbolic() if self.before is None else self.before.symbolic()

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """(B, C) float32 logits of the values (B, ...) of `value`."""
        x = tf.cast(x, tf.float32)
        if self.applied and self.dense:
            x = tf.matmul(x, tf.cast(self.dense.kernel, tf.float32))
            x = x if self.dense.bias is None else x + tf.cast(self.dense.bias, tf.float32)
        return tf.concat([tf.zeros_like(x), x], axis=-1) if self.binary else x

    def kernel(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the Dense layer, float32; the bias is 0 where it has none."""
        dense = self.last_layer()
        kernel, bias = np.asarray(dense.kernel, np.float32), dense.bias
        bias = np.zeros(kernel.shape[1], np.float32) if bias is None else np.asarray(bias, np.float32)
        if not self.binary:
            return kernel, bias
        return np.hstack([np.zeros_like(kernel), kernel]), np.append(np.float32(0), bias)


def find_head(graph: Graph, value: Value, *, named: bool) -> Head:
    """Where the logits are read that a model's output, or a layer named for the logits, stands for.

    named: the caller says that these are logits; then they need no Dense layer.

    Raises InputError for a head of several labels, for a distribution whose logits cannot be had, and for whatever
    else cannot be read.
    """
    chain, start = _bare_calls(graph, value)
    call = graph.maker(start)
    dense = call.operation if call is not None and _is_dense(call.operation) else None
    if dense is None and not named:
        raise unreadable(f"no Dense layer makes its output, but {_described(call)}")
    units = _units(start, call)
    functions = [] if dense is None else [dense.activation]
    kinds = _kinds([*functions, *map(_function, chain)], units, start.tensor.dtype)
    _check_units(kinds, units, dense)
    if kinds[-1] == "other":
        _check_other(kinds, chain, dense, named)
        return Head(value, units)
    if dense is None or call is None:
        return Head(start, units)
    before = next(iter(call.given.values()))
    return Head(start if kinds[1] == "linear" else before, max(units, 2), dense, before)


def same_at_rest(graph: Graph, value: Value, other: Value) -> bool:
    """Whether `value` (B, d) is `other` in inference mode: nothing but dropout and its like lies between."""
    chain, start = _bare_calls(graph, value, other)
    return start is other and _kinds(list(map(_function, chain)), start.tensor.shape[-1], "float32")[-1] == "linear"


def unreadable(what: str) -> InputError:
    """The error for a model whose logits cannot be found."""
    return InputError(
        f"cannot read this model: {what}. Expected: a functional or Sequential Keras model that ends in a Dense layer, "
        "with or without a softmax after it, or of one unit, with or without a sigmoid. Or give it a dict of outputs, "
        "'features' and 'logits'; or name layers, in tfal.query: outputs={'features': <layer before the head>, "
        "'logits': <Dense layer>}."
    )


def _bare_calls(graph: Graph, value: Value, until: Value | None = None) -> tuple[list[Call], Value]:
    """The calls, in order, that lie before a value and have one input (B, C), the same shape of output and no weights.

    With them, where the first of them begins.
    """
    chain: list[Call] = []
    while value is not until:
        call = graph.maker(value)
        if call is None or _is_dense(call.operation) or not _is_bare(call):
            break
        chain.append(call)
        value = next(iter(call.given.values()))
    return chain[::-1], value


def _is_bare(call: Call) -> bool:
    given = set(call.given.values())
    if len(given) != 1 or len(call.made) != 1 or getattr(call.operation, "weights", None):
        return False
    shape, made = given.pop().tensor.shape, call.made[0].tensor.shape
    return len(shape) == 2 and (made == shape or (shape[1] == 1 and len(made) == 1))


def _is_dense(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Dense) and calls_as_keras(operation) and not operation.quantization_mode


def _function(call: Call) -> Callable[[Any], Any]:
    value = next(iter(call.given.values()))
    return lambda x: infer([call], {value: x}, [call.made[0]])[0]


def _units(start: Value, call: Call | None) -> int:
    shape = start.tensor.shape
    if len(shape) != 2 or not shape[1]:
        raise unreadable(f"{_described(call)}, gives {shape}, not one row of logits (B, C) for a sample")
    return int(shape[1])


def _kinds(functions: Sequence[Callable[[Any], Any]], units: int, dtype: str) -> list[str]:
    """What the functions, one after the other, do to values (B, units): after none, after the first, and so on.

    "linear" is nothing at all; then "softmax", "log_softmax", "sigmoid" and "other".
    """
    kinds, values, z = ["linear"], None, None
    for function in functions:
        if function is keras.activations.linear:
            kinds.append(kinds[-1])
            continue
        if z is None:
            z = tf.cast(np.random.default_rng(0).normal(0.5, 2, (_ROWS, units)), dtype)
            values = z
        try:
            with warnings.catch_warnings(action="ignore"):
                values = function(values)
            kinds.append(_kind(z, values))
        except Exception:  # whatever a function of others raises: it is none of those that are known
            return kinds + ["other"] * (len(functions) + 1 - len(kinds))
    return kinds


def _kind(z: tf.Tensor, values: Any) -> str:
    z, found = tf.cast(z, tf.float32), tf.reshape(tf.cast(values, tf.float32), z.shape)
    tolerance = 2e-2 if "float32" not in (tf.as_dtype(values.dtype).name, z.dtype.name) else 1e-3
    known = {"linear": lambda z: z, "softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax, "sigmoid": tf.sigmoid}
    return next((kind for kind, f in known.items() if np.allclose(found, f(z), tolerance, tolerance)), "other")


def _check_units(kinds: Sequence[str], units: int, dense: keras.layers.Dense | None) -> None:
    if units > 1 and "sigmoid" in kinds:
        raise InputError(
            f"the model has a multi-label head, {units} units with a sigmoid each, but strategies that use logits need "
            "one class for each sample: units with a softmax. In tfal.query, coreset needs features alone: "
            "outputs={'features': <layer before the head>}."
        )
    if units > 1:
        return
    if dense is None:
        raise unreadable("its one output unit is made by no Dense layer, so that it may be a logit or a probability")
    if kinds[-1] not in ("linear", "sigmoid"):
        one = "a softmax of one unit, which is always 1" if kinds[-1] == "softmax" else "neither a sigmoid nor nothing"
        raise unreadable(f"what follows the one unit of its last Dense layer {dense.name!r} is {one}")


def _check_other(kinds: Sequence[str], chain: Sequence[Call], dense: keras.layers.Dense | None, named: bool) -> None:
    """Raises InputError where something unknown lies behind a distribution, or behind logits that nobody named."""
    if {"softmax", "log_softmax"} & set(kinds):
        raise unreadable("behind its softmax follow other operations, so that its logits cannot be told")
    before = len(kinds) - len(chain)
    if dense is not None and kinds[1] == "other":
        activation = getattr(dense.activation, "__name__", type(dense.activation).__name__)
        raise unreadable(f"its last Dense layer {dense.name!r} has the activation {activation!r}")
    if not named:
        raise unreadable(f"its last layer is {_described(chain[kinds.index('other') - before])}")


def _described(call: Call | None) -> str:
    if call is None:
        return "its input"
    quantized = "quantized " if getattr(call.operation, "quantization_mode", None) else ""
    return f"{call.operation.name!r}, a {quantized}{type(call.operation).__name__}"
