"""What can be read from a Keras model, by name: its named outputs, or taps before and after its last Dense layer."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.reading.graph import Graph, Value, functional
from tfal.reading.heads import Head, find_head, same_at_rest, unreadable
from tfal.reading.inference import check_repeats, check_same, infer
from tfal.reading.output_shapes import is_distribution
from tfal.training.replicas import reading_function


class NamedOutputs:
    """Reads named outputs of a model in inference mode, without touching its weights.

    Of a model whose outputs are a dict, "logits" is what it calls so, and all others are read by their names. Of any
    other functional or Sequential model that ends in a Dense layer, also in one inside a nested model, "features" is
    that layer's input and "logits" its value before softmax, log-softmax or sigmoid, in float32. A Dense layer of one
    unit z stands for the logits (0, z). Logits that no Dense layer makes are looked at: probabilities are refused.

    Layers of dropout and noise are at rest, whatever the model's builder asked for; a model whose answers differ all
    the same from one reading to the next is refused.

    Args:
        model: a built Keras model of one input.
        layers: names of outputs and of the layers that make them, for models where this cannot be found out:
            {"features": "fc1", "logits": "fc2"}; "backbone/fc1" is a layer of a nested model.
        strategy: the one that the model was built under, where it is on several devices: all of them read.
        single: what a model of one output gives: "logits", the head being looked for, or an output of another name.
            "features" are the input of its last Dense layer, where it ends in one, and else its output. A model whose
            outputs are a dict then needs no "logits".

    Attributes:
        names: the outputs that can be read.
        model_name: the model's own name.

    Raises:
        InputError: the model ends in another way, or a layer of `layers` does not exist.
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Mapping[str, str] | None = None,
        strategy: tf.distribute.Strategy | None = None,
        single: str = "logits",
    ) -> None:
        self.graph = _graph(model)
        self.model_name = model.name
        self._taps, self._head = _named_taps(self.graph, layers) if layers is not None else _taps(self.graph, single)
        self.names = (*self._taps, *(("logits",) if self._head else ()))
        self._strategy = tf.distribute.get_strategy() if strategy is None else strategy
        self._functions: dict[tuple[str, ...], Any] = {}

    @property
    def input(self) -> keras.KerasTensor:
        """The symbolic input."""
        return self.graph.inputs[0].tensor

    @property
    def n_classes(self) -> int | None:
        """C of the logits, 2 for a single unit; None of a model without logits."""
        return self._head.n_classes if self._head else None

    @property
    def tensors(self) -> dict[str, keras.KerasTensor]:
        """The symbolic outputs by name, to build a larger model from; "logits" only where they are among them."""
        found = {name: tap.symbolic() for name, tap in self._taps.items()}
        if self._head and not self._head.applied and not self._head.binary:
            found["logits"] = self._head.value.symbolic()
        return found

    @property
    def last_layer(self) -> keras.layers.Dense:
        """The layer that makes the logits."""
        return self.logits_head().last_layer()

    def logits_head(self) -> Head:
        """Where the logits are read. Raises InputError where the model has none."""
        if self._head is None:
            raise self._no_output("logits")
        return self._head

    @property
    def features(self) -> keras.KerasTensor:
        """The symbolic features (B, d). Raises InputError where the model has none."""
        self._check_names(("features",))
        return self._taps["features"].symbolic()

    def trainable_logits(self, n_classes: int, name: str) -> keras.KerasTensor:
        """The symbolic logits (B, n_classes) without softmax of a network that is called `name`, to train on.

        Raises InputError for a network that has others, saying what its builder should return.
        """
        head = self._head
        if head is None or head.n_classes != n_classes:
            received = "none" if head is None else f"{head.dense.units if head.dense else head.n_classes} units"
            raise InputError(
                f"network {name!r}: expected logits of {n_classes} classes, received {received}. Let its "
                "builder end in Dense(n_classes), with the n_classes that it is called with."
            )
        if head.binary:
            raise InputError(
                f"network {name!r} ends in one unit; let its builder end in Dense(n_classes), here "
                "Dense(2), without sigmoid, and return the logits."
            )
        if head.applied:
            raise InputError(f"network {name!r} ends in a softmax; let its builder return the logits.")
        return head.value.symbolic()

    def read(self, batch: Any, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """The named outputs of a batch of images as float32 tensors; one tf.function for each set of names.

        Half precision becomes float32, since NumPy knows no bfloat16.

        Raises InputError for names that there are not, for a model that gives other values each time, and for
        probabilities in place of logits.
        """
        key, batch = tuple(outputs), tf.cast(batch, self.input.dtype)
        if key in self._functions:
            found: dict[str, tf.Tensor] = self._functions[key](batch)
            return found
        function, repeats = self._compile(key)
        found = function(batch)
        if not repeats:
            check_same(found, function(batch), self.model_name)
        if "logits" in found:
            self.check_logits(found["logits"])
        self._functions[key] = function
        return found

    def check_logits(self, logits: tf.Tensor) -> None:
        """Raises InputError for a batch of logits (..., C) that no Dense layer makes and that are probabilities."""
        head = self.logits_head()
        half = head.value.tensor.dtype in ("float16", "bfloat16")
        if head.dense is None and is_distribution(logits.numpy(), 1e-2 if half else 1e-4):
            raise InputError(
                f"model {self.model_name!r}: expected logits, received probabilities, values from 0 to 1 with a sum "
                "of 1 for each sample. Let the model return what comes before the softmax, or name its layer, in "
                "tfal.query: outputs={'logits': <that layer>}."
            )

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the last Dense layer, float32; the bias is 0 where it has none.

        Raises InputError where no Dense layer makes the logits, or where "features" is not what it multiplies.
        """
        head = self.logits_head()
        kernel, bias = head.kernel()
        features = self._taps["features"]
        if head.before is not None and not same_at_rest(self.graph, head.before, features):
            raise InputError(
                f"this strategy multiplies features by the kernel of layer {self.last_layer.name!r}, but reads them at "
                "another place than before that layer. Let the model return those as 'features', or name the layer "
                f"of the logits alone, in tfal.query: outputs={{'logits': {self.last_layer.name!r}}}."
            )
        return kernel, bias

    def _compile(self, outputs: tuple[str, ...]) -> tuple[Any, bool]:
        """A tf.function, and whether it is sure to give the same values each time."""
        self._check_names(outputs)
        head = self._head
        taps = {name: head.value if name == "logits" and head else self._taps[name] for name in outputs}
        calls = self.graph.needed(taps.values())
        signature = tf.TensorSpec([None, *self.input.shape[1:]], self.input.dtype)

        def read(batch: tf.Tensor) -> dict[str, tf.Tensor]:
            values = infer(calls, {self.graph.inputs[0]: batch}, list(taps.values()))
            found = dict(zip(taps, values, strict=True))
            if "logits" in found and head:
                found["logits"] = head.logits(found["logits"])
            return {name: tf.cast(value, tf.float32) for name, value in found.items()}

        function = reading_function(self._strategy, read, signature)
        return function, check_repeats(function, self.model_name, calls)

    def _check_names(self, outputs: Sequence[str]) -> None:
        unknown = [name for name in outputs if name not in self.names]
        if unknown:
            raise self._no_output(unknown[0])
        if "features" in outputs:
            _check_rows(self._taps["features"])

    def _no_output(self, name: str) -> InputError:
        return InputError(f"the model has no output {name!r}. It has: {', '.join(self.names) or 'none'}.")


def _graph(model: Any) -> Graph:
    if not isinstance(model, keras.Model) or not model.built or functional(model) is None:
        raise InputError(
            "cannot read this model: it is no built functional or Sequential keras.Model. Received: "
            f"{type(model).__name__}. Begin a Sequential model with keras.Input(shape); of a subclassed one make a "
            "functional one of the same layers, x = keras.Input(shape); keras.Model(x, model.call(x)), or give "
            "tfal.query a function: lambda batch: {'logits': model(batch, training=False)}."
        )
    if len(model.inputs) != 1:
        names = ", ".join(tensor.name for tensor in model.inputs)
        raise InputError(
            f"cannot read this model: it has {len(model.inputs)} inputs ({names}), but a sample is one array. "
            "Expected: a model of one input. Join the inputs into one array, and split it inside the model."
        )
    return Graph(model)


def _output(model: keras.Model) -> Any:
    return model.outputs[0] if isinstance(model, keras.Sequential) else model.output


def _taps(graph: Graph, single: str) -> tuple[dict[str, Value], Head | None]:
    """What is read under each name, but for the logits, and where they are read."""
    output = _output(graph.model)
    if isinstance(output, dict) and ("logits" in output or single in output):
        taps = {name: graph.value(tensor) for name, tensor in output.items() if name != "logits"}
        if "logits" not in output:
            return taps, None
        return _with_features(taps, find_head(graph, graph.value(output["logits"]), named=True))
    tensors = keras.tree.flatten(output)
    if len(tensors) != 1:
        names = ", ".join(map(repr, output)) if isinstance(output, dict) else len(tensors)
        raise unreadable(f"it has several outputs ({names}), none of them called {single!r}")
    value = graph.value(tensors[0])
    if single == "logits":
        return _with_features({}, find_head(graph, value, named=False))
    if single == "features":
        with contextlib.suppress(InputError):  # it does not end in a linear or softmax Dense layer
            value = find_head(graph, value, named=False).before or value
    return {single: value}, None


def _named_taps(graph: Graph, layers: Mapping[str, str]) -> tuple[dict[str, Value], Head | None]:
    taps = {name: _output_of(graph, layer) for name, layer in layers.items()}
    if "logits" not in taps:
        return taps, None
    return _with_features(taps, find_head(graph, taps.pop("logits"), named=True))


def _with_features(taps: dict[str, Value], head: Head) -> tuple[dict[str, Value], Head]:
    return ({"features": head.before, **taps} if head.before else taps), head


def _output_of(graph: Graph, name: str) -> Value:
    """The output of that name, or what a layer gives; of layers of one name the one in the fewest nested models."""
    outputs = _output(graph.model)
    if isinstance(outputs, dict) and name in outputs:
        return graph.value(outputs[name])
    found = [made for made in graph.made if f"/{'/'.join(made.path)}".endswith(f"/{name}")]
    if not found:
        raise _no_layer(graph, name)
    least = min(len(made.path) for made in found)
    found = [made for made in found if len(made.path) == least]
    if len(found) > 1:
        paths = ", ".join("/".join(made.path) for made in found)
        raise InputError(
            f"layer {name!r} gives {len(found)} outputs in this model ({paths}). Expected one. Name another layer, or "
            "one of nested models as 'model/layer'."
        )
    if len(found[0].values) != 1:
        raise InputError(f"layer {name!r} gives {len(found[0].values)} tensors. Expected one. Name another layer.")
    return found[0].values[0]


def _no_layer(graph: Graph, name: str) -> InputError:
    names = list(dict.fromkeys("/".join(made.path) for made in graph.made))
    outputs = _output(graph.model)
    nearest = difflib.get_close_matches(name, [*names, *(outputs if isinstance(outputs, dict) else ())], n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return InputError(f"the model has no layer {name!r}.{hint} Its last ones: {', '.join(names[-8:])}.")


def _check_rows(features: Value) -> None:
    shape = features.tensor.shape
    if len(shape) != 2:
        pooling = {3: "GlobalAveragePooling1D", 4: "GlobalAveragePooling2D"}.get(len(shape), "Flatten")
        raise InputError(
            f"features must be one row (B, d) for each sample. Received: a layer that gives {shape}. Name one behind "
            "a pooling or Flatten layer: outputs={'features': <that layer>, 'logits': ...}; or let the model end in "
            f"one: keras.Model(model.inputs, keras.layers.{pooling}()(model.output))."
        )
