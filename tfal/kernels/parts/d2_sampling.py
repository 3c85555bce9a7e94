"""Drawing rows one after the other, where the distance to the earlier ones decides the probability of the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.parts.min_distance import Nearest, Space
from tfal.kernels.parts.tiles import Each
from tfal.kernels.parts.xp import array_module, to_numpy


def draw_spread(
    space: Space, first: int, n: int, log_gamma: Any, order: Any, rng: np.random.Generator, each: Each
) -> np.ndarray:
    """`first` and n - 1 more rows: the next is x with a probability proportional to (gamma_x * D_x)**2.

    D is the distance to the nearest pick. Once it is 0 for every row, the rest is drawn by gamma alone.

    The law is that of one draw after the other, but many draws share one pass over the rows. Weights only shrink as
    picks come. So proposals are drawn from old weights, and the next pick is the first of them that a coin of
    probability new / old weight accepts; new weights are needed for the proposals only.

    Args:
        space: the m rows and their distance.
        first: the first pick.
        n: how many rows, at most m.
        log_gamma: float64 (m,), listed in `order`.
        order: int64 (m,), the rows in the order in which the inverse CDF adds them up.
        rng: where the uniform numbers come from, on the host.
        each: maps over tiles.

    Returns:
        Unique int64 rows of shape (n,), on the host.
    """
    picks = draw_apart(space, first, n, log_gamma, order, rng, each)
    if len(picks) < n:
        picks += _race(picks, log_gamma, order, rng)[: n - len(picks)]
    return np.array(picks, np.int64)


def draw_apart(
    space: Space, first: int, n: int, log_gamma: Any, order: Any, rng: np.random.Generator, each: Each
) -> list[int]:
    """`draw_spread` that ends, with fewer rows, once the distance is 0 for every row; the rows in pick order."""
    xp = array_module(log_gamma)
    nearest = Nearest(space, each)
    nearest.add([first])
    weights = None
    while missing := n - len(nearest.picks):
        if weights is None:
            nearest.refresh()
            squared = nearest.bound[order]
            if not squared.max() > 0:
                break
            weights = _weights(squared, log_gamma)
            cumulated = xp.cumsum(weights)
        places, coins = rng.random((2, _batch_size(missing)))
        proposals = order[draw_rows(weights, cumulated, xp.asarray(places))]
        taken = _accepted(coins * to_numpy(nearest.bound[proposals]), *nearest.look(proposals), missing)
        nearest.add(to_numpy(proposals)[taken].tolist())
        if _refresh_pays(nearest, missing, len(taken), len(proposals)):
            weights = None
    return nearest.picks


def _batch_size(missing: int) -> int:
    """How many proposals to draw while so many picks are missing."""
    return min(max(2 * missing, 16), 512)


def _refresh_pays(nearest: Nearest, missing: int, taken: int, drawn: int) -> bool:
    """Whether a refresh costs less than the looks to come, if the share of proposals taken stays as it is."""
    return missing * nearest.look_cost(drawn) > taken * nearest.refresh_cost()


def _accepted(thresholds: np.ndarray, distances: np.ndarray, pairs: np.ndarray, most: int) -> list[int]:
    """Which proposals, of up to `most`, have a new weight above the threshold, coin * old weight, at their turn.

    gamma cancels, so distances stand for weights. After a refresh they are the old weights: the first proposal passes.
    """
    taken: list[int] = []
    for i, threshold in enumerate(thresholds):
        if threshold < distances[i]:
            taken.append(i)
            if len(taken) == most:
                break
            distances = np.minimum(distances, pairs[:, i])
    return taken


def _weights(squared: Any, log_gamma: Any) -> Any:
    """(gamma * D)**2 of every row, the largest 1, and 0 for picks; by logarithms, because gamma can fall steeply."""
    xp = array_module(squared)
    log_weights = 2 * log_gamma + xp.log(xp.where(squared > 0, squared, 1))
    log_weights = xp.where(squared > 0, log_weights, -np.inf)
    return xp.exp(log_weights - log_weights.max())


def draw_rows(weights: Any, cumulated: Any, places: Any) -> Any:
    """Positions whose share of the `cumulated` weights contains a place in [0, 1): draws by the inverse CDF.

    The weights are float64 (m,), not negative, with a positive sum. side="right" passes over every position of
    weight 0, at place 0 too.
    """
    xp = array_module(weights)
    found = xp.searchsorted(cumulated, places * cumulated[-1], side="right").clip(0, len(weights) - 1)
    # A GPU adds in parallel: rounding may let the sum rise at a weight of 0, or end below its peak.
    return xp.where(weights[found] > 0, found, weights.argmax())


def _race(picks: list[int], log_gamma: Any, order: Any, rng: np.random.Generator) -> list[int]:
    """All rows that are no picks, in the order of draws without replacement by gamma.

    The largest of log gamma + Gumbel noise is a draw by gamma, the second largest the next one, and so on.
    """
    order = to_numpy(order)
    keys = to_numpy(log_gamma) + rng.gumbel(size=len(order))
    keys[np.isin(order, picks)] = -np.inf
    found: list[int] = order[keys.argsort()[::-1]][: len(order) - len(picks)].tolist()
    return found
