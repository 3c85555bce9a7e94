"""Progress on a terminal: a bar over the whole, and one below it while something is trained or read for all of it."""

from __future__ import annotations

from typing import Any


class Progress:
    """A bar over `total` units, which closes with the context, whatever ends it."""

    def __init__(self, total: int, unit: str, description: str) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm
        self._bar = tqdm(total=total, unit=unit, smoothing=0.05, desc=description)
        self._lower: Any = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        for bar in (self._lower, self._bar):
            if bar is not None:
                bar.close()

    def below(self, description: str, unit: str, done: int, total: int) -> None:
        """Shows how far the bar below is; the first call makes it, and tells where it begins, the last removes it."""
        if self._lower is None:
            self._lower = self._tqdm(total=total, unit=unit, initial=done, desc=description, leave=False)
        self._lower.update(done - self._lower.n)
        if done == total:
            self._lower.close()
            self._lower = None
