"""Deep active learning for Keras and TensorFlow. `import tfal` stays light: TensorFlow loads on first use."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["InputError", "Recipe", "TrainingError", "load", "query", "run"]

_HOME = {
    "InputError": "tfal.errors",
    "Recipe": "tfal.recipe",
    "TrainingError": "tfal.errors",
    "load": "tfal.data",
    "query": "tfal.adopt",
    "run": "tfal.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tfal' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
