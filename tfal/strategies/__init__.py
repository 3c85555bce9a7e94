"""Query strategies by name. A new one is its file, its line here and its line in the contract test."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tfal.errors import resolve_name
from tfal.strategies.badge import Badge
from tfal.strategies.bait import Bait
from tfal.strategies.base import Picks, Strategy, check_picks
from tfal.strategies.bayesian import BALD, DBAL, BatchBALD, Consistency, EnsembleEntropy, VariationRatio
from tfal.strategies.ccal import CCAL
from tfal.strategies.clusters import KMeans, MultiKMeans, TypiClust
from tfal.strategies.coreset import CoreSet
from tfal.strategies.covering import MaxHerding, ProbCover, UHerding
from tfal.strategies.initial import ClusterRanking, KMeansClusters, Ranking, Scan, SelfLabel, SimCLRLoss, VAELoss
from tfal.strategies.ldms import LDMS
from tfal.strategies.learning_loss import LearningLoss
from tfal.strategies.mqnet import MQNet
from tfal.strategies.power import PowerEntropy, PowerMargin
from tfal.strategies.random import Random
from tfal.strategies.similar import Similar
from tfal.strategies.uncertainty import Entropy, LeastConfidence, Margin, MaxLogit
from tfal.strategies.uniform import Uniform
from tfal.strategies.vaal import VAAL

__all__ = ["STRATEGIES", "Picks", "Strategy", "check_picks", "make_strategy"]

STRATEGIES: dict[str, type[Strategy]] = {
    "random": Random,
    "entropy": Entropy,
    "margin": Margin,
    "least_confidence": LeastConfidence,
    "max_logit": MaxLogit,
    "coreset": CoreSet,
    "badge": Badge,
    "ldms": LDMS,
    "ll": LearningLoss,
    "ccal": CCAL,
    "similar": Similar,
    "mqnet": MQNet,
    "kmeans": KMeans,
    "multi_kmeans": MultiKMeans,
    "typiclust": TypiClust,
    "probcover": ProbCover,
    "maxherding": MaxHerding,
    "uherding": UHerding,
    "power_margin": PowerMargin,
    "power_entropy": PowerEntropy,
    "uniform": Uniform,
    "dbal": DBAL,
    "bald": BALD,
    "batchbald": BatchBALD,
    "consistency": Consistency,
    "variation_ratio": VariationRatio,
    "ensemble_entropy": EnsembleEntropy,
    "bait": Bait,
    "vaal": VAAL,
    "simclr_loss": SimCLRLoss,
    "vae_loss": VAELoss,
    "scan": Scan,
    "self_label": SelfLabel,
    "kmeans_clusters": KMeansClusters,
    "cluster_ranking": ClusterRanking,
    "ranking": Ranking,
}


def make_strategy(name: str, options: Any) -> Strategy:
    """The strategy called `name`; each of its fields that `options` has as an attribute is taken from there.

    Raises InputError for an unknown name.
    """
    strategy = STRATEGIES[resolve_name("strategy", name, STRATEGIES)]
    names = [field.name for field in fields(strategy)]  # type: ignore[arg-type]
    return strategy(**{name: getattr(options, name) for name in names if hasattr(options, name)})
