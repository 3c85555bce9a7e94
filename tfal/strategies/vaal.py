"""VAAL: the samples that a discriminator takes for labeled ones the least.

Source: Sinha et al., Variational Adversarial Active Learning, ICCV 2019. The autoencoder and its adversary are a
learner of their own, beside the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal.kernels.uncertainty import log_complement
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy, best_picks


@dataclass(frozen=True)
class VAAL(Strategy):
    """Smallest probability of being labeled, ranked by its logit, which does not saturate."""

    learners = ("vaal",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        logits = view.read("vaal", ["labeled_logit"], view.candidates)["labeled_logit"].astype(np.float64)
        return best_picks(view, -logits, n, rng, lambda doubts: np.exp(log_complement(-doubts)))
