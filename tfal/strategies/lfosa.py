"""LfOSA: samples whose largest logit, of a detector with an output for unknown classes, is that of known ones.

Source: Ning et al., Active Learning for Open-set Annotation, CVPR 2022; see tfal.kernels.lfosa_scores for the rule and
tfal.learners.detector for the training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.detectors import n_known


@dataclass(frozen=True)
class LfOSA(Strategy):
    """Surest of a known class, by a mixture of two normal distributions for each predicted class.

    Paper: Ning et al., Active Learning for Open-set Annotation, CVPR 2022.
    Formula: `s = P(upper | v)`, largest first: v the largest logit of the detector, upper the normal distribution of
        the larger mean of two that fit v over all candidates predicted to be of one known class. Those that are
        predicted to be unknown come last.
    Cost: a second network is trained in each round, 100 epochs on labeled and rejected samples; the rest is a sort.
    Use: in open sets where most of the pool is unknown and labels are to be of known classes. It looks for purity
        alone: what it picks is what the detector knows best, so that others learn more from as many known samples.
    """

    learners = ("detector",)
    open_sets = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        logits = view.read("detector", ["logits"], view.candidates)["logits"]
        n_known(view, "detector", logits)
        return Picks(view.candidates[kernels.lfosa(logits, n, rng=rng)])
