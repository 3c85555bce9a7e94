"""Noise stability: samples whose answers move most, and in different ways, when weights are a little off.

Source: Li et al., "Deep Active Learning with Noise Stability", AAAI 2024. Differences from its public code:
- Deviations are of probabilities in float64, and stored in float32.
- Equal candidates are told apart by chance, and no row is picked twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.bayesian import checked_mc_logits, log_probabilities
from tfal.kernels.k_center import k_center_greedy
from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import threads, tiles
from tfal.kernels.parts.xp import array_module
from tfal.kernels.uncertainty import log_softmax


def noise_deviations(logits: Any, noise_logits: Any) -> Any:
    """How far the class distributions of each sample move under noise, as a share of the length of its own.

    Row i is (p_ik - p_i) / ||p_i|| for all draws k, one after the other: p_i without noise, p_ik with that of draw k.

    Args:
        logits: shape (m, C), float16/32/64, C >= 2, finite: without noise.
        noise_logits: shape (m, K, C): of K draws of noise on the weights, the same for all samples. Both NumPy
            (memory-mapped too) or CuPy; read in tiles.

    Returns:
        float32 of shape (m, K * C), in the array module of the inputs.

    Raises:
        InputError: shapes that disagree, wrong dtype, fewer than two classes, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> calm, moved = np.log([[0.6, 0.4]]), np.log([[[0.62, 0.38], [0.57, 0.43]]])
        >>> noise_deviations(calm, moved).round(4).tolist()
        [[0.027699999511241913, -0.027699999511241913, -0.041600000113248825, 0.041600000113248825]]
    """
    xp = array_module(logits, noise_logits)
    noise_logits = checked_mc_logits(xp, noise_logits, "noise_logits")
    m, _, n_classes = noise_logits.shape
    logits = check.float_rows(xp, "logits", logits, (m, n_classes), limit=np.finfo(np.float64).max)
    return _noise_deviations(logits, noise_logits)


def _noise_deviations(logits: Any, noise_logits: Any) -> Any:
    xp = array_module(logits)
    m, draws, n_classes = noise_logits.shape
    found = xp.empty((m, draws * n_classes), np.float32)

    def work(tile: slice) -> None:
        p = xp.exp(log_softmax(xp, logits[tile].astype(np.float64)))[:, None]
        moved = xp.exp(log_probabilities(xp, noise_logits[tile])) - p
        moved /= xp.sqrt(xp.square(p).sum(axis=2, keepdims=True))
        found[tile] = moved.reshape(len(moved), -1)

    with threads(xp) as each:
        each(work, tiles(xp, m, 32 * draws * n_classes))
    return found


def noise_stability(deviations: Any, n: int, *, rng: np.random.Generator | None = None) -> np.ndarray:
    """Pick `n` rows one by one, each the farthest from the origin and from all picks before it.

    The origin is a sample that noise does not move; so the first pick is the one that is moved most.

    Args:
        deviations: shape (m, D), float16/32/64, as noise_deviations gives them, NumPy or CuPy; read in tiles.
        n: how many rows, from 1 to m.
        rng: breaks ties (tfal.kernels.top.tie_order); without it the lowest row wins.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host.

    Raises:
        InputError: wrong shape or dtype, values not finite or above 1e15, n out of range.

    Example:
        >>> import numpy as np
        >>> noise_stability(np.array([[0.2, 0.0], [0.0, 0.5], [0.1, 0.4]]), 2).tolist()
        [1, 0]
    """
    xp = array_module(deviations)
    deviations = check.float_rows(xp, "deviations", deviations, ("m", "D"))
    origin = xp.zeros((1, deviations.shape[1]), np.float32)
    return k_center_greedy(deviations, n, centers=origin, rng=rng)
