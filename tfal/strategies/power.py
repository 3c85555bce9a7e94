"""Uncertain candidates drawn at random, the uncertain ones more often: a batch that does not repeat itself.

Source: Kirsch et al., Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning, TMLR 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.kernels.uncertainty import log_complement
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy, warn_if_alike


class _Power(Strategy):
    """n candidates drawn one by one with probabilities proportional to exp(log_score(logits)) ** beta."""

    log_score: ClassVar[Any]
    beta: float
    splits = "scores"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return self.choose(view, self.row_scores(view), n, rng)

    def row_scores(self, view: PoolView) -> Any:
        score = type(self).log_score
        return view.map("classifier", ["logits"], lambda out: score(out["logits"]), view.candidates)

    def choose(self, view: PoolView, scores: Any, n: int, rng: np.random.Generator) -> Picks:
        scores = to_numpy(scores)
        warn_if_alike(scores, n)
        relative = np.exp(scores - scores.max())  # what is drawn by: no pool is too confident for that
        rows = kernels.power_top_n(relative, n, beta=self.beta, rng=rng)
        return Picks(view.candidates[rows], np.exp(scores[rows]))


@dataclass(frozen=True)
class PowerMargin(_Power):
    """By 1 - margin.

    Paper: Kirsch et al., Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning, TMLR 2023.
    Formula: candidates drawn without replacement with probabilities proportional to `s**beta`, s = 1 - (p_1 - p_2) of
        the two largest class probabilities.
    Cost: one pass over the candidates, then O(m C) for m of them and C classes.
    Use: in place of margin for large batches from a pool with near copies, when badge is too slow. beta 0 is random
        sampling, a large one margin.
    """

    beta: float = option(1.0, "power of the scores that candidates are drawn by", least=0, source="power paper")

    log_score = staticmethod(lambda logits: log_complement(kernels.margin_log_odds(logits)))


@dataclass(frozen=True)
class PowerEntropy(_Power):
    """By entropy.

    Paper: Kirsch et al., Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning, TMLR 2023.
    Formula: candidates drawn without replacement with probabilities proportional to `s**beta`, s = `-sum_c p_c log
        p_c`.
    Cost: one pass over the candidates, then O(m C) for m of them and C classes.
    Use: in place of entropy for large batches from a pool with near copies. beta 0 is random sampling, a large one
        entropy.
    """

    beta: float = shared(PowerMargin, "beta")

    log_score = staticmethod(kernels.log_entropy)
