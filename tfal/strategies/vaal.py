"""VAAL: the samples that a discriminator takes for labeled ones the least.

Source: Sinha et al., Variational Adversarial Active Learning, ICCV 2019. The autoencoder and its adversary are a
learner of their own, beside the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.kernels.xp import to_numpy
from tfal.strategies.base import Picks, Strategy
from tfal.view import PoolView


@dataclass(frozen=True)
class VAAL(Strategy):
    """Smallest probability of being labeled."""

    learners = ("vaal",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        scores = to_numpy(view.read("vaal", ["labeled_probability"], view.candidates)["labeled_probability"])
        rows = kernels.top_n(-scores, n)
        return Picks(view.candidates[rows], scores[rows])
