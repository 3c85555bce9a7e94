"""BAIT: the samples whose Fisher information makes the last layer sure about all samples.

Source: Ash et al., Gone Fishing: Neural Active Learning with Fisher Embeddings, NeurIPS 2021. Differences from its
public code: see tfal.kernels.bait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal import kernels
from tfal.kernels.top import tie_order
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy

BAIT = "BAIT public code"


@dataclass(frozen=True)
class Bait(Strategy):
    """Greedy choice on features and logits of candidates and labeled samples, where classes * features allows."""

    ridge: float = option(1.0, "information that every weight starts from", least=0.001, source=BAIT)
    max_size: int = option(2560, "most classes * features, which is what time and memory grow with", least=1)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        candidates = view.candidates[tie_order(len(view.candidates), rng)]  # ties go to the first
        ids, m = np.concatenate([candidates, view.labeled]), len(candidates)
        out = view.read("classifier", ["features", "logits"], ids)
        features, logits = out["features"], out["logits"]
        options: dict[str, Any] = {"ridge": self.ridge, "max_size": self.max_size}
        rows = kernels.bait(features[:m], logits[:m], n, labeled=(features[m:], logits[m:]), **options)
        return Picks(candidates[rows])
