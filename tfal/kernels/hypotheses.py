"""Hypotheses around a last layer, and the rows that they relabel: the inner part of the least disagree metric.

Letters: n rows, d features, C classes, B hypotheses. `width` is the number of features that are not 0 everywhere, plus
one for the bias.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.parts import cuda
from tfal.kernels.parts.tiles import Each, cores, float32_rows, slices, tiles
from tfal.kernels.parts.xp import array_module, row_squares

GROUP = 16  # hypotheses that are taken or left out together
_BLOCK = 128  # most hypotheses between two looks at the stopping rule
_NOISE_BYTES = 1 << 26  # most memory for the noise of a block, one group apart; the next one is drawn meanwhile
_MOST_PAIRS = 64  # classes up to which all pairs are compared for a closer bound
_TILE_BYTES = {"numpy": 3 << 18, "cupy": 1 << 26}  # the logits of a tile: a CPU should keep them in its cache
_TILE_ROWS = 128  # fewer rows would starve the matrix product
_PRODUCT_ROWS = {"numpy": 288, "cupy": 1152}  # and so would fewer logits of hypotheses


class Noise:
    """The hypotheses of one sigma, one after the other: the (d + 1, C) blocks of its random stream."""

    def __init__(self, key: list[int], sigma: np.float32, classes: int, alive: np.ndarray) -> None:
        self.stream = np.random.default_rng(key)
        self.sigma, self.classes, self.alive = sigma, classes, np.append(alive, True)
        largest = _NOISE_BYTES // (4 * self.alive.size * classes) // GROUP * GROUP
        self.most = min(_BLOCK, max(GROUP, largest))

    def next(self, size: int) -> tuple[np.ndarray, float]:
        """The next `size` hypotheses as float32 (size, C - 1, width), and an upper bound on their effect.

        Class 0 is taken off the others, which moves no label and saves a column. By Cauchy-Schwarz, no difference of
        two logits of a row changes by more than the bound times the norm of [f, 1].
        """
        normals = self.stream.standard_normal((size, self.alive.size, self.classes), dtype=np.float32)
        normals *= self.sigma
        noise = normals.transpose(0, 2, 1)[:, :, self.alive]
        return noise[:, 1:] - noise[:, :1], 1.001 * _largest_difference(noise)


def _largest_difference(noise: np.ndarray) -> float:
    """Norm of the largest difference of two classes' noise (size, C, width), or an upper bound."""
    squares = np.einsum("bcw,bcw->bc", noise, noise)
    if noise.shape[1] > _MOST_PAIRS:
        return float(np.sqrt(np.partition(squares, -2, axis=1)[:, -2:]).sum(axis=1).max())
    pairs = squares[:, :, None] + squares[:, None] - 2 * noise @ noise.transpose(0, 2, 1)
    return float(np.sqrt(pairs.max()))


class Tile(NamedTuple):
    """Some rows and their base logits."""

    inputs: Any  # [f, 1], float32 (rows, width)
    label: Any  # base label, (rows,)
    own: Any  # logit of the base label, (rows,)
    others: Any  # logits, -inf at the base label, (C, rows)
    # Without class 0, which noise does not move; on a GPU None, whose kernel finds them by itself:
    at_label: Any  # place of the base label's in flat logits (C - 1, rows); of class 0: any, (rows,)
    moves: Any  # 0 where the base label is class 0, else 1, float32 (rows,)


class LabeledRows:
    """Features of any float dtype under a last layer. Only n numbers are kept; the rest is read and made in tiles."""

    def __init__(self, features: Any, alive: np.ndarray, layer: Any, each: Each) -> None:
        """`layer` is [kernel, bias] without the features that are not `alive`, transposed, (C, width)."""
        xp = array_module(features)
        self.features, self.layer = features, layer
        self.columns = None if alive.all() else xp.asarray(np.flatnonzero(alive))
        self.label = xp.zeros(len(features), np.int64)
        self.reach = xp.zeros(len(features), np.float32)  # least norm of a perturbation that can flip the row

        def work(where: slice) -> None:
            inputs, logits = self._read(where)
            self.label[where] = logits.argmax(axis=0)
            slack = 1e-6 * xp.abs(logits).max(axis=0)  # logits closer than rounding can tie, and a tie can flip
            own, others = _set_apart(logits, self.label[where])
            self.reach[where] = (own - others.max(axis=0) - slack) / xp.sqrt(row_squares(inputs))

        each(work, tiles(xp, len(features), 4 * sum(layer.shape)))

    def tile(self, where: Any) -> Tile:
        """The rows `where`, an index array."""
        inputs, logits = self._read(where)
        label = self.label[where]
        own, others = _set_apart(logits, label)
        if array_module(inputs) is not np:
            return Tile(inputs, label, own, others, None, None)
        at_label = np.maximum(label - 1, 0) * len(label) + np.arange(len(label))
        return Tile(inputs, label, own, others, at_label, (label > 0).astype(np.float32))

    def _read(self, where: Any) -> tuple[Any, Any]:
        """[f, 1] of rows, (rows, width), and their base logits, (C, rows)."""
        xp = array_module(self.layer)
        features = float32_rows(self.features, where)
        if self.columns is not None:
            features = features.take(self.columns, axis=1)
        inputs = xp.concatenate([features, xp.ones((len(features), 1), np.float32)], axis=1)
        return inputs, xp.ascontiguousarray((inputs @ self.layer.T).T)  # as a product of tall arrays it is faster

    def places(self, rows: int) -> list[slice]:
        """Cuts so many rows into tiles for `flips`, the same number for every core."""
        xp = array_module(self.layer)
        others, width = len(self.layer) - 1, self.layer.shape[1]
        row_bytes = 4 * max(_together(xp, others) * others, width)
        rounds = -(-rows * row_bytes // (_TILE_BYTES[xp.__name__] * cores(xp)))
        height = max(_TILE_ROWS, -(-rows // max(rounds * cores(xp), 1)))
        return slices(rows, height)


def _set_apart(logits: Any, label: Any) -> tuple[Any, Any]:
    """The logits (C, rows) at the label, (rows,), and the same array with -inf there."""
    if array_module(logits) is not np:
        return cuda.set_apart(logits, label), logits
    at_label = label, np.arange(len(label))
    own = logits[at_label]
    logits[at_label] = -np.inf
    return own, logits


def flips(tile: Tile, hypotheses: Any) -> Any:
    """Whether each of some hypotheses (B, C - 1, width) changes the label of each row, bool (B, rows)."""
    xp = array_module(hypotheses)
    size, others, _ = hypotheses.shape
    # On a CPU products take columns in memory order faster, which pays for the copy when there are several.
    columns = np.ascontiguousarray(tile.inputs.T) if xp is np and size > 2 * GROUP else tile.inputs.T
    flipped = xp.empty((size, len(tile.label)), bool)
    for part in slices(size, _together(xp, others)):
        flipped[part] = _flips(tile, columns, hypotheses[part])
    return flipped


def _together(xp: Any, others: int) -> int:
    """How many hypotheses of so many logits a product takes."""
    return -(-_PRODUCT_ROWS[xp.__name__] // others)


def _flips(tile: Tile, columns: Any, hypotheses: Any) -> Any:
    """`flips` for the hypotheses of one product, bool (B, rows); `columns` are the inputs of the tile, transposed."""
    xp = array_module(hypotheses)
    size, others, width = hypotheses.shape
    height = len(tile.label)
    logits = xp.empty((size, others, height), np.float32)
    xp.matmul(hypotheses.reshape(-1, width), columns, out=logits.reshape(-1, height))
    if xp is not np:
        return cuda.flips(logits, tile.others, tile.own, tile.label)
    own = logits.reshape(size, -1).take(tile.at_label, axis=1)
    own *= tile.moves
    own += tile.own
    logits += tile.others[1:]
    best = np.maximum(logits.max(axis=1), tile.others[0])
    flipped = best > own
    ties = best == own
    if ties.any():  # a tie goes to the lower class
        flipped |= ties & (np.where(tile.others[0] == best, 0, logits.argmax(axis=1) + 1) < tile.label)
    return flipped
