"""GALAXY: on a line for each class, halve the gap between samples that are of it and samples that are not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import tie_ranks
from tfal.kernels.uncertainty import confidence_log_odds

Ask = Callable[[np.ndarray], np.ndarray]  # rows (k,) -> a class, NONE or UNKNOWN of each
NONE, UNKNOWN = -1, -2  # in labels: of none of the classes; not known


def class_order(logits: Any, k: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """All rows on the line of class k, the surest of it first.

    By p_k - max_j p_j, largest first, equal ones by max_j p_j, as GALAXY and DIRECT order them (Zhang et al., ICML
    2022; Nuggehalli et al., 2023). So samples predicted to be of the class come first, by their confidence, and then
    all others by what the class lacks. Differs from the public code: that adds 1e-8 max_j p_j, which parts neither
    confidences that round to 1 nor gaps within 1e-8; here confidences are compared by log-odds.

    Args:
        logits: (m, C), float16/32/64, finite, C >= 2, NumPy or CuPy.
        k: the class, from 0.
        rng: orders equal rows, see tfal.kernels.top.tie_order; without it the lower row comes first.

    Returns:
        int64 (m,), on the host.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits, no such class.

    Example:
        >>> import numpy as np
        >>> p = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.1, 0.6, 0.3], [0.33, 0.34, 0.33]])
        >>> [class_order(np.log(p), k).tolist() for k in range(3)]
        [[0, 1, 3, 2], [2, 3, 1, 0], [3, 1, 2, 0]]
    """
    doubt = confidence_log_odds(logits)  # which checks them
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 0 <= k < logits.shape[1]:
        raise InputError(f"k: expected a class from 0 to {logits.shape[1] - 1}, received {k!r}. Choose one of these.")
    return _class_order(logits, doubt, int(k), rng)


def galaxy(logits: Any, labels: Any, n: int, *, ask: Ask, rng: np.random.Generator, n_parallel: int = 1) -> np.ndarray:
    """`n` rows by GALAXY, each chosen with the labels of those before.

    Zhang, Katz-Samuels & Nowak, "GALAXY: Graph-based Active Learning at the Extreme", ICML 2022. For each pick a class
    is drawn. On its line, samples with a label are of the class or not; of the runs of samples without one that lie
    between two of opposite kind, the shortest is halved. Where there is none, but two of opposite kind are neighbors,
    the sample nearest to such a cut follows; where there is no such pair, one at random.

    Differs from the public code: that goes on beside cuts only where a sample of the class follows after one that is
    not, against the order of the line, and else at random; here any cut counts. Its sweep over all samples for every
    pick is one over those with labels.

    Args:
        logits: (m, C), float16/32/64, finite, C >= 2, NumPy or CuPy, of candidates and of samples with labels.
        labels: integers (m,), on the host or the device: a class, -1 for none of the classes, -2 for a candidate.
        n: how many rows, from 1 to the number of candidates.
        ask: gives the labels of some rows, (k,) -> (k,), as `labels` has them; -2: nobody can say it, and the row is
            left out from then on. Not called for the last picks.
        rng: draws the classes.
        n_parallel: picks whose labels are asked for together; each is made as if those before were on neither side.

    Returns:
        int64 rows of shape (n,), all different, in the order of picking, on the host.

    Raises:
        InputError: see class_order; labels that are none of these, n out of range.
    """
    lines, n, n_parallel = checked(logits, labels, n, n_parallel, rng)
    picks: list[int] = []
    while len(picks) < n:
        batch = []
        for _ in range(min(n_parallel, n - len(picks))):
            row = _next(lines, int(rng.integers(lines.n_lines)), rng)
            batch.append(row)
            lines.leave_out([row])
        picks += batch
        if len(picks) < n:
            lines.tell(np.array(batch), ask)
    return np.array(picks, np.int64)


class Lines:
    """The lines of all classes, as far as they are asked for, and what is known of the samples on them."""

    def __init__(self, logits: Any, doubt: Any, labels: np.ndarray, rng: np.random.Generator) -> None:
        self._logits, self._doubt, self._ranks = logits, doubt, tie_ranks(len(logits), rng)
        self.labels = labels.copy()
        self.free = labels == UNKNOWN  # those that may be picked
        self.n_lines = logits.shape[1] if logits.shape[1] > 2 else 1  # of two classes, one line is the other's reverse
        self._line = functools.lru_cache(maxsize=64)(self._made)

    def leave_out(self, rows: Any) -> None:
        """Neither picked again, nor of any side before they are told."""
        self.free[rows] = False

    def tell(self, rows: np.ndarray, ask: Ask) -> None:
        """Asks for the labels of rows."""
        self.labels[rows] = ask(rows)
        self.leave_out(rows)

    def line(self, k: int) -> np.ndarray:
        """The rows on the line of class k, the surest first."""
        return self._line(k)[0]

    def known(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places on line k of the samples with labels, ascending, and whether each is of class k."""
        rows = np.flatnonzero(self.labels != UNKNOWN)
        places = self._line(k)[1][rows]
        order = np.argsort(places)
        return places[order].astype(np.int64), self.labels[rows[order]] == k

    def _made(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        order = _order_of(self._logits, self._doubt, k, self._ranks)
        places = np.empty(len(order), np.int32)
        places[order] = np.arange(len(order), dtype=np.int32)
        return order.astype(np.int32), places


def _next(lines: Lines, k: int, rng: np.random.Generator) -> int:
    """The row that GALAXY asks for on line k."""
    line, (places, of_class) = lines.line(k), lines.known(k)
    gaps, opposite = np.diff(places) - 1, of_class[1:] != of_class[:-1]
    for gap in np.flatnonzero(opposite & (gaps > 0))[np.argsort(gaps[opposite & (gaps > 0)], kind="stable")]:
        run = np.arange(places[gap] + 1, places[gap + 1])
        free = run[lines.free[line[run]]]
        if len(free):
            return int(line[free[(len(free) - 1) // 2]])
    beside = _beside_cuts(lines, line, places[:-1][opposite])
    return int(rng.choice(np.flatnonzero(lines.free))) if beside is None else beside


def _beside_cuts(lines: Lines, line: np.ndarray, cuts: np.ndarray) -> int | None:
    """The free row nearest to a cut, which lies behind a place; of equally near ones the one before it."""
    free = np.flatnonzero(lines.free[line])
    if not len(cuts) or not len(free):
        return None
    after = np.searchsorted(free, cuts, side="right")
    found = [(cut - free[at - 1], 0, free[at - 1]) for cut, at in zip(cuts, after, strict=True) if at > 0]
    found += [(free[at] - cut - 1, 1, free[at]) for cut, at in zip(cuts, after, strict=True) if at < len(free)]
    return int(line[min(found)[2]])


def checked(logits: Any, labels: Any, n: int, n_parallel: int, rng: np.random.Generator) -> tuple[Lines, int, int]:
    """The lines of what `galaxy` and `direct` are given, with n and n_parallel. Raises InputError."""
    doubt = confidence_log_odds(logits)
    lines = Lines(array_module(logits).asarray(logits), doubt, _checked_labels(labels, len(logits)), rng)
    n = check.whole_number("n", n, most=int(np.count_nonzero(lines.labels == UNKNOWN)))
    return lines, n, check.whole_number("n_parallel", n_parallel)


def _checked_labels(labels: Any, m: int) -> np.ndarray:
    """Host int64 (m,) of classes, NONE and UNKNOWN, some of which are candidates. Raises InputError."""
    found = to_numpy(labels)
    if found.shape != (m,) or found.dtype.kind not in "iu":
        raise InputError(
            f"labels: expected integers of shape ({m},), received {found.dtype.name} {found.shape}. "
            "Give every row its class, -1 for none of the classes, or -2 where it is a candidate."
        )
    if found.min() < UNKNOWN or not np.any(found == UNKNOWN):
        raise InputError(
            f"labels: expected classes, -1 and -2, with -2 for at least one candidate, received {found.min()} to "
            f"{found.max()}. Give candidates -2."
        )
    return found.astype(np.int64)


def _class_order(logits: Any, doubt: Any, k: int, rng: np.random.Generator | None) -> np.ndarray:
    return _order_of(logits, doubt, k, tie_ranks(len(logits), rng))


def _order_of(logits: Any, doubt: Any, k: int, ranks: np.ndarray) -> np.ndarray:
    """Rows by what class k lacks to the largest probability, then by confidence, then by rank."""
    xp = array_module(logits)
    largest = 1 / (1 + xp.exp(doubt))
    below = logits[:, k].astype(np.float64) - logits.max(axis=1).astype(np.float64)
    lack = -largest * xp.expm1(xp.maximum(below, -1e3))
    return np.lexsort((ranks, to_numpy(doubt), to_numpy(lack)))
