"""Lists of rows that belong to each point, such as near neighbors, found block by block and kept on the host."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.parts.cells import Cells
from tfal.kernels.parts.pairwise import Side, Tile
from tfal.kernels.parts.tiles import LEAST_ROWS, cores, slices, workers
from tfal.kernels.parts.xp import array_module, to_numpy

_ROWS = {"numpy": 8192, "cupy": 65536}  # that are looked at together
_GROUP = 1024  # points whose lists are in one array


class Pairs(NamedTuple):
    """Pairs of points and rows, on the host; those of the same point in ascending rows."""

    points: np.ndarray  # int32
    rows: np.ndarray  # int32
    values: np.ndarray | None  # of each pair, where there are any


class Lists(NamedTuple):
    """The lists of some points, one behind the other."""

    ends: np.ndarray  # (points + 1,)
    rows: np.ndarray  # int32
    values: np.ndarray | None


class PairLists:
    """For each point, ascending rows (int32)."""

    def __init__(self, groups: Sequence[Lists]) -> None:
        self._groups = groups

    def of(self, point: int) -> np.ndarray:
        """The rows of a point."""
        group, point = self._groups[point // _GROUP], point % _GROUP
        return group.rows[group.ends[point] : group.ends[point + 1]]

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
    chosen: Callable[[Tile, Tile, slice, np.ndarray], Any],
    on_found: Callable[[int], None],
) -> PairLists:
    """The pairs within reach that `chosen(tile of points, tile of rows, which points, which rows)` marks, a mask.

    Points are named by their places in `cells.order`, in the lists, too.

    on_found: called with the number of pairs of each tile of rows; it may raise.
    """
    xp, m, n = array_module(rows.rows), len(rows.rows), len(cells.order)
    every = np.arange(m, dtype=np.int32)

    def listed(part: slice) -> list[Lists]:
        tile, found = rows.tile(part), []
        for points, some in cells.blocks(tile, reach):
            names = every[part][some if isinstance(some, slice) else to_numpy(some)]
            mask = chosen(cells.tile(points), Tile(tile.points[some], tile.squares[some]), points, names)
            found.append(marked(mask, None, points.start, names))
        on_found(sum(len(pairs.rows) for pairs in found))
        return grouped(found, n)

    height = max(1, min(_ROWS[xp.__name__], max(LEAST_ROWS, -(-m // (2 * cores(xp))))))
    with workers(xp) as each:
        return PairLists(list(merged(each(listed, slices(m, height)))))


def marked(mask: Any, values: Any, first_point: int, rows: np.ndarray) -> Pairs:
    """The pairs of a block, (points from the first on, rows), that a mask marks, and their values."""
    place = array_module(mask).flatnonzero(mask)  # of one axis: far faster than places on two
    point, row = np.divmod(to_numpy(place), len(rows))
    return Pairs(
        (point + first_point).astype(np.int32), rows[row], None if values is None else to_numpy(values.ravel()[place])
    )


def grouped(found: list[Pairs], n: int) -> list[Lists]:
    """The pairs of n points and a tile of rows by point, each group of points apart from the others."""
    if not found:
        found = [Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32), None)]
    points, rows = np.concatenate([pairs.points for pairs in found]), np.concatenate([pairs.rows for pairs in found])
    values = None if found[0].values is None else np.concatenate([pairs.values for pairs in found])
    order = points.argsort(kind="stable")
    ends = np.append(0, np.cumsum(np.bincount(points, minlength=n)))
    lists = []
    for part in slices(n, _GROUP):
        some = order[ends[part.start] : ends[part.stop]]
        own = (ends[part.start : part.stop + 1] - ends[part.start]).astype(np.int32)
        lists.append(Lists(own, rows[some], None if values is None else values[some]))
    return lists


def merged(tiles: list[list[Lists]]) -> Iterator[Lists]:
    """The groups of ascending tiles of rows, each as one; the tiles are used up, so that nothing is held twice."""
    while tiles[0]:
        yield _merged([tile.pop(0) for tile in tiles])


def apart(groups: Iterator[Lists]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and values of each point, as arrays of their own."""
    found = []
    for group in groups:
        for part in itertools.starmap(slice, itertools.pairwise(group.ends.tolist())):
            values = np.zeros(0, np.float32) if group.values is None else group.values[part].copy()
            found.append((group.rows[part].copy(), values))
    return found


def _merged(tiles: list[Lists]) -> Lists:
    counts = [np.diff(lists.ends) for lists in tiles]
    points = np.concatenate([np.repeat(np.arange(len(count), dtype=np.int16), count) for count in counts])
    order = points.argsort(kind="stable")
    values = [lists.values for lists in tiles if lists.values is not None]
    return Lists(
        np.append(0, np.cumsum(np.sum(counts, axis=0))),
        np.concatenate([lists.rows for lists in tiles])[order],
        np.concatenate(values)[order] if values else None,
    )
