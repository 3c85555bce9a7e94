"""python -m tfal.sweep: see tfal.sweep.cli."""

from __future__ import annotations

import sys

from tfal.sweep.cli import main

if __name__ == "__main__":
    sys.exit(main())
