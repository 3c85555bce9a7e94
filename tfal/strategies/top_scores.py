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
    """Largest entropy of the predicted class distribution.

    Paper: Settles, Active Learning Literature Survey, 2009, section 3.1.
    Formula: `-sum_c p_c log p_c`, largest first; p: the class distribution, softmax of the logits.
    Cost: one pass over the candidates, then O(m C) for m of them and C classes.
    Use: with a classifier that has learned something, and few classes. With many classes the unlikely ones decide,
        and margin is the better choice; picks of one batch may be near copies.
    """

    score = staticmethod(kernels.log_entropy)
    meaning = staticmethod(np.exp)


@dataclass(frozen=True)
class Margin(TopScore):
    """Smallest difference between the two largest class probabilities.

    Paper: Settles, Active Learning Literature Survey, 2009, section 3.1.
    Formula: `p_1 - p_2`, smallest first; p_1, p_2: the two largest class probabilities.
    Cost: one pass over the candidates, then O(m C) for m of them and C classes.
    Use: the first one to try once a classifier has learned something: cheap, and hard to beat in published
        comparisons. For a handful of labels a class take typiclust or maxherding, for large batches of a pool with
        many near copies badge or power_margin.
    """

    score = staticmethod(kernels.margin_log_odds)
    meaning = staticmethod(_from_log_odds)
    falling = True


@dataclass(frozen=True)
class LeastConfidence(TopScore):
    """Smallest probability of the predicted class.

    Paper: Settles, Active Learning Literature Survey, 2009, section 3.1.
    Formula: `max_c p_c`, smallest first; p: softmax of the logits.
    Cost: one pass over the candidates, then O(m C) for m of them and C classes.
    Use: as margin, from which it differs with three classes or more; with two classes least_confidence, margin and
        entropy pick the same samples.
    """

    score = staticmethod(kernels.confidence_log_odds)
    meaning = staticmethod(_from_log_odds)
    falling = True


@dataclass(frozen=True)
class MaxLogit(TopScore):
    """Smallest largest logit.

    Paper: Park et al., Meta-Query-Net, NeurIPS 2022: what its public code computes under the name CONF, without a
        softmax.
    Formula: `max_c z_c`, smallest first; z: the logits.
    Cost: one pass over the candidates, then O(m C) for m of them and C classes.
    Use: to repeat that code's comparison. A softmax leaves the level of a sample's logits open, so least_confidence
        is the better founded choice elsewhere.
    """

    score = staticmethod(lambda logits: -kernels.max_logit(logits))
    meaning = staticmethod(np.negative)
    falling = True


@dataclass(frozen=True)
class LearningLoss(TopScore):
    """LL: largest loss as predicted by a module that is trained along with the classifier.

    Paper: Yoo & Kweon, Learning Loss for Active Learning, CVPR 2019, with the settings of MQ-Net's experiments (Park
        et al., NeurIPS 2022).
    Formula: the predicted loss, largest first; the module learns the order of losses: a pair of samples i, j of a
        batch costs `max(0, 1 - sign(loss_i - loss_j) (predicted_i - predicted_j))`.
    Cost: one pass over the candidates; the module, tfal.learners.loss_prediction, makes each step of the training a
        little longer.
    Use: with a thousand labels or more, as published: losses are learned from them. Its classifier is trained with the
        module, so its accuracy differs from that of others. Picks of a batch may be near copies.
    """

    output = "predicted_loss"
    learners = ("loss_predictor",)
    task_learner = "loss_predictor"


@dataclass(frozen=True)
class VAAL(TopScore):
    """VAAL: smallest probability that a discriminator takes a sample for a labeled one, ranked by its logit.

    Paper: Sinha et al., Variational Adversarial Active Learning, ICCV 2019.
    Formula: `D(q(x))`, smallest first: the probability that a discriminator D of an autoencoder's latent code q(x)
        gives for "labeled".
    Cost: an autoencoder and its adversary are trained in each round, beside the classifier; then one pass
        over the candidates.
    Use: where labeled samples are no fair sample of the pool; it looks at neither classes nor doubt. Mostly for
        comparison.
    """

    output = "labeled_logit"
    score = staticmethod(lambda logits: -logits.astype(np.float64))
    meaning = staticmethod(_from_log_odds)
    falling = True
    learners = ("vaal",)


@dataclass(frozen=True)
class SimCLRLoss(TopScore):
    """Largest contrastive loss: images that are hard to tell from others by their augmented views.

    Paper: Chandra et al., On Initial Pools for Deep Active Learning, 2021; SimCLR: Chen et al., ICML 2020.
    Formula: `-log(exp(s(v, v') / t) / sum_k exp(s(v, k) / t))`, largest first: s the cosine of projections, v and v'
        two augmented views, k the other view and fixed other images, t the temperature.
    Cost: SimCLR is trained on the images of the pool once, which takes longest, and kept; then one pass over
        augmented views.
    Use: as a first choice of labels it is for comparison: in the reference results the largest losses are worse than
        random picks. See typiclust.
    """

    output = "simclr_loss"
    learners = ("simclr",)


@dataclass(frozen=True)
class VAELoss(TopScore):
    """Largest loss of a variational autoencoder: images that are hard to reconstruct.

    Paper: Chandra et al., On Initial Pools for Deep Active Learning, 2021; VAE: Kingma & Welling, ICLR 2014.
    Formula: error of the reconstruction plus w times the divergence of the latent distribution, largest first; w: the
        batch over the number of images, as in training.
    Cost: an autoencoder is trained on the images of the pool once, and kept; then one pass over them.
    Use: as a first choice of labels it is for comparison: it asks for odd images, and in the reference results is
        worse than random picks. See typiclust.
    """

    output = "vae_loss"
    learners = ("vae",)


def losses(view: PoolView, name: str) -> np.ndarray:
    """The loss called `name` of every candidate, on the host."""
    return to_numpy(view.read(LOSS_OF[name], [name], view.candidates)[name])
