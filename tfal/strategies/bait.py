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
    """BAIT: greedy choice on features and logits of candidates and labeled samples, where classes * features allows.

    Paper: Ash et al., Gone Fishing: Neural Active Learning with Fisher Embeddings, NeurIPS 2021.
    Formula: a set A with a small `trace((ridge 1 + sum_x I(x))**-1 F)` over x labeled or in A: I(x) the Fisher
        information of the last layer, F its mean over all samples. 2 n are added one by one, then n taken out.
    Cost: one pass over candidates and labeled samples; time grows with m (C d)**2, memory is 16 m C**2 + 48 (C d)**2
        bytes, so C d may be max_size at most.
    Use: with few classes on few features, such as a linear head on a frozen encoder, where what a batch tells about
        all samples is worth its time.
    """

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
