"""DCoM: coverage by balls of a radius of their own as long as little is covered, and doubt as more is.

Source: Mishal & Weinshall, DCoM: Active Learning for All Learners, 2024. Differences from its public code: see
tfal.kernels.dcom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import array_module, to_numpy
from tfal.kernels.uncertainty import log_complement
from tfal.pool.view import PoolView
from tfal.recipe.options import option, shared
from tfal.strategies.base import Picks, Strategy
from tfal.strategies.clusters import with_labeled
from tfal.strategies.covering import ProbCover

DCOM = "DCoM public code"


@dataclass(frozen=True)
class DCoM(Strategy):
    """Coverage and doubt, each as much as the balls of labeled samples hold: DCoM.

    Paper: Mishal & Weinshall, DCoM: Active Learning for All Learners, 2024.
    Formula: the next pick is largest in `S u + (1 - S) d`: u = 1 - margin of the classifier, d the samples that no
        ball holds yet and the candidate's would, both scaled to 0 to 1; S the competence, which rises from 0 to 1 where
        the share that balls hold passes dcom_at. Balls of candidates have the mean radius of the labeled ones.
    Cost: that of probcover, one pass of the classifier over the candidates, and the distances of new labels to all.
    Use: over all budgets, on features of a pretrained encoder: as probcover with few labels and as margin with many.

    A label gets its radius in the query after it, once a classifier was trained with it: the largest that a binary
    search finds, up to dcom_most, whose ball is predicted to be of one class to a share of 0.4 + 0.2 times the coverage
    by the labels before it. It keeps it then. What is covered, and how far, is counted in the candidates of a query.

    dcom_delta: radius as long as nothing is labeled; features have length 1.
    """

    dcom_delta: float = option(
        0.75, "radius of balls as long as nothing is labeled, dcom", above=0, protocol=True, source=DCOM
    )
    dcom_most: float = option(1.1, "largest radius of the ball of a label, dcom", above=0, protocol=True, source=DCOM)
    dcom_at: float = option(
        0.8, "share of covered samples at which doubt counts half, dcom", above=0, protocol=True, source=DCOM
    )
    dcom_slope: float = option(50.0, "how fast doubt comes to count there, dcom", above=0, protocol=True, source=DCOM)
    n_anchor: int = shared(ProbCover, "n_anchor")

    learners = ("encoder", "classifier")
    uses_labels = True
    first = "probcover"
    memory_shapes = MappingProxyType({"radius_ids": (None,), "radii": (None,)})

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        features, labeled = with_labeled(view)
        read = to_numpy(view.map("classifier", ["logits"], _doubt_and_class, view.candidates))
        classes = np.append(read[:, 1].astype(np.int64), view.labels(view.labeled))
        radii = self._radii(view, features, labeled, classes)
        coverage = float(to_numpy(kernels.ball_coverage(features, labeled, radii)).mean())
        rows = kernels.dcom(
            features,
            n,
            delta=float(radii.mean()) if len(radii) else self.dcom_delta,
            uncertainty=np.append(read[:, 0], np.zeros(len(labeled))),
            skill=kernels.competence(coverage, at=self.dcom_at, slope=self.dcom_slope),
            labeled=labeled,
            radii=radii,
            n_anchor=self.n_anchor,
            rng=rng,
        )
        return Picks(view.candidates[rows], notes={"radius_ids": view.labeled, "radii": radii})

    def _radii(self, view: PoolView, features: Any, labeled: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """That of each of view.labeled: the one that it has, or one that is found now."""
        known = dict(zip(view.memory.get("radius_ids", ()), view.memory.get("radii", ()), strict=True))
        radii = np.array([known.get(each, np.nan) for each in view.labeled], np.float64)
        new = np.isnan(radii)
        if new.any():
            before = float(to_numpy(kernels.ball_coverage(features, labeled[~new], radii[~new])).mean())
            limits = {"least": 0.4 + 0.2 * before, "most": self.dcom_most}
            radii[new] = kernels.pure_radii(features, labeled[new], classes, **limits)
        return radii

    def observe(self, view: PoolView, picks: Picks, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        return picks.notes


def _doubt_and_class(out: Mapping[str, Any]) -> Any:
    """1 - margin, and the predicted class, (b, 2)."""
    logits = out["logits"]
    xp = array_module(logits)
    return xp.stack([xp.exp(log_complement(kernels.margin_log_odds(logits))), logits.argmax(axis=1)], axis=1)
