"""DropQuery: rows whose prediction changes when features are dropped, one of each cluster of them.

Source: Gupte et al., "Revisiting Active Learning in the Era of Vision Foundation Models", TMLR 2024. Differences from
public code:
- One row of each cluster, the nearest of its members. That code takes the row nearest to each center, which can be the
  same one for two centers.
- Predictions come from the head alone, so other layers of dropout and batch normalisation play no part. What is
  dropped is drawn for blocks of rows from streams of their own: results do not depend on tiles or threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import float32_rows, slices, workers
from tfal.kernels.parts.xp import array_module
from tfal.kernels.representatives import one_of_each

_BLOCK = 1024  # rows that share a random stream


def dropout_flips(
    features: Any, kernel: Any, bias: Any, *, n_pass: int = 3, rate: float = 0.75, rng: np.random.Generator
) -> Any:
    """In how many passes with dropout on the features the head predicts another class than without.

    Args:
        features: inputs of the last layer, shape (m, d), float16/32/64, NumPy (memory-mapped too) or CuPy, read as
            float32 in tiles.
        kernel: weights of the last layer, shape (d, C), C >= 2.
        bias: shape (C,).
        n_pass: passes, at least 1.
        rate: the probability with which a feature is set to 0, above 0 and below 1; the others are divided by
            1 - rate.
        rng: one integer is drawn from it.

    Returns:
        int64 of shape (m,), from 0 to n_pass, in the array module of the inputs.

    Raises:
        InputError: shapes that disagree, integer arrays, values not finite or above 1e15, n_pass or rate out of range.

    Example:
        >>> import numpy as np
        >>> features, kernel = np.array([[1.0, 0.9], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])
        >>> dropout_flips(features, kernel, np.array([0.0, -0.5]), n_pass=50, rng=np.random.default_rng(0)).tolist()
        [0, 0]
    """
    xp = array_module(features, kernel, bias)
    features = check.float_rows(xp, "features", features, ("m", "d"))
    kernel = check.float_array(xp, "kernel", kernel, (features.shape[1], "C"))
    check.two_classes("kernel", kernel)
    bias = check.float_array(xp, "bias", bias, (kernel.shape[1],))
    n_pass = check.whole_number("n_pass", n_pass)
    if not (isinstance(rate, (float, np.floating)) and 0 < rate < 1):
        raise InputError(f"rate: expected a number above 0 and below 1, received {rate!r}. The published one is 0.75.")
    root = int(check.generator(rng).integers(2**63))
    return _dropout_flips(features, kernel, bias, n_pass, float(rate), root)


def _dropout_flips(features: Any, kernel: Any, bias: Any, n_pass: int, rate: float, root: int) -> Any:
    xp, (m, d) = array_module(features), features.shape
    flips = xp.zeros(m, np.int64)

    def work(tile: slice) -> None:
        rows, stream = float32_rows(features, tile), np.random.default_rng([root, tile.start])
        kept = (stream.random((len(rows), d), dtype=np.float32) >= rate for _ in range(n_pass))
        flips[tile] = _flips(rows, kernel, bias, map(xp.asarray, kept), rate)

    with workers(xp) as each:
        each(work, slices(m, _BLOCK))
    return flips


def _flips(rows: Any, kernel: Any, bias: Any, kept: Any, rate: float) -> Any:
    """kept: of every pass, which features of each row are kept, bool (m, d)."""
    clean = (rows @ kernel + bias).argmax(axis=1)
    scaled = kernel / np.float32(1 - rate)
    return sum(((rows * some) @ scaled + bias).argmax(axis=1) != clean for some in kept)


def dropquery(
    flips: Any,
    features: Any,
    n: int,
    *,
    n_pass: int,
    factor: int = 25,
    rng: np.random.Generator,
    n_iter: int = 20,
    n_init: int = 1,
) -> np.ndarray:
    """Pick `n` rows: one of each of n clusters of those whose prediction changes in most passes.

    Those that change in more than half of the passes count. While these are fewer than factor * n, one change less
    suffices, down to one. When fewer than n rows change at all, these are taken, and others at random.

    Args:
        flips: integers (m,), of dropout_flips.
        features: shape (m, d), see kmeans_directions: clusters are those of rows scaled to length 1.
        n: how many rows, from 1 to m.
        n_pass: how many passes there were.
        factor: at least 1.
        rng: where first centers and random rows come from, and what breaks ties.
        n_iter, n_init: see tfal.kernels.kmeans.

    Returns:
        Unique int64 rows of shape (n,), on the host.

    Raises:
        InputError: shapes that disagree, values not finite or above 1e15, flips beyond n_pass, n or factor out of
            range.

    Example:
        >>> import numpy as np
        >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> dropquery(np.array([0, 2, 0, 3]), features, 2, n_pass=3, rng=np.random.default_rng(0)).tolist()
        [3, 1]
    """
    features = check.float_rows(array_module(features), "features", features, ("m", "d"))
    n = check.whole_number("n", n, most=len(features))
    n_pass, factor = check.whole_number("n_pass", n_pass), check.whole_number("factor", factor)
    flips = check.numbers("flips", flips, len(features), n_pass + 1, "Give the n_pass that they were counted in.")
    rows = contested(flips, n_pass, factor * n)
    return one_of_each(features, rows, n, rng, n_iter=n_iter, n_init=n_init)


def contested(flips: np.ndarray, n_pass: int, enough: int) -> np.ndarray:
    """Rows that change in more than so many passes that there are enough, at most half, int64."""
    most = n_pass // 2
    while most and np.count_nonzero(flips > most) < enough:
        most -= 1
    return np.flatnonzero(flips > most)
