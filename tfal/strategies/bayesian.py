"""Uncertainty and disagreement over several predictions of a sample: dropout passes, augmented views, or networks.

Sources: Gal et al., Deep Bayesian Active Learning with Image Data, ICML 2017 (DBAL, BALD); Kirsch et al., BatchBALD,
NeurIPS 2019; Gao et al., Consistency-Based Semi-Supervised Active Learning, ECCV 2020; Beluch et al., The Power of
Ensembles for Active Learning in Image Classification, CVPR 2018. The passes, augmented views and networks are the
learner's; it takes their number from the same recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal import kernels
from tfal.kernels.parts.check import whole_number
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.top import tie_ranks
from tfal.pool.view import PoolView
from tfal.recipe.options import INITIAL_POOLS, option, shared
from tfal.strategies.base import Picks, Strategy, warn_if_alike
from tfal.strategies.top_scores import TopScore


@dataclass(frozen=True)
class DBAL(TopScore):
    """Largest entropy of the mean class distribution of `n_pass` passes with dropout."""

    n_pass: int = option(25, "passes with dropout", least=2, protocol=True, source=INITIAL_POOLS)

    output = "mc_logits"
    score = staticmethod(kernels.log_mean_entropy)
    meaning = staticmethod(np.exp)
    required_outputs = ("mc_logits",)


@dataclass(frozen=True)
class BALD(TopScore):
    """Largest mutual information of the class and which of `n_pass` passes with dropout it is."""

    n_pass: int = shared(DBAL, "n_pass")

    output = "mc_logits"
    score = staticmethod(kernels.log_bald)
    meaning = staticmethod(np.exp)
    required_outputs = ("mc_logits",)


@dataclass(frozen=True)
class Consistency(TopScore):
    """Largest variance of the class probabilities over `n_view` augmented views."""

    n_view: int = option(10, "augmented views of an image", least=2, protocol=True)

    output = "view_logits"
    score = staticmethod(kernels.log_predictive_variance)
    meaning = staticmethod(np.exp)
    required_outputs = ("view_logits",)


@dataclass(frozen=True)
class VariationRatio(TopScore):
    """Smallest share of an ensemble that votes for its most frequent class; of the many ties, random ones."""

    output = "member_logits"
    score = staticmethod(kernels.variation_ratio)

    learners = ("ensemble",)
    task_learner = "ensemble"


@dataclass(frozen=True)
class EnsembleEntropy(TopScore):
    """Largest entropy of the mean class distribution of an ensemble."""

    output = "member_logits"
    score = staticmethod(kernels.log_mean_entropy)
    meaning = staticmethod(np.exp)

    learners = ("ensemble",)
    task_learner = "ensemble"


@dataclass(frozen=True)
class BatchBALD(Strategy):
    """Largest mutual information of the classes of all picks together and the dropout pass; see
    tfal.kernels.batchbald."""

    n_candidate: int = option(
        1000, "picks are chosen among so many candidates of highest BALD, or among nQuery if that is more", least=1
    )
    n_pass: int = shared(DBAL, "n_pass")

    required_outputs = ("mc_logits",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        n_best = max(n, whole_number("n_candidate", self.n_candidate))
        best = _Best(n_best, tie_ranks(len(view.candidates), rng))
        warn_if_alike(view.map("classifier", ["mc_logits"], best.look, view.candidates), n)
        return Picks(view.candidates[best.rows[kernels.batchbald(best.logits, n, rng=rng)]])


class _Best:
    """The rows of highest BALD among those seen so far, highest first, so that the others need not be kept.

    ranks: (m,), of rows of equal BALD the lowest rank comes first.
    """

    def __init__(self, most: int, ranks: np.ndarray) -> None:
        self.most, self.ranks, self.seen = most, ranks, 0
        self.rows, self.scores, self.logits = np.zeros(0, np.int64), np.zeros(0), None

    def look(self, out: Mapping[str, Any]) -> np.ndarray:
        """Log scores of a chunk, whose rows follow those seen."""
        logits = out["mc_logits"]
        xp, scores = array_module(logits), to_numpy(kernels.log_bald(logits))
        rows = np.append(self.rows, self.seen + np.arange(len(scores)))
        every = np.append(self.scores, scores)
        kept = np.lexsort((self.ranks[rows], -every))[: self.most]
        logits = logits if self.logits is None else xp.concatenate([self.logits, logits])
        self.rows, self.scores, self.logits = rows[kept], every[kept], logits[xp.asarray(kept)]
        self.seen += len(scores)
        return scores
