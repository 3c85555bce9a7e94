"""Strategies that cover the features of a frozen encoder: ProbCover, MaxHerding, UHerding.

Sources: Yehuda et al., Active Learning Through a Covering Lens, NeurIPS 2022; Bae et al., Generalized Coverage for More
Robust Low-Budget Active Learning, ECCV 2024; Bae et al., Uncertainty Herding, ICLR 2025. Rows are scaled to length 1.
What is covered are the candidates; labeled samples are covered by themselves.

In two rounds (tfal.sharded; GreeDi, Mirzasoleiman et al., Distributed Submodular Maximization, NeurIPS 2013) all shards
are to cover the same samples: n_anchor of the whole pool, drawn at random. What n picks from s shards add to the cover
of these is at least (1 - 1/e)**2 / min(s, n) of the most that n picks could, whatever the shards. Where the shard of
each sample is drawn alone it is at least 0.24 of it on average, by the proof of Barbosa et al., The Power of
Randomization, ICML 2015: their (1 - 1/e) / 2 is for the better of these picks and those of the best shard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tfal import kernels
from tfal.errors import InputError
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.uncertainty import log_complement
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy, no_validation, warn_if_alike
from tfal.strategies.clusters import frozen_features, with_labeled

HERDING = "MaxHerding paper"
MOST_BALLS = 10_000  # that the radius is found from: their share of pure ones is known within half a percent
ROWS_A_CLUSTER, LEAST_TRAINED = 256, 100_000  # that its k-means finds centers on; the first is faiss' own default


@dataclass(frozen=True)
class ProbCover(Strategy):
    """ProbCover: most candidates in balls of one radius, which is found in the first round and then stays.

    Paper: Yehuda et al., Active Learning Through a Covering Lens, NeurIPS 2022.
    Formula: the next pick is the candidate with most samples u that no ball holds yet, `|f(u) - f(x)| <= delta`. f:
        the encoder's features, scaled to length 1.
    Cost: features are read once; m n_anchor d operations for the balls, and a k-means for the radius in the first
        round.
    Use: from no labels to a few a class. It depends on delta: too small and every ball is empty, too large and a few
        cover everything; maxherding has no such edge.
    """

    delta: float | None = option(
        None,
        "radius of the balls; not set: the largest at which 95 percent of them are pure at k-means pseudo-labels",
        above=0,
    )
    n_anchor: int = option(50_000, "candidates that are to be covered, drawn at random where there are more", least=1)
    n_clusters: int | None = option(
        None,
        "clusters of the pseudo-labels that the radius is found by; not set: the classes that labels are known of, or, "
        "when these are fewer than two, as many as labels there will be",
        least=2,
    )

    learners = ("encoder",)
    uses_labels = True
    splits = "rounds"
    memory_shapes = MappingProxyType({"delta": ()})

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = with_labeled(view)
        delta = view.memory.get("delta", self.delta)
        if delta is None and view.targets is not None:
            raise InputError(
                "strategy 'probcover' needs delta, one radius for all shards. Received: none, and balls of a part of "
                "the pool are pure up to a larger one. Give delta, such as that of an earlier round."
            )
        if delta is None:
            classes = len(np.unique(view.labels(view.labeled)))
            k = self.n_clusters or (classes if classes > 1 else len(labeled) + n)
            k = min(max(k, 2), len(features))
            delta = found_radius(features, k, rng) if k > 1 else 0.0
        options: dict[str, Any] = {"labeled": labeled, "rng": rng} | to_cover(view, self.n_anchor)
        rows = kernels.probcover(features, n, delta=float(delta), **options)
        return Picks(view.candidates[rows], notes={"delta": np.asarray(delta, np.float64)})

    @property
    def n_target(self) -> int:
        return self.n_anchor

    def observe(self, view: PoolView, picks: Picks, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        return picks.notes


def found_radius(features: Any, k: int, rng: np.random.Generator) -> float:
    """The radius of ProbCover's balls, from k clusters of the rows (m, d); in large pools from a part of them."""
    n_balls, n_train = min(MOST_BALLS, len(features)), max(ROWS_A_CLUSTER * k, LEAST_TRAINED)
    return kernels.purity_radius(features, k, rng=rng, n_balls=n_balls, n_train=n_train)


@dataclass(frozen=True)
class MaxHerding(Strategy):
    """MaxHerding: largest sum of Gaussian kernel values, exp(-|x - y|**2 / sigma**2), to the nearest labeled sample.

    Paper: Bae et al., Generalized Coverage for More Robust Low-Budget Active Learning, ECCV 2024.
    Formula: the next pick adds most to `sum_u max_v exp(-|f(u) - f(v)|**2 / sigma**2)` over samples u, v: labeled
        samples and picks. f: the encoder's features, scaled to length 1.
    Cost: features are read once; about log(n) m n_anchor d operations, the slowest of the low-budget strategies in
        large pools.
    Use: from no labels to some tens a class, with one width for all data sets, where probcover needs a radius of
        its own for each.
    """

    sigma: float = option(
        1.0,
        "width of the kernel; uherding, not set: the least distance of labeled samples that differ, 1 where there is "
        "none",
        above=0,
        source=HERDING,
    )
    n_anchor: int = shared(ProbCover, "n_anchor", 20_000)

    learners = ("encoder",)
    splits = "rounds"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = with_labeled(view)
        options: dict[str, Any] = {"labeled": labeled, "rng": rng} | to_cover(view, self.n_anchor)
        return Picks(view.candidates[kernels.max_herding(features, n, sigma=self.sigma, **options)])

    @property
    def n_target(self) -> int:
        return self.n_anchor


@dataclass(frozen=True)
class UHerding(Strategy):
    """MaxHerding in which a candidate counts by the classifier's uncertainty, 1 - margin, relative to the largest.

    Paper: Bae et al., Uncertainty Herding: One Active Learning Method for All Label Budgets, ICLR 2025.
    Formula: the next pick adds most to `sum_u U(u) max_v exp(-|f(u) - f(v)|**2 / sigma**2)` over samples u, v:
        labeled samples and picks, U = 1 - margin of the classifier. f: the encoder's features, scaled to length 1.
    Cost: that of maxherding, and one pass of the classifier over the candidates.
    Use: over all budgets: with few labels it covers, with many it looks for doubt. It needs an encoder and a
        classifier.

    As published, the kernel becomes narrow as labels get many. Differences: the encoder's features serve in all rounds.
    The logits are scaled by a temperature, which the authors fit to held-out labels, only with `temperature`
    "validation", which needs validation samples, so query rounds.
    """

    sigma: float | None = shared(MaxHerding, "sigma", None)
    n_anchor: int = shared(ProbCover, "n_anchor", 20_000)
    temperature: str = option(
        "off",
        "what logits are divided by, uherding: nothing, or what fits the labels of validation samples best, in each "
        "round, as published",
        choices=("off", "validation"),
    )

    learners = ("encoder", "classifier")
    splits = "rounds"
    revision = 2  # the width is never rounding

    @property
    def needs_validation(self) -> bool:
        return self.temperature == "validation"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = with_labeled(view)
        counted = view.candidates if view.targets is None else view.targets
        scale = _fitted_temperature(view) if self.needs_validation else 1.0

        def log_odds(out: Mapping[str, Any]) -> Any:
            logits = out["logits"] if scale == 1 else out["logits"].astype(np.float64) / scale
            return kernels.margin_log_odds(logits)

        xp, log_weights = array_module(features), log_complement(view.map("classifier", ["logits"], log_odds, counted))
        warn_if_alike(to_numpy(log_weights), n)
        weights = xp.exp(log_weights - log_weights.max())
        weights = xp.concatenate([weights, xp.zeros(len(labeled))]) if view.targets is None else weights
        sigma = least_distance(features[xp.asarray(labeled)]) if self.sigma is None else self.sigma
        options: dict[str, Any] = {"labeled": labeled, "rng": rng} | to_cover(view, self.n_anchor)
        return Picks(view.candidates[kernels.max_herding(features, n, sigma=sigma, weights=weights, **options)])

    @property
    def n_target(self) -> int:
        return self.n_anchor


def _fitted_temperature(view: PoolView) -> float:
    """What the logits of the validation samples are to be divided by; InputError where there are none."""
    from tfal.evaluation.calibration import temperature  # SciPy, which takes long to load

    if not len(view.validation):
        raise no_validation("uherding")
    logits = view.read("classifier", ["logits"], view.validation)["logits"]
    return temperature(to_numpy(logits), view.labels(view.validation))


def to_cover(view: PoolView, n_anchor: int) -> dict[str, Any]:
    """What a kernel is to cover: so many of the candidates, or the targets of the view, scaled to length 1."""
    return {"n_anchor": n_anchor} if view.targets is None else {"targets": frozen_features(view, view.targets)}


def least_distance(rows: Any) -> float:
    """The least Euclidean distance of two rows of (l, d) that differ; 1.0 where there are no such two.

    It comes from differences of rows: neither a row and itself nor two equal rows seem apart by rounding.
    """
    while len(rows) > 1:
        found = kernels.nearest_neighbors(rows, rows, 1, exclude_self=True)
        distances, nearest = found.distances[:, 0], found.rows[:, 0]
        xp = array_module(distances)
        if distances.min() > 0:
            return float(distances.min())
        rows = rows[(distances > 0) | (nearest > xp.arange(len(rows)))]  # of equal rows, the first
    return 1.0
