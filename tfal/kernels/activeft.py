"""ActiveFT: rows nearest to directions that are moved until they are spread like all rows, and apart from each other.

Source: Xie et al., "Active Finetuning: Exploiting Annotation Budget in the Pretraining-Finetuning Paradigm", CVPR 2023.
For rows f and directions t of length 1, c the nearest direction of f, it lowers the mean over the rows of
-log(s / (s + balance * sum over all l of exp(t_l . t_c / temperature))), where s = exp(f . t_c / temperature).
Differences from public code:
- The gradient is that of this loss. That code holds one of the two directions of each pair fixed.
- Sums of exponentials are taken by logarithms, in tiles: no n x m matrix is held, and no temperature overflows.
- The rows come in the order of their directions. That code collects them in a set, and seeds nothing.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.kmeans import add_rows
from tfal.kernels.neighbors import nearest_neighbors
from tfal.kernels.parts import check
from tfal.kernels.parts.euclidean import Directions, inverse_norms
from tfal.kernels.parts.tiles import Each, fill, slices, workers
from tfal.kernels.parts.xp import array_module, log_sum_exp, to_numpy
from tfal.kernels.representatives import positive

_ROWS = {"numpy": 1024, "cupy": 16384}  # of a tile
_PARTS, _SUM_BYTES = 64, 1 << 26  # the rows are summed in so many parts at most, whose sums take so much memory
_BLOCK = 1024  # directions whose products with all others are held
_NEAR = 32  # rows of each direction that are looked at before all are
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of Adam


def activeft(
    features: Any,
    n: int,
    *,
    rng: np.random.Generator,
    temperature: float = 0.07,
    balance: float = 1.0,
    n_iter: int = 300,
    learning_rate: float = 0.001,
) -> np.ndarray:
    """Pick `n` rows: of each of n directions, moved by Adam from random rows, the nearest row that is left.

    Args:
        features: shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as float32 in tiles and scaled to
            length 1; a row of zeros stays one. Time grows with n_iter * m * n * d; memory beyond the inputs is that of
            some n x d numbers and tiles.
        n: how many rows, from 1 to m.
        rng: draws the first directions, n of the rows.
        temperature: above 0.
        balance: above 0; how much directions repel each other.
        n_iter: steps, at least 1.
        learning_rate: above 0.

    Returns:
        Unique int64 rows of shape (n,), in the order of the directions, on the host. Ties go to the lowest row.

    Raises:
        InputError: wrong shape, integer arrays, values not finite or above 1e15, a number out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 3.0]])
        >>> sorted((activeft(features, 2, rng=np.random.default_rng(1), n_iter=50) // 2).tolist())
        [0, 1]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    n, n_iter = check.whole_number("n", n, most=len(features)), check.whole_number("n_iter", n_iter)
    temperature, balance = positive("temperature", temperature, 1e-6), positive("balance", balance)
    rate = positive("learning_rate", learning_rate)
    first = check.generator(rng).choice(len(features), n, replace=False)
    with workers(xp) as each:
        rows = Directions(features, inverse_norms(features, each))
        points = rows[xp.asarray(first)].astype(np.float64)
        unit = _moved(points, rows, (temperature, balance), (n_iter, rate), each)
        return _nearest_left(unit.astype(np.float32), features, rows, each)


def _moved(points: Any, rows: Any, law: tuple[float, float], steps: tuple[int, float], each: Each) -> Any:
    """Directions (n, d), float64, after so many steps of Adam on `points`, of which the length means nothing."""
    xp, (n_iter, rate) = array_module(points), steps
    first, second = xp.zeros(points.shape), xp.zeros(points.shape)
    for step in range(1, n_iter + 1):
        lengths = _lengths(points)
        unit = points / lengths
        slope = loss_and_slope(unit, rows, law, each).slope
        slope = (slope - (slope * unit).sum(axis=1, keepdims=True) * unit) / lengths
        first += (1 - _BETAS[0]) * (slope - first)
        second += (1 - _BETAS[1]) * (slope**2 - second)
        size = rate * math.sqrt(1 - _BETAS[1] ** step) / (1 - _BETAS[0] ** step)
        points = points - size * first / (xp.sqrt(second) + _EPSILON * math.sqrt(1 - _BETAS[1] ** step))
    return points / _lengths(points)


def _lengths(points: Any) -> Any:
    """(n, 1); 1 of a direction that is none."""
    xp = array_module(points)
    lengths = xp.sqrt((points**2).sum(axis=1, keepdims=True))
    return xp.where(lengths > 0, lengths, 1)


class Loss(NamedTuple):
    """What is lowered, and its derivatives by the directions, as if their lengths were free."""

    loss: float
    slope: Any  # float64 (n, d)


def loss_and_slope(unit: Any, rows: Any, law: tuple[float, float], each: Each) -> Loss:
    """unit: directions (n, d), float64. rows: as read by float32_rows, of length 1. law: temperature and balance."""
    xp, (temperature, balance) = array_module(unit), law
    sums = xp.empty(len(unit))
    for block in slices(len(unit), _BLOCK):
        products = unit[block] @ unit.T / temperature
        sums[block] = log_sum_exp(products, axis=1)
    loss, mass, pulled = _attraction(unit.astype(np.float32), rows, sums + math.log(balance), temperature, each)
    slope = -pulled
    for block in slices(len(unit), _BLOCK):
        products = unit[block] @ unit.T / temperature
        slope[block] += mass[block, None] * (xp.exp(products - sums[block, None]) @ unit)
        slope[block] += (xp.exp(products - sums) * mass) @ unit
    return Loss(loss, slope / temperature)


def _attraction(unit: Any, rows: Any, repulsion: Any, temperature: float, each: Each) -> tuple[float, Any, Any]:
    """The loss; and of every direction the mean share q of its rows, (n,), and the mean of q times the row, (n, d).

    q is 1 - s / (s + r) for the logarithm of r in `repulsion`, (n,).
    """
    xp, m, height = array_module(unit), len(rows), _ROWS[array_module(unit).__name__]

    def partial(part: slice) -> tuple[float, Any, Any]:
        loss, mass, pulled = 0.0, xp.zeros(len(unit)), xp.zeros(unit.shape)
        for start in range(part.start, part.stop, height):
            points = rows[start : min(start + height, part.stop)]
            products = points @ unit.T
            nearest = products.argmax(axis=1)
            lead = products[xp.arange(len(points)), nearest].astype(np.float64) / temperature - repulsion[nearest]
            loss += float(xp.logaddexp(0, -lead).sum())
            q = xp.exp(-xp.logaddexp(0, lead))
            mass += xp.bincount(nearest, q, minlength=len(unit))
            add_rows(pulled, nearest, points * q[:, None].astype(np.float32))
        return loss, mass, pulled

    # How the rows are split depends on shapes alone: the sums are rounded alike on any number of cores.
    parts = min(_PARTS, max(1, _SUM_BYTES // (8 * unit.size)))
    found = each(partial, slices(m, max(height, -(-m // parts))))
    loss, mass, pulled = (sum(values) for values in zip(*found, strict=True))
    return loss / m, mass / m, pulled / m


def _nearest_left(unit: Any, features: Any, rows: Any, each: Each) -> np.ndarray:
    """The row nearest to each direction in turn that is none of those before."""
    xp, (m, d) = array_module(unit), features.shape
    near = to_numpy(nearest_neighbors(unit, features, min(_NEAR, m), metric="cosine").rows)
    taken, picks = np.zeros(m, bool), list[int]()
    for direction in range(len(unit)):
        left = near[direction][~taken[near[direction]]]
        if len(left):
            picks.append(int(left[0]))
        else:
            products = fill(xp, m, 4 * d, each, functools.partial(_products, rows, unit[direction]))
            picks.append(int(np.where(taken, -np.inf, to_numpy(products)).argmax()))
        taken[picks[-1]] = True
    return np.array(picks, np.int64)


def _products(rows: Any, direction: Any, tile: slice) -> Any:
    return rows[tile] @ direction
