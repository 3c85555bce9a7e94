"""MQ-Net: a meta-model learns, round by round, how to weigh purity against informativeness.

Source: Park et al., Meta-Query-Net: Resolving Purity-Informativeness Dilemma in Open-set Active Learning, NeurIPS 2022.
Purity of a candidate: the largest cosine of its CSI projection to that of a labeled sample. Both scores are
standardised over the candidates and exponentiated. After each query a fresh meta-model learns to rank the queried
samples by their true loss, which is 0 for unknown classes.

Differences from the public code: the samples queried are seen as the candidates were, without augmentation and with the
candidates' statistics (`meta_stats`); pairs of equal targets are left out (`rank_ties`); in the first round, both
scores are standardised in both modes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.kernels.uncertainty import log_complement, log_softmax
from tfal.learners.specs import LossPredictorOptions
from tfal.pool.view import PoolView
from tfal.recipe.groups import TrainingOptions
from tfal.recipe.options import MQNET, MQNET_PAPER, option, shared
from tfal.strategies.base import Picks, Strategy, warn_if_alike
from tfal.strategies.meta_model import SHAPES, MetaModel, Training, train

_published = partial(option, protocol=True)


@dataclass(frozen=True)
class MQNet(Strategy):
    """MQ-Net: largest meta-score of (informativeness, purity); their sum in the first round.

    Paper: Park et al., Meta-Query-Net: Resolving Purity-Informativeness Dilemma in Open-set Active Learning, NeurIPS
        2022.
    Formula: `Phi(exp(z(I)), exp(z(P)))`, largest first: I the informativeness, P the purity (largest cosine of the
        CSI projection to a labeled sample), z standardises over the candidates, Phi a small network that grows with
        both, trained after each query to rank the picks by their true loss.
    Cost: the CSI encoder is trained on the images of the pool once, which takes longest, and kept; in a round
        one pass over the candidates, m l products for l labels, and about a second for Phi.
    Use: in open sets, where nobody knows whether purity or doubt pays: it learns that from round to round. In the
        small reference results it is no better than random sampling. Not where all samples are of known classes.

    mqnet_mode: informativeness is the predicted loss ("ll") or 1 - the largest probability ("conf"). meta_stats:
    "from_u" standardises the queried samples as the candidates were; "code" over themselves, and predicted losses by
    the statistics of 1 - the largest probability. steps: of the meta-model's epochs, see Training.
    """

    mqnet_mode: str = _published(
        "ll", "informativeness from confidence or predicted loss", choices=("conf", "ll"), source=MQNET
    )
    meta_stats: str = _published(
        "from_u", "statistics that standardise the meta-model's inputs", choices=("from_u", "code")
    )
    meta_epoch: int = _published(100, "epochs of the meta-model, 100 steps each, see steps", least=1, source=MQNET)
    meta_batch: int = _published(64, "batch of the meta-model; 32 in the code", least=2, source=MQNET_PAPER)
    meta_wd: float = _published(5e-4, "weight decay of the meta-model; 0 in the code", least=0, source=MQNET_PAPER)
    rank_ties: str = shared(LossPredictorOptions, "rank_ties")
    steps: str = shared(TrainingOptions, "steps")

    open_sets = True
    revision = 2  # the meta-model sees the last batch of a pass
    memory_shapes = MappingProxyType({**SHAPES, "raw": (None, 2), "mean": (2,), "std": (2,), "known": (None,)})

    @property
    def task_learner(self) -> str:  # type: ignore[override]
        """The classifier that makes the informativeness."""
        return "loss_predictor" if self.mqnet_mode == "ll" else "classifier"

    @property
    def learners(self) -> tuple[str, ...]:  # type: ignore[override]
        """That classifier, and the encoder."""
        return self.task_learner, "csi"

    @property
    def observes(self) -> Mapping[str, tuple[str, ...]]:  # type: ignore[override]
        """The logits that the picks' true losses follow from."""
        return {self.task_learner: ("logits",)}

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        raw, confidence = self._raw(view)
        scores, (mean, std) = _scores(view, raw)
        warn_if_alike(scores, n)
        rows = kernels.top_n(scores, n, rng=rng)
        notes = {"mean": mean, "std": std}
        if self.meta_stats == "code":
            notes = _statistics_of_the_code(raw[rows], confidence, self.mqnet_mode)
        return Picks(view.candidates[rows], scores[rows], notes, by_pick={"raw": raw[rows]})

    def scores(self, view: PoolView) -> np.ndarray:
        return _scores(view, self._raw(view)[0])[0]

    def observe(self, view: PoolView, picks: Picks, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        known = view.is_known(picks.ids)
        targets = np.zeros(len(picks.ids))
        targets[known] = self._losses(view, picks.ids[known])
        if not known.any() and self.rank_ties == "mask":
            warnings.warn(
                f"mqnet: none of its {len(known)} picks is of a known class, so its meta-model has nothing to rank, "
                "and weighs purity and informativeness at random in the next query.",
                stacklevel=2,
            )
        inputs = np.exp((picks.by_pick["raw"] - picks.notes["mean"]) / picks.notes["std"])
        training = Training(self.meta_epoch, self.meta_batch, self.meta_wd, self.rank_ties, self.steps)
        model = train(inputs, targets, rng, training)
        return {**model.arrays(), **picks.by_pick, **picks.notes, "known": known}

    @classmethod
    def draw(cls, memories: Sequence[Mapping[str, np.ndarray]], title: str) -> Any:
        from tfal.strategies.mqnet_picture import contours

        return contours(memories, title)

    def _raw(self, view: PoolView) -> tuple[np.ndarray, np.ndarray]:
        """Informativeness and purity of the candidates, (m, 2) float64; and what else _informativeness gives."""
        informativeness, confidence = self._informativeness(view)
        return np.stack([informativeness, _purity(view)], axis=1), confidence

    def _informativeness(self, view: PoolView) -> tuple[np.ndarray, np.ndarray]:
        """Informativeness of the candidates, (m,) float64; and 1 - the largest probability, empty where not needed."""
        outputs = ["predicted_loss"] * (self.mqnet_mode == "ll")
        outputs += ["logits"] * (self.mqnet_mode == "conf" or self.meta_stats == "code")
        out = view.read(self.task_learner, outputs, view.candidates)
        confidence = np.zeros(0)
        if "logits" in out:
            confidence = np.exp(to_numpy(log_complement(kernels.confidence_log_odds(out["logits"]))))
        if self.mqnet_mode == "conf":
            return confidence, confidence
        return to_numpy(out["predicted_loss"]).astype(np.float64), confidence

    def _losses(self, view: PoolView, ids: np.ndarray) -> np.ndarray:
        """Cross-entropy of samples of known classes."""
        if not len(ids):
            return np.zeros(0)
        logits = to_numpy(view.read(self.task_learner, ["logits"], ids)["logits"]).astype(np.float64)
        found: np.ndarray = -log_softmax(np, logits)[np.arange(len(ids)), view.labels(ids)]
        return found


def _scores(view: PoolView, raw: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Meta-scores (m,) of the candidates, and the mean and deviation that their inputs were standardised by."""
    mean, std = raw.mean(axis=0), _nonzero(raw.std(axis=0))
    inputs = np.exp((raw - mean) / std)
    scores = MetaModel.load(view.memory).scores(inputs) if view.memory else inputs.sum(axis=1)
    return scores, (mean, std)


def _purity(view: PoolView) -> np.ndarray:
    """CSI's purity (m,) of the candidates, float64; 0 as long as nothing is labeled."""
    if not len(view.labeled):
        return np.zeros(len(view.candidates))
    ids, m = np.concatenate([view.candidates, view.labeled]), len(view.candidates)
    projection: Any = view.read("csi", ["projection"], ids)["projection"]
    return to_numpy(kernels.purity(projection[:m], projection[m:])).astype(np.float64)


def _statistics_of_the_code(raw: np.ndarray, confidence: np.ndarray, mode: str) -> dict[str, np.ndarray]:
    mean, std = raw.mean(axis=0), raw.std(axis=0)
    if mode == "ll":
        mean[0], std[0] = confidence.mean(), confidence.std()
    return {"mean": mean, "std": _nonzero(std)}


def _nonzero(std: np.ndarray) -> np.ndarray:
    """Deviations to divide by; scores that are all equal stay equal."""
    return np.where(std > 0, std, 1.0)
