"""`python -m tfal.coldstart`: a command, like the run scripts, so it joins the networks in models/ with tfal."""

from __future__ import annotations

import sys
from typing import Any

from tfal.command import run_command
from tfal.errors import InputError


def _networks() -> dict[str, Any]:
    try:
        from models import BUILDERS
    except ImportError:
        raise InputError("the networks in models/ cannot be found. Run this in the folder that holds them.") from None
    return BUILDERS


def _work() -> int:
    from tfal.coldstart.cli import main

    return main(_networks())


if __name__ == "__main__":
    sys.exit(run_command("python -m tfal.coldstart", _work))
