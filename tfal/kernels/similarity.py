"""Similarity as a product of cosines, and the inputs of the kernels that maximize submodular information.

The cosine of two outer products of vectors a and f is cos(a, a') * cos(f, f'). So an embedding of that form is given as
its factors (a, f), and is never built.
"""

from __future__ import annotations

import functools
import math
import operator
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.euclidean import inverse_norms
from tfal.kernels.parts.tiles import Each, float32_rows, slices, tiles
from tfal.kernels.parts.xp import array_module

Factors = Sequence[Any]  # one array a factor, (n, d) each, all with one row a sample

_BLOCK = 1024  # samples that one product compares with a tile of others


class Items:
    """Samples whose similarity is the product, over their factors, of the cosines of their rows.

    The factors stay as they were given and are read as float32 in tiles. A row of zeros has similarity 0 to everything.
    """

    def __init__(self, factors: Factors, each: Each) -> None:
        self.factors = factors
        self.inverse_norms = [inverse_norms(factor, each) for factor in factors]
        self.xp = array_module(*factors)

    def __len__(self) -> int:
        return len(self.factors[0])

    def tiles(self, n: int, columns: int = 0) -> list[slice]:
        """Tiles of `n` of these samples, of which each is compared with so many others."""
        return tiles(self.xp, n, 4 * (max(factor.shape[1] for factor in self.factors) + columns))

    def directions(self, rows: Any) -> list[Any]:
        """Rows by slice or index array, scaled to length 1: float32 (r, d) a factor."""
        return [self.unit(k, rows) for k in range(len(self.factors))]

    def unit(self, k: int, rows: Any) -> Any:
        """Rows of factor k alone, by slice or index array, scaled to length 1: float32 (r, d_k)."""
        return float32_rows(self.factors[k], rows) * self.inverse_norms[k][rows][:, None]

    def similarities(self, directions: list[Any], rows: Any) -> Any:
        """float32 (directions, rows): of the samples that have these directions to some of these."""
        found = []
        # Of finite rows no product is invalid. OpenBLAS reports one now and then all the same, with a finite result.
        with np.errstate(invalid="ignore"):
            for to, factor, inverse in zip(directions, self.factors, self.inverse_norms, strict=True):
                found.append(to @ float32_rows(factor, rows).T)
                found[-1] *= inverse[rows]
        return functools.reduce(operator.imul, found)

    def self_similarities(self) -> Any:
        """float64 (n,): 1, or 0 for a row of zeros."""
        return functools.reduce(operator.mul, [inverse > 0 for inverse in self.inverse_norms]).astype(np.float64)

    def nearest(self, others: Items, each: Each) -> Any:
        """The largest similarity of each sample to any of `others`, 0 if all are negative: float32 (n,)."""
        largest = self.xp.zeros(len(self), np.float32)

        def raise_to(tile: slice) -> None:
            largest[tile] = self.xp.maximum(largest[tile], self.similarities(directions, tile).max(axis=0))

        for block in slices(len(others), _BLOCK):
            directions = others.directions(block)
            each(raise_to, self.tiles(len(self), _BLOCK))
        return largest


def largest_row(gains: np.ndarray, slack: float) -> int:
    """The row of the largest gain; the lowest of those that are within `slack` of it, which is rounding."""
    return int((gains >= gains.max() - slack).argmax())


def checked_sets(candidates: Factors, query: Factors, private: Factors | None) -> tuple[Factors, Factors, Factors]:
    """The factors of the three sets as arrays; those of an empty private set are an empty tuple.

    Raises InputError where they do not fit together, TypeError for a mix of NumPy and CuPy.
    """
    sets = {"candidates": candidates, "query": query, "private": () if private is None else private}
    for name, factors in sets.items():
        if not isinstance(factors, (tuple, list)):
            raise InputError(
                f"{name}: expected a tuple or list of arrays, one a factor, received {type(factors).__name__}. "
                "Give a single factor as (array,)."
            )
    xp = array_module(*candidates, *query, *sets["private"])
    candidates = _checked_factors(xp, "candidates", candidates, ["d"] * max(len(candidates), 1))
    widths = [factor.shape[1] for factor in candidates]
    if len(query) and len(query[0]) == 0:
        raise InputError(
            "query: expected at least one row, received none. Without a query every gain is 0: choose otherwise."
        )
    query = _checked_factors(xp, "query", query, widths)
    empty = all(len(factor) == 0 for factor in sets["private"])
    return candidates, query, () if empty else _checked_factors(xp, "private", sets["private"], widths)


def _checked_factors(xp: Any, name: str, factors: Factors, widths: Sequence[int | str]) -> tuple[Any, ...]:
    if len(factors) != len(widths):
        raise InputError(
            f"{name}: expected {len(widths)} factors, received {len(factors)}. Give every set the same factors."
        )
    rows: int | str = "n"
    arrays = []
    for k, (factor, width) in enumerate(zip(factors, widths, strict=True)):
        arrays.append(check.float_rows(xp, f"{name}[{k}]", factor, (rows, width)))
        rows = len(arrays[0])
    return tuple(arrays)


def weight(name: str, value: Any, least: float = 0.0) -> float:
    """`value` as a float of at least `least`, at most 1e15."""
    try:
        number = math.nan if isinstance(value, (bool, np.bool_)) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not least <= number <= check.LARGEST:
        raise InputError(
            f"{name}: expected a number from {least:g} to {check.LARGEST:g}, received {reprlib.repr(value)}. "
            "The usual value is 1."
        )
    return number
