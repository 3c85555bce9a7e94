"""ALFA-Mix: rows whose prediction changes when a little of a labeled class is mixed into their features.

Source: Parvaneh et al., "Active Learning by Feature Mixing", CVPR 2022, with the closed form of the best mixture. For
features z and the mean z_c of the labeled rows of class c it is z + eps * |z_c - z| * g / |g|, where g is the gradient
of the loss at the predicted class: every class moves a row in one direction, and only the largest distance matters.
Differences from public code:
- For a linear head a row changes its class if eps times that distance is above the least t with which z + t g / |g|
  does: no mixture is ever made, and no loop goes over the classes. g comes from the C x C products of the head's
  columns.
- The division by z_c - z, elementwise, and the product with it cancel: nothing is 0 / 0 where a row is a mean.
- Only classes that are labeled have a mean, whatever their numbers are; that code takes them for 0, 1, ...
- g does not vanish where the softmax saturates: its direction comes from logits.
- Where fewer rows change than are to be picked, the others are drawn without replacement. One row of each cluster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.pairwise import reduce_distances
from tfal.kernels.parts.tiles import fill, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.representatives import one_of_each, positive

GROWTH = 0.03125  # by which the public code raises eps


def class_means(features: Any, labels: Any) -> Any:
    """The mean row of every class that there is.

    Args:
        features: shape (l, d), float16/32/64, NumPy or CuPy, of the labeled samples; l >= 1.
        labels: their classes, integers (l,) of at least 0, on the host.

    Returns:
        float32 (k, d), classes ascending, in the array module of the features.

    Raises:
        InputError: shapes that disagree, values not finite or above 1e15, negative labels.

    Example:
        >>> import numpy as np
        >>> class_means(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]]), np.array([7, 7, 2])).tolist()
        [[0.0, 5.0], [2.0, 0.0]]
    """
    xp = array_module(features)
    features = check.float_rows(xp, "features", features, ("l", "d"))
    labels = check.numbers("labels", labels, len(features), 2**31, "Leave out samples of no class.")
    means = [features[xp.asarray(labels == c)].mean(axis=0, dtype=np.float64) for c in np.unique(labels)]
    return xp.stack(means).astype(np.float32)


def mixing_thresholds(features: Any, kernel: Any, bias: Any, anchors: Any) -> Any:
    """The eps above which mixing with one of the anchors changes the class that a row is predicted to be.

    Args:
        features: inputs of the last layer, shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read in
            tiles. Time grows with m * (d * (C + k) + C**2).
        kernel: weights of the last layer, shape (d, C), C >= 2.
        bias: shape (C,).
        anchors: shape (k, d), k >= 1, of class_means.

    Returns:
        float64 of shape (m,), at least 0: eps as it stands before the distance, .2 / sqrt(d) of the paper. Infinite
        where no eps changes the class. SMALLER is more uncertain. In the array module of the inputs.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15.

    Example:
        >>> import numpy as np
        >>> features, kernel = np.array([[0.1, 0.0], [2.0, 0.0]]), np.array([[1.0, -1.0], [0.0, 0.0]])
        >>> mixing_thresholds(features, kernel, np.zeros(2), np.array([[-1.0, 0.0]])).round(4).tolist()
        [0.0909, 0.6667]
    """
    xp = array_module(features, kernel, bias, anchors)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    kernel = check.float_array(xp, "kernel", kernel, (features.shape[1], "C"), dtype=np.float64)
    check.two_classes("kernel", kernel)
    bias = check.float_array(xp, "bias", bias, (kernel.shape[1],), dtype=np.float64)
    anchors = check.float_array(xp, "anchors", anchors, ("k", features.shape[1]))
    steps = _least_steps(features, kernel, bias)
    away = reduce_distances(features, anchors, _farthest).astype(np.float64)
    return xp.where(away > 0, steps / xp.where(away > 0, away, 1), np.inf)


def _farthest(state: Any, tile: Any, start: int) -> Any:
    found = tile.max(axis=1)
    return found if state is None else array_module(found).maximum(state, found)


def _least_steps(features: Any, kernel: Any, bias: Any) -> Any:
    """The least t at which z + t g / |g| is of another class than z, float64 (m,); infinite where none is."""
    xp, (m, d) = array_module(features), features.shape
    centered = kernel - kernel.mean(axis=1, keepdims=True)  # p - e sums to 0: g is the same, with more digits
    products = centered.T @ centered

    def steps(tile: slice) -> Any:
        return _steps(xp, features[tile].astype(np.float64) @ kernel + bias, products)

    with workers(xp) as each:
        return fill(xp, m, 8 * (d + 6 * len(bias)), each, steps)


def _steps(xp: Any, logits: Any, products: Any) -> Any:
    """products: of the columns of the kernel, (C, C)."""
    every, top = xp.arange(len(logits)), logits.argmax(axis=1)
    gaps = logits[every, top][:, None] - logits
    gaps[every, top] = np.inf
    errors = xp.exp(gaps.min(axis=1, keepdims=True) - gaps)  # p - e, but for a factor
    errors /= errors.sum(axis=1, keepdims=True)
    errors[every, top], gaps[every, top] = -1, 0
    moved = errors @ products
    length = xp.sqrt(xp.maximum((errors * moved).sum(axis=1), 0))
    gains = moved - moved[every, top][:, None]  # of each class over the predicted one, a length of g
    reach = gaps * length[:, None] / xp.where(gains > 0, gains, 1)
    return xp.where((gains > 0) & (length[:, None] > 0), reach, np.inf).min(axis=1)


def alfamix(
    thresholds: Any,
    features: Any,
    n: int,
    *,
    eps: float | None = 0.2,
    rng: np.random.Generator,
    n_iter: int = 20,
    n_init: int = 1,
) -> np.ndarray:
    """Pick `n` rows: one of each of n clusters of those whose class mixing changes; then others at random.

    Args:
        thresholds: real numbers (m,), of mixing_thresholds.
        features: shape (m, d), see kmeans_directions: clusters are those of rows scaled to length 1.
        n: how many rows, from 1 to m.
        eps: the paper's, which is divided by sqrt(d); None: grown from 0.03125 in steps of that until more than n rows
            change, at most to 1, as in public code.
        rng: where first centers and random rows come from, and what breaks ties.
        n_iter, n_init: see tfal.kernels.kmeans.

    Returns:
        Unique int64 rows of shape (n,), on the host.

    Raises:
        InputError: shapes that disagree, values not finite or above 1e15, NaN or negative thresholds, n or eps out of
            range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> alfamix(np.array([0.2, 0.1, 0.3, 0.1]), features, 2, rng=np.random.default_rng(0)).tolist()
        [3, 1]
    """
    features = check.float_rows(array_module(features), "features", features, ("m", "d"))
    n = check.whole_number("n", n, most=len(features))
    thresholds = _checked_thresholds(thresholds, len(features))
    rows = changed(thresholds * math.sqrt(features.shape[1]), n, None if eps is None else positive("eps", eps))
    return one_of_each(features, rows, n, rng, n_iter=n_iter, n_init=n_init)


def changed(thresholds: np.ndarray, n: int, eps: float | None) -> np.ndarray:
    """Rows that eps changes, or the least grown eps that changes more than n, int64."""
    if eps is None:
        grown = GROWTH * np.arange(1, round(1 / GROWTH) + 1)
        last = np.partition(thresholds, n)[n] if n < len(thresholds) else np.inf
        eps = float(grown[min(np.searchsorted(grown, last, side="right"), len(grown) - 1)])
    return np.flatnonzero(thresholds < eps)


def _checked_thresholds(thresholds: Any, m: int) -> np.ndarray:
    found = to_numpy(thresholds)
    if found.shape != (m,) or found.dtype.kind != "f" or not (found >= 0).all():
        raise InputError(
            f"thresholds: expected floats of at least 0, shape ({m},), received {found.dtype.name} {found.shape}, "
            f"{np.count_nonzero(~(found >= 0))} of them NaN or negative. Give those of mixing_thresholds."
        )
    return found
