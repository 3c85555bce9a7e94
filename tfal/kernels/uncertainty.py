"""Uncertainty of single samples from their logits: entropy, margin, least confidence, largest logit.

Softmax outputs are never read: everything comes from the logits, in float64 and relative to the largest logit, so that
huge logits give finite scores. A margin or a confidence near 1 has no digits left to tell samples apart. What they are
ranked by are `log_entropy`, `margin_log_odds` and `confidence_log_odds`, which keep the order at any gap of logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import fill, threads
from tfal.kernels.parts.xp import array_module

_LEAST_GAP = -(2.0**1000)  # a logit that far below the largest; sums of such gaps stay finite


def entropy(logits: Any) -> Any:
    """Entropy of the softmax in nats: LARGER is more uncertain.

    Args:
        logits: shape (n, C), float16/32/64, C >= 2, finite, NumPy or CuPy.

    Returns:
        float64 of shape (n,), in [0, log C], in the array module of the input.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> entropy(np.array([[0.0, 0.0], [9.0, 0.0]])).round(4).tolist()
        [0.6931, 0.0012]
    """
    return array_module(logits).exp(log_entropy(logits))


def log_entropy(logits: Any) -> Any:
    """Logarithm of `entropy`: LARGER is more uncertain, and confident samples keep their order at any gap of logits.

    Args:
        logits: see entropy.

    Returns:
        float64 of shape (n,), at most log(log C), in the array module of the input.

    Raises:
        InputError: see entropy.

    Example:
        >>> import numpy as np
        >>> log_entropy(np.array([[1000.0, 0.0], [999.0, 0.0]])).round(2).tolist()
        [-993.09, -992.09]
    """
    return _scores(logits, log_entropy_of)


def margin(logits: Any) -> Any:
    """Largest minus second largest softmax probability: SMALLER is more uncertain.

    Args:
        logits: shape (n, C), float16/32/64, C >= 2, finite, NumPy or CuPy.

    Returns:
        float64 of shape (n,), in [0, 1], in the array module of the input.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> margin(np.array([[1.0, 1.0], [9.0, 0.0]])).round(4).tolist()
        [0.0, 0.9998]
    """
    return _scores(logits, _margin)


def margin_log_odds(logits: Any) -> Any:
    """log((1 - margin) / margin): LARGER is more uncertain, and all samples keep their order at any gap of logits.

    Args:
        logits: see margin.

    Returns:
        float64 of shape (n,), infinite where the margin is 0, in the array module of the input. The margin is
        1 / (1 + exp(log-odds)), and log(1 - margin) is -log(1 + exp(-log-odds)).

    Raises:
        InputError: see margin.

    Example:
        >>> import numpy as np
        >>> margin_log_odds(np.array([[1000.0, 0.0], [999.0, 0.0], [3.0, 3.0]])).round(2).tolist()
        [-999.31, -998.31, inf]
    """
    return _scores(logits, _margin_log_odds)


def least_confidence(logits: Any) -> Any:
    """Largest softmax probability: SMALLER is more uncertain.

    Args:
        logits: shape (n, C), float16/32/64, C >= 2, finite, NumPy or CuPy.

    Returns:
        float64 of shape (n,), in [1/C, 1], in the array module of the input.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits.

    Differs from some published code, which ranks by the largest raw logit: `max_logit`.

    Example:
        >>> import numpy as np
        >>> least_confidence(np.array([[1.0, 1.0], [9.0, 0.0]])).round(4).tolist()
        [0.5, 0.9999]
    """
    return 1 / (1 + array_module(logits).exp(confidence_log_odds(logits)))


def confidence_log_odds(logits: Any) -> Any:
    """log((1 - p) / p) of the largest probability p: LARGER is more uncertain; the order is kept at any gap of logits.

    Args:
        logits: see least_confidence.

    Returns:
        float64 of shape (n,), at most log(C - 1), in the array module of the input. p is 1 / (1 + exp(log-odds)).

    Raises:
        InputError: see least_confidence.

    Example:
        >>> import numpy as np
        >>> confidence_log_odds(np.array([[1000.0, 0.0], [999.0, 0.0], [3.0, 3.0]])).tolist()
        [-1000.0, -999.0, 0.0]
    """
    return _scores(logits, _confidence_log_odds)


def log_complement(log_odds: Any) -> Any:
    """log(1 - s) of scores s whose log((1 - s) / s) are given, such as margin_log_odds; any shape, float64."""
    return -array_module(log_odds).logaddexp(0, -log_odds)


def max_logit(logits: Any) -> Any:
    """Largest raw logit: SMALLER is more uncertain.

    What the public code of MQ-Net (Park et al., NeurIPS 2022) ranks by under the name CONF. The name least confidence
    means the largest probability in papers; the order of samples is another one, and adding a number to all logits of
    a sample changes it.

    Args:
        logits: shape (n, C), float16/32/64, C >= 2, finite, NumPy or CuPy.

    Returns:
        float64 of shape (n,), in the array module of the input.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> max_logit(np.array([[1.0, 1.0], [9.0, 0.0]])).tolist()
        [1.0, 9.0]
    """
    xp = array_module(logits)
    return checked_logits(xp, logits).max(axis=1)


def log_softmax(xp: Any, logits: Any) -> Any:
    """Log softmax of float64 logits (n, C), finite where its exp is 0, so that 0 * log 0 is 0."""
    z = _below_largest(xp, logits)
    return z - xp.log(xp.exp(z).sum(axis=1, keepdims=True))


def log_entropy_of(xp: Any, logits: Any) -> Any:
    """`log_entropy` of float64 logits that are checked.

    With q = 1 - p of the largest probability p, and r = q / p, the entropy is q times log(1 + r) / r, which comes from
    p log p, plus the mean of -log p_k over the other classes. None of these loses digits.
    """
    gaps, second, sums, others = _others(xp, logits)
    log_r = second + xp.log(sums)
    r = xp.exp(log_r)
    loss = xp.log1p(r)  # -log p of the largest
    own = xp.where(r > 0, loss / xp.where(r > 0, r, 1), 1)
    return log_r - loss + xp.log(own + loss - (others * gaps).sum(axis=1) / sums)


def checked_logits(xp: Any, logits: Any) -> Any:
    """Finite float64 logits (n, C) of any magnitude, C >= 2."""
    return _checked_rows(xp, logits).astype(np.float64, copy=False)


def _checked_rows(xp: Any, logits: Any) -> Any:
    logits = check.float_rows(xp, "logits", logits, ("n", "C"), limit=np.finfo(np.float64).max)
    check.two_classes("logits", logits)
    return logits


class _Others(NamedTuple):
    """Logits relative to the largest of their row, and the classes beside that one."""

    gaps: Any  # (n, C), 0 and below
    second: Any  # (n,): the second largest gap
    sums: Any  # (n,): of exp(gap - second) over all classes but the largest, at least 1
    terms: Any  # (n, C): these, and 0 for the largest


def _others(xp: Any, logits: Any) -> _Others:
    gaps = _below_largest(xp, logits)
    every, top = xp.arange(len(gaps)), gaps.argmax(axis=1)
    gaps[every, top] = -np.inf
    second = gaps.max(axis=1)
    terms = xp.exp(gaps - second[:, None])
    gaps[every, top] = 0
    return _Others(gaps, second, terms.sum(axis=1), terms)


def _below_largest(xp: Any, logits: Any) -> Any:
    # Halved first: the difference of two huge logits of opposite sign stays finite.
    half = logits / 2 - logits.max(axis=1, keepdims=True) / 2
    return xp.maximum(half, _LEAST_GAP) * 2


def _margin(xp: Any, logits: Any) -> Any:
    others = _others(xp, logits)
    return (0 - xp.expm1(others.second)) / (1 + xp.exp(others.second) * others.sums)


def _margin_log_odds(xp: Any, logits: Any) -> Any:
    others = _others(xp, logits)
    apart = others.second < 0
    odds = others.second + xp.log1p(others.sums) - xp.log(xp.where(apart, -xp.expm1(others.second), 1))
    return xp.where(apart, odds, np.inf)


def _confidence_log_odds(xp: Any, logits: Any) -> Any:
    others = _others(xp, logits)
    return others.second + xp.log(others.sums)


def _scores(logits: Any, score: Callable[[Any, Any], Any]) -> Any:
    """float64 (n,), tile by tile from `score(xp, float64 logits)`."""
    xp = array_module(logits)
    logits = _checked_rows(xp, logits)
    with threads(xp) as each:
        n, n_classes = logits.shape
        return fill(xp, n, 32 * n_classes, each, lambda tile: score(xp, logits[tile].astype(np.float64)))
