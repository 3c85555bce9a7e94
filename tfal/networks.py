"""The networks that come with tfal. Only commands ask for them: all else gets a function that builds one."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tfal.errors import InputError

if TYPE_CHECKING:
    from tfal.learners.base import Builder

_NAME = "tfal.models"


def builders() -> dict[str, Builder]:
    """The builders of models/ by name: `tfal.models` where tfal is installed, or the folder beside tfal/ in a checkout.

    Any other package that happens to be called models is left alone. Raises InputError when there are none.
    """
    found: dict[str, Builder] = _models().BUILDERS
    return found


def _models() -> ModuleType:
    try:
        return importlib.import_module(_NAME)
    except ModuleNotFoundError as error:
        if error.name != _NAME:
            raise
    path = Path(__file__).parent.parent / "models" / "__init__.py"
    spec = importlib.util.spec_from_file_location(_NAME, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise InputError(f"the networks are missing: there is no folder {path.parent}. Install tfal anew.")
    module = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
