"""Strategies for long tails that ask for labels within a query: GALAXY, DIRECT.

Sources: Zhang, Katz-Samuels & Nowak, GALAXY: Graph-based Active Learning at the Extreme, ICML 2022; Nuggehalli, Zhang,
Jain & Nowak, DIRECT: Deep Active Learning under Imbalance and Label Noise, 2023. Both order all samples, class by
class, on a line, and ask where labels of the class turn into labels of others. See tfal.kernels.galaxy and
tfal.kernels.direct.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.galaxy import NONE, UNKNOWN
from tfal.pool.view import PoolView
from tfal.recipe.options import DIRECT, option, shared
from tfal.strategies.base import Picks, Strategy


class OnLines(Strategy):
    """Asks `kernel`, (logits, labels, n, ask, rng, n_parallel) -> rows, about candidates and samples with labels."""

    kernel: ClassVar[Any]
    n_parallel: int

    uses_labels = True
    asks = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        ids = np.concatenate([view.candidates, view.labeled, view.rejected])
        known = view.labels(view.labeled), np.full(len(view.rejected), NONE)
        labels = np.concatenate([np.full(len(view.candidates), UNKNOWN), *known])
        logits = view.read("classifier", ["logits"], ids)["logits"]
        given = {"ask": lambda rows: view.ask(ids[rows]), "rng": rng, "n_parallel": self.n_parallel}
        return Picks(view.candidates[type(self).kernel(logits, labels, n, **given)])


@dataclass(frozen=True)
class Direct(OnLines):
    """Asks around the best threshold of each class, which the first half of the labels narrows down.

    Paper: Nuggehalli, Zhang, Jain & Nowak, DIRECT: Deep Active Learning under Imbalance and Label Noise, 2023.
    Definition: on the line of a class (see galaxy) the best threshold is the one with the most labels on their right
        side. n / (2 C) labels of each class, n_parallel at a time, are drawn between the ends that it may lie between,
        and these move inwards; then each class takes the samples nearest to its best threshold.
    Cost: a sort for each class, and some 3 C passes over their lines. People are asked n_parallel at a time.
    Use: on long tails, and where labels are noisy. A query must be several times as large as there are classes, or
        nothing is narrowed down.
    """

    n_parallel: int = option(20, "labels that are asked for at once", least=1, source=DIRECT)

    kernel = staticmethod(kernels.direct)


@dataclass(frozen=True)
class Galaxy(OnLines):
    """Halves the shortest gap between a sample of a class and one of another, on the line of a class that is drawn.

    Paper: Zhang, Katz-Samuels & Nowak, GALAXY: Graph-based Active Learning at the Extreme, ICML 2022.
    Definition: the line of class k has all samples by p_k less the largest probability. The middle of the shortest run
        of samples without a label that lies between one of class k and one that is not; where there is none, the
        sample nearest to two such neighbors. Each label is told before the next sample is chosen.
    Cost: a sort for each class; then n sorts of the samples with labels. People are asked n_parallel at a time.
    Use: on long tails, for batches with about as many of small classes as of large ones. Not where labels are noisy:
        one wrong label makes a cut of its own; direct bears that.
    """

    n_parallel: int = shared(Direct, "n_parallel", 1)

    kernel = staticmethod(kernels.galaxy)
