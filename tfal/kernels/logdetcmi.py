"""LogDetCMI: greedy choice of rows that are like a query set, unlike a private set, and unlike each other.

Source: Kothawade et al., "SIMILAR: Submodular Information Measures Based Active Learning In Realistic Scenarios",
NeurIPS 2021, table 1; functions by Kothawade et al., "PRISM", AAAI 2022, and Iyer et al., ALT 2021.
Differences from public code (submodlib):
- No m x m similarities are held, nor any determinant computed: a gain is the log ratio of two conditional variances,
  which two Cholesky factors give that grow by one row a pick.
- Every gain is exact for every pick. LogDetCMI need not be submodular, so lazy evaluation, the default there, may go
  wrong.
- Ties go to the lowest row. Gains within 1e-6 of the largest, which is float32 rounding, are ties.
- Variances below 1e-6 count as 1e-6.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import Each, slices, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.similarity import Factors, Items, checked_sets, largest_row, weight

_TIES = 1e-6
_LEAST_VARIANCE = 1e-6
_LEAST_RIDGE = 1e-3  # below that, float32 rounding of similarities would decide
_TILE = {"numpy": 4096, "cupy": 1 << 20}  # candidates that one product updates


def logdetcmi_greedy(
    candidates: Factors,
    n: int,
    *,
    query: Factors,
    private: Factors | None = None,
    eta: float = 1.0,
    nu: float = 1.0,
    ridge: float = 1.0,
) -> np.ndarray:
    """Pick `n` rows one by one, each the one that adds most to the information A has on Q given P.

    That is I(A; Q | P) = f(A + P) + f(Q + P) - f(A + Q + P) - f(P) with f(X) = log det K_X, for the rows A picked, the
    query set Q and the private set P. K is the similarity, times `eta` between candidates and queries and times `nu`
    between candidates and private rows, plus `ridge` on the diagonal. A row j adds log Var(j | A, P) -
    log Var(j | A, P, Q), where Var(j | B) = K_jj - K_jB inv(K_BB) K_Bj. The similarity of two samples is the product
    of the cosines of their rows in every factor.

    Args:
        candidates: one array a factor, shapes (m, d_k), float16/32/64, NumPy (memory-mapped too) or CuPy. They are
            read as float32 in tiles. Memory beyond them is about 4 * m * (2 * n + q + p) bytes.
        n: how many rows, from 1 to m.
        query: the same factors of the query set, shapes (q, d_k), q >= 1.
        private: those of the private set, (p, d_k); None or no rows means that there is none.
        eta: weight of similarity to the query set, at least 0. K may lose positive definiteness when `eta` and `nu`
            are far from 1; variances have a floor then.
        nu: weight of similarity to the private set, at least 0.
        ridge: at least 0.001. The smaller, the more alike rows exclude each other.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: sets or factors that disagree, integer arrays, values not finite or above 1e15, an empty query
            set, n out of range, a weight out of range.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, -0.8]])
        >>> query, private = np.array([[1.0, 0.2]]), np.array([[-0.2, 1.0]])
        >>> logdetcmi_greedy((rows,), 3, query=(query,), private=(private,)).tolist()
        [0, 1, 3]
    """
    candidates, query, private = checked_sets(candidates, query, private)
    n = check.whole_number("n", n, most=len(candidates[0]))
    weights = weight("eta", eta), weight("nu", nu), weight("ridge", ridge, least=_LEAST_RIDGE)
    return _logdetcmi_greedy(candidates, n, query, private, *weights)


def _logdetcmi_greedy(
    candidates: Factors, n: int, query: Factors, private: Factors, eta: float, nu: float, ridge: float
) -> np.ndarray:
    with workers(array_module(*candidates)) as each:
        variances = _Variances(Items(candidates, each), private, query, n, (eta, nu, ridge), each)
        picks: list[int] = []
        while True:
            gains = to_numpy(variances.gains())
            gains[picks] = -np.inf
            picks.append(largest_row(gains, _TIES))
            if len(picks) == n:
                return np.array(picks, np.int64)
            variances.condition_on(picks[-1])


class _Given:
    """Cholesky factor of the samples given, one row each, continued to all candidates, and the variance it leaves."""

    def __init__(self, rows: Any, used: int, variance: Any) -> None:
        self.rows, self.used = rows, used  # float32 (most, m)
        self.variance = variance  # float64 (m,)

    def pivot(self, pick: int) -> tuple[Any, Any]:
        """What the row of a pick is made of: its column, and its standard deviation."""
        return self.rows[: self.used, pick].copy(), _floored(self.variance[pick]) ** 0.5

    def extend(self, tile: slice, covariance: Any, pivot: tuple[Any, Any], first: int = 0) -> None:
        """Part of the row of a pick, from covariances with it that account for the rows before `first`."""
        (column, deviation), xp = pivot, array_module(self.rows)
        row = (covariance - column[first:] @ self.rows[first : self.used, tile]) / deviation
        most = xp.sqrt(xp.maximum(self.variance[tile], 0))
        row = xp.clip(row, -most, most)  # exceeded by rounding only, unless the matrix is not positive definite
        self.rows[self.used, tile] = row
        self.variance[tile] -= row * row


class _Variances:
    """Var(j | A, P) and Var(j | A, P, Q) of every candidate j. Both share the rows of P, kept with the second."""

    def __init__(
        self,
        items: Items,
        private: Factors,
        query: Factors,
        n: int,
        weights: tuple[float, float, float],
        each: Each,
    ) -> None:
        xp, m = items.xp, len(items)
        others = Items([xp.concatenate(pair) for pair in zip(private, query, strict=True)] if private else query, each)
        self.items, self.each, self.privates = items, each, len(private[0]) if private else 0
        self.private = _Given(xp.empty((n, m), np.float32), 0, items.self_similarities() + weights[2])
        given = len(others)
        self.both = _Given(xp.empty((given + n, m), np.float32), given, xp.empty(m))
        self._start(others, *weights)

    def _start(self, others: Items, eta: float, nu: float, ridge: float) -> None:
        """Condition on the sets P and Q."""
        xp, p = self.items.xp, self.privates
        directions = others.directions(slice(None))
        kernel = others.similarities(directions, slice(None)).astype(np.float64)
        diagonal = xp.arange(len(others))
        kernel[diagonal, diagonal] = others.self_similarities() + ridge
        inverse = xp.linalg.inv(xp.linalg.cholesky(kernel))
        scale = xp.where(diagonal < p, nu, eta)[:, None]

        def work(tile: slice) -> None:
            rows = inverse @ (scale * self.items.similarities(directions, tile))
            self.both.rows[: len(others), tile] = rows
            self.private.variance[tile] -= (rows[:p] ** 2).sum(axis=0)
            self.both.variance[tile] = self.private.variance[tile] - (rows[p:] ** 2).sum(axis=0)

        self.each(work, self.items.tiles(len(self.items), 6 * len(others)))

    def gains(self) -> Any:
        """What picking each candidate would add, float64 (m,)."""
        return self.items.xp.log(_floored(self.private.variance) / _floored(self.both.variance))

    def condition_on(self, pick: int) -> None:
        """Add a pick to A."""
        p, private, both = self.privates, self.private.pivot(pick), self.both.pivot(pick)
        direction = self.items.directions(slice(pick, pick + 1))

        def work(tile: slice) -> None:
            covariance = self.items.similarities(direction, tile)[0] - both[0][:p] @ self.both.rows[:p, tile]
            self.private.extend(tile, covariance, private)
            self.both.extend(tile, covariance, both, first=p)

        self.each(work, slices(len(self.items), _TILE[self.items.xp.__name__]))
        self.private.used += 1
        self.both.used += 1


def _floored(variance: Any) -> Any:
    return array_module(variance).maximum(variance, _LEAST_VARIANCE)
