"""SIMILAR: samples like the labeled ones and unlike the rejected ones, by submodular conditional mutual information.

Source: Kothawade et al., SIMILAR: Submodular Information Measures Based Active Learning in Realistic Scenarios, NeurIPS
2021, with the settings of MQ-Net's experiments. Samples are the gradients of the last layer, a (x) [f, 1], whose cosine
is that of a times that of [f, 1].

Differences from the public code: it trains a head with a class for the rejected samples, which never sees one; here
that class has probability 0. Without rejected samples it takes one at random in their place; here there is none. Equal
gains, of which facility location has many once every sample is covered, are taken in random order.

As published, rejected samples have the gradient of a class that nothing is predicted to be. Its cosine to a candidate's
gradient is never positive, so facility location passes them over; the log-determinant does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import array_module
from tfal.kernels.uncertainty import log_softmax
from tfal.pool.view import PoolView
from tfal.recipe.options import MQNET, option
from tfal.strategies.base import Picks, Strategy

_GREEDY = {"logdetcmi": kernels.logdetcmi_greedy, "flcmi": kernels.flcmi_greedy}


@dataclass(frozen=True)
class Similar(Strategy):
    """SIMILAR: greedy maximum of I(picks; labeled | rejected).

    Paper: Kothawade et al., SIMILAR: Submodular Information Measures Based Active Learning in Realistic Scenarios,
        NeurIPS 2021, with the settings of MQ-Net's experiments.
    Formula: the next pick adds most to `I(A; L | R) = f(A + R) + f(L + R) - f(A + L + R) - f(R)`: A the picks, L
        labeled, R rejected samples (+ is their union), f the set function on the gradients of the last layer.
    Cost: one pass over candidates, labeled and rejected samples. logdetcmi: m n (n + l + r) operations, 4 m (2 n + l
        + r) bytes for l labeled and r rejected samples; flcmi: time of all m m similarities, a minute for 50,000
        candidates.
    Use: in open sets, once some samples were rejected; no encoder has to be trained. Without rejected samples it
        picks what is like the labels.

    submodular: "logdetcmi" (log-determinant, the code's default) or "flcmi" (facility location). Without a labeled
    sample every set is worth the same: then the picks are random.
    """

    submodular: str = option("logdetcmi", "set function", choices=("logdetcmi", "flcmi"), protocol=True, source=MQNET)

    uses_labels = True
    open_sets = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        if not len(view.labeled):
            return Picks(rng.choice(view.candidates, n, replace=False))
        parts = rng.permutation(view.candidates), view.labeled, view.rejected  # ties go to the first
        out = view.read("classifier", ["features", "logits"], np.concatenate(parts))
        n_classes = out["logits"].shape[1]
        labels = np.concatenate([view.labels(view.labeled), np.full(len(view.rejected), n_classes)])
        factors = _gradient_factors(out["features"], out["logits"], labels)
        ends = np.cumsum([len(part) for part in parts])
        candidates, query, private = ([f[a:b] for f in factors] for a, b in zip([0, *ends], ends, strict=False))
        rows = _GREEDY[self.submodular](candidates, n, query=query, private=private)
        return Picks(parts[0][rows])


def _gradient_factors(features: Any, logits: Any, labels: np.ndarray) -> tuple[Any, Any]:
    """a = p - onehot(label), (m, C + 1), and [f, 1], (m, d + 1).

    The last rows have `labels`, the others the class of their largest logit.
    """
    xp, (m, n_classes) = array_module(logits), logits.shape
    label = logits.argmax(axis=1)
    label[m - len(labels) :] = xp.asarray(labels)
    a = xp.zeros((m, n_classes + 1), np.float32)
    a[:, :n_classes] = xp.exp(log_softmax(xp, logits.astype(np.float64)))
    a[xp.arange(m), label] -= 1
    return a, xp.concatenate([features, xp.ones((m, 1), features.dtype)], axis=1)
