"""Uncertainty and disagreement over several predictions of a sample: dropout passes, augmented views, or networks.

Sources: Gal et al., Deep Bayesian Active Learning with Image Data, ICML 2017 (DBAL, BALD); Kirsch et al., BatchBALD,
NeurIPS 2019; Gao et al., Consistency-Based Semi-Supervised Active Learning, ECCV 2020; Beluch et al., The Power of
Ensembles for Active Learning in Image Classification, CVPR 2018. The passes, views and networks are the learner's; it
takes their number from the same recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.xp import array_module, to_numpy
from tfal.strategies.base import Picks, Strategy
from tfal.view import PoolView


class _Largest(Strategy):
    """The n candidates of highest `score(output)`."""

    score: ClassVar[Any]
    output: ClassVar[str] = "mc_logits"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        score, output = type(self).score, self.output
        scores = to_numpy(view.map(self.task, [output], lambda out: score(out[output]), view.candidates))
        rows = kernels.top_n(scores, n)
        return Picks(view.candidates[rows], scores[rows])


@dataclass(frozen=True)
class DBAL(_Largest):
    """Largest entropy of the mean class distribution of `n_pass` passes with dropout."""

    n_pass: int = 25

    score = staticmethod(kernels.mean_entropy)
    special = ("mc_logits",)


@dataclass(frozen=True)
class BALD(_Largest):
    """Largest mutual information of the class and which of `n_pass` passes with dropout it is."""

    n_pass: int = 25

    score = staticmethod(kernels.bald)
    special = ("mc_logits",)


@dataclass(frozen=True)
class Consistency(_Largest):
    """Largest variance of the class probabilities over `n_view` augmented views."""

    n_view: int = 10

    score = staticmethod(kernels.predictive_variance)
    output = "view_logits"
    special = ("view_logits",)


@dataclass(frozen=True)
class VariationRatio(_Largest):
    """Smallest share of an ensemble that votes for its most frequent class."""

    score = staticmethod(kernels.variation_ratio)
    output = "member_logits"

    learners = ("ensemble",)
    task = "ensemble"


@dataclass(frozen=True)
class EnsembleEntropy(_Largest):
    """Largest entropy of the mean class distribution of an ensemble."""

    score = staticmethod(kernels.mean_entropy)
    output = "member_logits"

    learners = ("ensemble",)
    task = "ensemble"


@dataclass(frozen=True)
class BatchBALD(Strategy):
    """Largest mutual information of the classes of all picks together and the dropout pass; see tfal.kernels.batchbald.

    n_candidate: the picks are chosen among so many candidates of highest BALD, or n if that is more.
    """

    n_candidate: int = 1000
    n_pass: int = 25

    special = ("mc_logits",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        best = _Best(max(n, self.n_candidate))
        view.map("classifier", ["mc_logits"], best.look, view.candidates)
        return Picks(view.candidates[best.rows[kernels.batchbald(best.logits, n, rng=rng)]])


class _Best:
    """The rows of highest BALD among those seen so far, highest first, so that the others need not be kept."""

    def __init__(self, most: int) -> None:
        self.most, self.seen = most, 0
        self.rows, self.scores, self.logits = np.zeros(0, np.int64), np.zeros(0), None

    def look(self, out: Mapping[str, Any]) -> np.ndarray:
        """Scores of a chunk, whose rows follow those seen."""
        logits = out["mc_logits"]
        xp, scores = array_module(logits), to_numpy(kernels.bald(logits))
        rows = np.append(self.rows, self.seen + np.arange(len(scores)))
        every = np.append(self.scores, scores)
        kept = kernels.top_n(every, min(self.most, len(every)))
        logits = logits if self.logits is None else xp.concatenate([self.logits, logits])
        self.rows, self.scores, self.logits = rows[kept], every[kept], logits[xp.asarray(kept)]
        self.seen += len(scores)
        return scores
