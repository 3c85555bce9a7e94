"""`python -m tfal.coldstart`: a command, like the run scripts, so it joins the networks in models/ with tfal."""

from __future__ import annotations

import sys
from typing import Any

from tfal.coldstart.cli import main


def _networks() -> dict[str, Any]:
    try:
        from models import BUILDERS
    except ImportError:
        print(
            "python -m tfal.coldstart: error: the networks in models/ cannot be found. Run this in the folder that "
            "holds them.",
            file=sys.stderr,
        )
        sys.exit(2)
    return BUILDERS


if __name__ == "__main__":
    sys.exit(main(_networks()))
