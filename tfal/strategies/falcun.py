"""FALCUN: candidates drawn by uncertainty and by how unlike their probabilities are to those drawn.

Source: Gilhuber et al., FALCUN: A Simple and Efficient Deep Active Learning Strategy, ECML PKDD 2024. Differences from
its public code: see tfal.kernels.falcun.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class Falcun(Strategy):
    """FALCUN: candidates drawn by uncertainty and by how unlike their probabilities are to those drawn.

    Paper: Gilhuber et al., FALCUN: A Simple and Efficient Deep Active Learning Strategy, ECML PKDD 2024.
    Formula: candidates drawn one by one with probabilities proportional to `(u + D)**gamma`: u is 1 - margin, D the
        distance of probabilities to those drawn.
    Cost: one pass over the candidates; then n passes over their probabilities, O(m n C).
    Use: for any classifier, where BADGE's gradients are too large: it reads logits alone, so that neither the number of
        features nor their scale matters.
    """

    falcun_gamma: float = option(10.0, "power of uncertainty and distance together", least=0, source="FALCUN paper")

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        logits = view.read("classifier", ["logits"], view.candidates)["logits"]
        return Picks(view.candidates[kernels.falcun(logits, n, gamma=self.falcun_gamma, rng=rng)])
