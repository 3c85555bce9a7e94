"""BAIT for many classes: the predicted class against all others.

Source: Huseljic et al., Fast Fishing: Approximating BAIT for Efficient and Scalable Deep Active Image Classification,
2024. Differences from its public code: see tfal.kernels.bait_binary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal import kernels
from tfal.errors import resolve_name
from tfal.kernels.bait_binary import WEIGHTS
from tfal.kernels.top import tie_order
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.bait import Bait
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class BaitBinary(Strategy):
    """BAIT on the predicted class against all others: greedy choice whose matrices do not grow with the classes.

    Paper: Huseljic et al., Fast Fishing: Approximating BAIT for Efficient and Scalable Deep Active Image
        Classification, 2024.
    Formula: that of bait with the information `p (1 - p) f f^T` of a candidate's largest probability p and its
        features f; of two classes it is that of bait, with twice the ridge.
    Cost: one pass over candidates and labeled samples; a product of all candidates with a matrix of
        features * features, and 4 n passes over their features.
    Use: as bait, where classes * features are too many for it.
    """

    ridge: float = shared(Bait, "ridge")
    bait_weights: str = option(
        "published",
        "published: labeled samples and picks weigh as their share of both; counts: each is one, as in bait",
        choices=WEIGHTS,
        source="BAIT public code",
    )
    max_features: int = option(4096, "most features, whose square is what memory grows with", least=1)

    def __post_init__(self) -> None:
        resolve_name("weights", self.bait_weights, WEIGHTS)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        candidates = view.candidates[tie_order(len(view.candidates), rng)]  # ties go to the first
        ids, m = np.concatenate([candidates, view.labeled]), len(candidates)
        out = view.read("classifier", ["features", "logits"], ids)
        features, logits = out["features"], out["logits"]
        options: dict[str, Any] = {"ridge": self.ridge, "weights": self.bait_weights, "max_features": self.max_features}
        rows = kernels.bait_binary(features[:m], logits[:m], n, labeled=(features[m:], logits[m:]), **options)
        return Picks(candidates[rows])
