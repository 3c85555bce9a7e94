"""FALCUN: rows drawn one by one, uncertain ones and those whose probabilities are unlike those drawn.

Source: Gilhuber et al., "FALCUN: A Simple and Efficient Deep Active Learning Strategy", ECML PKDD 2024. Differences
from public code:
- Distances are sums of absolute differences, as in the paper; the default there is another one.
- Where all rows left are as far, distances count as 0; that code divides by their spread, 0. When no row left is
  uncertain or far, all are equally likely.
- 1 - margin comes from log-odds: sure rows are told apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.d2_sampling import draw_rows
from tfal.kernels.parts.tiles import Each, tiles, workers
from tfal.kernels.parts.xp import array_module
from tfal.kernels.similarity import weight
from tfal.kernels.uncertainty import log_complement, log_softmax, margin_log_odds


def falcun(logits: Any, n: int, *, gamma: float = 10.0, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` rows without replacement with probabilities proportional to (u + D)**gamma.

    u is 1 - margin. D is the sum of absolute differences of a row's probabilities to those of the nearest drawn row,
    never more than u, min-max scaled over the rows that are left.

    Args:
        logits: shape (m, C), float16/32/64, C >= 2, NumPy or CuPy. Memory beyond them is that of float32 probabilities,
            4 * m * C bytes, and 40 * m bytes.
        n: how many rows, from 1 to m.
        gamma: at least 0. At 0 all rows are alike; the larger, the nearer to the largest u + D.
        rng: one uniform number a row is drawn from it.

    Returns:
        Unique int64 rows of shape (n,), in the order drawn, on the host.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits, n or gamma out of range.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[9.0, 0.0], [9.0, 0.0], [0.0, 0.1], [0.0, 9.0]])
        >>> falcun(logits, 1, rng=np.random.default_rng(0)).tolist()
        [2]
    """
    uncertain = array_module(logits).exp(log_complement(margin_log_odds(logits)))
    n, gamma = check.whole_number("n", n, most=len(uncertain)), weight("gamma", gamma)
    return _falcun(array_module(logits).asarray(logits), uncertain, n, gamma, check.generator(rng))


def _falcun(logits: Any, uncertain: Any, n: int, gamma: float, rng: np.random.Generator) -> np.ndarray:
    xp, picks = array_module(logits), list[int]()
    with workers(xp) as each:
        drawing = _Drawing(logits, uncertain, gamma, each)
        for place in rng.random(n).tolist():
            weights = drawing.weights()
            picks.append(int(draw_rows(weights, xp.cumsum(weights), xp.asarray([place]))[0]))
            drawing.take(picks[-1])
    return np.array(picks, np.int64)


class _Drawing:
    """The rows that are left, and how far they are from those drawn."""

    def __init__(self, logits: Any, uncertain: Any, gamma: float, each: Each) -> None:
        self.xp, (m, n_classes) = array_module(logits), logits.shape
        self.uncertain, self.gamma, self.each = uncertain, gamma, each
        self.tiles = tiles(self.xp, m, 8 * n_classes + 64)
        self.p, self.left = self.xp.empty((n_classes, m), np.float32), self.xp.ones(m, bool)  # so sums are fast
        self.away = uncertain.copy()

        def fill(tile: slice) -> None:
            self.p[:, tile] = self.xp.exp(log_softmax(self.xp, logits[tile].astype(np.float64))).T

        each(fill, self.tiles)

    def weights(self) -> Any:
        """What the next row is drawn by, the largest 1, and 0 for those drawn: float64 (m,)."""
        xp = self.xp
        ends = self.each(self._ends, self.tiles)
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        spread = high - low
        base = self.uncertain + (self.away - low) / spread if spread > 0 else self.uncertain
        base = xp.where(self.left, base, 0)
        largest = float(base.max())
        if not largest > 0:
            return self.left.astype(np.float64)
        base /= largest

        def power(tile: slice) -> None:
            base[tile] **= self.gamma

        self.each(power, self.tiles)
        return xp.where(self.left, base, 0)  # 0 ** 0 is 1

    def _ends(self, tile: slice) -> tuple[float, float]:
        away, left = self.away[tile], self.left[tile]
        where = self.xp.where
        return float(where(left, away, np.inf).min()), float(where(left, away, -np.inf).max())

    def take(self, row: int) -> None:
        self.left[row] = False
        own = self.p[:, row].copy()[:, None]

        def nearer(tile: slice) -> None:
            away = self.xp.abs(self.p[:, tile] - own).sum(axis=0)
            self.away[tile] = self.xp.minimum(self.away[tile], away)

        self.each(nearer, self.tiles)
