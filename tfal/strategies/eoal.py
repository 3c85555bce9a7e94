"""EOAL: samples that binary heads and the clusters of rejected samples call known, spread over clusters of their own.

Source: Safaei et al., Entropic Open-Set Active Learning, AAAI 2024; see tfal.kernels.eoal_scores and tfal.kernels.eoal
for the rule and tfal.learners.entropic for the training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.kernels.eoal import NO_CENTER
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.detectors import n_known


@dataclass(frozen=True)
class EOAL(Strategy):
    """Surest of a known class, by entropies, of each cluster of the candidates that are predicted to be known.

    Paper: Safaei et al., Entropic Open-Set Active Learning, AAAI 2024.
    Formula: `mean_k H(b_k) / log 2 - H(softmax(-d)) / log C`, smallest first: b_k the binary head of class k, d the
        distances to the C centers of the clusters of rejected samples. Each FINCH cluster of those that are predicted
        to be known gives n / clusters of them.
    Cost: a second network is trained in each round, 300 epochs on labeled and rejected samples; m**2 products of those
        that are predicted to be known: for pools of up to some 100,000.
    Use: in open sets, where picks of known classes are not to be all alike. lfosa and neat are cheaper.
    """

    learners = ("entropic_detector",)
    open_sets = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        outputs = ["features", "logits", "binary_logits", "center_distances"]
        out = view.read("entropic_detector", outputs, view.candidates)
        distances = out["center_distances"]
        there = distances.max(axis=0) < NO_CENTER
        scores = kernels.eoal_scores(out["binary_logits"], distances[:, there] if bool(there.any()) else None)
        known = out["logits"].argmax(axis=1) < n_known(view, "entropic_detector", out["logits"])
        return Picks(view.candidates[kernels.eoal(scores, known, out["features"], n, rng=rng)])
