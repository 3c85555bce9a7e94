"""Random numbers: one generator for each (seed, repetition, round, purpose), so nothing depends on call history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Purposes are numbered once and for good: a number that changes its meaning changes every result.
PURPOSES = {
    "split": 0,
    "model": 1,
    "batches": 2,
    "candidates": 3,
    "query": 4,
    "fixed_sample": 5,
    "pretrain": 6,
    "observe": 7,
    "evaluate": 8,
    "initial": 9,
    "dropout": 10,
    "long_tail": 11,
    "shards": 12,
    "targets": 13,
    "train": 14,
    "stop_set": 15,
}


@dataclass(frozen=True)
class Streams:
    """The random streams of one round of one repetition.

    `streams("query")` is a new `numpy.random.Generator` in the same state each time, so a resumed run draws what
    an uninterrupted one would have drawn, and no generator state is ever saved.
    """

    seed: int
    rep: int = 0
    round: int = 0

    def __call__(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.rep, self.round, PURPOSES[purpose]])

    def integer(self, purpose: str) -> int:
        """A seed in [0, 2**31) for libraries that take one number."""
        return int(self(purpose).integers(2**31))
