"""What a network is, in lines that can be kept and compared: its layers, without names and without random values."""

from __future__ import annotations

import base64
import contextlib
import json
import marshal
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import CodeType
from typing import Any

import keras
import numpy as np

from tfal.learners.base import Builder

_IDLE = ("name", "seed", "build_config", "registered_name", "module", "shared_object_id")  # of a layer's config


class Watched:
    """A builder, and the first network of each number of classes that it made."""

    def __init__(self, build: Builder) -> None:
        self._build, self._first, self._keeps = build, dict[int, Any](), True

    def __call__(self, input_shape: tuple[int, int, int], n_classes: int) -> Any:
        made = self._build(input_shape, n_classes)
        if self._keeps:
            self._first.setdefault(n_classes, made)
        return made

    def described(self, input_shape: tuple[int, int, int], n_classes: int) -> list[str]:
        """`described` of that network, which is forgotten then, and another one; to be called before it is trained."""
        first = self._first.get(n_classes) or self._build(input_shape, n_classes)
        self._first, self._keeps = {}, False
        return described(first, self._build(input_shape, n_classes))


def described(network: Any, again: Any) -> list[str]:
    """A line for each layer of a network: its class, the shapes of its weights, a hash of all else; and its outputs.

    All else: settings, which layers it reads, and values of weights that do not follow from a random seed, such as
    pretrained ones: those that it shares with `again`, what the same builder made another time. Of a network whose
    layers do not tell their settings, classes and shapes are all that is known.
    """
    configs = [_config(model) for model in (network, again)]
    if None in configs:
        return [f"{type(layer).__name__} {_shapes(layer)}" for layer in network.layers]
    names = [[entry["config"]["name"] for entry in config["layers"]] for config in configs]
    places = {name: f"#{place}" for place, name in enumerate(names[0])}
    found = []
    for entry, first, second in zip(configs[0]["layers"], *names, strict=True):
        layer, same = _layer(network, first), _layer(again, second)
        if isinstance(layer, keras.Model):
            found += described(layer, same)
            entry = {name: value for name, value in entry.items() if name != "config"}
        about = [_plain(entry, places), [_digest(value) for value in _fixed(layer, same)]]
        found.append(f"{entry['class_name']} {_shapes(layer)}{_digest(json.dumps(about, default=repr).encode())}")
    ends = {name: value for name, value in configs[0].items() if name in ("input_layers", "output_layers")}
    return [*found, f"outputs {_digest(json.dumps(_plain(ends, places), default=repr).encode())}"]


def _config(model: Any) -> Any:
    """None of a model that does not tell its layers."""
    with contextlib.suppress(NotImplementedError, TypeError, ValueError):
        config = model.get_config()
        if "layers" in config:
            return config
    return None


def _layer(model: Any, name: str) -> Any:
    """None for an operation without a layer."""
    return next((layer for layer in model.layers if layer.name == name), None)


def _shapes(layer: Any) -> str:
    if layer is None or isinstance(layer, keras.Model):
        return ""
    return "".join(f"{'x'.join(map(str, weight.shape)) or '()'} " for weight in layer.weights)


def _fixed(layer: Any, same: Any) -> list[bytes]:
    """Values that two networks share, built with different seeds; those of a usual start, 0 and 1, tell nothing."""
    if layer is None or isinstance(layer, keras.Model):
        return []
    pairs = [(a.numpy(), b.numpy()) for a, b in zip(layer.weights, same.weights, strict=True)]
    return [a.tobytes() for a, b in pairs if np.array_equal(a, b) and not ((a == 0) | (a == 1)).all()]


def _plain(value: Any, places: Mapping[str, str]) -> Any:
    """A config with places for the names of layers, and without what differs from one building to the next."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__lambda__":
            return _code(marshal.loads(base64.b64decode(value["config"]["code"])))
        return {str(key): _plain(part, places) for key, part in value.items() if key not in _IDLE}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(part, places) for part in value]
    return places.get(value, value) if isinstance(value, str) else value


def _code(code: Any) -> Any:
    """What a function's code names and holds, but not the file that it stands in, or the bytes of one Python."""
    if isinstance(code, CodeType):
        return [code.co_names, [_code(constant) for constant in code.co_consts]]
    return repr(code)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=4).hexdigest()
