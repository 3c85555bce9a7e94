"""The penalty matrix: how often one strategy beats another significantly.

Ash et al., Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, ICLR 2020: at each checkpoint of
each setting, a paired two-sided t-test over the repetitions; a win adds 1 / number of checkpoints of the setting. LDM-S
(ICLR 2024) counts so, too. Differences from BADGE's public code: repetitions are paired by their number, not by the
order of files; differences that are all the same and not 0 are a win, where SciPy answers NaN; below 5 pairs nothing is
tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.report.statistics import ALPHA, LEAST_PAIRS
from tfal.report.statistics.cases import stacked


class Penalties(NamedTuple):
    """names: K strategies. wins: (K, K), entry [i, j] how often i beats j, at most the number of settings that were
    tested. n_settings: of them. insufficient: how many others have fewer than 5 pairs."""

    names: tuple[str, ...]
    wins: np.ndarray
    n_settings: int
    insufficient: int

    @property
    def beaten(self) -> np.ndarray:
        """(K,) mean of each column: how often a strategy is beaten by the others; lower is better."""
        return _mean_of_others(self.wins.T)

    @property
    def winning(self) -> np.ndarray:
        """(K,) mean of each row: how often a strategy beats the others; higher is better."""
        return _mean_of_others(self.wins)


def _mean_of_others(wins: np.ndarray) -> np.ndarray:
    found: np.ndarray = wins.sum(axis=1) / max(len(wins) - 1, 1)
    return found


def paired_p(differences: np.ndarray) -> np.ndarray:
    """Two-sided p of paired t-tests, one for each column of differences (R, T).

    Differences that are all 0 have p 1; differences that are all the same otherwise have p 0.
    """
    from scipy.stats import t

    found = np.asarray(differences, float)
    n, mean, spread = len(found), found.mean(axis=0), found.std(axis=0, ddof=1)
    flat = np.ptp(found, axis=0) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * t.sf(np.abs(mean) * np.sqrt(n) / spread, n - 1)
    return np.where(flat, np.where(mean == 0, 1.0, 0.0), p)


def holm(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number by Holm's method, in their shape. Raises InputError without statsmodels."""
    try:
        from statsmodels.stats.multitest import multipletests
    except ImportError:
        raise InputError("Holm's correction needs statsmodels. Install it: pip install statsmodels.") from None

    p = np.asarray(p, float)
    found: np.ndarray = multipletests(p.ravel(), method="holm")[1].reshape(p.shape)
    return found


def penalty_matrix(settings: Sequence[Mapping[str, np.ndarray]], *, corrected: bool = False) -> Penalties:
    """Who beats whom, over all settings.

    Args:
        settings: of each data set (and network, and so on), the accuracies (R, T) of every strategy; see `stacked`.
        corrected: by Holm's method over the K (K - 1) / 2 x T tests of a setting.

    Raises:
        InputError: as `stacked`.
    """
    names, every = stacked(settings)
    wins, tested = np.zeros((len(names), len(names))), 0
    for values in every:
        if values.shape[1] < LEAST_PAIRS:
            continue
        tested += 1
        wins += _wins(values, corrected)
    return Penalties(names, wins, tested, len(settings) - tested)


def _wins(values: np.ndarray, corrected: bool) -> np.ndarray:
    """(K, K) shares of the checkpoints at which one beats another; values: (K, R, T)."""
    first, second = np.triu_indices(len(values), 1)
    differences = values[first] - values[second]
    n_reps, n_steps = values.shape[1:]
    p = paired_p(differences.swapaxes(0, 1).reshape(n_reps, -1)).reshape(-1, n_steps)  # of all pairs at once
    beats = (holm(p) if corrected and p.size else p) < ALPHA
    higher = differences.mean(axis=1) > 0
    wins = np.zeros((len(values), len(values)))
    wins[first, second] = (beats & higher).mean(axis=1)
    wins[second, first] = (beats & ~higher).mean(axis=1)
    return wins
