"""`python -m tfal.coldstart`, which is `tfal coldstart`."""

from __future__ import annotations

import sys

from tfal.command import run_command
from tfal.networks import builders


def _work() -> int:
    from tfal.coldstart.cli import main

    return main(builders())


if __name__ == "__main__":
    sys.exit(run_command("python -m tfal.coldstart", _work))
