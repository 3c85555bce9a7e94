"""Dolan-More performance profiles: in which share of all cases a strategy is how far from the best.

The gap profile is that of LDM-S (ICLR 2024): distance in accuracy. The ratio profile is Dolan and More's own
(Mathematical Programming 2002): error over the smallest error. Cases are (setting, repetition, checkpoint); each
setting weighs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfal.report.statistics import LEVEL
from tfal.report.statistics.cases import stacked

_SLACK = 1e-12  # of comparisons of floats that ought to be equal

Distance = Callable[[np.ndarray], np.ndarray]


class Profile(NamedTuple):
    """at: (P,) thresholds. share: (K, P) by strategy of `names`. low, high: (K, P), ends of the bootstrap band."""

    names: tuple[str, ...]
    at: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def gaps(values: np.ndarray) -> np.ndarray:
    """Distance to the best accuracy of the same case: (K, ...) of accuracies (K, ...)."""
    found: np.ndarray = values.max(axis=0) - values
    return found


def ratios(values: np.ndarray) -> np.ndarray:
    """Error over the smallest error of the same case, at least 1; beside a smallest error of 0: 1 for 0, else inf."""
    errors = 1 - values
    least = errors.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = errors / least
    return np.where(np.isnan(found), 1.0, found)


def profile(
    settings: Sequence[Mapping[str, np.ndarray]],
    at: Sequence[float] | np.ndarray,
    distance: Distance = gaps,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Profile:
    """The share of cases within each threshold, and a band from repetitions drawn anew.

    Args:
        settings: the accuracies (R, T) of every strategy in each setting. Leave out the initial labels, at which all
            are equal.
        at: thresholds: of gaps from 0 on, of ratios from 1 on.
        distance: `gaps` or `ratios`.
        resamples: how often the repetitions of each setting are drawn with replacement; 0: no band (NaN).
        seed: of these draws.

    Raises:
        InputError: as `stacked`; where a strategy lacks a setting, a repetition or a checkpoint.
    """
    names, every = stacked(settings)
    limits = np.asarray(at, float) + _SLACK
    # (K, R, P) of each setting: the share of checkpoints of a repetition within each threshold
    shares = [(distance(values)[..., None] <= limits).mean(axis=2) for values in every]
    whole = np.mean([each.mean(axis=1) for each in shares], axis=0)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.full((2, *whole.shape), np.nan)
    if resamples:
        low, high = np.quantile(_resampled(shares, resamples, seed), tails, axis=0)
    return Profile(names, np.asarray(at, float), whole, low, high)


def _resampled(shares: Sequence[np.ndarray], resamples: int, seed: int) -> np.ndarray:
    """(resamples, K, P) means over settings of the shares (K, R, P) of repetitions drawn with replacement."""
    rng = np.random.default_rng(seed)
    weights = [np.empty((resamples, each.shape[1])) for each in shares]
    for number in range(resamples):
        for each in weights:
            n = each.shape[1]
            each[number] = np.bincount(rng.integers(0, n, n), minlength=n) / n
    found: np.ndarray = np.mean(
        [np.tensordot(each, share, axes=(1, 1)) for each, share in zip(weights, shares, strict=True)], axis=0
    )
    return found
