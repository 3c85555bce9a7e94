"""BAIT: samples whose Fisher information, together, bounds the error of the last layer on all samples best.

Source: Ash et al., "Gone Fishing: Neural Active Learning with Fisher Embeddings", NeurIPS 2021, for classification.
The Fisher information of a sample is I(x) = V V^T, where column k of V is sqrt(p_k) (e_k - p) times its features f: a
matrix of C * d rows. Differences from public code:
- V is never built for all samples: of every row, the C x C matrices V^T G V and V^T G F G V are kept, where G is the
  inverse information and F that of all samples, and a pick changes them by products of small matrices. A step takes
  n * d * C**2 operations where that code takes n * (d * C)**2 * C.
- Every labeled sample and every pick counts once, and the ridge is not scaled. That code weights the mean information
  of l labeled samples by l / (l + n), but each pick by n / (l + n).
- Ties go to the lowest row: give rows in random order. Gains within 1e-9 of the largest are ties.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import tiles
from tfal.kernels.parts.xp import array_module, row_squares, to_numpy
from tfal.kernels.similarity import largest_row, weight
from tfal.kernels.uncertainty import log_softmax

_TIES = 1e-9  # of the largest gain
LEAST_LEFT = 1e-10  # share of the information in a direction that is left when a sample is taken out
_LEAST_RIDGE = 1e-3
_LARGEST = 1e10  # squared norm of features over the ridge: more digits than that are not left for the differences
STEEP = 1e3  # a pick that changes the information in a direction by that factor costs so many digits: start afresh


def bait(
    features: Any,
    logits: Any,
    n: int,
    *,
    labeled: tuple[Any, Any] | None = None,
    ridge: float = 1.0,
    max_size: int = 2560,
) -> np.ndarray:
    """Pick `n` rows A for a small trace of inv(ridge * 1 + sum of I(x) over labeled and A) F.

    F is the mean of I(x) over all rows, candidates and labeled. Greedy: 2 n rows are added one by one, or all m if
    these are fewer, then taken out again one by one until n are left.

    Args:
        features: inputs of the last layer, shape (m, d), float16/32/64, NumPy or CuPy, computed in float64 and read in
            tiles. Time grows with m * (C * d)**2; memory beyond the inputs is 16 * m * C**2 + 48 * (C * d)**2 bytes.
        logits: shape (m, C), float16/32/64, C >= 2.
        n: how many rows, from 1 to m.
        labeled: features and logits of the labeled samples, shapes (l, d) and (l, C), or None.
        ridge: at least 0.001; what the information of every weight starts from.
        max_size: refuse C * d above that.

    Returns:
        Unique int64 rows of shape (n,), in the order in which they were added, on the host.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite, squared norms of features above 1e10 times
            the ridge, C * d above max_size, n or ridge out of range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[3.0, 0.0], [3.0, 0.1], [0.0, 2.0]])
        >>> bait(features, np.zeros((3, 2)), 2).tolist()
        [1, 2]
    """
    sets, n, ridge = checked_inputs(features, logits, n, labeled, ridge)
    (_, d), n_classes = sets[0][0].shape, sets[0][1].shape[1]
    most = check.whole_number("max_size", max_size)
    if d * n_classes > most:
        raise InputError(
            f"features, logits: expected C * d of at most {most}, received {n_classes} * {d} = {d * n_classes}. "
            "Matrices of that size would be inverted: take a network with fewer features, raise max_size, or choose by "
            "bait_binary."
        )
    return _bait(sets, n, ridge)


def checked_inputs(
    features: Any, logits: Any, n: Any, labeled: tuple[Any, Any] | None, ridge: Any
) -> tuple[list[tuple[Any, Any]], int, float]:
    """Features and logits of the candidates, and of the labeled samples where there are some; n; ridge."""
    given = (features, logits) if labeled is None or len(labeled[0]) == 0 else (features, logits, *labeled)
    xp = array_module(*given)
    logits = _checked_logits(xp, "logits", logits, ("n", "C"))
    check.two_classes("logits", logits)
    features = check.float_rows(xp, "features", features, (len(logits), "d"))
    n = check.whole_number("n", n, most=len(logits))
    sets = [(features, logits)]
    if len(given) > 2:
        logits = _checked_logits(xp, "labeled logits", given[3], ("l", logits.shape[1]))
        sets += [(check.float_rows(xp, "labeled features", given[2], (len(logits), features.shape[1])), logits)]
    ridge = weight("ridge", ridge, least=_LEAST_RIDGE)
    largest = max(float(row_squares(f).max()) for f, _ in sets)
    if largest > _LARGEST * ridge:
        raise InputError(
            f"features: expected squared norms up to {_LARGEST:g} times the ridge, {ridge:g}, received {largest:g}. "
            "Scale the features down, or raise the ridge."
        )
    return sets, n, ridge


def _checked_logits(xp: Any, name: str, logits: Any, shape: tuple[int | str, ...]) -> Any:
    return check.float_rows(xp, name, logits, shape, limit=np.finfo(np.float64).max)


def _bait(sets: list[tuple[Any, Any]], n: int, ridge: float) -> np.ndarray:
    xp, (features, logits) = array_module(sets[0][0]), sets[0]
    sums = [_information(*rows) for rows in sets]
    fisher = sum(sums) / sum(len(rows[0]) for rows in sets)
    total = xp.eye(len(fisher)) * ridge + sum(sums[1:])
    return forward_backward(_Candidates(features, logits, fisher, total), n)


class Gains(Protocol):
    """Rows that are taken one by one, and what that does to a trace."""

    def __len__(self) -> int: ...

    def gains(self) -> Any:
        """By how much the trace falls when a row is added, (m,)."""

    def losses(self) -> Any:
        """By how much it rises when a row is taken out, (m,)."""

    def add(self, row: int) -> None: ...

    def remove(self, row: int) -> None: ...

    def some(self, rows: Any) -> Gains:
        """These rows alone, as things stand."""


def forward_backward(candidates: Gains, n: int) -> np.ndarray:
    """Adds 2 n rows one by one, or all if these are fewer, and takes out again until n are left: int64 (n,)."""
    picks: list[int] = []
    for _ in range(min(2 * n, len(candidates))):
        gains = to_numpy(candidates.gains()).copy()
        gains[picks] = -np.inf
        picks.append(largest_row(gains, _TIES * abs(gains.max())))
        candidates.add(picks[-1])
    left, kept = candidates.some(picks), list(range(len(picks)))
    while len(kept) > n:
        losses = to_numpy(left.losses())[kept]
        gone = kept.pop(largest_row(-losses, _TIES * abs(losses.min())))
        left.remove(gone)
    return np.array(picks, np.int64)[kept]


class _Candidates:
    """V^T G V and V^T G F G V of every row, (m, C, C), where G is the inverse of the information so far, `total`.

    `total` is changed in place.
    """

    def __init__(self, features: Any, logits: Any, fisher: Any, total: Any) -> None:
        self.xp = array_module(features)
        self.features, self.logits, self.p = features, logits, _softmax(self.xp, logits)
        self.fisher, self.total = fisher, total
        shape = (*self.p.shape, self.p.shape[1])
        self.own, self.shared = self.xp.empty(shape), self.xp.empty(shape)
        self._start()

    def __len__(self) -> int:
        return len(self.features)

    def some(self, rows: list[int]) -> _Candidates:
        """These rows alone, as things stand."""
        where = self.xp.asarray(rows)
        return _Candidates(self.features[where], self.logits[where], self.fisher, self.total)

    def _start(self) -> None:
        """All from `total`."""
        self.inverse = self.xp.linalg.inv(self.total)
        both = self.inverse @ self.fisher @ self.inverse
        for tile in tiles(self.xp, len(self.features), 8 * len(both) * self.p.shape[1]):
            f, p = self.features[tile].astype(np.float64), self.p[tile]
            self.own[tile], self.shared[tile] = _quadratic(f, p, self.inverse), _quadratic(f, p, both)

    def gains(self) -> Any:
        """By how much the trace falls when a row is added: that of inv(1 + V^T G V) V^T G F G V. float64 (m,)."""
        identity = self.xp.eye(self.own.shape[1])
        return self.xp.einsum("mcc->m", self.xp.linalg.solve(identity + self.own, self.shared))

    def losses(self) -> Any:
        """By how much it rises when a row is taken out."""
        return self.xp.einsum("mcd,mdc->m", self._left(self.own), self.shared)

    def add(self, row: int) -> None:
        self._update(row, self.xp.linalg.inv(self.xp.eye(self.own.shape[1]) + self.own[row]), 1)

    def remove(self, row: int) -> None:
        self._update(row, self._left(self.own[row : row + 1])[0], -1)

    def _left(self, own: Any) -> Any:
        """inv(1 - V^T G V), whose eigenvalues stay positive where rounding would have them otherwise."""
        values, vectors = self.xp.linalg.eigh(own)
        return (vectors / self.xp.maximum(1 - values, LEAST_LEFT)[:, None, :]) @ vectors.transpose(0, 2, 1)

    def _update(self, row: int, middle: Any, sign: int) -> None:
        """Woodbury: G becomes G - sign * U X U^T, with U = G V of the row and X = `middle`."""
        d = self.features.shape[1]
        f, p = self.features[row].astype(np.float64), self.p[row]
        factor = _project(p[None], self.xp.eye(len(p))[None])[0].T  # (C, k): V is its product with f
        v = (factor[:, None, :] * f[:, None]).reshape(-1, len(p))
        self.total += sign * (v @ v.T)
        changes = self.xp.linalg.eigvalsh(middle)
        if float(self.xp.maximum(changes, 1 / changes).max()) > STEEP:
            self._start()
            return
        u = self.inverse @ v
        fu = self.fisher @ u
        gfu, inner = self.inverse @ fu, middle @ (u.T @ fu) @ middle
        for tile in tiles(self.xp, len(self.features), 16 * (d + len(p) ** 2)):
            own, shared = (_mixed(self.features[tile], self.p[tile], right) for right in (u, gfu))
            cross = own @ middle @ shared.transpose(0, 2, 1)
            turned = own.transpose(0, 2, 1)
            self.own[tile] -= sign * (own @ middle @ turned)
            self.shared[tile] += own @ inner @ turned - sign * (cross + cross.transpose(0, 2, 1))
        self.inverse -= sign * (u @ middle @ u.T)


def _softmax(xp: Any, logits: Any) -> Any:
    return xp.exp(log_softmax(xp, logits.astype(np.float64)))


def _information(features: Any, logits: Any) -> Any:
    """Sum of I(x), float64 (C * d, C * d): (diag(p) - p p^T) times f f^T, block by block."""
    xp, ((m, d), n_classes) = array_module(features), (features.shape, logits.shape[1])
    total = xp.zeros((n_classes, d, n_classes, d))
    for tile in tiles(xp, m, 16 * d * n_classes):
        f, p = features[tile].astype(np.float64), _softmax(xp, logits[tile])
        for k in range(n_classes):
            shares = -p * p[:, k : k + 1]
            shares[:, k] += p[:, k]
            total[:, :, k] += ((shares[:, :, None] * f[:, None, :]).reshape(len(f), -1).T @ f).reshape(-1, d, d)
    return total.reshape(n_classes * d, -1)


def _project(p: Any, right: Any) -> Any:
    """S^T R of every row, where column k of S is sqrt(p_k) (e_k - p) and R is (C, any)."""
    return array_module(p).sqrt(p)[:, :, None] * (right - p[:, None, :] @ right)


def _mixed(features: Any, p: Any, right: Any) -> Any:
    """V^T R of every row, for R of shape (C * d, k): float64 (m, C, k)."""
    d, n_classes = features.shape[1], p.shape[1]
    wide = right.reshape(n_classes, d, -1).transpose(1, 0, 2).reshape(d, -1)
    return _project(p, (features.astype(np.float64) @ wide).reshape(len(p), n_classes, -1))


def _quadratic(f: Any, p: Any, matrix: Any) -> Any:
    """V^T R V of every row, for a symmetric R of shape (C * d, C * d): float64 (m, C, C)."""
    (m, d), n_classes = f.shape, p.shape[1]
    half = _mixed(f, p, matrix).reshape(m, n_classes, n_classes, d) @ f[:, None, :, None]
    return _project(p, half[..., 0].transpose(0, 2, 1))
