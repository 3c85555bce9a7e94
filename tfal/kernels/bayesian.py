"""Disagreement and uncertainty of single samples from several predictions: dropout passes, views or networks.

Sources: Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016; Houlsby et al., "Bayesian Active Learning
for Classification and Preference Learning", 2011, and Gal et al., "Deep Bayesian Active Learning with Image Data", ICML
2017 (BALD, variation ratios); Gao et al., "Consistency-Based Semi-Supervised Active Learning", ECCV 2020. Public code
takes logarithms of a softmax in float32, some without care of zeros, whose NaN then rank first. Here probabilities come
from the logits, in float64, and 0 log 0 is 0. Entropies are in nats; divided by log 2 they are bits. To rank
by, there are logarithms of the scores, which keep the order of samples that all passes are sure of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfal.kernels.parts import check
from tfal.kernels.parts.tiles import fill, threads
from tfal.kernels.parts.xp import array_module, log_sum_exp
from tfal.kernels.uncertainty import log_entropy_of, log_softmax

_ROUNDING = 1e-12  # what passes differ by, as a share of a probability: those that agree must not be ranked by less
_LEAST_WIDTH = 1e-300  # of a probability that is divided by


def mean_entropy(mc_logits: Any) -> Any:
    """Entropy of the mean of the predicted class distributions, in nats: LARGER is more uncertain.

    Args:
        mc_logits: shape (n, T, C), float16/32/64, C >= 2, finite: logits of T passes, views or networks. NumPy
            (memory-mapped too) or CuPy; read in tiles.

    Returns:
        float64 of shape (n,), in [0, log C], in the array module of the input.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> mean_entropy(np.log([[[0.9, 0.1], [0.1, 0.9]]])).round(4).tolist()
        [0.6931]
    """
    return array_module(mc_logits).exp(log_mean_entropy(mc_logits))


def log_mean_entropy(mc_logits: Any) -> Any:
    """Logarithm of `mean_entropy`: LARGER is more uncertain, and the order is kept at any gap of logits.

    Args:
        mc_logits: see mean_entropy.

    Returns:
        float64 of shape (n,), in the array module of the input.

    Raises:
        InputError: see mean_entropy.

    Example:
        >>> import numpy as np
        >>> log_mean_entropy(np.array([[[1000.0, 0.0]], [[999.0, 0.0]]])).round(2).tolist()
        [-993.09, -992.09]
    """
    return _scores(mc_logits, lambda xp, log_p: log_entropy_of(xp, _log_mean(xp, log_p)))


def bald(mc_logits: Any) -> Any:
    """Mutual information of a sample's class and the pass that predicts it, in nats: LARGER is more informative.

    The entropy of the mean distribution minus the mean of the entropies. What is below 1e-12 of the probability of all
    classes but the likeliest is rounding, and counts as 0.

    Args:
        mc_logits: see mean_entropy.

    Returns:
        float64 of shape (n,), in [0, log min(T, C)], in the array module of the input.

    Raises:
        InputError: see mean_entropy.

    Example:
        >>> import numpy as np
        >>> bald(np.log([[[0.9, 0.1], [0.1, 0.9]], [[0.9, 0.1], [0.9, 0.1]]])).round(4).tolist()
        [0.3681, 0.0]
    """
    return array_module(mc_logits).exp(log_bald(mc_logits))


def log_bald(mc_logits: Any) -> Any:
    """Logarithm of `bald`: LARGER is more informative, and the order is kept at any gap of logits.

    Args:
        mc_logits: see mean_entropy.

    Returns:
        float64 of shape (n,), -inf where the information is 0, in the array module of the input.

    Raises:
        InputError: see mean_entropy.

    Example:
        >>> import numpy as np
        >>> log_bald(np.array([[[1000.0, 0.0], [900.0, 0.0]], [[1000.0, 0.0], [1000.0, 0.0]]])).round(2).tolist()
        [-901.06, -inf]
    """
    return _scores(mc_logits, _log_bald)


def variation_ratio(mc_logits: Any) -> Any:
    """Share of the passes that do not vote for the class with the most votes: LARGER is more uncertain.

    Args:
        mc_logits: see mean_entropy. A pass votes for its largest logit, of equal ones for the lowest class.

    Returns:
        float64 of shape (n,), in [0, 1 - 1 / min(T, C)], in the array module of the input.

    Raises:
        InputError: see mean_entropy.

    Example:
        >>> import numpy as np
        >>> variation_ratio(np.eye(6)[[[2, 2, 5], [1, 1, 1]]]).round(4).tolist()
        [0.3333, 0.0]
    """
    return _scores(mc_logits, _variation_ratio)


def predictive_variance(mc_logits: Any) -> Any:
    """Variance of each class probability over the passes, summed over the classes: LARGER is less consistent.

    Args:
        mc_logits: see mean_entropy; here the passes are usually augmented views of a sample.

    Returns:
        float64 of shape (n,), the population variance, in [0, 1), in the array module of the input.

    Raises:
        InputError: see mean_entropy.

    Example:
        >>> import numpy as np
        >>> predictive_variance(np.log([[[0.7, 0.3], [0.5, 0.5]]])).round(4).tolist()
        [0.02]
    """
    return array_module(mc_logits).exp(log_predictive_variance(mc_logits))


def log_predictive_variance(mc_logits: Any) -> Any:
    """Logarithm of `predictive_variance`: LARGER is less consistent, and the order is kept at any gap of logits.

    Args:
        mc_logits: see mean_entropy.

    Returns:
        float64 of shape (n,), -inf where the variance is 0, in the array module of the input.

    Raises:
        InputError: see mean_entropy.

    Example:
        >>> import numpy as np
        >>> log_predictive_variance(np.array([[[1000.0, 0.0], [900.0, 0.0]]])).round(2).tolist()
        [-1800.69]
    """
    return _scores(mc_logits, _log_variance)


def checked_mc_logits(xp: Any, mc_logits: Any, name: str = "mc_logits") -> Any:
    """Finite logits (n, T, C), C >= 2, in the dtype that they have. name: what errors call them."""
    mc_logits = check.float_rows(xp, name, mc_logits, ("n", "T", "C"), limit=np.finfo(np.float64).max)
    check.two_classes(name, mc_logits[:, 0])
    return mc_logits


def log_probabilities(xp: Any, mc_logits: Any) -> Any:
    """Log softmax over the classes, float64 (n, T, C)."""
    rows = mc_logits.astype(np.float64).reshape(-1, mc_logits.shape[2])
    return log_softmax(xp, rows).reshape(mc_logits.shape)


def entropy_of(xp: Any, p: Any) -> Any:
    """Entropies in nats of float64 distributions along the last axis."""
    return -(p * xp.log(xp.maximum(p, np.finfo(np.float64).tiny))).sum(axis=-1)


def _scores(mc_logits: Any, score: Callable[[Any, Any], Any]) -> Any:
    xp = array_module(mc_logits)
    mc_logits = checked_mc_logits(xp, mc_logits)
    n, passes, n_classes = mc_logits.shape
    with threads(xp) as each:
        width = 32 * passes * n_classes
        return fill(xp, n, width, each, lambda tile: score(xp, log_probabilities(xp, mc_logits[tile])))


def _log_mean(xp: Any, log_p: Any) -> Any:
    """Logarithm of the mean over the passes, (n, C)."""
    return log_sum_exp(log_p, axis=1) - np.log(log_p.shape[1])


def _without(xp: Any, log_p: Any, top: Any) -> Any:
    """`log_p` (n, T, C) of all classes but one a sample, whose place is as good as empty."""
    others = log_p.copy()
    others[xp.arange(len(others)), :, top] = np.finfo(np.float64).min
    return others


def _log_bald(xp: Any, log_p: Any) -> Any:
    """The mean of p (log p - log m) over the passes, as a share of Q: m is the mean of p, and Q all but its largest.

    Summed class by class, so that no entropies are subtracted. log p of the likeliest class comes from the others.
    """
    log_m = _log_mean(xp, log_p)
    every, top = xp.arange(len(log_m)), log_m.argmax(axis=1)
    others = _without(xp, log_p, top)
    log_q = log_sum_exp(others, axis=2)  # (n, T): all but the likeliest class, in every pass
    log_mean_q = _log_mean(xp, log_q)
    weights = xp.exp(others - log_mean_q[:, None, None])
    information = (weights * (log_p - log_m[:, None])).sum(axis=2).mean(axis=1)
    own = -xp.logaddexp(0, log_q - log_p[every, :, top])  # log p of the likeliest class
    own_mean = -xp.logaddexp(0, log_mean_q - log_m[every, top])
    width = xp.exp(log_mean_q)
    seen = width > _LEAST_WIDTH  # below, both logarithms are -q, whose mean is that of -Q
    change = (xp.exp(own) * (own - own_mean[:, None])).mean(axis=1)
    information = information + xp.where(seen, change / xp.where(seen, width, 1), 0)
    found = information > _ROUNDING
    return xp.where(found, xp.log(xp.where(found, information, 1)) + log_mean_q, -np.inf)


def _log_variance(xp: Any, log_p: Any) -> Any:
    """The probability of the likeliest class varies as that of all others together; these are scaled to at most 1."""
    others = _without(xp, log_p, _log_mean(xp, log_p).argmax(axis=1))
    scale = others.max(axis=(1, 2))
    p = xp.exp(others - scale[:, None, None])
    variance = p.var(axis=1).sum(axis=1) + p.sum(axis=2).var(axis=1)
    found = variance > _ROUNDING**2
    return xp.where(found, xp.log(xp.where(found, variance, 1)) + 2 * scale, -np.inf)


def _variation_ratio(xp: Any, log_p: Any) -> Any:
    _, passes, n_classes = log_p.shape
    votes = log_p.argmax(axis=2)[:, :, None] == xp.arange(n_classes)
    return 1 - votes.sum(axis=1).max(axis=1) / passes
