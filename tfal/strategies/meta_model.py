"""MQ-Net's meta-model: a score of 257 parameters that grows with each of its two inputs.

Source: Park et al., Meta-Query-Net: Resolving Purity-Informativeness Dilemma in Open-set Active Learning, NeurIPS 2022.
Plain NumPy: 10,000 steps on arrays of 64 x 64 take a second, less than a framework needs to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

HIDDEN = 64
LEARNING_RATE = 1e-3  # a tenth from half of the epochs on
STEPS = 100  # of an epoch, or the least
MARGIN = 1.0
SHAPES = MappingProxyType({"w1": (2, HIDDEN), "b1": (HIDDEN,), "w2": (HIDDEN,), "b2": ()})  # of MetaModel's arrays


@dataclass(frozen=True)
class MetaModel:
    """score(x) = sigmoid(x @ relu(w1) + b1) @ relu(w2) + b2: weights that are not negative make it monotone.

    w1 (2, 64), b1 (64,), w2 (64,), b2 (), float64.
    """

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray

    @classmethod
    def fresh(cls, rng: np.random.Generator) -> MetaModel:
        """All parameters uniform in [0, 1)."""
        return cls(rng.random((2, HIDDEN)), rng.random(HIDDEN), rng.random(HIDDEN), rng.random(()))

    @classmethod
    def load(cls, arrays: Mapping[str, np.ndarray]) -> MetaModel:
        """From what `arrays` gave."""
        return cls(*(np.array(arrays[name]) for name in cls.__dataclass_fields__))

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters by name."""
        return {name: np.asarray(value) for name, value in asdict(self).items()}

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """(m,) of inputs (m, 2)."""
        found: np.ndarray = self._hidden(inputs) @ np.maximum(self.w2, 0) + self.b2
        return found

    def _hidden(self, inputs: np.ndarray) -> np.ndarray:
        before = inputs @ np.maximum(self.w1, 0) + self.b1
        found: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * before)  # the sigmoid, without overflow
        return found

    def gradients(self, inputs: np.ndarray, slopes: np.ndarray) -> MetaModel:
        """The derivatives of a loss by all parameters, from its derivatives (m,) by the scores of `inputs` (m, 2)."""
        hidden = self._hidden(inputs)
        before = slopes[:, None] * np.maximum(self.w2, 0) * hidden * (1 - hidden)
        return MetaModel(
            (inputs.T @ before) * (self.w1 > 0),
            before.sum(axis=0),
            (slopes @ hidden) * (self.w2 > 0),
            slopes.sum(),
        )


def ranking_slopes(scores: np.ndarray, targets: np.ndarray, ties: str) -> np.ndarray:
    """Derivatives (B,) of the ranking loss by the scores (B,).

    Sample i < B // 2 is paired with B - 1 - i. A pair costs max(0, 1 - sign * (score difference)), sign that of the
    difference of their targets; the loss is the mean over the pairs. Equal targets make no pair ("mask"), or count as
    if the first had to rank lower, as in the public code ("code"), which pulls unknown samples in both directions.
    """
    half = len(scores) // 2
    first, second = np.arange(half), len(scores) - 1 - np.arange(half)
    difference = targets[first] - targets[second]
    sign = np.where(difference > 0, 1.0, -1.0)
    counts = difference != 0 if ties == "mask" else np.full(half, True)
    active = counts & (MARGIN - sign * (scores[first] - scores[second]) > 0)
    slopes = np.zeros(len(scores))
    slopes[first] = -sign * active / max(counts.sum(), 1)
    slopes[second] = -slopes[first]
    return slopes


class Training(NamedTuple):
    """How a meta-model is trained.

    epochs: of at least 100 steps. batch: samples of a step; the last one of a pass has what is left. steps: "exactly"
    100 in an epoch, over passes that go on from epoch to epoch, or "at_least": whole passes until there are 100, as in
    the public code (112 of batches of 32 of 500 samples). ties: see `ranking_slopes`.
    """

    epochs: int = 100
    batch: int = 64
    weight_decay: float = 5e-4
    ties: str = "mask"
    steps: str = "exactly"

    def n_steps(self, n: int) -> int:
        """How many steps an epoch on n samples has."""
        whole = -(-n // self.batch)
        return STEPS if self.steps == "exactly" else -(-STEPS // whole) * whole


def train(inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator, training: Training) -> MetaModel:
    """A fresh meta-model that ranks samples by `targets` (m,), seen through `inputs` (m, 2), float64; by plain SGD."""
    model, order = MetaModel.fresh(rng), np.zeros(0, np.int64)
    n_steps = training.epochs * training.n_steps(len(inputs))
    for step in range(n_steps):
        if not len(order):
            order = rng.permutation(len(inputs))
        rows, order = order[: training.batch], order[training.batch :]
        rate = LEARNING_RATE * (1.0 if step < n_steps // 2 else 0.1)
        slopes = ranking_slopes(model.scores(inputs[rows]), targets[rows], training.ties)
        model = _stepped(model, model.gradients(inputs[rows], slopes), rate, training.weight_decay)
    return model


def _stepped(model: MetaModel, gradients: MetaModel, rate: float, weight_decay: float) -> MetaModel:
    old, slopes = model.arrays(), gradients.arrays()
    return MetaModel(**{name: old[name] - rate * (slopes[name] + weight_decay * old[name]) for name in old})
