"""What frozen learners gave for samples: read once, since it is the same in all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


class OutputCache:
    """Outputs of frozen learners on the host, by learner, output and id.

    size: number of samples that there are. A table is as long, but memory is taken only for the rows that are read.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._frozen_for: dict[str, np.ndarray] = {}
        self._tables: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def start(self, learner: str, frozen_for: np.ndarray) -> None:
        """Drops what the learner gave before it was trained for the samples `frozen_for` (another array object)."""
        if self._frozen_for.get(learner) is not frozen_for:
            self._tables = {key: table for key, table in self._tables.items() if key[0] != learner}
            self._frozen_for[learner] = frozen_for

    def to_read(self, learner: str, outputs: Sequence[str], ids: np.ndarray, batch_size: int) -> np.ndarray:
        """What has to be read before `rows` can give `ids`: whole batches of the learner's samples.

        A sample is always in the same batch, whatever is asked for, so that a resumed run reads the same bits.
        """
        every = self._frozen_for[learner]
        missing = ids[~self._known(learner, outputs, ids)]
        batches = np.unique(np.searchsorted(every, missing) // batch_size)
        return np.concatenate([every[:0], *(every[b * batch_size : (b + 1) * batch_size] for b in batches)])

    def _known(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> np.ndarray:
        known = np.full(len(ids), True)
        for name in outputs:
            known &= self._tables[learner, name][1][ids] if (learner, name) in self._tables else False
        return known

    def keep(self, learner: str, ids: np.ndarray, found: Mapping[str, np.ndarray]) -> None:
        """Keeps outputs, one row for each of `ids`."""
        for name, values in found.items():
            if (learner, name) not in self._tables:
                rows = np.empty((self._size, *values.shape[1:]), values.dtype)
                self._tables[learner, name] = rows, np.zeros(self._size, bool)
            rows, known = self._tables[learner, name]
            rows[ids], known[ids] = values, True

    def rows(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of `ids`, all of which were kept."""
        return {name: self._tables[learner, name][0][ids] for name in outputs}
