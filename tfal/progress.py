"""Progress on stderr: bars on a terminal, whole lines everywhere else, such as a cluster's log.

On a terminal: a bar over the whole, and one below it while something is trained or read for all of it. Elsewhere
nothing is redrawn: a line for each result, and one a minute while something else is under way.
"""

from __future__ import annotations

import sys
import time
from typing import Any

_QUIET = 60  # seconds without a line


class Progress:
    """Over `total` units; closes with the context, whatever ends it."""

    def __init__(self, total: int, unit: str, description: str) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm
        self._shown = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit=unit, smoothing=0.05, desc=description, disable=not self._shown)
        self._lower: Any = None
        self._said = time.monotonic()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        for bar in (self._lower, self._bar):
            if bar is not None:
                bar.close()

    def advance(self) -> None:
        """One more unit is done."""
        self._bar.update()

    def result(self, short: str, line: str) -> None:
        """A result: `short` before the bar, `line` where there is none."""
        if self._shown:
            self._bar.set_description(short)
        else:
            self.note(line)

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._shown:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)
            self._said = time.monotonic()

    def below(self, description: str, unit: str, done: int, total: int) -> None:
        """How far something below is; the first call tells where it begins, the last one ends it."""
        if not self._shown:
            if time.monotonic() - self._said >= _QUIET:
                self.note(f"{description}: {done} of {total} {unit}s")
            return
        if self._lower is None:
            self._lower = self._tqdm(total=total, unit=unit, initial=done, desc=description, leave=False)
        self._lower.update(done - self._lower.n)
        if done == total:
            self._lower.close()
            self._lower = None
