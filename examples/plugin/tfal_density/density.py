"""Uncertain candidates in dense places: the entropy of a candidate times its mean similarity to all others.

Source: Settles and Craven, An Analysis of Active Learning Strategies for Sequence Labeling Tasks, EMNLP 2008, equation
6.
"""

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies import Picks, Strategy


@dataclass(frozen=True)
class Density(Strategy):
    """The n candidates of largest information density."""

    density_power: float = option(1.0, "power of the density", least=0, source="information density paper")

    learners = ("classifier",)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        out = view.read("classifier", ["features", "logits"], view.candidates)
        features = to_numpy(out["features"]).astype(np.float64)
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        density = np.clip(unit @ unit.mean(axis=0), 0, None) ** self.density_power
        scores = to_numpy(kernels.entropy(out["logits"])) * density
        rows = kernels.top_n(scores, n, rng=rng)  # equal scores in random order
        return Picks(view.candidates[rows], scores[rows])
