"""EAOA: candidates of known classes by two energies, and of these the ones that the classifier doubts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.neat import checked_classes
from tfal.kernels.neighbors import nearest_neighbors
from tfal.kernels.parts import check
from tfal.kernels.parts.mixture import log_odds_of_upper, two_normals
from tfal.kernels.parts.tiles import fill, threads
from tfal.kernels.parts.xp import array_module, log_sum_exp, to_numpy
from tfal.kernels.top import tie_ranks
from tfal.kernels.uncertainty import confidence_log_odds, log_complement


def energy_uncertainty(logits: Any) -> Any:
    """How little a detector with an output for unknown classes knows a sample: SMALLER is surer of a known class.

    -log sum_k exp(l_k) over the K known classes + log(1 + exp(l_K+1)), the epistemic uncertainty of Zong et al.,
    "Rethinking Epistemic and Aleatoric Uncertainty for Active Open-Set Annotation", CVPR 2025. Their log(1 + exp)
    overflows from 89 on; here it does not.

    Args:
        logits: (n, K + 1), float16/32/64, magnitudes up to 1e15, NumPy or CuPy; the last column is that of unknown
            classes.

    Returns:
        float64 (n,), in the array module of the logits.

    Raises:
        InputError: wrong shape or dtype, fewer than two columns, NaN or infinite logits.

    Example:
        >>> import numpy as np
        >>> energy_uncertainty(np.array([[8.0, 1, 0], [2, 2, 0], [1, 0, 5]])).round(4).tolist()
        [-7.3078, -2.0, 3.6935]
    """
    xp = array_module(logits)
    logits = check.float_rows(xp, "logits", logits, ("n", "K + 1"))
    check.two_classes("logits", logits)

    def energy(tile: slice) -> Any:
        some = logits[tile].astype(np.float64)
        return xp.logaddexp(0, some[:, -1]) - log_sum_exp(some[:, :-1], axis=1)

    with threads(xp) as each:
        return fill(xp, len(logits), 32 * logits.shape[1], each, energy)


def reverse_neighbor_votes(features: Any, bought: Any, labels: Any, n_classes: int, *, k: int = 250) -> Any:
    """How many bought samples of each class have a candidate among their k nearest ones, for classes of equal size.

    Each bought sample votes for the k candidates of the largest cosine. The votes of a class are divided by its size,
    in units of the mean size of the known classes that have a sample, as the paper of energy_uncertainty has it; its
    code does not divide.

    Args:
        features: (n, d), float16/32/64, in memory or memory-mapped, computed in float32, NumPy or CuPy.
        bought: (m, d), m >= 1.
        labels: integers (m,), a class from 0 to n_classes - 1, or -1 for a rejected sample.
        n_classes: K, at least 1.
        k: at least 1; all candidates where these are fewer.

    Returns:
        float32 (n, K + 1), the last column that of rejected samples, in the array module of the features.

    Raises:
        InputError: no bought rows, shapes that disagree, integer features, values not finite or above 1e15, labels that
            are none of these, k or n_classes below 1.

    Example:
        >>> import numpy as np
        >>> bought, labels = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), np.array([0, 0, 1])
        >>> reverse_neighbor_votes(np.array([[1.0, 0.2], [0.2, 1.0]]), bought, labels, 2, k=1).round(2).tolist()
        [[1.5, 0.0, 0.0], [0.0, 1.5, 0.0]]
    """
    xp = array_module(features, bought)
    features = check.float_rows(xp, "features", features, ("n", "d"))
    bought = check.float_rows(xp, "bought", bought, ("m", features.shape[1]))
    n_classes = check.whole_number("n_classes", n_classes)
    labels = checked_classes(labels, len(bought), n_classes)
    k = min(check.whole_number("k", k), len(features))
    rows = nearest_neighbors(bought, features, k, metric="cosine").rows
    sizes = np.bincount(labels[labels >= 0], minlength=n_classes)
    mean = sizes[sizes > 0].mean() if sizes.any() else 1.0
    votes = xp.zeros((len(features), n_classes + 1), np.float32)
    for label in np.unique(labels).tolist():
        of_class = labels == label
        count = xp.bincount(rows[xp.asarray(np.flatnonzero(of_class))].ravel(), minlength=len(features))
        votes[:, label] = count * (mean / np.count_nonzero(of_class))  # -1 is the last column
    return votes


def eaoa(
    detector: Any, votes: Any, logits: Any, n: int, *, factor: int = 5, rng: np.random.Generator | None = None
) -> np.ndarray:
    """`n` rows by EAOA: for each predicted class those surest of a known class, and of them the most uncertain ones.

    Zong et al., CVPR 2025, see energy_uncertainty. Three quantities are scaled to [0, 1] over all candidates and parted
    by two normal distributions each: energy_uncertainty of the detector and of the votes, and log(1 - largest
    probability) of the classifier. A candidate is clean by the product of its two probabilities to belong to the lower
    one, and informative by that to belong to the upper one. Each class that the classifier predicts keeps its
    factor * ceil(n / C) cleanest, of which the classes in turn give their most informative one, ceil(n / C) at most.

    Differs from the public code, which fails where fewer than factor * ceil(n / C) are predicted of a class: here the
    cleanest of all others make up for it. It gives ceil(n / C) of each class and drops some at random; here the classes
    take turns. Its mixtures are drawn; here they start from the best cut, and are compared by log-odds.

    Args:
        detector: (m, K + 1), float16/32/64, finite, NumPy or CuPy, the last column that of unknown classes.
        votes: (m, K + 1), see reverse_neighbor_votes.
        logits: (m, C), finite, C >= 2, of the classifier.
        n: how many rows, from 1 to m.
        factor: at least 1.
        rng: breaks ties, see tfal.kernels.top.tie_order; without it they go to the lower row.

    Returns:
        int64 rows of shape (n,), all different, on the host.

    Raises:
        InputError: wrong shapes or dtypes, NaN or infinite values, n out of range, factor below 1.
    """
    energies = energy_uncertainty(detector), energy_uncertainty(votes)
    doubt = log_complement(confidence_log_odds(logits))
    if not len(doubt) == len(energies[0]) == len(energies[1]):
        raise InputError(
            f"detector, votes, logits: expected as many rows each, received {len(detector)}, {len(votes)} and "
            f"{len(logits)}. Give every candidate one."
        )
    n, factor = check.whole_number("n", n, most=len(doubt)), check.whole_number("factor", factor)
    clean = to_numpy(sum(_log_share_of_lower(energy) for energy in energies))
    informative, predicted = to_numpy(_log_odds(doubt)), to_numpy(logits.argmax(axis=1))
    return _in_turn(clean, informative, predicted, n, factor, tie_ranks(len(clean), rng), logits.shape[1])


def _in_turn(
    clean: np.ndarray,
    informative: np.ndarray,
    predicted: np.ndarray,
    n: int,
    factor: int,
    ranks: np.ndarray,
    n_classes: int,
) -> np.ndarray:
    each = -(-n // n_classes)
    turns, rows = list[np.ndarray](), list[np.ndarray]()
    for label in range(n_classes):
        own = np.flatnonzero(predicted == label)
        own = own[np.lexsort((ranks[own], -clean[own]))][: factor * each]
        own = own[np.lexsort((ranks[own], -informative[own]))][:each]
        rows.append(own)
        turns.append(np.arange(len(own)))
    found, turn = np.concatenate(rows), np.concatenate(turns)
    found = found[np.argsort(turn, kind="stable")][:n]
    others = np.setdiff1d(np.arange(len(clean)), found)
    others = others[np.lexsort((ranks[others], -clean[others]))]
    picks: np.ndarray = np.concatenate([found, others])[:n].astype(np.int64)
    return picks


def _log_odds(values: Any) -> Any:
    """Log-odds that scaled values belong to the upper of two normal distributions; 0 where nothing parts them."""
    xp = array_module(values)
    least, most = values.min(), values.max()
    if not bool(most > least):
        return xp.zeros(len(values))
    scaled = (values - least) / (most - least)
    mixture = two_normals(scaled)
    return xp.zeros(len(values)) if mixture is None else log_odds_of_upper(scaled, mixture)


def _log_share_of_lower(values: Any) -> Any:
    return -array_module(values).logaddexp(0, _log_odds(values))
