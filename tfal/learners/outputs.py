"""What can be read from a Keras model, by name: its named outputs, or taps before and after its last Dense layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfal.errors import InputError
from tfal.learners.replicas import reading_function


class NamedOutputs:
    """Reads named outputs of a model in inference mode, without touching its weights.

    A model whose outputs are a dict with "features" and "logits" is read as it is. Of any other functional or
    Sequential model that ends in a Dense layer, with or without a softmax after it, "features" is that layer's
    input and "logits" its value before the softmax, in float32.

    Args:
        model: a built Keras model.
        layers: names of outputs and of the layers that make them, for models where this cannot be found out:
            {"features": "fc1", "logits": "fc2"}.
        strategy: the one that the model was built under, where it is on several devices: all of them read.

    Raises:
        InputError: the model ends in another way, or a layer of `layers` does not exist.
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Mapping[str, str] | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        tensors, self._dense, self.normalized = _taps(model, layers)
        self.names = tuple(tensors) + (("logits",) if self.normalized else ())
        self._tensors = tensors
        self._inputs = model.inputs
        self.model_name = model.name
        self._strategy = tf.distribute.get_strategy() if strategy is None else strategy
        self._functions: dict[tuple[str, ...], Any] = {}

    @property
    def inputs(self) -> list[keras.KerasTensor]:
        """The symbolic inputs."""
        return list(self._inputs)

    @property
    def logits(self) -> keras.KerasTensor:
        """The symbolic logits, to train on; a model whose Dense layer contains the softmax has none."""
        return self._tensors["logits"]

    @property
    def tensors(self) -> dict[str, keras.KerasTensor]:
        """The symbolic outputs by name, to build a larger model from."""
        return dict(self._tensors)

    @property
    def n_classes(self) -> int | None:
        """The number of logits; None for a model without."""
        if self.normalized:
            return int(self._dense.units)
        return int(self._tensors["logits"].shape[-1]) if "logits" in self._tensors else None

    @property
    def last_layer(self) -> keras.Layer:
        """The layer that makes the logits."""
        return self._dense

    def before_logits(self) -> tuple[keras.KerasTensor, Callable[[tf.Tensor], tf.Tensor]]:
        """The symbolic tensor that the logits are read at, and what makes them of its values.

        Raises InputError where the model has no logits.
        """
        self._check_names(("logits",))
        if self.normalized:
            return self._tensors["features"], self._logits
        return self._tensors["logits"], lambda logits: logits

    def read(self, batch: Any, outputs: Sequence[str]) -> dict[str, tf.Tensor]:
        """The named outputs of a batch of images as float32 tensors; one tf.function for each set of names.

        Half precision becomes float32, since NumPy knows no bfloat16.
        """
        key = tuple(outputs)
        if key not in self._functions:
            self._functions[key] = self._compile(key)
        return self._functions[key](tf.cast(batch, self._inputs[0].dtype))

    def _compile(self, outputs: tuple[str, ...]) -> Any:
        self._check_names(outputs)
        wanted = {name: name if name in self._tensors else "features" for name in outputs}
        model = keras.Model(self._inputs, {tap: self._tensors[tap] for tap in wanted.values()})
        signature = tf.TensorSpec([None, *self._inputs[0].shape[1:]], self._inputs[0].dtype)

        def read(batch: tf.Tensor) -> dict[str, tf.Tensor]:
            found = model(batch, training=False)
            read = {name: found[tap] if name == tap else self._logits(found[tap]) for name, tap in wanted.items()}
            return {name: tf.cast(value, tf.float32) for name, value in read.items()}

        return reading_function(self._strategy, read, signature)

    def _check_names(self, outputs: Sequence[str]) -> None:
        unknown = [name for name in outputs if name not in self.names]
        if unknown:
            raise InputError(f"the model has no output {unknown[0]!r}. It has: {', '.join(self.names)}.")

    def _logits(self, features: tf.Tensor) -> tf.Tensor:
        logits = tf.matmul(tf.cast(features, tf.float32), tf.cast(self._dense.kernel, tf.float32))
        return logits if self._dense.bias is None else logits + tf.cast(self._dense.bias, tf.float32)

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (d, C) and bias (C,) of the last Dense layer, float32; the bias is 0 where it has none."""
        kernel = getattr(self._dense, "kernel", None)
        if kernel is None:
            raise InputError(
                f"layer {self._dense.name!r} has no kernel, but this strategy needs the one that makes the logits. "
                "Name a Dense layer: outputs={'features': ..., 'logits': <name of a Dense layer>}."
            )
        kernel = np.asarray(kernel, np.float32)
        bias = getattr(self._dense, "bias", None)
        return kernel, np.zeros(kernel.shape[1], np.float32) if bias is None else np.asarray(bias, np.float32)


def _taps(model: keras.Model, layers: Mapping[str, str] | None) -> tuple[dict[str, Any], keras.Layer, bool]:
    """Tensors by name, the layer that makes the logits, and whether a softmax follows inside that very layer."""
    if layers is not None:
        tensors = {name: _layer(model, layer).output for name, layer in layers.items()}
        if "logits" in layers:
            return _linear(tensors, _layer(model, layers["logits"]))
        return tensors, keras.layers.Identity(name="none"), False
    output = _output(model)
    if isinstance(output, dict) and {"features", "logits"} <= output.keys():
        return dict(output), _maker(model, output["logits"]), False
    dense = _last_dense(model)
    return _linear({"features": dense.input, "logits": dense.output}, dense)


def _linear(tensors: dict[str, Any], layer: keras.Layer) -> tuple[dict[str, Any], keras.Layer, bool]:
    activation = getattr(layer, "activation", keras.activations.linear)
    if activation is keras.activations.linear:
        return tensors, layer, False
    if activation is not keras.activations.softmax:
        raise _unreadable(f"its last Dense layer {layer.name!r} has the activation {activation.__name__!r}")
    del tensors["logits"]
    return {"features": layer.input, **tensors}, layer, True


def _last_dense(model: keras.Model) -> keras.layers.Dense:
    if not isinstance(model, keras.Model) or not model.built or not getattr(model, "inputs", None):
        raise _unreadable("it is no built functional or Sequential keras.Model")
    tensor = _output(model)
    if len(model.inputs) != 1 or not isinstance(tensor, keras.KerasTensor):
        raise _unreadable(f"it has {len(model.inputs)} inputs and outputs of type {type(tensor).__name__}")
    for layer in reversed(model.layers):
        if layer.output is not tensor:
            break
        if isinstance(layer, keras.layers.Dense):
            return layer
        softmax = isinstance(layer, keras.layers.Softmax) or (
            isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.softmax
        )
        if not softmax:
            raise _unreadable(f"its last layer is {layer.name!r}, a {type(layer).__name__}")
        tensor = layer.input
    raise _unreadable("what comes before its softmax could not be found")


def _output(model: keras.Model) -> Any:
    """A model's symbolic output or outputs; None when it has none. A Sequential model knows only a list."""
    if isinstance(model, keras.Sequential):
        return model.outputs[0] if model.built and model.outputs else None
    return getattr(model, "output", None) if getattr(model, "inputs", None) else None


def _maker(model: keras.Model, logits: keras.KerasTensor) -> keras.Layer:
    """The layer that makes this tensor, whatever its name; else the one called "logits"."""
    for layer in reversed(model.layers):
        if layer.output is logits:
            return layer
    return _layer(model, "logits")


def _layer(model: keras.Model, name: str) -> keras.Layer:
    try:
        return model.get_layer(name)
    except ValueError:
        names = ", ".join(layer.name for layer in model.layers)
        raise InputError(f"the model has no layer {name!r}. It has: {names}.") from None


def _unreadable(what: str) -> InputError:
    return InputError(
        f"cannot read this model: {what}. Expected: a functional or Sequential Keras model that ends in a Dense "
        "layer, with or without a softmax after it. Or name the layers by hand: "
        "outputs={'features': <layer before the head>, 'logits': <Dense layer>}."
    )
