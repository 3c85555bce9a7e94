"""ALFA-Mix: samples whose prediction changes when features of a labeled class are mixed in, one of each cluster.

Source: Parvaneh et al., Active Learning by Feature Mixing, CVPR 2022. Differences from its public code: see
tfal.kernels.alfamix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal import kernels
from tfal.errors import resolve_name
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.clusters import KMeans

ALFAMIX = "ALFA-Mix paper"


@dataclass(frozen=True)
class ALFAMix(Strategy):
    """ALFA-Mix: candidates whose class changes when they are mixed with the mean features of a labeled class.

    Paper: Parvaneh et al., Active Learning by Feature Mixing, CVPR 2022.
    Formula: features f(x) become `f(x) + e (mean - f(x))` for the mean of each labeled class, e the closed form of the
        paper: f(x) moves by mix_eps / sqrt(d) times its distance to the mean, in the direction in which the loss of
        the predicted class grows. Those whose predicted class changes are clustered, by features scaled to length 1,
        and one of each of n clusters is picked; where fewer than n change, random ones follow.
    Cost: one pass over the candidates; a product of all of them with the last layer, distances to a mean of each class,
        and k-means on those that change.
    Use: for a trained network or a linear head on frozen features, at any budget: doubt and diversity at once.

    mix_mode grown is what the public code does with --alpha_closed_form_approx; its mixtures that are learned by
    gradient steps, or drawn, are not here. With no label there is no mean, and all candidates count.
    """

    mix_eps: float = option(0.2, "how far features are mixed, times the root of their number", above=0, source=ALFAMIX)
    mix_mode: str = option(
        "fixed",
        "fixed: by mixEps; grown: by .03125, .0625, ... up to 1, until more candidates change than are asked for",
        choices=("fixed", "grown"),
        source=ALFAMIX,
    )
    n_redo: int = shared(KMeans, "n_redo", 1)
    n_iter: int = shared(KMeans, "n_iter")

    uses_labels = True

    def __post_init__(self) -> None:
        resolve_name("mode of eps", self.mix_mode, ["fixed", "grown"])

    @property
    def options_used(self) -> frozenset[str]:
        return super().options_used - ({"mix_eps"} if self.mix_mode == "grown" else set())

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        ids, m = np.concatenate([view.candidates, view.labeled]), len(view.candidates)
        features = view.read("classifier", ["features"], ids)["features"]
        times: dict[str, Any] = {"n_iter": self.n_iter, "n_init": self.n_redo}
        if m == len(ids):
            return Picks(view.candidates[kernels.kmeans_directions(features, n, rng=rng, **times)])
        anchors = kernels.class_means(features[m:], view.labels(view.labeled))
        thresholds = kernels.mixing_thresholds(features[:m], *view.head("classifier"), anchors)
        eps = None if self.mix_mode == "grown" else self.mix_eps
        return Picks(view.candidates[kernels.alfamix(thresholds, features[:m], n, eps=eps, rng=rng, **times)])
