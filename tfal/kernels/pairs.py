"""Lists of columns that belong to each row, such as near neighbors, found block by block and kept on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.pairwise import Side, Tile
from tfal.kernels.tiles import LEAST_ROWS, slices, workers
from tfal.kernels.xp import array_module, to_numpy

_BLOCK = {"numpy": (256, 1024), "cupy": (8192, 16384)}  # rows and columns of a block; rows fit into int16


class _Block(NamedTuple):
    """The lists of some rows, one behind the other. values: of each entry, where there are any."""

    ends: np.ndarray  # (rows + 1,)
    columns: np.ndarray  # int32
    values: np.ndarray | None


class PairLists:
    """For each row, ascending columns (int32) and what `chosen` gave as their values (float32)."""

    def __init__(self, blocks: Sequence[_Block]) -> None:
        self._blocks = blocks
        self._starts = np.cumsum([0] + [len(block.ends) - 1 for block in blocks])

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Columns and values of a row."""
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        block, row = self._blocks[place], row - self._starts[place]
        part = slice(block.ends[row], block.ends[row + 1])
        return block.columns[part], None if block.values is None else block.values[part]

    def counts(self, n_columns: int) -> np.ndarray:
        """How many rows have each column in their list, int64 (n_columns,)."""
        found = np.zeros(n_columns, np.int64)
        for block in self._blocks:
            found += np.bincount(block.columns, minlength=n_columns)
        return found


def pair_lists(
    rows: Side,
    columns: Side,
    chosen: Callable[[Tile, Tile, slice, slice], tuple[Any, Any]],
    on_found: Callable[[int], None],
) -> PairLists:
    """The pairs that `chosen(tile of rows, of columns, which rows, columns)` marks: a mask (r, c), and values or None.

    on_found: called with the number of pairs of each block; it may raise.
    """
    xp, n = array_module(rows.rows), len(rows.rows)
    height, width = _BLOCK[xp.__name__]

    def listed(part: slice) -> _Block:
        tile, found = rows.tile(part), []
        for across in slices(len(columns.rows), width):
            mask, values = chosen(tile, columns.tile(across), part, across)
            where = mask.nonzero()
            on_found(len(where[0]))
            row, column = (to_numpy(place) for place in where)
            entries = None if values is None else to_numpy(values[where])
            found.append((row.astype(np.int16), (column + across.start).astype(np.int32), entries))
        return _by_row(found, part.stop - part.start)

    with workers(xp) as each:
        return PairLists(each(listed, slices(n, max(1, min(height, max(LEAST_ROWS, n // 8))))))


def own_places(rows: np.ndarray, part: slice, across: slice) -> tuple[np.ndarray, np.ndarray]:
    """Where `rows[part]`, the rows of a block, meet themselves among its columns, which are the rows `across`."""
    found = rows[part]
    inside = np.flatnonzero((found >= across.start) & (found < across.stop))
    return inside, found[inside] - across.start


def _by_row(found: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]], n_rows: int) -> _Block:
    rows, columns = (np.concatenate([part[i] for part in found]) for i in (0, 1))
    order = rows.argsort(kind="stable")
    ends = np.append(0, np.cumsum(np.bincount(rows, minlength=n_rows)))
    values = None if found[0][2] is None else np.concatenate([part[2] for part in found])[order]
    return _Block(ends, columns[order], values)
