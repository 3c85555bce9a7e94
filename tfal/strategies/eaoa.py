"""EAOA: samples that two energies call known, and of these the ones that the classifier doubts.

Source: Zong et al., Rethinking Epistemic and Aleatoric Uncertainty for Active Open-Set Annotation: An Energy-Based
Approach, CVPR 2025; see tfal.kernels.eaoa for the rule and tfal.learners.detector for the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.recipe.options import EAOA as CODE
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.detectors import n_known
from tfal.strategies.neat import Neat

BAND = 0.05  # about the target, in which the number of likely ones stays


@dataclass(frozen=True)
class EAOA(Strategy):
    """The most doubtful of those that a detector and the neighbors of bought samples call known, class by class.

    Paper: Zong et al., Rethinking Epistemic and Aleatoric Uncertainty for Active Open-Set Annotation: An Energy-Based
        Approach, CVPR 2025.
    Formula: `log sum exp(l_known) - log(1 + exp(l_unknown))`, largest first, of the detector's logits and of votes of
        the n_reverse nearest candidates of each bought sample: the n_likely * ceil(n / C) of each predicted class that
        are likeliest known by both; of these the ceil(n / C) of the largest `log(1 - p)`, p the largest probability.
    Cost: a second network is trained in each round, 200 epochs on labeled and rejected samples; m b products for b
        bought samples.
    Use: in open sets, where labels are to be of known classes and yet not those that the classifier knows best.

    After each round n_likely grows by 1 where the purity of the picks is above target_purity, and falls by 1, to no
    less than 1, where it is below, by more than 0.05. Without a labeled sample the picks are random.
    """

    n_likely: int = shared(Neat, "n_likely", 5)
    n_reverse: int = option(250, "nearest candidates that each bought sample votes for", least=1, source=CODE)
    target_purity: float = option(0.6, "purity of the picks that n_likely is changed for", least=0, source=CODE)

    learners = ("energy_detector", "classifier")
    open_sets = True
    uses_labels = True
    memory_shapes = MappingProxyType({"n_likely": ()})

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        n_likely = int(view.memory.get("n_likely", self.n_likely))
        notes = {"n_likely": np.array(n_likely)}
        if not len(view.labeled):
            return Picks(rng.choice(view.candidates, n, replace=False), notes=notes)
        bought, m = np.concatenate([view.labeled, view.rejected]), len(view.candidates)
        labels = np.concatenate([view.labels(view.labeled), np.full(len(view.rejected), -1)])
        out = view.read("energy_detector", ["features", "logits"], np.concatenate([view.candidates, bought]))
        features, detector = out["features"], out["logits"][:m]
        n_classes = n_known(view, "energy_detector", detector)
        votes = kernels.reverse_neighbor_votes(features[:m], features[m:], labels, n_classes, k=self.n_reverse)
        logits = view.read("classifier", ["logits"], view.candidates)["logits"]
        rows = kernels.eaoa(detector, votes, logits, n, factor=n_likely, rng=rng)
        return Picks(view.candidates[rows], notes=notes)

    def observe(self, view: PoolView, picks: Picks, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        apart = float(np.mean(view.is_known(picks.ids))) - self.target_purity
        step = int(np.sign(apart)) if abs(apart) > BAND else 0
        return {"n_likely": np.array(max(int(picks.notes["n_likely"]) + step, 1))}
