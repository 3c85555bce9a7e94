"""EPIG: what the label of a sample would tell of the classes of others, the targets.

Source: Bickford Smith et al., "Prediction-Oriented Bayesian Active Learning", AISTATS 2023. Differences from its public
code:
- The information is a sum of terms that are not negative, in float64: its code subtracts entropies in float32, whose
  difference is rounding where networks are sure. Passes that agree to 1e-12 of a probability count as equal.
- Blocks of samples and targets: no array grows with the number of candidates times targets.
"""

from __future__ import annotations

import math
from typing import Any

from tfal.errors import InputError
from tfal.kernels.bayesian import checked_mc_logits, log_probabilities
from tfal.kernels.parts.tiles import slices, workers
from tfal.kernels.parts.xp import array_module

_BLOCK_BYTES = {"numpy": 1 << 20, "cupy": 1 << 27}  # of the joint distributions of a block
_ROUNDING, _SMALL = 1e-12, 1e-6


def epig(mc_logits: Any, target_mc_logits: Any) -> Any:
    """Expected information of a sample's class on that of a target, mean over the targets, in nats: LARGER first.

    The joint distribution of the two classes is the mean over the passes of the product of what a pass says of each:
    pass k must be the same network, or the same masks, for samples and targets.

    Args:
        mc_logits: shape (n, T, C), float16/32/64, C >= 2, finite: logits of T passes. NumPy (memory-mapped too) or
            CuPy; read in tiles.
        target_mc_logits: shape (m, T, C): of the same passes, for inputs that are to be predicted well.

    Returns:
        float64 of shape (n,), in [0, log min(T, C)], in the array module of the inputs.

    Raises:
        InputError: shapes that disagree, wrong dtype, fewer than two classes, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> pool = np.log([[[0.9, 0.1], [0.1, 0.9]], [[0.5, 0.5], [0.5, 0.5]]])
        >>> epig(pool, np.log([[[0.8, 0.2], [0.2, 0.8]]])).round(4).tolist()
        [0.1201, 0.0]
    """
    xp = array_module(mc_logits, target_mc_logits)
    mc_logits = checked_mc_logits(xp, mc_logits)
    targets = checked_mc_logits(xp, target_mc_logits, "target_mc_logits")
    if targets.shape[1:] != mc_logits.shape[1:]:
        raise InputError(
            f"target_mc_logits: expected shape (m, {mc_logits.shape[1]}, {mc_logits.shape[2]}), received "
            f"{targets.shape}. Give logits of the same passes and classes."
        )
    return _epig(mc_logits, targets)


def _epig(mc_logits: Any, targets: Any) -> Any:
    xp = array_module(mc_logits)
    n, _, n_classes = mc_logits.shape
    found = xp.zeros(n)
    size = max(1, math.isqrt(_BLOCK_BYTES[xp.__name__] // (8 * n_classes**2)))
    blocks = [_moments(xp, targets[block]) for block in slices(len(targets), size)]

    def work(tile: slice) -> None:
        mean, moved = _moments(xp, mc_logits[tile])
        for target_mean, target_moved in blocks:
            found[tile] += _information(xp, mean, moved, target_mean, target_moved)

    with workers(xp) as each:
        each(work, slices(n, size))
    return found / len(targets)


def _moments(xp: Any, mc_logits: Any) -> tuple[Any, Any]:
    """Mean distribution (b, C) over the passes, and how far each pass is from it, (T, b * C)."""
    p = xp.exp(log_probabilities(xp, mc_logits))
    mean = p.mean(axis=1)
    moved = (p - mean[:, None]).transpose(1, 0, 2)
    return mean, moved.reshape(len(moved), -1)


def _information(xp: Any, mean: Any, moved: Any, target_mean: Any, target_moved: Any) -> Any:
    """Sum over the targets of a block, (b,).

    With independent classes p q, and a joint distribution p q (1 + r), it is the sum of p q ((1 + r) log(1 + r) - r),
    as the p q r sum to 0.
    """
    independent = mean.reshape(-1, 1) * target_mean.reshape(1, -1)
    r = moved.T @ target_moved
    r /= len(moved)
    known = independent > 0
    r = xp.where(known, r / xp.where(known, independent, 1), 0)
    size = xp.abs(r)
    r = xp.where(size < _ROUNDING, 0, xp.maximum(r, -1 + 2.0**-53))
    terms = xp.where(size < _SMALL, r * r / 2, (1 + r) * xp.log1p(r) - r)
    terms *= independent
    return terms.sum(axis=1).reshape(len(mean), -1).sum(axis=1)
