"""CCAL: samples that look like the known classes (semantic) and yet unlike their labeled samples (distinctive).

Source: Du et al., Contrastive Coding for Active Learning under Class Distribution Mismatch, ICCV 2021, with the
settings of MQ-Net's experiments. Differences from the public codes: exactly n picks, the classes in turn; features are
the mean of several mild crops instead of one random augmented view; no global random state is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class CCAL(Strategy):
    """CCAL: sum of the semantic score and the distinctive score of each class; the classes choose in turn.

    Paper: Du et al., Contrastive Coding for Active Learning under Class Distribution Mismatch, ICCV 2021, with the
        settings of MQ-Net's experiments (Park et al., NeurIPS 2022).
    Formula: `tanh(50 (s - 0.9)) + d_i`, largest first for class i, the classes in turn: s the largest semantic cosine
        to a labeled sample, scaled to [0, 1]; d_i how little the distinctive code is like the labeled samples of
        class i.
    Cost: two encoders are trained on the images of the pool once, which takes longest, and kept; then passes
        over 10 crops and 4 rotations, and m l products for l labels.
    Use: in open sets, where the encoders can be afforded. In a closed set half of its score has nothing to tell.

    Without a labeled sample there is nothing to be like: then the picks are random.
    """

    learners = ("ccal_semantic", "ccal_distinctive")
    open_sets = True
    uses_labels = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        if not len(view.labeled):
            return Picks(rng.choice(view.candidates, n, replace=False))
        ids, m = np.concatenate([view.candidates, view.labeled]), len(view.candidates)
        semantic = view.read("ccal_semantic", ["projection_views"], ids)["projection_views"]
        distinctive = view.read("ccal_distinctive", ["projection_rotations"], ids)["projection_rotations"]
        labels = view.labels(view.labeled)
        scores = kernels.distinctive_scores(distinctive[:m], distinctive[m:], labels, int(labels.max()) + 1)
        scores = scores + kernels.semantic_scores(semantic[:m], semantic[m:])[:, None]
        return Picks(view.candidates[kernels.round_robin(scores, n, rng=rng)])
