"""Uncertainty sampling: the n candidates of which the classifier is least sure.

Source: Settles, Active Learning Literature Survey, 2009, section 3.1. Samples are ranked by logarithms and log-odds of
the scores, which keep their order at any gap of float32 logits; equal ones are taken at random. `Picks.scores` are the
scores as they are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.uncertainty import log_complement
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy, best_picks


class _Uncertainty(Strategy):
    """The n candidates of highest `doubt(logits)`, of which `meaning` makes the score."""

    doubt: ClassVar[Any]
    meaning: ClassVar[Any]

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        doubt = type(self).doubt
        doubts = view.map("classifier", ["logits"], lambda out: doubt(out["logits"]), view.candidates)
        return best_picks(view, doubts, n, rng, type(self).meaning)


def _from_log_odds(log_odds: np.ndarray) -> np.ndarray:
    """s of log((1 - s) / s)."""
    return np.exp(log_complement(-log_odds))


@dataclass(frozen=True)
class Entropy(_Uncertainty):
    """Largest entropy of the predicted class distribution."""

    doubt = staticmethod(kernels.log_entropy)
    meaning = staticmethod(np.exp)


@dataclass(frozen=True)
class Margin(_Uncertainty):
    """Smallest difference between the two largest class probabilities."""

    doubt = staticmethod(kernels.margin_log_odds)
    meaning = staticmethod(_from_log_odds)


@dataclass(frozen=True)
class LeastConfidence(_Uncertainty):
    """Smallest probability of the predicted class."""

    doubt = staticmethod(kernels.confidence_log_odds)
    meaning = staticmethod(_from_log_odds)


@dataclass(frozen=True)
class MaxLogit(_Uncertainty):
    """Smallest largest logit: what the public code of MQ-Net computes under the name CONF, without a softmax."""

    doubt = staticmethod(lambda logits: -kernels.max_logit(logits))
    meaning = staticmethod(np.negative)
