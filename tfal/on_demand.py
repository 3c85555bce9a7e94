"""What a run yields, one thing after the other, as it is asked for."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")

LOGGER = logging.getLogger("tfal")


class OnDemand(Iterator[T]):
    """An iterator that says so when it is dropped and nobody ever asked for anything, since then nothing was done.

    Args:
        work: does what is asked for, one thing at a time.
        call: what returned this, for the warning, such as "tfal.run".
    """

    def __init__(self, work: Generator[T], call: str) -> None:
        self._work, self._call = work, call

    def __next__(self) -> T:
        return next(self._work)

    def close(self) -> None:
        """Ends the work where it is; what was yielded stays."""
        self._work.close()

    def __del__(self) -> None:
        if not sys.is_finalizing() and inspect.getgeneratorstate(self._work) == inspect.GEN_CREATED:
            LOGGER.warning(
                "nothing was run: %s works as its results are asked for. Write: for each in %s(...)", *[self._call] * 2
            )
