"""Monte-Carlo dropout: what a network answers under one mask after the other.

Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016; for active learning Gal, Islam and Ghahramani, Deep
Bayesian Active Learning with Image Data, ICML 2017.

Differences from public codes of these strategies, and why:
- A pass has one mask for all images, as in BatchBALD (Kirsch et al., NeurIPS 2019): one draw of the weights, of which
  joint probabilities of several images make sense. Then no answer depends on the other images of a batch, or on its
  place among them. For a single image it is the usual distribution.
- Masks come from (seed, pass, layer) alone, and BatchNorm, as everything but dropout, stays in inference mode; nothing
  of the network changes.
- What stands before the first mask is computed once for all passes: the whole network up to its features where dropout
  sits behind them.

Keras has no public way to run part of a graph under other rules, so this walks its nodes, as Keras' Functional does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfal.data.images import check_int
from tfal.errors import InputError
from tfal.learners.outputs import NamedOutputs

_SPATIAL = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)
_KINDS = (keras.layers.Dropout, *_SPATIAL, keras.layers.GaussianDropout)


class MonteCarlo:
    """Logits of n_pass passes with dropout, in float32.

    Args:
        outputs: the network. Of one that ends in a softmax the logits before it are given.
        n_pass: passes, at least 1.
        name: what errors call the network; its own name when not given.
        whole: compute everything in each pass, to compare; the values are the same.

    Raises:
        InputError: no Dropout layer with a rate above 0 lies before the logits, or one of them is of another kind
            than Dropout, SpatialDropout1D to 3D and GaussianDropout, or hides in a layer of another kind.
    """

    def __init__(self, outputs: NamedOutputs, n_pass: int, name: str | None = None, *, whole: bool = False) -> None:
        check_int("n_pass", n_pass, 1)
        self._n_pass, self._inputs = n_pass, outputs.inputs
        self._target, self._finish = outputs.before_logits()
        graph = keras.Model(outputs.inputs, self._target)
        self._numbers = {id(layer): number for number, layer in enumerate(_dropouts(graph, name or outputs.model_name))}
        start, self._nodes = _behind_masks(graph)
        if not self._nodes:
            raise InputError(
                f"model {name or outputs.model_name!r} has no Dropout layer with a rate above 0 before its logits; "
                "dbal, bald and batchbald need one. Add keras.layers.Dropout(0.5) before the last layer, or choose "
                "another strategy."
            )
        if whole:
            start, self._nodes = list(outputs.inputs), _nodes(graph)
        self._start = start
        self._before = keras.Model(outputs.inputs, start)
        self._sample = self._compile()

    def read(self, batch: Any, seed: int) -> tf.Tensor:
        """(B, n_pass, C) float32: the logits of a batch of images, pass t with the masks of (seed, t)."""
        return self._sample(tf.cast(batch, self._inputs[0].dtype), tf.constant(seed, tf.int64))

    def _compile(self) -> Any:
        images = tf.TensorSpec([None, *self._inputs[0].shape[1:]], self._inputs[0].dtype)

        @tf.function(input_signature=[images, tf.TensorSpec([], tf.int64)])
        def sample(batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            found = keras.tree.flatten(self._before(batch, training=False))
            key = tf.stack([seed, tf.zeros_like(seed)])

            def one_pass(number: tf.Tensor) -> tf.Tensor:
                masks = _Masks(tf.random.experimental.stateless_fold_in(key, number), self._numbers)
                values = {id(tensor): value for tensor, value in zip(self._start, found, strict=True)}
                return tf.cast(self._finish(_run(self._nodes, values, masks)[id(self._target)]), tf.float32)

            logits = tf.map_fn(one_pass, tf.range(self._n_pass), fn_output_signature=tf.float32, parallel_iterations=1)
            return tf.transpose(logits, [1, 0, 2])

        return sample


class _Masks:
    """What stands for the operations of a graph in one pass: dropout with the masks of `key`, all else at rest.

    numbers: of the dropout layers by id. A layer that is called again gets another mask, as in training.
    """

    def __init__(self, key: tf.Tensor, numbers: Mapping[int, int]) -> None:
        self._key, self._numbers = key, numbers
        self._calls = dict.fromkeys(numbers, 0)

    def replace(self, operation: Any) -> Callable[..., Any]:
        """What is called in place of the operation."""
        if id(operation) in self._numbers:
            return lambda x, *rest, **named: _masked(operation, x, self._next_key(operation))
        graph = _graph_of(operation)
        if graph is not None and any(id(layer) in self._numbers for layer in _layers(graph)):
            return lambda x, *rest, **named: self._inside(graph, x)
        return _at_rest(operation)

    def _next_key(self, layer: keras.Layer) -> tf.Tensor:
        fold_in, call = tf.random.experimental.stateless_fold_in, self._calls[id(layer)]
        self._calls[id(layer)] += 1
        return fold_in(fold_in(self._key, self._numbers[id(layer)]), call)

    def _inside(self, graph: keras.Model, x: Any) -> list[Any]:
        given = {id(tensor): value for tensor, value in zip(graph.inputs, keras.tree.flatten(x), strict=True)}
        values = _run(_nodes(graph), given, self)
        return [values[id(tensor)] for tensor in graph.outputs]


def _run(nodes: Sequence[Any], values: dict[int, Any], masks: _Masks) -> dict[int, Any]:
    """`values` by id of the symbolic tensor, with those that the nodes, called one after the other, add to them."""
    for node in nodes:
        arguments, named = node.arguments.fill_in(values)
        found = keras.tree.flatten(masks.replace(node.operation)(*arguments, **named))
        values |= {id(tensor): value for tensor, value in zip(node.outputs, found, strict=True)}
    return values


def _masked(layer: Any, x: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """x under one mask for all rows."""
    if isinstance(layer, keras.layers.GaussianDropout):
        deviation = (layer.rate / (1 - layer.rate)) ** 0.5
        noise = 1 + deviation * tf.random.stateless_normal(_mask_shape(layer, x), key)
    else:
        kept = tf.random.stateless_uniform(_mask_shape(layer, x), key) >= layer.rate
        noise = tf.cast(kept, tf.float32) / max(1 - layer.rate, 1e-7)
    return x * tf.cast(noise, x.dtype)


def _mask_shape(layer: Any, x: tf.Tensor) -> list[Any]:
    """1 for the rows; else the layer's noise shape, or that of x."""
    sides = tf.unstack(tf.shape(x))
    if isinstance(layer, _SPATIAL):
        channels = 1 if getattr(layer, "data_format", None) == "channels_first" else len(sides) - 1
        return [side if axis == channels else 1 for axis, side in enumerate(sides)]
    fixed = getattr(layer, "noise_shape", None) or [None] * len(sides)
    return [1] + [side if wanted is None else wanted for side, wanted in zip(sides[1:], fixed[1:], strict=True)]


def _at_rest(operation: Any) -> Callable[..., Any]:
    """The operation in inference mode, whatever the model's builder asked for."""
    if not isinstance(operation, keras.Layer) or "training" not in inspect.signature(operation.call).parameters:
        return operation
    return lambda *arguments, **named: operation(*arguments, **{**named, "training": False})


def _behind_masks(graph: keras.Model) -> tuple[list[Any], list[Any]]:
    """The tensors that no mask has touched but that operations with masks read, and all operations from there on."""
    touched: set[int] = set()
    start: dict[int, Any] = {}
    behind = []
    for node in _nodes(graph):
        if _is_random(node.operation) or any(id(tensor) in touched for tensor in node.input_tensors):
            behind.append(node)
            touched |= {id(tensor) for tensor in node.outputs}
            start |= {id(tensor): tensor for tensor in node.input_tensors if id(tensor) not in touched}
    return list(start.values()), behind


def _nodes(graph: keras.Model) -> list[Any]:
    """The calls of which a graph consists, in an order in which they can be made."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]


def _graph_of(operation: Any) -> keras.Model | None:
    """A functional or Sequential model inside another one, as a functional model; None for all other operations."""
    graph = getattr(operation, "_functional", operation)
    return graph if isinstance(graph, keras.Model) and hasattr(graph, "_nodes_by_depth") else None


def _layers(graph: keras.Model) -> list[Any]:
    """The operations of a graph and of the graphs inside, each once."""
    found: dict[int, Any] = {}
    for operation in graph.operations:
        inner = _graph_of(operation)
        found |= {id(layer): layer for layer in ([operation] if inner is None else _layers(inner))}
    return list(found.values())


def _is_random(operation: Any) -> bool:
    graph = _graph_of(operation)
    return any(_drops(layer) for layer in ([operation] if graph is None else _layers(graph)))


def _drops(layer: Any) -> bool:
    name = type(layer).__name__
    return isinstance(layer, keras.Layer) and name.endswith("Dropout") and getattr(layer, "rate", 0) > 0


def _dropouts(graph: keras.Model, name: str) -> list[keras.Layer]:
    """The dropout layers that are ever on, in a fixed order. Raises InputError for those that have no such masks."""
    found = []
    for layer in _layers(graph):
        inside = layer._flatten_layers() if isinstance(layer, keras.Layer) else []
        for part in filter(_drops, inside):
            if part is not layer or type(part) not in _KINDS:
                inside_it = "" if part is layer else f" with a {type(part).__name__} inside"
                raise InputError(
                    f"layer {layer.name!r} of model {name!r} is a {type(layer).__name__}{inside_it}, whose masks "
                    "cannot be set. Expected: Dropout, SpatialDropout1D to 3D or GaussianDropout, in a functional or "
                    "Sequential model. Replace it, or choose another strategy."
                )
            found.append(part)
    return found
