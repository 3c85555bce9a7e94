"""ActiveFT: the candidates nearest to directions that are spread like all of them, and apart from each other.

Source: Xie et al., Active Finetuning: Exploiting Annotation Budget in the Pretraining-Finetuning Paradigm, CVPR 2023.
Differences from its public code: see tfal.kernels.activeft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.top import tie_order
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.clusters import frozen_features

ACTIVEFT = "ActiveFT paper"


@dataclass(frozen=True)
class ActiveFT(Strategy):
    """ActiveFT: candidates nearest to directions that are spread like all of them, and apart from each other.

    Paper: Xie et al., Active Finetuning: Exploiting Annotation Budget in the Pretraining-Finetuning Paradigm, CVPR
        2023.
    Formula: n directions t begin as random candidates' features f of length 1; Adam lowers the mean over f of
        `log(1 + ft_balance sum_l exp((t_l - f) . t_c / ft_temperature))`, c the nearest direction of f. Then each takes
        the nearest candidate that is left.
    Cost: one pass over the candidates; 2 ft_iter m n d operations.
    Use: for the first labels of a pretrained network that is to be fine-tuned. As published it is for a single batch:
        labeled samples have no influence, and each budget of a study is chosen anew.
    """

    ft_temperature: float = option(0.07, "temperature of similarities", above=0, source=ACTIVEFT)
    ft_balance: float = option(1.0, "how much directions repel each other", above=0, source=ACTIVEFT)
    ft_iter: int = option(300, "steps of Adam that move the directions", least=1, source=ACTIVEFT)
    ft_lr: float = option(0.001, "learning rate of these steps", above=0, source=ACTIVEFT)

    learners = ("encoder",)
    nested_budgets: ClassVar[bool] = False

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        candidates = view.candidates[tie_order(len(view.candidates), rng)]  # ties go to the first
        law = {"temperature": self.ft_temperature, "balance": self.ft_balance, "learning_rate": self.ft_lr}
        rows = kernels.activeft(frozen_features(view, candidates), n, rng=rng, n_iter=self.ft_iter, **law)
        return Picks(candidates[rows])
