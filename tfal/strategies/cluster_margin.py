"""Cluster-Margin: candidates of small margin, in turn from small clusters to large ones.

Source: Citovsky et al., Batch Active Learning at Scale, NeurIPS 2021. Differences from public code: see
tfal.kernels.cluster_margin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tfal import kernels
from tfal.errors import resolve_name
from tfal.kernels.cluster_margin import MEMBERS
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy, warn_if_alike

GALAXY = "GALAXY public code"


@dataclass(frozen=True)
class ClusterMargin(Strategy):
    """Cluster-Margin: candidates of small margin, one of each cluster in turn, the smallest cluster first.

    Paper: Citovsky et al., Batch Active Learning at Scale, NeurIPS 2021.
    Definition: the margin_factor * n candidates of smallest margin take part; their clusters give one each in turn,
        that with the fewest of them first.
    Cost: one pass over the candidates. The first query also reads the features of the whole pool, links n_linked of
        them and finds the nearest of up to n_linked / 2 means for each other one; later ones read logits alone.
    Use: for large queries, where the smallest margins repeat each other; its clusters cost once.

    The clusters are made in the first query, by average linkage of the classifier's features of the whole pool, cut
    where they are of two samples on average; they stay, and are made anew only for a pool that has grown.
    """

    n_linked: int = option(
        1000, "samples whose clusters are linked; others go to the nearest", least=2, most=20_000, source=GALAXY
    )
    margin_factor: float = option(1.25, "candidates of small margin, times the query", least=1, source=GALAXY)
    margin_member: str = option(
        "random", "what a cluster gives in turn: random, or margin: the smallest, as in public code", choices=MEMBERS
    )

    memory_shapes = MappingProxyType({"clusters": (None,)})

    def __post_init__(self) -> None:
        resolve_name("member", self.margin_member, MEMBERS)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        clusters = view.memory.get("clusters")
        if clusters is not None and len(clusters) == view.size and (clusters[view.candidates] >= 0).all():
            logits = view.read("classifier", ["logits"], view.candidates)["logits"]
        else:
            ids = np.sort(view.fixed_sample(view.size))
            out = view.read("classifier", ["features", "logits"], ids)
            rows = np.searchsorted(ids, view.candidates)
            logits = out["logits"][array_module(out["logits"]).asarray(rows)]
            clusters = np.full(view.size, -1, np.int32)
            clusters[ids] = kernels.average_linkage(out["features"], n_linked=self.n_linked, rng=rng)
        odds = to_numpy(kernels.margin_log_odds(logits))
        warn_if_alike(odds, n)
        options: dict[str, Any] = {"factor": self.margin_factor, "member": self.margin_member}
        rows = kernels.cluster_margin(odds, clusters[view.candidates], n, rng=rng, **options)
        return Picks(view.candidates[rows], notes={"clusters": clusters})

    def observe(self, view: PoolView, picks: Picks, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        return picks.notes
