"""Why a .keras file does not load, and what helps: read from the file's own description of its layers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

_INSTEAD = "Build the model with layers of Keras in their place (Rescaling, Reshape, keras.ops on tensors)"


def unloadable(path: Path, reason: str) -> str:
    """One line: what the file holds that is not loaded, or else the reason, and how to mend it."""
    try:
        with zipfile.ZipFile(path) as file:
            parts = list(objects(json.loads(file.read("config.json"))))
    except (OSError, ValueError, KeyError, RecursionError, RuntimeError, zipfile.BadZipFile):
        return f"{path} is no file of Keras, or damaged ({reason}). Write it anew: model.save({path.name!r})."
    lambdas = [_name(part) for part in parts if part["class_name"] == "Lambda"]
    unknown = {_kind(part) for part in parts if _is_unknown(part)}
    if lambdas:
        return (
            f"{path} has Lambda layers, whose code is not run from a file: {', '.join(lambdas)}. {_INSTEAD}, give it "
            "the weights, new.set_weights(old.get_weights()), and save that one; or give --trustEncoder on for a file "
            "that you trust."
        )
    if unknown:
        return (
            f"{path} has code that is not Keras': {', '.join(sorted(unknown))}. {_INSTEAD} and save that one; or "
            "decorate it, @keras.saving.register_keras_serializable(), save anew, and import it before a "
            "tfal.run in Python."
        )
    return f"{path} cannot be loaded ({reason}). Write it anew with this version of Keras, {keras.__version__}."


def objects(config: Any) -> Iterator[dict[str, Any]]:
    """All layers, models and functions in a configuration, at any depth."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for value in config.values():
            yield from objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from objects(value)


def _name(part: dict[str, Any]) -> str:
    config = part.get("config")
    return repr(config.get("name", "lambda")) if isinstance(config, dict) else "'lambda'"


def _kind(part: dict[str, Any]) -> str:
    """The name of an object's class, or that of a function."""
    return str(part["config"] if part["class_name"] == "function" else part["class_name"])


def _is_unknown(part: dict[str, Any]) -> bool:
    """Whether an object is of somebody's own code, and nothing imported has registered it."""
    kind = _kind(part)
    if kind.startswith("__") or str(part.get("module")).partition(".")[0] == "keras":
        return False
    registered = kind if part["class_name"] == "function" else part.get("registered_name") or kind
    return keras.saving.get_registered_object(registered) is None
