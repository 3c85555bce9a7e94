"""Deep active learning for Keras and TensorFlow. `import tfal` stays light: TensorFlow loads on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfal import coldstart, data, kernels, low_budget, report, show, strategies
    from tfal.campaign import Campaign
    from tfal.data import load
    from tfal.errors import InputError, TrainingError
    from tfal.loop import run
    from tfal.pool.told import UNSURE
    from tfal.recipe import Recipe
    from tfal.single_query import query, rank

__version__ = "0.1.0"
__all__ = [
    "UNSURE",
    "Campaign",
    "InputError",
    "Recipe",
    "TrainingError",
    "coldstart",
    "data",
    "kernels",
    "load",
    "low_budget",
    "query",
    "rank",
    "report",
    "run",
    "show",
    "strategies",
]

_HOME = {
    "UNSURE": "tfal.pool.told",
    "Campaign": "tfal.campaign",
    "InputError": "tfal.errors",
    "Recipe": "tfal.recipe",
    "TrainingError": "tfal.errors",
    "load": "tfal.data",
    "query": "tfal.single_query",
    "rank": "tfal.single_query",
    "run": "tfal.loop",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in __all__:
        return importlib.import_module(f"tfal.{name}")
    raise AttributeError(f"module 'tfal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
