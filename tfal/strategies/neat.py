"""NEAT: of the candidates near labeled samples of known classes, those whose neighbors the classifier contradicts.

Source: Mao et al., Inconsistency-Based Data-Centric Active Open-Set Annotation, AAAI 2024; see tfal.kernels.neat_scores
for the formula. Difference from the public code: n picks always come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.recipe.options import NEAT, option
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.clusters import frozen_features


@dataclass(frozen=True)
class Neat(Strategy):
    """The most inconsistent of the candidates whose nearest bought samples are of known classes.

    Paper: Mao et al., Inconsistency-Based Data-Centric Active Open-Set Annotation, AAAI 2024.
    Formula: `-sum_c q_c log softmax(count)_c`, largest first, of the n_likely * n candidates with the most neighbors of
        known classes: q the classifier's probabilities, count_c how many of the n_neighbor_open nearest bought samples,
        by cosine, are of class c. Where most of the neighbors are rejected, a candidate comes after all others.
    Cost: m b products for b bought samples; nothing is trained beside the classifier.
    Use: in open sets, first of all: it is the cheapest. It needs frozen features that tell classes apart, such as
        CLIP's; with poor ones its purity is that of chance.

    Without a labeled sample there is nothing to be near to: then the picks are random.
    """

    n_neighbor_open: int = option(10, "nearest bought samples that tell known from unknown", least=1, source=NEAT)
    n_likely: int = option(
        2,
        "candidates that are likely of known classes, of which the picks are chosen [times nQuery]",
        least=1,
        source="NEAT and EAOA public code",
    )

    learners = ("encoder", "classifier")
    open_sets = True
    uses_labels = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        if not len(view.labeled):
            return Picks(rng.choice(view.candidates, n, replace=False))
        bought, m = np.concatenate([view.labeled, view.rejected]), len(view.candidates)
        labels = np.concatenate([view.labels(view.labeled), np.full(len(view.rejected), -1)])
        features = frozen_features(view, np.concatenate([view.candidates, bought]))
        logits = view.read("classifier", ["logits"], view.candidates)["logits"]
        options = {"k": self.n_neighbor_open, "factor": self.n_likely}
        rows = kernels.neat(features[:m], logits, features[m:], labels, n, rng=rng, **options)
        return Picks(view.candidates[rows])
