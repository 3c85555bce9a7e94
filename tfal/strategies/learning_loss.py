"""LL: samples whose loss is predicted to be large, by a module that is trained along with the classifier.

Source: Yoo & Kweon, Learning Loss for Active Learning, CVPR 2019, with the settings of MQ-Net's experiments (Park et
al., NeurIPS 2022). The module is tfal.learners.loss_prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy, best_picks


@dataclass(frozen=True)
class LearningLoss(Strategy):
    """Largest predicted loss."""

    learners = ("loss_predictor",)
    task = "loss_predictor"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        scores = view.read("loss_predictor", ["predicted_loss"], view.candidates)["predicted_loss"]
        return best_picks(view, scores, n, rng)
