"""The calls of which a Keras model consists, those of the models inside it among them, and how they are made.

Keras has no public way to run part of a graph, or a graph under other rules, so this walks its nodes, as Keras'
Functional does. What a layer gives is looked up among the calls of this very model: a layer that stands in two models
has several outputs. No layer is called symbolically, so that a model that is read stays as it was.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf


@dataclass(eq=False)
class Value:
    """A tensor of a model: one call makes it, others read it.

    Attributes:
        tensor: its symbolic tensor, in the outermost model that has one.
        within: the calls of nested models, from the outermost on, that this tensor lies in.
    """

    tensor: keras.KerasTensor
    within: tuple[_Nested, ...] = ()

    def symbolic(self) -> keras.KerasTensor:
        """The tensor as one of the outermost model, to build a larger model from."""
        tensor = self.tensor
        for nested in reversed(self.within):
            tensor = keras.Model(nested.inputs, tensor)(nested.given)
        return tensor


@dataclass(frozen=True, eq=False)
class _Nested:
    """The call of a model inside another one: its own inputs, and the symbolic tensors that stand for them outside."""

    inputs: list[keras.KerasTensor]
    given: list[keras.KerasTensor]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or another operation: `arguments` makes (args, kwargs) of values by id of their tensor."""

    operation: Any
    arguments: Callable[[dict[int, Any]], tuple[Any, Any]]
    given: Mapping[int, Value]
    made: tuple[Value, ...]


@dataclass(frozen=True)
class Made:
    """What a layer or a nested model gave in one call; path: the names of the models it stands in, and its own."""

    path: tuple[str, ...]
    operation: Any
    values: tuple[Value, ...]


@dataclass
class Graph:
    """A functional or Sequential model, flattened.

    Attributes:
        inputs: in the order of model.inputs.
        calls: in an order in which they can be made; none of a model that was entered.
        made: of every call, those of nested models included.
    """

    model: keras.Model
    inputs: list[Value] = field(init=False)
    calls: list[Call] = field(default_factory=list, init=False)
    made: list[Made] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.inputs = [Value(tensor) for tensor in self.model.inputs]
        self._outermost = self._enter(self.model, self.inputs, (), ())
        self._makers = {value: call for call in self.calls for value in call.made}

    def value(self, tensor: keras.KerasTensor) -> Value:
        """What stands for a symbolic tensor of the model itself."""
        return self._outermost[id(tensor)]

    def maker(self, value: Value) -> Call | None:
        """The call that makes a value; None of an input."""
        return self._makers.get(value)

    def needed(self, targets: Iterable[Value], start: Iterable[Value] = ()) -> list[Call]:
        """The calls, in order, that make `targets` of `start` and of the inputs."""
        start, found = set(start), []
        wanted = set(targets) - start
        for call in reversed(self.calls):
            if wanted.intersection(call.made):
                found.append(call)
                wanted.update(value for value in call.given.values() if value not in start)
        return found[::-1]

    def _enter(
        self, model: keras.Model, inputs: Sequence[Value], within: tuple[_Nested, ...], path: tuple[str, ...]
    ) -> dict[int, Value]:
        """The values by id of the symbolic tensors of a model, whose calls are added."""
        graph = functional(model)
        values = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for node in _nodes(graph):
            if node.operation is None:
                continue
            if node.is_input:
                made = tuple(values[id(tensor)] for tensor in node.outputs if id(tensor) in values)
            else:
                given = {id(tensor): values[id(tensor)] for tensor in node.input_tensors}
                made = self._add(node, given, within, path)
                values |= {id(tensor): value for tensor, value in zip(node.outputs, made, strict=True)}
            self.made.append(Made((*path, node.operation.name), node.operation, made))
        return values

    def _add(
        self, node: Any, given: Mapping[int, Value], within: tuple[_Nested, ...], path: tuple[str, ...]
    ) -> tuple[Value, ...]:
        """What a node makes: the outputs of a nested model, or those of a call that is added."""
        inner, tensors = functional(node.operation), _nested_inputs(node)
        if inner is None or tensors is None or [len(t.shape) for t in tensors] != [len(t.shape) for t in inner.inputs]:
            made = tuple(Value(tensor, within) for tensor in node.outputs)
            self.calls.append(Call(node.operation, node.arguments.fill_in, given, made))
            return made
        deeper = (*within, _Nested(inner.inputs, tensors))
        inputs = [self._cast(given[id(t)], wanted, deeper) for t, wanted in zip(tensors, inner.inputs, strict=True)]
        values = self._enter(node.operation, inputs, deeper, (*path, node.operation.name))
        outputs = tuple(values[id(tensor)] for tensor in inner.outputs)
        for value, tensor in zip(outputs, node.outputs, strict=True):
            if len(value.within) > len(within):
                value.tensor, value.within = tensor, within
        return outputs

    def _cast(self, value: Value, wanted: keras.KerasTensor, within: tuple[_Nested, ...]) -> Value:
        """The input of a nested model, which Keras casts."""
        if value.tensor.dtype == wanted.dtype:
            return value
        made = Value(wanted, within)
        self.calls.append(Call(_Cast(wanted.dtype), lambda values: (tuple(values.values()), {}), {0: value}, (made,)))
        return made


@dataclass(frozen=True)
class _Cast:
    """An operation: its input in another dtype."""

    dtype: str
    name: str = "cast"

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return like_masked(tf.cast(x, self.dtype), x)


def run(calls: Iterable[Call], values: Mapping[Value, Any], rule: Callable[[Any], Any]) -> dict[Value, Any]:
    """`values`, and those that the calls, made one after the other, add to them.

    rule: what is called in place of an operation.
    """
    found = dict(values)
    for call in calls:
        arguments, named = call.arguments({key: found[value] for key, value in call.given.items()})
        outputs = keras.tree.flatten(rule(call.operation)(*arguments, **named))
        found |= dict(zip(call.made, outputs, strict=True))
    return found


def functional(operation: Any) -> Any:
    """The graph of a functional or Sequential model; None of any other operation, or where `call` is not Keras' own."""
    if not isinstance(operation, keras.Model) or not calls_as_keras(operation):
        return None
    graph = getattr(operation, "_functional", operation)
    return graph if hasattr(graph, "_nodes_by_depth") else None


def calls_as_keras(layer: keras.Layer) -> bool:
    """Whether the layer's `call` is the one of a class of Keras, not of one that derives from it."""
    owner = next(kind for kind in type(layer).__mro__ if "call" in vars(kind))
    return owner.__module__.partition(".")[0] == "keras"


def takes_training(operation: Any) -> bool:
    """Whether it is a layer that can be told to train."""
    return isinstance(operation, keras.Layer) and "training" in inspect.signature(operation.call).parameters


def layers_in(operations: Collection[Any]) -> list[keras.Layer]:
    """The layers among the operations and inside of them, each once."""
    layers = [layer for layer in operations if isinstance(layer, keras.Layer)]
    return list({id(part): part for layer in layers for part in layer._flatten_layers()}.values())


def like_masked(x: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
    """x with the Keras mask of a sequence, where the original has one."""
    mask = getattr(original, "_keras_mask", None)
    if mask is not None:
        x._keras_mask = mask
    return x


def _nodes(graph: Any) -> Iterator[Any]:
    by_depth = graph._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from by_depth[depth]


def _nested_inputs(node: Any) -> list[keras.KerasTensor] | None:
    """The symbolic tensors that a nested model is called with; None where something else is among them."""
    arguments = node.arguments.args or [node.arguments.kwargs.get("inputs")]
    tensors = keras.tree.flatten(arguments[0])
    return tensors if all(isinstance(tensor, keras.KerasTensor) for tensor in tensors) else None
