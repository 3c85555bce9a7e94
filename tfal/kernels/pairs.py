"""Lists of rows that belong to each point, such as near neighbors, found block by block and kept on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.cells import Cells
from tfal.kernels.pairwise import Side, Tile
from tfal.kernels.tiles import CORES, LEAST_ROWS, slices, workers
from tfal.kernels.xp import array_module, to_numpy

_ROWS = {"numpy": 8192, "cupy": 65536}  # that are looked at together
_GROUP = 1024  # points whose lists are in one array


class _Lists(NamedTuple):
    """The lists of some points, one behind the other. values: of each entry, where there are any."""

    ends: np.ndarray  # (points + 1,)
    rows: np.ndarray  # int32
    values: np.ndarray | None


class PairLists:
    """For each point, ascending rows (int32) and what `chosen` gave as their values (float32)."""

    def __init__(self, groups: Sequence[_Lists]) -> None:
        self._groups = groups

    def of(self, point: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Rows and values of a point."""
        group, point = self._groups[point // _GROUP], point % _GROUP
        part = slice(group.ends[point], group.ends[point + 1])
        return group.rows[part], None if group.values is None else group.values[part]

    def counts(self, n_rows: int) -> np.ndarray:
        """How many points have each row in their list, int64 (n_rows,)."""
        found = np.zeros(n_rows, np.int64)
        for group in self._groups:
            found += np.bincount(group.rows, minlength=n_rows)
        return found


def pair_lists(
    cells: Cells,
    rows: Side,
    reach: Any,
    chosen: Callable[[Tile, Tile, slice, np.ndarray], tuple[Any, Any]],
    on_found: Callable[[int], None],
) -> PairLists:
    """The pairs within reach that `chosen(tile of points, of rows, which points, rows)` marks: a mask, values or None.

    Points are named by their places in `cells.order`, in the lists, too.

    on_found: called with the number of pairs of each tile of rows; it may raise.
    """
    xp, m, n = array_module(rows.rows), len(rows.rows), len(cells.order)
    every = np.arange(m, dtype=np.int32)

    def listed(part: slice) -> list[_Lists]:
        tile, found = rows.tile(part), []
        for points, some in cells.blocks(tile, reach):
            names = every[part][some if isinstance(some, slice) else to_numpy(some)]
            mask, values = chosen(cells.tile(points), Tile(tile.points[some], tile.squares[some]), points, names)
            place = xp.flatnonzero(mask)
            entries = None if values is None else to_numpy(values.ravel()[place])
            point, row = np.divmod(to_numpy(place), len(names))
            found.append(((point + points.start).astype(np.int32), names[row], entries))
        on_found(sum(len(rows) for _, rows, _ in found))
        return _grouped(found, n)

    height = max(1, min(_ROWS[xp.__name__], max(LEAST_ROWS, -(-m // (2 * CORES)))))
    with workers(xp) as each:
        tiles = each(listed, slices(m, height))
    return PairLists([_merged([tile.pop() for tile in tiles]) for _ in slices(n, _GROUP)][::-1])


def _grouped(found: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]], n: int) -> list[_Lists]:
    """The pairs of a tile of rows, by point, each group of points apart from the others."""
    if not found:
        found = [(np.zeros(0, np.int32), np.zeros(0, np.int32), None)]
    points, rows = (np.concatenate([pairs[i] for pairs in found]) for i in (0, 1))
    values = None if found[0][2] is None else np.concatenate([pairs[2] for pairs in found])
    order = points.argsort(kind="stable")
    ends = np.append(0, np.cumsum(np.bincount(points, minlength=n)))
    lists = []
    for part in slices(n, _GROUP):
        some = order[ends[part.start] : ends[part.stop]]
        own = (ends[part.start : part.stop + 1] - ends[part.start]).astype(np.int32)
        lists.append(_Lists(own, rows[some], None if values is None else values[some]))
    return lists


def _merged(tiles: list[_Lists]) -> _Lists:
    """The lists of the same points in ascending tiles of rows, as one."""
    counts = [np.diff(lists.ends) for lists in tiles]
    order = np.concatenate([np.repeat(np.arange(len(count), dtype=np.int16), count) for count in counts])
    order = order.argsort(kind="stable")
    values = [lists.values for lists in tiles if lists.values is not None]
    return _Lists(
        np.append(0, np.cumsum(np.sum(counts, axis=0))),
        np.concatenate([lists.rows for lists in tiles])[order],
        np.concatenate(values)[order] if values else None,
    )
