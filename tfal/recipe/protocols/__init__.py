"""What the run scripts run, a module for each: `tfal run mnist` and `python run_mnist.py` are the same call.

A module's docstring is the first line of --help. PRESETS: recipes by name; the first one gives the defaults. SOURCE:
where its values are from.
"""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = ("digits", "mnist", "cifar10", "cifar100", "imagenet", "medmnist", "tabular")


def protocol(name: str) -> ModuleType:
    """The module of one of NAMES."""
    return importlib.import_module(f"{__name__}.{name}")
