"""Query strategies by name. A new one is its file, its line here and its line in the contract test.

One of somebody else needs no line: see tfal.plugins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from tfal import plugins
from tfal.errors import InputError, resolve_name, unknown_name
from tfal.given import check_int
from tfal.learners import LEARNERS
from tfal.strategies.activeft import ActiveFT
from tfal.strategies.alfamix import ALFAMix
from tfal.strategies.badge import Badge
from tfal.strategies.bait import Bait
from tfal.strategies.bait_binary import BaitBinary
from tfal.strategies.base import Picks, Strategy, check_memory, check_picks, picks_of
from tfal.strategies.bayesian import BALD, DBAL, BatchBALD, Consistency, EnsembleEntropy, VariationRatio
from tfal.strategies.ccal import CCAL
from tfal.strategies.class_balanced import CoreSetCB, EntropyCB
from tfal.strategies.cluster_margin import ClusterMargin
from tfal.strategies.cluster_quotas import ClusterRanking, KMeansClusters, Scan, SelfLabel
from tfal.strategies.clusters import KMeans, MultiKMeans, TypiClust
from tfal.strategies.coreset import CoreSet
from tfal.strategies.covering import MaxHerding, ProbCover, UHerding
from tfal.strategies.dcom import DCoM
from tfal.strategies.dropquery import DropQuery
from tfal.strategies.eaoa import EAOA
from tfal.strategies.eoal import EOAL
from tfal.strategies.epig import EPIG
from tfal.strategies.falcun import Falcun
from tfal.strategies.ldms import LDMS
from tfal.strategies.lfosa import LfOSA
from tfal.strategies.long_tail import Direct, Galaxy
from tfal.strategies.mqnet import MQNet
from tfal.strategies.neat import Neat
from tfal.strategies.noise_stability import NoiseStability
from tfal.strategies.power import PowerEntropy, PowerMargin
from tfal.strategies.random import Random
from tfal.strategies.ranking import Ranking
from tfal.strategies.refine import Refine
from tfal.strategies.similar import Similar
from tfal.strategies.switch import TCM, options_of, switched
from tfal.strategies.top_scores import (
    VAAL,
    Entropy,
    LearningLoss,
    LeastConfidence,
    Margin,
    MaxLogit,
    SimCLRLoss,
    VAELoss,
)
from tfal.strategies.uniform import Uniform

__all__ = [
    "STRATEGIES",
    "Picks",
    "Strategy",
    "check_memory",
    "check_picks",
    "find_strategy",
    "make_strategy",
    "name_of",
    "picks_of",
    "register_strategy",
    "registered_name",
    "strategy_class",
    "strategy_name",
    "switch",
]

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
    "activeft": ActiveFT,
    "alfamix": ALFAMix,
    "bait_binary": BaitBinary,
    "cluster_margin": ClusterMargin,
    "dropquery": DropQuery,
    "falcun": Falcun,
    "vaal": VAAL,
    "simclr_loss": SimCLRLoss,
    "vae_loss": VAELoss,
    "scan": Scan,
    "self_label": SelfLabel,
    "kmeans_clusters": KMeansClusters,
    "cluster_ranking": ClusterRanking,
    "ranking": Ranking,
    "neat": Neat,
    "tcm": TCM,
    "lfosa": LfOSA,
    "noise_stability": NoiseStability,
    "epig": EPIG,
    "refine": Refine,
    "dcom": DCoM,
    "galaxy": Galaxy,
    "direct": Direct,
    "eaoa": EAOA,
    "eoal": EOAL,
    "entropy_cb": EntropyCB,
    "coreset_cb": CoreSetCB,
}
_SWITCHED = re.compile(r"([^@+]+)@([0-9]+)\+([^@+]+)")
_OFFERED: set[type[Strategy]] = set()  # those that entry points brought
# What strategies for versions before 0.2 may still say.
_RENAMED = {"task": "task_learner", "special": "required_outputs", "single_batch": "nested_budgets = False"}


def strategy_name(name: str, kind: str = "strategy", others: Sequence[str] = ()) -> str:
    """The one spelling of a strategy's name; upper and lower case, hyphens and underscores are all the same.

    Args:
        name: one of STRATEGIES; the name of an entry point of an installed package; or "package.module:Class", which is
            imported, from the current folder or as installed, and is in STRATEGIES from then on; or two of these,
            "typiclust@3+margin": the first for 3 queries, then the second.
        kind: what errors call it.
        others: names that may stand in its place.

    Raises:
        InputError: no such name, or a class that is no strategy.
    """
    if "@" in name:
        return _switched_name(name, kind)
    if name in STRATEGIES and plugins.is_path(name):
        return name
    if plugins.is_path(name):
        register_strategy(name, plugins.load(kind, name))
        return name
    if ":" in name:
        meant = "package.module:Class, such as my_package.density:Density"
        raise InputError(f"a {kind} of your own is named {meant}. Received: {name!r}.")
    offered = plugins.installed(plugins.STRATEGIES)
    found = resolve_name(kind, name, [*others, *(n for n in STRATEGIES if not plugins.is_path(n)), *offered])
    if found in offered and STRATEGIES.get(found) not in _OFFERED:
        plugins.check_not_taken("strategy", plugins.STRATEGIES, found, STRATEGIES)
        register_strategy(found, plugins.load(kind, offered[found]))
        _OFFERED.add(STRATEGIES[found])
    return found


def _switched_name(name: str, kind: str) -> str:
    parts = _SWITCHED.fullmatch(name)
    if parts is None or int(parts[2]) < 1:
        raise InputError(
            f"a {kind} that follows another one is named FIRST@N+SECOND, FIRST for N queries, at least 1, such as "
            f"typiclust@3+margin; a comma begins another run. Received: {name!r}."
        )
    first, second = (strategy_name(part.strip(), kind) for part in (parts[1], parts[3]))
    if first == second or any(STRATEGIES[part].in_round is not Strategy.in_round for part in (first, second)):
        raise InputError(f"a {kind} switches once, between two that do not switch. Received: {name!r}. Name two.")
    return f"{first}@{int(parts[2])}+{second}"


def strategy_class(name: str) -> type[Strategy]:
    """The class of a strategy, by any name that strategy_name takes. Raises InputError for others."""
    name = strategy_name(name)
    return find_strategy(name) or STRATEGIES[name]


def find_strategy(name: str) -> type[Strategy] | None:
    """The class of a strategy by its name in results; None for one that is not known here."""
    parts = _SWITCHED.fullmatch(name)
    if parts is None:
        return STRATEGIES.get(name)
    first, second = STRATEGIES.get(parts[1]), STRATEGIES.get(parts[3])
    return switched(name, first, int(parts[2]), second) if first and second else None


def switch(first: str | Strategy, n_first: int, second: str | Strategy) -> Strategy:
    """A strategy that asks `first` in n_first queries, and then `second`: "typiclust@3+margin" of names and 3.

    Args:
        first, second: names, with their defaults, or Strategy objects.
        n_first: at least 1, counted from the first query of a run or campaign.

    Raises:
        InputError: both are the same, are judged by different networks, or set a common option differently.
    """
    check_int("n_first", n_first, 1)
    one, other = (make_strategy(part, None) if isinstance(part, str) else part for part in (first, second))
    return strategy_class(f"{name_of(one)}@{n_first}+{name_of(other)}")(**options_of(one, other))


def register_strategy(name: str, strategy: Any) -> None:
    """Makes a strategy of one's own known under a name. Raises InputError for what is no strategy; see Strategy."""
    from tfal.recipe.components import check_new, strategy_options  # which imports this

    what = f"strategy {name!r}"
    if not isinstance(strategy, type) or not issubclass(strategy, Strategy):
        raise InputError(f"{what} must be a class on tfal.strategies.Strategy. Received: {strategy!r}.")
    if not is_dataclass(strategy) or "__dataclass_fields__" not in vars(strategy):
        raise InputError(f"{what} must be a dataclass. Write @dataclass(frozen=True) above class {strategy.__name__}.")
    if strategy.query is Strategy.query:
        raise InputError(f"{what} must define query(view, n, rng). Received: {strategy.__name__} without.")
    renamed = [f"{old} is {new} now" for old, new in _RENAMED.items() if old in vars(strategy)]
    if renamed:
        raise InputError(f"{what} sets what nothing reads any more: {', '.join(renamed)}.")
    missing = [f.name for f in fields(strategy) if f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise InputError(f"{what}: every field needs a default. Received: {', '.join(missing)} without.")
    before = STRATEGIES.pop(name, None)  # a notebook's cell that was run again
    try:
        check_new(what, strategy_options(strategy))
    except InputError:
        if before is not None:
            STRATEGIES[name] = before
        raise
    STRATEGIES[name] = strategy


def name_of(strategy: Strategy) -> str:
    """The name that a strategy object's class goes by in a recipe; a class of one's own becomes known by its path."""
    kind = type(strategy)
    known = registered_name(kind)
    if known is not None:
        return known
    name = f"{kind.__module__}:{kind.__qualname__.rpartition('.')[2]}"
    register_strategy(name, kind)
    return name


def registered_name(kind: type[Strategy]) -> str | None:
    """The name of a class of strategies; None where it has none."""
    known = (name for name, known in STRATEGIES.items() if known is kind)
    return next(known, getattr(kind, "switched_as", None) or None)


def make_strategy(name: str, options: Any) -> Strategy:
    """The strategy called `name`, set to what `options` has of its fields.

    options: a Recipe, or any object with such attributes. Raises InputError for an unknown name.
    """
    strategy = strategy_class(name)
    given = {field.name: getattr(options, field.name, MISSING) for field in fields(strategy)}  # type: ignore[arg-type]
    if hasattr(options, "components"):  # of a recipe, whose other attributes are defaults, which may be of another one
        given = {
            field: value for field, value in {**vars(options), **dict(options.components)}.items() if field in given
        }
    made = strategy(**{field: value for field, value in given.items() if value is not MISSING})
    _check_learners(name, made)
    return made


def _check_learners(name: str, strategy: Strategy) -> None:
    """Raises InputError where it reads, or is judged by, a learner that nobody has registered."""
    if not isinstance(strategy.learners, tuple) or not all(isinstance(learner, str) for learner in strategy.learners):
        raise InputError(
            f"strategy {name!r}: learners must be a tuple of names, such as ('classifier',). "
            f"Received: {strategy.learners!r}."
        )
    for learner in (*strategy.learners, strategy.task_learner):
        if learner not in LEARNERS:
            known = unknown_name("learner", learner, LEARNERS)
            raise InputError(f"strategy {name!r}: {known} One of your own: tfal.learners.register_learner.")
