"""Which samples can be similar to which by their narrow factors alone, as the cosines of the others are at most 1."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from tfal.kernels.parts.tiles import LEAST_ROWS, Each, slices, tiles
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.similarity import Items

_BLOCK = 512  # samples that are compared with a tile of others at a time
_LEAST = 32  # samples of such a block, where there are groups of so many
_NARROW = 1 / 4  # of the widest factor: factors of which it is worth while to look at their cosines first
_MANY = 0.8  # of some candidates: when so many may cover rows, all are compared with them
_SLACK = 1.001  # more than rounding adds to a cosine


class Screen:
    """Bounds of similarities, and groups of samples that are similar to much the same others."""

    def __init__(self, items: Items, each: Each) -> None:
        widths = [factor.shape[1] for factor in items.factors]
        narrow = [k for k, width in enumerate(widths) if width <= _NARROW * max(widths)]
        self.narrow = narrow if items.xp is np else []  # a GPU has made all products before it has looked at these
        self.units = [items.unit(k, slice(None)) for k in self.narrow]
        # Where no other cosine is negative, a similarity is above 0 only if the product of the narrow ones is.
        wide = [factor for k, factor in enumerate(items.factors) if k not in self.narrow]
        self.one_sign = bool(self.narrow) and all(_not_negative(factor, each) for factor in wide)
        self.group = np.zeros(len(items), np.int64)  # samples of one group are similar to much the same samples
        for unit in self.units:
            parts = tiles(items.xp, len(unit), 8 * unit.shape[1])
            pairs = np.concatenate(each(functools.partial(_two_largest, unit), parts))
            self.group = self.group * unit.shape[1] ** 2 + pairs

    def blocks(self, candidates: np.ndarray) -> list[np.ndarray]:
        """Positions of candidates, in blocks of about the same group each."""
        order = self.group[candidates].argsort(kind="stable")
        ends = [*np.flatnonzero(np.diff(self.group[candidates[order]])) + 1, len(order)]
        blocks, start = [], 0
        for end in ends:
            if end - start >= _LEAST or end == len(order):
                blocks += [order[start:end][part] for part in slices(end - start, _BLOCK)]
                start = end
        return blocks

    def coverable(self, candidates: Any, rows: Any, floor: Any, each: Each) -> Any:
        """Those rows that the candidates may cover further, all by index array."""

        def work(part: slice) -> Any:
            where = rows[part]
            return where[self._most(candidates, where).max(axis=0) > floor[where]]

        if not self.narrow:
            return rows
        xp = array_module(rows)
        return xp.concatenate([rows[:0], *each(work, tiles(xp, len(rows), 4 * len(candidates)))])

    def coverers(self, rows: Any, candidates: Any, floor: Any, each: Each) -> Any:
        """Those candidates that may cover some rows further, whose floor is (rows, 1), all by index array.

        Looked at in tiles of their own: what is left of one would be too little for a matrix product.
        """
        if not self.narrow:
            return candidates
        xp = array_module(rows)
        parts = tiles(xp, len(candidates), 4 * len(rows))
        found = each(lambda part: candidates[part][self.covering(rows, candidates[part], floor)], parts)
        return xp.concatenate([candidates[:0], *found])

    def covering(self, rows: Any, candidates: Any, floor: Any) -> Any:
        """Which of a few candidates may cover some rows further, as positions; a slice of all where nearly all may."""
        if not self.narrow or len(candidates) < LEAST_ROWS:
            return slice(None)
        some = array_module(rows).flatnonzero((self._most(rows, candidates) > floor).any(axis=0))
        return some if len(some) < _MANY * len(candidates) else slice(None)

    def _most(self, directions: Any, rows: Any) -> Any:
        """At least the similarities of two sets of rows, float32 (directions, rows)."""
        cosines = functools.reduce(operator.imul, [unit[directions] @ unit[rows].T for unit in self.units])
        cosines *= _SLACK
        return cosines if self.one_sign else abs(cosines)


def _two_largest(unit: Any, part: slice) -> np.ndarray:
    """Which numbers of every row are largest, first and second, as one number, on the host."""
    sizes = abs(unit[part])
    every = array_module(unit).arange(len(sizes))
    first = sizes.argmax(axis=1)
    sizes[every, first] = -1
    return to_numpy(first * unit.shape[1] + sizes.argmax(axis=1))


def _not_negative(factor: Any, each: Each) -> bool:
    parts = tiles(array_module(factor), len(factor), 4 * factor.shape[1])
    return all(each(lambda part: bool((factor[part] >= 0).all()), parts))
