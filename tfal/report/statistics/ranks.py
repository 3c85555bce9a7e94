"""Ranks of strategies over data sets: Friedman, Iman-Davenport, Nemenyi's critical difference, Wilcoxon-Holm cliques.

Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006. A unit is a setting (data set,
network, budget), with the mean of its repetitions: repetitions are no units of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfal.errors import InputError
from tfal.report.statistics import ALPHA, LEAST_UNITS
from tfal.report.statistics.penalty import holm


class Ranks(NamedTuple):
    """names: K strategies. mean: (K,) mean ranks over N units, 1 is best, ties share the mean of theirs.

    chi2, p_friedman: with SciPy's correction for ties. f, p_iman_davenport: from the chi2 without it, as published.
    critical_difference: Nemenyi's at .05. p_wilcoxon: (K, K) of pairs, adjusted by Holm; NaN on the diagonal. cliques:
    largest groups, as places in `names` by mean rank, of which no pair differs by that.
    """

    names: tuple[str, ...]
    n_units: int
    mean: np.ndarray
    chi2: float
    p_friedman: float
    f: float
    p_iman_davenport: float
    critical_difference: float
    p_wilcoxon: np.ndarray
    cliques: tuple[tuple[int, ...], ...]


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """(K,) mean over N units of the rank in each of them, 1 for the highest; values: (N, K)."""
    from scipy.stats import rankdata

    found: np.ndarray = rankdata(-np.asarray(values, float), axis=1).mean(axis=0)
    return found


def friedman_chi2(mean: np.ndarray, n_units: int) -> float:
    """Friedman's statistic of mean ranks (K,) without a correction for ties: Demsar's equation 6."""
    k = len(mean)
    return float(12 * n_units / (k * (k + 1)) * (np.sum(mean**2) - k * (k + 1) ** 2 / 4))


def critical_difference(k: int, n_units: int) -> float:
    """Nemenyi's difference of mean ranks of k strategies over n_units that is significant at .05."""
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - ALPHA, k, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * n_units)))


def wilcoxon_p(values: np.ndarray) -> np.ndarray:
    """(K, K) two-sided p of Wilcoxon signed-rank tests of all pairs, zeros as Pratt; NaN on the diagonal; (N, K)."""
    from scipy.stats import wilcoxon

    k = np.shape(values)[1]
    found = np.full((k, k), np.nan)
    for i, j in zip(*np.triu_indices(k, 1), strict=True):
        differences = values[:, i] - values[:, j]
        same = not np.any(differences)
        found[i, j] = found[j, i] = 1.0 if same else wilcoxon(differences, zero_method="pratt").pvalue
    return found


def ranks(units: Sequence[Mapping[str, float]]) -> Ranks:
    """Ranks of strategies, and which of them differ.

    Args:
        units: of each setting, the mean result of every strategy over its repetitions; higher is better.

    Raises:
        InputError: fewer than 6 units, with which no pair could differ significantly; fewer than 3 strategies; a unit
            that lacks one.
    """
    names = tuple(units[0]) if units else ()
    if len(units) < LEAST_UNITS:
        raise InputError(
            f"ranks need at least {LEAST_UNITS} data sets or settings: with fewer, no pair can differ significantly. "
            f"Received: {len(units)}."
        )
    if len(names) < 3:
        raise InputError(
            f"ranks are of at least 3 strategies. Received: {len(names)}. Compare two by their differences."
        )
    lacking = sorted({name for unit in units for name in set(unit) ^ set(names)})
    if lacking:
        raise InputError(f"every setting needs the same strategies. Received: {', '.join(lacking)} in some only.")
    values = np.array([[unit[name] for name in names] for unit in units], float)
    return _ranks(names, values)


def _ranks(names: tuple[str, ...], values: np.ndarray) -> Ranks:
    from scipy.stats import f as f_distribution
    from scipy.stats import friedmanchisquare

    (n, k), mean = values.shape, mean_ranks(values)
    plain = friedman_chi2(mean, n)
    f = (n - 1) * plain / (n * (k - 1) - plain) if plain < n * (k - 1) else float("inf")
    all_tied = np.allclose(mean, mean[0]) and not np.ptp(values, axis=1).any()
    tested = (0.0, 1.0) if all_tied else friedmanchisquare(*values.T)
    p = wilcoxon_p(values)
    upper = np.triu_indices(k, 1)
    p[upper] = holm(p[upper])
    p.T[upper] = p[upper]
    return Ranks(
        names,
        n,
        mean,
        float(tested[0]),
        float(tested[1]),
        float(f),
        float(f_distribution.sf(f, k - 1, (k - 1) * (n - 1))),
        critical_difference(k, n),
        p,
        cliques(mean, p),
    )


def cliques(mean: np.ndarray, p: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Largest runs of strategies, by mean rank, of which no pair has a p below .05; those of one are left out.

    Args:
        mean: (K,) mean ranks.
        p: (K, K) adjusted p-values.
    """
    order = np.argsort(mean, kind="stable")
    found: list[tuple[int, ...]] = []
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and not np.any(p[np.ix_(order[start:end], order[end : end + 1])] < ALPHA):
            end += 1
        group = tuple(int(place) for place in order[start:end])
        if len(group) > 1 and not any(set(group) <= set(other) for other in found):
            found.append(group)
    return tuple(found)
