"""The n candidates of highest score, where a score is read off one output of one learner: doubt, or a loss.

Sources: Settles, Active Learning Literature Survey, 2009, section 3.1, for uncertainty; Chandra et al., On Initial
Pools for Deep Active Learning, 2021, for losses of networks that need no labels; LearningLoss and VAAL name theirs.
Samples are ranked by logarithms and log-odds of the scores, which keep their order at any gap of float32 logits; equal
ones are taken at random. `Picks.scores` are the scores as they are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tfal import kernels
from tfal.kernels.parts.xp import to_numpy
from tfal.kernels.uncertainty import log_complement
from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy, best_picks

LOSS_OF = {"simclr_loss": "simclr", "vae_loss": "vae"}  # score -> the learner that gives it


class TopScore(Strategy):
    """The n candidates of highest `score` of one output of the first of `learners`.

    output: its name. score: from a chunk of it, NumPy or CuPy, to (m,); at best a quantity that does not saturate.
    meaning: makes of the scores of those picked what `Picks.scores` shows. falling: whether that is smallest where the
        score is largest; tfal.rank shows it with a minus then.
    """

    output: ClassVar[str] = "logits"
    score: ClassVar[Any] = staticmethod(lambda output: output)
    meaning: ClassVar[Any] = staticmethod(lambda scores: scores)
    falling: ClassVar[bool] = False
    splits = "scores"

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return self.choose(view, self.row_scores(view), n, rng)

    def choose(self, view: PoolView, scores: Any, n: int, rng: np.random.Generator) -> Picks:
        return best_picks(view, scores, n, rng, type(self).meaning)

    def scores(self, view: PoolView) -> Any:
        score, output = type(self).score, self.output
        return view.map(self.learners[0], [output], lambda out: score(out[output]), view.candidates)

    def shown(self, scores: np.ndarray) -> np.ndarray:
        known: np.ndarray = type(self).meaning(scores)
        return -known if self.falling else known


def _from_log_odds(log_odds: np.ndarray) -> np.ndarray:
    """s of log((1 - s) / s)."""
    found: np.ndarray = np.exp(log_complement(-log_odds))
    return found


@dataclass(frozen=True)
class Entropy(TopScore):
    """Largest entropy of the predicted class distribution."""

    score = staticmethod(kernels.log_entropy)
    meaning = staticmethod(np.exp)


@dataclass(frozen=True)
class Margin(TopScore):
    """Smallest difference between the two largest class probabilities."""

    score = staticmethod(kernels.margin_log_odds)
    meaning = staticmethod(_from_log_odds)
    falling = True


@dataclass(frozen=True)
class LeastConfidence(TopScore):
    """Smallest probability of the predicted class."""

    score = staticmethod(kernels.confidence_log_odds)
    meaning = staticmethod(_from_log_odds)
    falling = True


@dataclass(frozen=True)
class MaxLogit(TopScore):
    """Smallest largest logit: what the public code of MQ-Net computes under the name CONF, without a softmax."""

    score = staticmethod(lambda logits: -kernels.max_logit(logits))
    meaning = staticmethod(np.negative)
    falling = True


@dataclass(frozen=True)
class LearningLoss(TopScore):
    """LL: largest loss as predicted by a module that is trained along with the classifier.

    Yoo & Kweon, Learning Loss for Active Learning, CVPR 2019, with the settings of MQ-Net's experiments (Park et al.,
    NeurIPS 2022). The module is tfal.learners.loss_prediction.
    """

    output = "predicted_loss"
    learners = ("loss_predictor",)
    task_learner = "loss_predictor"


@dataclass(frozen=True)
class VAAL(TopScore):
    """Smallest probability that a discriminator takes a sample for a labeled one, ranked by its logit.

    Sinha et al., Variational Adversarial Active Learning, ICCV 2019. The autoencoder and its adversary are a learner of
    their own, beside the classifier.
    """

    output = "labeled_logit"
    score = staticmethod(lambda logits: -logits.astype(np.float64))
    meaning = staticmethod(_from_log_odds)
    falling = True
    learners = ("vaal",)


@dataclass(frozen=True)
class SimCLRLoss(TopScore):
    """Largest contrastive loss: images that are hard to tell from others by their augmented views."""

    output = "simclr_loss"
    learners = ("simclr",)


@dataclass(frozen=True)
class VAELoss(TopScore):
    """Largest loss of a variational autoencoder: images that are hard to reconstruct."""

    output = "vae_loss"
    learners = ("vae",)


def losses(view: PoolView, name: str) -> np.ndarray:
    """The loss called `name` of every candidate, on the host."""
    return to_numpy(view.read(LOSS_OF[name], [name], view.candidates)[name])
