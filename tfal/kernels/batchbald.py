"""BatchBALD: samples that are informative together, by the mutual information of all their classes and the pass.

Source: Kirsch et al., "BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning", NeurIPS
2019. Differences from public code:
- A configuration of classes of the picks is kept with the probability of each pass given it, not with products of
  probabilities: these never underflow, and a gain is a mean entropy over configurations, not a difference of two.
- Where configurations are too many, a few are kept by systematic resampling as each pick is added: every one stays
  with an expected weight of its probability. That code draws all anew, by a pass first.
- Gains of a row only shrink as picks come, so most rows need no look in a step.
- Ties go to the lowest row: give rows in the order in which they shall be taken. Gains within 1e-12 of the largest are
  ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.bayesian import checked_mc_logits, entropy_of, log_probabilities
from tfal.kernels.parts import check
from tfal.kernels.parts.d2_sampling import draw_rows
from tfal.kernels.parts.tiles import Each, slices, workers
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.similarity import largest_row

_TIES = 1e-12
_BLOCK = {"numpy": 32, "cupy": 1024}  # rows whose gains are looked at before the rest is known to be worse
_ELEMENTS = {"numpy": 1 << 17, "cupy": 1 << 26}  # of an array of probabilities


def batchbald(mc_logits: Any, n: int, *, rng: np.random.Generator, n_joint: int = 5000) -> np.ndarray:
    """Pick `n` rows one by one, each the one that adds most to the information of the picks' classes.

    That is the mutual information of the classes of all picks together and the pass that predicts them.

    Args:
        mc_logits: shape (m, T, C), float16/32/64, C >= 2, finite: logits of T passes, NumPy or CuPy. Probabilities are
            held in float64: memory beyond the input is 8 * m * T * C + 16 * n_joint * (T + C) bytes.
        n: how many rows, from 1 to m.
        rng: one uniform number is drawn for each pick beyond `n_joint` configurations; none before, where all is exact.
        n_joint: configurations of classes that are kept: those of all picks when there are no more.

    Returns:
        Unique int64 rows of shape (n,), in pick order, on the host. The first has the largest `bald`.

    Raises:
        InputError: wrong shape or dtype, fewer than two classes, NaN or infinite logits, n or n_joint out of range.

    Example:
        >>> import numpy as np
        >>> passes = np.log([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]), np.log([[0.7, 0.3], [0.7, 0.3], [0.1, 0.9]])
        >>> batchbald(np.stack([passes[0], passes[0], passes[1]]), 2, rng=np.random.default_rng(0)).tolist()
        [0, 2]
    """
    xp = array_module(mc_logits)
    mc_logits = checked_mc_logits(xp, mc_logits)
    n = check.whole_number("n", n, most=len(mc_logits))
    n_joint = check.whole_number("n_joint", n_joint)
    return _batchbald(log_probabilities(xp, mc_logits), n, check.generator(rng), n_joint)


def _batchbald(log_p: Any, n: int, rng: np.random.Generator, n_joint: int) -> np.ndarray:
    xp = array_module(log_p)
    p = xp.exp(log_p)
    joint = _Joint(p, -(p * log_p).sum(axis=2).mean(axis=1))
    gains = np.full(len(p), np.inf)
    picks: list[int] = []
    with workers(xp) as each:
        while True:
            gains[picks] = -np.inf
            _refresh(gains, joint, each)
            picks.append(largest_row(gains, _TIES))
            if len(picks) == n:
                return np.array(picks, np.int64)
            joint.add(picks[-1], rng, n_joint)


def _refresh(gains: np.ndarray, joint: _Joint, each: Each) -> None:
    """Bring gains up to date, in place, the largest first, until those left cannot reach the best."""
    best, order = -np.inf, (-gains).argsort(kind="stable")
    for block in slices(len(order), _BLOCK[joint.xp.__name__]):
        if gains[order[block.start]] < best - _TIES or gains[order[block.start]] == -np.inf:
            return
        rows = order[block][gains[order[block]] > -np.inf]
        gains[rows] = joint.gains(rows, each)
        best = max(best, gains[rows].max())


class _Joint:
    """Configurations of the classes of all picks: their weights (k,), and the passes given each, (k, T)."""

    def __init__(self, p: Any, mean_entropies: Any) -> None:
        self.xp = array_module(p)
        self.p, self.mean_entropies = p, mean_entropies  # (m, T, C), (m,)
        passes = p.shape[1]
        self.weights, self.given = self.xp.ones(1), self.xp.full((1, passes), 1 / passes)

    def gains(self, rows: np.ndarray, each: Each) -> np.ndarray:
        """Mutual information of each row's class and the pass, given the classes of the picks."""
        xp, (_, passes, n_classes) = self.xp, self.p.shape
        height = max(1, _ELEMENTS[xp.__name__] // (len(self.weights) * n_classes))

        def found(part: slice) -> np.ndarray:
            some = xp.asarray(rows[part])
            p = self.p[some].transpose(1, 0, 2).reshape(passes, -1)
            entropies = entropy_of(xp, (self.given @ p).reshape(len(self.given), -1, n_classes))
            return to_numpy(self.weights @ entropies - self.mean_entropies[some])

        return np.concatenate(each(found, slices(len(rows), height)))

    def add(self, pick: int, rng: np.random.Generator, most: int) -> None:
        """Split every configuration by the class of a pick; keep `most` of them."""
        xp, p = self.xp, self.p[pick]
        predicted = self.given @ p
        weights = (self.weights[:, None] * predicted).ravel()
        kept = xp.flatnonzero(weights > 0)
        self.weights = weights[kept]
        if len(kept) > most:
            places = xp.asarray((rng.random() + np.arange(most)) / most)
            times = xp.bincount(draw_rows(weights, xp.cumsum(weights), places), minlength=len(weights))
            kept = xp.flatnonzero(times)
            self.weights = times[kept] / most
        parent, of_class = kept // p.shape[1], kept % p.shape[1]
        self.given = self.given[parent] * p[:, of_class].T / predicted[parent, of_class][:, None]
