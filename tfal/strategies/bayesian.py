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
    """DBAL: largest entropy of the mean class distribution of `n_pass` passes with dropout.

    Paper: Gal et al., Deep Bayesian Active Learning with Image Data, ICML 2017.
    Formula: `H(mean_t p_t)`, largest first: H the entropy, p_t the class distribution of pass t.
    Cost: n_pass passes with dropout over the candidates, of the part of the network from the first Dropout layer on;
        T C logits a candidate for T passes.
    Use: with a network that has dropout. Doubt of the data and of the network count alike; bald takes the second
        alone.
    """

    n_pass: int = option(25, "passes with dropout", least=2, protocol=True, source=INITIAL_POOLS)

    output = "mc_logits"
    score = staticmethod(kernels.log_mean_entropy)
    meaning = staticmethod(np.exp)
    required_outputs = ("mc_logits",)


@dataclass(frozen=True)
class BALD(TopScore):
    """BALD: largest mutual information of the class and which of `n_pass` passes with dropout it is.

    Paper: Houlsby et al., Bayesian Active Learning for Classification and Preference Learning, 2011; with dropout:
        Gal et al., Deep Bayesian Active Learning with Image Data, ICML 2017.
    Formula: `H(mean_t p_t) - mean_t H(p_t)`, largest first: H the entropy, p_t the class distribution of pass t.
    Cost: as dbal: n_pass passes with dropout over the candidates.
    Use: with a network that has dropout, where labels are noisy or classes overlap: it passes over samples that no
        label makes sure. Picks of a batch may be near copies; for small batches see batchbald.
    """

    n_pass: int = shared(DBAL, "n_pass")

    output = "mc_logits"
    score = staticmethod(kernels.log_bald)
    meaning = staticmethod(np.exp)
    required_outputs = ("mc_logits",)


@dataclass(frozen=True)
class Consistency(TopScore):
    """Largest variance of the class probabilities over `n_view` augmented views.

    Paper: Gao et al., Consistency-Based Semi-supervised Active Learning: Towards Minimizing Labeling Cost, ECCV 2020.
    Formula: `sum_c var_v p_c(view v)`, largest first: the variance of each class probability over the augmented
        views.
    Cost: n_view passes over augmented candidates.
    Use: with images whose augmentations leave the class as it is; published with a semi-supervised training, which
        makes predictions of views alike.
    """

    n_view: int = option(10, "augmented views of an image", least=2, protocol=True)

    output = "view_logits"
    score = staticmethod(kernels.log_predictive_variance)
    meaning = staticmethod(np.exp)
    required_outputs = ("view_logits",)


@dataclass(frozen=True)
class VariationRatio(TopScore):
    """Smallest share of an ensemble that votes for its most frequent class; of the many ties, random ones.

    Paper: Beluch et al., The Power of Ensembles for Active Learning in Image Classification, CVPR 2018.
    Formula: `1 - max_c votes_c / E`, largest first: votes of E networks for class c.
    Cost: n_member networks are trained in each round, and read once each.
    Use: where E trainings can be afforded, with E of ten or so: with few networks nearly all scores are equal, and
        picks random.
    """

    output = "member_logits"
    score = staticmethod(kernels.variation_ratio)

    learners = ("ensemble",)
    task_learner = "ensemble"


@dataclass(frozen=True)
class EnsembleEntropy(TopScore):
    """Largest entropy of the mean class distribution of an ensemble.

    Paper: Beluch et al., The Power of Ensembles for Active Learning in Image Classification, CVPR 2018.
    Formula: `H(mean_e p_e)`, largest first: H the entropy, p_e the class distribution of network e.
    Cost: n_member networks are trained in each round, and read once each.
    Use: where several trainings can be afforded: their mean is a better classifier, and surer of what it does not
        know than one.
    """

    output = "member_logits"
    score = staticmethod(kernels.log_mean_entropy)
    meaning = staticmethod(np.exp)

    learners = ("ensemble",)
    task_learner = "ensemble"


@dataclass(frozen=True)
class BatchBALD(Strategy):
    """BatchBALD: largest mutual information of the classes of all picks together and the dropout pass; see
    tfal.kernels.batchbald.

    Paper: Kirsch et al., BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning,
        NeurIPS 2019.
    Formula: the next pick adds most to `I(y_1, ..., y_k; t)`, the mutual information of the classes of all picks and
        the pass t.
    Cost: n_pass passes with dropout over the candidates; then each pick looks at n_candidate of them under up to
        5,000 joint configurations of classes. 8 n_candidate T C + 80,000 (T + C) bytes for T passes.
    Use: in place of bald for batches of up to some tens, from pools with near copies. Beyond, its estimate is coarse
        and badge is cheaper.
    """

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
