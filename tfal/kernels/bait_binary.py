"""BAIT for many classes: the predicted class against all others, by which a sample's information has rank one.

Source: Huseljic et al., "Fast Fishing: Approximating BAIT for Efficient and Scalable Deep Active Image Classification",
2024, on Ash et al., "Gone Fishing", NeurIPS 2021. With p the largest probability, the two gradients of a sample,
weighted by the roots of their probabilities, are parallel to its features f: I(x) = p (1 - p) f f^T, of d x d numbers
for any number of classes. Differences from public code:
- A sample is one row, not two. Of every row the numbers w^T G w and w^T G F G w are kept, where w is its features,
  scaled, G the inverse information and F that of all samples: a pick changes them by two products with the features.
- p (1 - p) comes from log-odds: sure samples keep theirs.
- Ties go to the lowest row: give rows in random order. Gains within 1e-9 of the largest are ties.
Two classes: this is `bait`, whose information has the blocks f f^T and -f f^T, with twice the ridge.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError, resolve_name
from tfal.kernels.bait import LEAST_LEFT, STEEP, checked_inputs, forward_backward
from tfal.kernels.parts.tiles import Each, float32_rows, slices, tiles, workers
from tfal.kernels.parts.xp import array_module
from tfal.kernels.uncertainty import confidence_log_odds

WEIGHTS = ("published", "counts")
_ROWS = {"numpy": 512, "cupy": 65536}  # of a tile in the pass of a pick


def bait_binary(
    features: Any,
    logits: Any,
    n: int,
    *,
    labeled: tuple[Any, Any] | None = None,
    ridge: float = 1.0,
    weights: str = "published",
    max_features: int = 4096,
) -> np.ndarray:
    """Pick `n` rows A for a small trace of inv(ridge * 1 + sum of I(x) over labeled and A) F, with I(x) of rank one.

    F is the mean of I(x) over all rows, candidates and labeled. Greedy: 2 n rows are added one by one, or all m if
    these are fewer, then taken out again one by one until n are left.

    Args:
        features: inputs of the last layer, shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, computed in
            float64 and read in tiles. Time grows with m * d * (d + 2 n); memory beyond the inputs is 24 * m bytes, and
            some d x d numbers.
        logits: shape (m, C), float16/32/64, C >= 2.
        n: how many rows, from 1 to m.
        labeled: features and logits of the labeled samples, shapes (l, d) and (l, C), or None.
        ridge: at least 0.001; what the information of every weight starts from.
        weights: "published": the sum is over the l labeled samples, divided by l + n, and n / (l + n) times I(x) of
            each pick. "counts": every labeled sample and every pick counts once, as in tfal.kernels.bait.
        max_features: refuse d above that.

    Returns:
        Unique int64 rows of shape (n,), in the order in which they were added, on the host.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite, squared norms of features above 1e10 times
            the ridge, d above max_features, n or ridge out of range, other weights.

    Example:
        >>> import numpy as np
        >>> features = np.array([[3.0, 0.0], [3.0, 0.1], [0.0, 3.0]])
        >>> bait_binary(features, np.zeros((3, 2)), 2).tolist()
        [1, 2]
    """
    weights = resolve_name("weights", weights, WEIGHTS)
    sets, n, ridge = checked_inputs(features, logits, n, labeled, ridge)
    if sets[0][0].shape[1] > max_features:
        raise InputError(
            f"features: expected at most {max_features} columns, received {sets[0][0].shape[1]}. Matrices of that size "
            "would be inverted: take a network with fewer features, or raise max_features."
        )
    return _bait_binary(sets, n, ridge, weights == "published")


def _bait_binary(sets: list[tuple[Any, Any]], n: int, ridge: float, published: bool) -> np.ndarray:
    xp, features = array_module(sets[0][0]), sets[0][0]
    known = sum(len(rows) for rows, _ in sets[1:])
    with workers(xp) as each:
        spreads = [_spread(logits) for _, logits in sets]
        sums = [_information(rows, spread, each) for (rows, _), spread in zip(sets, spreads, strict=True)]
        total = xp.eye(features.shape[1]) * ridge + sum(sums[1:]) / (known + n if published else 1)
        share = n / (known + n) if published else 1.0
        fisher, scale = sum(sums) / (known + len(features)), xp.sqrt(share * spreads[0])
        candidates = _Candidates(features, scale, fisher, total, each)
        return forward_backward(candidates, n)


def _float64(features: Any, where: Any) -> Any:
    """Rows by slice, or one by its number; float16 by way of float32, which is faster."""
    found = float32_rows(features, where) if features.dtype == np.float16 else features[where]
    return found.astype(np.float64, copy=False)


def _spread(logits: Any) -> Any:
    """p (1 - p) of the largest probability p, float64 (m,)."""
    xp, odds = array_module(logits), confidence_log_odds(logits)
    return xp.exp(odds - 2 * xp.logaddexp(0, odds))


def _information(features: Any, spread: Any, each: Each) -> Any:
    """Sum of I(x), float64 (d, d)."""
    xp, (m, d) = array_module(features), features.shape

    def partial(part: slice) -> Any:
        total = xp.zeros((d, d))
        for tile in slices(part.stop - part.start, max(64, _ROWS[xp.__name__])):
            rows = slice(part.start + tile.start, part.start + tile.stop)
            f = _float64(features, rows)
            total += (f * spread[rows, None]).T @ f
        return total

    # How the rows are split depends on shapes alone: the sums are rounded alike on any number of cores.
    return sum(each(partial, slices(m, max(1, -(-m // 8)))))


class _Candidates:
    """w^T G w and w^T G F G w of every row, (m,), where w = scale * f and G is the inverse of `total`.

    `total` is changed in place.
    """

    def __init__(self, features: Any, scale: Any, fisher: Any, total: Any, each: Each) -> None:
        self.xp, self.features, self.scale = array_module(features), features, scale
        self.fisher, self.total, self.each = fisher, total, each
        self._start()

    def __len__(self) -> int:
        return len(self.features)

    def some(self, rows: list[int]) -> _Candidates:
        """These rows alone, as things stand."""
        where = self.xp.asarray(rows)
        return _Candidates(self.features[where], self.scale[where], self.fisher, self.total, self.each)

    def _start(self) -> None:
        """All from `total`."""
        self.inverse = self.xp.linalg.inv(self.total)
        both, d = self.inverse @ self.fisher @ self.inverse, len(self.total)
        self.own, self.shared = self.xp.empty(len(self.features)), self.xp.empty(len(self.features))

        def form(tile: slice) -> None:
            f, squares = _float64(self.features, tile), self.scale[tile] ** 2
            for found, matrix in ((self.own, self.inverse), (self.shared, both)):
                found[tile] = squares * ((f @ matrix) * f).sum(axis=1)

        self.each(form, tiles(self.xp, len(self.features), 24 * d))

    def gains(self) -> Any:
        """By how much the trace falls when a row is added."""
        return self.shared / (1 + self.own)

    def losses(self) -> Any:
        """By how much it rises when a row is taken out."""
        return self.shared / self.xp.maximum(1 - self.own, LEAST_LEFT)

    def add(self, row: int) -> None:
        self._update(row, 1)

    def remove(self, row: int) -> None:
        self._update(row, -1)

    def _update(self, row: int, sign: int) -> None:
        """Sherman-Morrison: G becomes G - c u u^T, with u = G w of the row and c = sign / (1 + sign * w^T G w)."""
        w = _float64(self.features, row) * self.scale[row]
        self.total += sign * self.xp.outer(w, w)
        left = max(1 + sign * float(self.own[row]), LEAST_LEFT)
        if max(left, 1 / left) > STEEP:
            self._start()
            return
        u = self.inverse @ w
        fu = self.fisher @ u
        c, pair, inner = sign / left, self.xp.stack([u, self.inverse @ fu], axis=1), float(u @ fu)

        def change(tile: slice) -> None:
            a, b = (_float64(self.features, tile) @ pair).T * self.scale[tile]
            self.own[tile] -= c * a**2
            self.shared[tile] += c * a * (c * inner * a - 2 * b)

        self.each(change, slices(len(self.features), _ROWS[self.xp.__name__]))
        self.inverse -= c * self.xp.outer(u, u)
