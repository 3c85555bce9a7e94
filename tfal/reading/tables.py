"""The network side of a view on arrays instead of networks: outputs by row, and a linear head on features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.reading.backend import Backend

CHUNK = 8192  # rows that a strategy reads at once
Layer = tuple[np.ndarray, np.ndarray]  # kernel (d, C) and bias (C,), float32


class Trained(NamedTuple):
    """A linear head, and the features as it sees them: rows (m, d) by index."""

    head: Layer
    seen: Any


@dataclass(frozen=True)
class TableReader:
    """Outputs that lie in arrays, and "logits" of a linear head on features.

    tables: by the output's name, what gives rows when it is asked by an array of indices. members: ids, ascending, of
    which row i belongs to members[i]; None: row i is sample i. trained: gives the head, once it is asked for; None:
    there is none.
    """

    tables: Mapping[str, Any]
    backend: Backend
    members: np.ndarray | None = None
    trained: Callable[[], Trained] | None = None

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        """See tfal.pool.view.Reader."""
        rows = ids if self.members is None else np.searchsorted(self.members, ids)
        for start in range(0, len(rows), CHUNK):
            found = {name: self._output(learner, name, rows[start : start + CHUNK]) for name in outputs}
            yield {name: self.backend.from_host(values) for name, values in found.items()}

    def _output(self, learner: str, name: str, rows: np.ndarray) -> np.ndarray:
        if name in self.tables:
            table: np.ndarray = self.tables[name][rows]
            return table
        if name != "logits" or self.trained is None:
            known = [*self.tables, *(["logits"] if self.trained else [])]
            raise InputError(
                f"this strategy reads {name!r} of the {learner}. Received: {', '.join(known)} of it, in arrays. Give "
                "that output, too, or a model that has it."
            )
        (kernel, bias), seen = self.trained()
        found: np.ndarray = seen[rows].astype(np.float32) @ kernel + bias
        return found

    def head(self, learner: str) -> tuple[Any, Any]:
        """See tfal.pool.view.Reader."""
        if self.trained is None:
            raise InputError(
                f"this strategy multiplies features by the kernel of the {learner}'s last layer. Received: arrays of "
                "outputs, which have none. Give a functional or Sequential Keras model, or features and labels, for a "
                "linear head on them."
            )
        kernel, bias = self.trained().head
        return self.backend.from_host(kernel), self.backend.from_host(bias)
