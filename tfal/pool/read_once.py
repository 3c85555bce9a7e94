"""Outputs that are read once and kept, for strategies that put many questions about parts of the same candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfal.kernels.parts.xp import array_module

if TYPE_CHECKING:
    from tfal.pool.view import PoolView


class ReadOnce:
    """A tfal.pool.view.Reader over what a view reads of some samples, each output once.

    Args:
        view: that reads, and whose seconds count.
        ids: (m,) the samples, ascending; others are read anew each time.
        together: by learner, outputs that are read in one pass as soon as one of them is asked for.
    """

    def __init__(self, view: PoolView, ids: np.ndarray, together: Mapping[str, Sequence[str]]) -> None:
        self._view, self._ids, self._together = view, ids, together
        self._tables: dict[tuple[str, str], Any] = {}
        self._heads: dict[str, tuple[Any, Any]] = {}

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        """See tfal.pool.view.Reader; one chunk."""
        rows = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        if not np.array_equal(self._ids[rows], ids):
            yield self._view.read(learner, outputs, ids)
            return
        missing = [name for name in outputs if (learner, name) not in self._tables]
        if missing:
            wanted = dict.fromkeys([*self._together.get(learner, ()), *missing])
            for name, table in self._view.read(learner, [*wanted], self._ids).items():
                self._tables[learner, name] = table
        tables = {name: self._tables[learner, name] for name in outputs}
        yield {name: table[array_module(table).asarray(rows)] for name, table in tables.items()}

    def head(self, learner: str) -> tuple[Any, Any]:
        """See tfal.pool.view.Reader."""
        if learner not in self._heads:
            self._heads[learner] = self._view.head(learner)
        return self._heads[learner]
