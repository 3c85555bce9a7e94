"""Which candidates a shard looks at, told without ever listing all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfal.kernels.parts.tiles import slices
from tfal.streams import Streams

_BLOCK = 1 << 20  # candidates that are dealt out together


@dataclass(frozen=True, eq=False)
class Candidates:
    """The samples of a pool that may be picked: all ids but some.

    size: samples of the pool. excluded: (e,) int64 distinct ids, ascending. Their places are 0 to len - 1, in the order
    of their ids.
    """

    size: int
    excluded: np.ndarray

    def __len__(self) -> int:
        return self.size - len(self.excluded)

    def ids(self, places: np.ndarray) -> np.ndarray:
        """The ids (m,) int64 of the candidates at `places` (m,)."""
        before = self.excluded - np.arange(len(self.excluded))  # how many candidates stand before each
        return places + np.searchsorted(before, places, side="right")


def random_shard(candidates: Candidates, shard: int, n_shard: int, seed: int) -> np.ndarray:
    """The ids of one of n_shard random parts, int64, ascending; the numbers of ids in two parts differ by at most 1.

    A million candidates are shuffled at a time and dealt out in turn, by a stream of their own: any process finds any
    part again with the memory of one block, in some 40 seconds for a billion.
    """
    return np.concatenate([candidates.ids(places) for places in _dealt(len(candidates), shard, n_shard, seed)])


def _dealt(m: int, shard: int, n_shard: int, seed: int) -> Iterator[np.ndarray]:
    for number, block in enumerate(slices(m, _BLOCK)):
        turn = Streams(seed, round=number)("shards").permutation(block.stop - block.start)
        yield block.start + np.flatnonzero((block.start + turn) % n_shard == shard)


def range_of(candidates: Candidates, shard: int, n_shard: int, block: int) -> np.ndarray:
    """The ids of one of n_shard parts that follow each other, int64, ascending, each of whole blocks of candidates."""
    n_block = -(-len(candidates) // block)
    start, stop = (block * (i * n_block // n_shard) for i in (shard, shard + 1))
    return candidates.ids(np.arange(start, min(stop, len(candidates))))


def random_ids(candidates: Candidates, n: int, seed: int) -> np.ndarray:
    """n ids of candidates, or all where there are fewer, int64, ascending."""
    if n >= len(candidates):
        return candidates.ids(np.arange(len(candidates)))
    places = Streams(seed)("targets").choice(len(candidates), n, replace=False, shuffle=False)
    return candidates.ids(np.sort(places))
