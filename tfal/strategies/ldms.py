"""LDM-S: samples whose label the smallest change of the last layer flips, seeded for diversity.

Source: Cho et al., Querying Easily Flip-flopped Samples for Deep Active Learning, ICLR 2024.
Differences from its public code: one pass reads candidates and Monte-Carlo inputs together, every random number
comes from the run's seed, and the edge cases that crash there are answered (see tfal.kernels.ldm_seeding).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.pool.view import PoolView
from tfal.recipe.options import LDMS as LDMS_CODE
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class LDMS(Strategy):
    """LDM-S: least disagree metric with seeding.

    Paper: Cho et al., Querying Easily Flip-flopped Samples for Deep Active Learning, ICLR 2024.
    Formula: `L(x)`: the smallest share of Monte-Carlo inputs that a perturbed last layer labels otherwise, among
        those layers that label x otherwise. The smallest L first, then each candidate with a probability proportional
        to `(gamma(L) D)**2`: gamma falls beyond the n smallest L, D is the cosine distance to the nearest pick.
    Cost: one pass over the candidates and n_sample inputs; then some hundreds to thousands of perturbed layers, each
        at most (m + n_sample) d C operations, few numbers a candidate in memory beside m d features.
    Use: where margin or badge would be, when selection may take seconds to a minute more: samples near the decision
        boundary in the sense of what the data see, and diverse. Needs the last layer of a network that has learned
        something.

    n_sample: Monte-Carlo inputs (M in the estimator), drawn once a repetition from the whole training set.
    """

    n_sample: int = option(
        2000, "Monte-Carlo inputs for the disagree metric [images]", least=1, protocol=True, source=LDMS_CODE
    )

    original_path = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        ids = np.concatenate([view.candidates, view.fixed_sample(self.n_sample)])
        features = view.read("classifier", ["features"], ids)["features"]
        candidates, mc_inputs = features[: len(view.candidates)], features[len(view.candidates) :]
        kernel, bias = view.head("classifier")
        ldm = kernels.least_disagree_metric(candidates, mc_inputs, kernel, bias, rng=rng)
        rows = kernels.ldm_seeding(ldm, candidates, n, rng=rng)
        return Picks(view.candidates[rows], to_numpy(ldm)[rows])
