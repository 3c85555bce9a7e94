"""CCAL: how distinctive and how semantically near candidates are to labeled samples, and picks in turn of the classes.

Source: Du et al., "Contrastive Coding for Active Learning under Class Distribution Mismatch", ICCV 2021, in the form
that the public code of MQ-Net (Park et al., NeurIPS 2022) compares itself with.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.euclidean import rounding
from tfal.kernels.parts.pairwise import unit_rows
from tfal.kernels.parts.tiles import float32_rows, tiles, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.purity import checked_pair, largest_cosines, some_labeled
from tfal.kernels.top import top_n


def distinctive_scores(candidates: Any, labeled: Any, labels: Any, n_classes: int) -> Any:
    """How little every candidate resembles the labeled samples of each class: LARGER is more distinctive.

    For a candidate u and a class i, at every rotation r: v0 >= v1 are the two largest cosines of u at r to samples of
    class i at r, and a, b these samples (of equal cosines, the lower row). The raw score is the mean over r of
    2 v0 - v1 + cos(a, b). It is min-max normalized over the candidates, class by class, and taken from 1.

    Differs from the public code: that loops over candidates, classes and rotations, and needs two samples of every
    class; here a class may have one, which is a as well as b, or none.

    Args:
        candidates: shape (n, R, d), float16/32/64, in memory or memory-mapped, computed in float32: one row of the
            coder for each of R rotations. NumPy or CuPy.
        labeled: shape (m, R, d), m >= 1.
        labels: integers of shape (m,), from 0 to n_classes - 1, on the host or the device.
        n_classes: number of classes, C.

    Returns:
        float64 of shape (n, C), in [0, 1], in the array module of the inputs. The column of a class without labeled
        samples is NaN. Where all candidates score alike but for rounding, the column is 1. A row of zeros has cosine 0.
        Beyond inputs and result, memory holds a float32 copy of `labeled` and tiles.

    Raises:
        InputError: no labeled rows, shapes that disagree, integer arrays of features, values not finite or above
            1e15, labels that are no integers or out of range, n_classes below 1.

    Example:
        >>> import numpy as np
        >>> labeled = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]])
        >>> distinctive_scores(np.array([[[1.0, 0.5]], [[-1.0, 0.0]]]), labeled, np.array([0, 0, 0]), 2).tolist()
        [[0.0, nan], [1.0, nan]]
    """
    xp = array_module(candidates, labeled)
    candidates = check.float_rows(xp, "candidates", candidates, ("n", "R", "d"))
    some_labeled(xp, labeled)
    labeled = check.float_rows(xp, "labeled", labeled, ("m", *candidates.shape[1:]))
    n_classes = check.whole_number("n_classes", n_classes)
    labels = check.numbers(
        "labels", labels, len(labeled), n_classes, "Leave out rejected samples, and number the known classes from 0."
    )
    scores = _raw_scores(candidates, labeled, labels, n_classes)
    for column in np.unique(labels).tolist():
        scores[:, column] = 1 - _min_max(scores[:, column], 2 * rounding(candidates.shape[2]))
    return scores


def semantic_scores(candidates: Any, labeled: Any, *, k: float = 100.0, t: float = 0.9) -> Any:
    """How surely every candidate is of a known class: LARGER is surer, and most are near -1 or 1.

    tanh(k (m - t) / 2), where m is the largest cosine to a labeled row, min-max normalized over the candidates: the
    sigmoid (1 - e) / (1 + e) with e = exp(-k (m - t)), without its overflow.

    Args:
        candidates: shape (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        labeled: shape (m, d), m >= 1, of all known classes together.
        k: steepness, above 0.
        t: the normalized cosine that scores 0.

    Returns:
        float64 of shape (n,), in [-1, 1], in the array module of the inputs. Where all largest cosines are alike
        but for rounding, m is 0 for all. A row of zeros has cosine 0.

    Raises:
        InputError: no labeled rows, shapes that disagree, integer arrays, values not finite or above 1e15, k or t
            that are no finite numbers, k not above 0.

    Example:
        >>> import numpy as np
        >>> labeled = np.array([[1.0, 0.0]])
        >>> semantic_scores(np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), labeled, t=0.7).round(2).tolist()
        [-1.0, 0.34, 1.0]
    """
    candidates, labeled = checked_pair(candidates, labeled)
    k, t = _real("k", k), _real("t", t)
    if k <= 0:
        raise InputError(f"k: expected a steepness above 0, received {k:g}. The paper takes 100.")
    return _steep(_min_max(largest_cosines(candidates, labeled), rounding(candidates.shape[1])), k, t)


def round_robin(scores: Any, n: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """Rows picked by the classes in turn: each takes its best row that is still free, again and again.

    Differs from the public code, where every class in order takes ceil(n / C) rows: that over-selects when n is no
    multiple of C, and leaves the last classes with fewer. Here the numbers of rows differ by at most one.

    Args:
        scores: shape (m, C), any real dtype, NumPy or CuPy. LARGER is better. Infinite scores are ranked. A column of
            NaN is a class that takes no part; any other NaN is refused.
        n: how many rows, from 1 to m.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, in the order in which they were picked, on the host.

    Raises:
        InputError: wrong shape or dtype, no column to pick for, NaN inside a column, or n out of range.

    Example:
        >>> import numpy as np
        >>> round_robin(np.array([[0.9, 0.8], [0.8, 0.1], [0.1, 0.7]]), 3).tolist()
        [0, 2, 1]
    """
    scores = array_module(scores).asarray(scores)
    if scores.ndim != 2 or scores.dtype.kind not in "fiu" or scores.size == 0:
        raise InputError(
            f"scores: expected real numbers of shape (m, C), received {scores.dtype.name} {scores.shape}. "
            "Give every candidate one row, and every class one column."
        )
    n = check.whole_number("n", n, most=len(scores))
    return _round_robin(scores[:, _used_columns(scores)], n, rng)


def _raw_scores(candidates: Any, labeled: Any, labels: np.ndarray, n_classes: int) -> Any:
    """The mean over rotations of 2 v0 - v1 + cos(a, b), float64 (n, C); NaN for classes without samples."""
    xp, (n, rotations, d) = array_module(candidates), candidates.shape
    classes = {i: _unit_rotations(labeled, np.flatnonzero(labels == i)) for i in np.unique(labels).tolist()}
    found = xp.full((n, n_classes), np.nan)

    def work(tile: slice) -> None:
        rows = _unit_rotations(candidates, tile)
        for i, samples in classes.items():
            found[tile, i] = sum(_nearest_two(rows[r], samples[r]) for r in range(rotations)) / rotations

    largest = max(samples.shape[1] for samples in classes.values())
    with workers(xp) as each:
        each(work, tiles(xp, n, 4 * (2 * rotations * d + largest + 2 * d)))
    return found


def _unit_rotations(rows: Any, where: Any) -> Any:
    """float32 (R, rows, d) of some of the (n, R, d), each row scaled to length 1, or still 0."""
    xp, (_, rotations, d) = array_module(rows), rows.shape
    where = where if isinstance(where, slice) else xp.asarray(where)
    unit = unit_rows(float32_rows(rows, where).reshape(-1, d)).reshape(-1, rotations, d)
    return xp.ascontiguousarray(unit.transpose(1, 0, 2))


def _nearest_two(rows: Any, samples: Any) -> Any:
    """2 v0 - v1 + cos(a, b) of every row for the samples of one class, all of length 1, float64."""
    xp = array_module(rows)
    cosines = xp.clip(rows @ samples.T, -1, 1)
    every, first = xp.arange(len(rows)), cosines.argmax(axis=1)
    v0 = cosines[every, first].astype(np.float64)
    if len(samples) == 1:
        return v0 + 1  # v1 is v0, and cos(a, a) is 1
    cosines[every, first] = -2  # below all cosines
    second = cosines.argmax(axis=1)
    between = xp.einsum("ij,ij->i", samples[first], samples[second], dtype=np.float64)
    return 2 * v0 - cosines[every, second] + between


def _min_max(values: Any, slack: float) -> Any:
    """float64 values, their smallest at 0 and their largest at 1; all 0 when they differ by no more than rounding."""
    xp = array_module(values)
    values = values.astype(np.float64)
    least, most = values.min(), values.max()
    return (values - least) / (most - least) if float(most - least) > slack else xp.zeros_like(values)


def _steep(m: Any, k: float, t: float) -> Any:
    return array_module(m).tanh(k * (m - t) / 2)


def _round_robin(scores: Any, n: int, rng: np.random.Generator | None) -> np.ndarray:
    # A class passes over at most the n - 1 rows of the others, so its n best are all that it can need.
    queues = [iter(top_n(scores[:, column], n, rng=rng).tolist()) for column in range(scores.shape[1])]
    taken: dict[int, None] = {}
    while True:
        for queue in queues:
            taken[next(row for row in queue if row not in taken)] = None
            if len(taken) == n:
                return np.array(list(taken), np.int64)


def _used_columns(scores: Any) -> list[int]:
    """Columns without NaN; refused when there is none, or when one has NaN beside numbers."""
    nans = to_numpy((scores != scores).sum(axis=0))
    partly = np.flatnonzero((nans > 0) & (nans < len(scores)))
    if len(partly):
        raise InputError(
            f"scores: expected numbers, or NaN all down a column, received {nans[partly[0]]} NaN of {len(scores)} in "
            f"column {partly[0]}. Look for a diverged network or a division by zero."
        )
    if np.all(nans):
        raise InputError(
            f"scores: expected a column of numbers for at least one class, received NaN in all {scores.shape[1]}. "
            "Label some samples of the known classes first."
        )
    return np.flatnonzero(nans == 0).tolist()


def _real(name: str, value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.integer, np.floating))
        or not math.isfinite(value)
    ):
        raise InputError(f"{name}: expected a finite number, received {value!r}. Leave it out for that of the paper.")
    return float(value)
