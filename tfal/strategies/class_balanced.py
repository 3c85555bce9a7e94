"""Entropy and CoreSet with classes in balance.

Source: Bengar et al., Class-Balanced Active Learning for Image Classification, WACV 2022; see
tfal.kernels.balanced_entropy and tfal.kernels.balanced_k_center. Differences from the public code: no commercial
solver; shares are not rounded down; a class without a label is one that lacks most, where that code's counts shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal import kernels
from tfal.pool.view import PoolView
from tfal.recipe.options import BALANCED_AL, option, shared
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class EntropyCB(Strategy):
    """Large entropies, of classes that are expected to be those that lack labels.

    Paper: Bengar et al., Class-Balanced Active Learning for Image Classification, WACV 2022.
    Formula: the n candidates of the largest `sum of H(p) - balance_weight * |needs - sum of p|_1`: p class
        probabilities, needs what each class lacks of an equal share of all labels after the query.
    Cost: some tens of passes over the probabilities, m C numbers.
    Use: on long tails, where entropy alone asks for the frequent classes again and again. It trusts the classifier's
        probabilities: of a class that the classifier does not know yet it finds nothing.
    """

    balance_weight: float = option(
        0.6,
        "how much the balance of the classes counts: entropy_cb in nats, coreset_cb in distances of features",
        least=0,
        protocol=True,
        source=BALANCED_AL,
    )

    uses_labels = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        logits = view.read("classifier", ["logits"], view.candidates)["logits"]
        needs = _needs(view, logits.shape[1], n)
        rows = kernels.balanced_entropy(logits, n, needs=needs, weight=self.balance_weight, rng=rng)
        return Picks(view.candidates[rows])


@dataclass(frozen=True)
class CoreSetCB(Strategy):
    """CoreSet, in which a candidate also counts by the classes that it is expected to be of.

    Paper: Bengar et al., Class-Balanced Active Learning for Image Classification, WACV 2022, the greedy form.
    Formula: the next pick is `argmax_u min_v |f(u) - f(v)| - balance_weight / C * |needs - sum of p|_1`: v labeled
        samples and picks so far, the sum over the picks so far and u, needs as for entropy_cb.
    Cost: m (d + C) operations for each pick, m C numbers.
    Use: on long tails, for large batches that must not repeat themselves. balance_weight is in distances of features,
        and another network may want another one.

    Without a labeled sample there is nothing to be far from: then the picks are random.
    """

    balance_weight: float = shared(EntropyCB, "balance_weight", 5.0)

    uses_labels = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        if not len(view.labeled):
            return Picks(rng.choice(view.candidates, n, replace=False))
        ids, m = np.concatenate([view.candidates, view.labeled]), len(view.candidates)
        out = view.read("classifier", ["features", "logits"], ids)
        features, logits = out["features"], out["logits"][:m]
        given = {"centers": features[m:], "needs": _needs(view, logits.shape[1], n), "rng": rng}
        rows = kernels.balanced_k_center(features[:m], logits, n, weight=self.balance_weight, **given)
        return Picks(view.candidates[rows])


def _needs(view: PoolView, n_classes: int, n: int) -> np.ndarray:
    return kernels.class_needs(np.bincount(view.labels(view.labeled), minlength=n_classes), n)
