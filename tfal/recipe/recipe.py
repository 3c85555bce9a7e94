"""The recipe: every option of a run, with its unit, default and source. Command line and json come from its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tfal.errors import InputError
from tfal.plugins import as_part
from tfal.recipe.groups import (
    GROUPS,
    DataOptions,
    LowBudgetOptions,
    OpenSetOptions,
    PoolOptions,
    RunOptions,
    TrainingOptions,
)
from tfal.recipe.names import resolved
from tfal.recipe.options import BALANCED, check_value, flag

_MOST = 120  # characters of a list of classes in the name of a folder


@dataclass(frozen=True, init=False, repr=False)
class Recipe(RunOptions, DataOptions, PoolOptions, TrainingOptions, OpenSetOptions, LowBudgetOptions):
    """Strategies on one data set with one network; the defaults are the LDM-S paper's MNIST protocol.

    `Recipe(dataset="cifar10", strategy="badge", n_query=100)`: options by name, those of the groups above, of
    strategies and of learners; `tfal run mnist --help all` tells of each. On the command line `n_query` is
    `--nQuery`, and so on. Names may be written in small or capital letters, with or without hyphens and underscores;
    here they stand in their one spelling, see tfal.recipe.names. `strategy` may be a strategy object, too, or a list of
    objects and names.

    components: name and value of the options of strategies and learners that are not at their defaults; each is an
    attribute as well.

    Raises InputError for an unknown option, and values out of range.
    """

    components: tuple[tuple[str, Any], ...] = ()

    def __init__(self, **options: Any) -> None:
        from tfal.strategies import strategy_class  # which needs options

        given = dict(options.pop("components", ())) | options
        if "strategy" in given:
            given |= _of_objects(given["strategy"])
        groups = {name: given.pop(name, option.default) for name, option in GROUPS.items()}
        for name, value in groups.items():
            check_value(GROUPS[name], value)
        groups |= resolved(groups)
        for name, value in groups.items():
            object.__setattr__(self, name, value)
        others = {name for chosen in self.strategy.split(",") for name in strategy_class(chosen).__dataclass_fields__}  # type: ignore[attr-defined]
        object.__setattr__(self, "components", _components(given, others))
        self._check_open_set()
        self._check_initial()
        if self.shard > self.n_shard:
            raise InputError(
                f"--shard must be at most --nShard. Received: {self.shard} of {self.n_shard}. Say how many there are."
            )
        if self.lr_schedule is not None:
            _percents(self.lr_schedule)
        if self.simclr_optimizer == "sgd" and self.n_warmup:
            raise InputError(f"--simclrOptimizer sgd has no warm-up. Set --nWarmup 0. Received: {self.n_warmup}.")

    def __getattr__(self, name: str) -> Any:
        """An option of a strategy or a learner: what is given, or its default."""
        from tfal.recipe.components import options

        if not name.startswith("_") and name != "components":
            given = dict(self.components)
            if name in given:
                return given[name]
            if name in options():
                return options()[name].default
        raise AttributeError(f"'Recipe' object has no attribute {name!r}")

    def __repr__(self) -> str:
        """What is not at its default."""
        set_here = {name: getattr(self, name) for name, option in GROUPS.items()}
        changed = {name: value for name, value in set_here.items() if value != GROUPS[name].default}
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in (changed | dict(self.components)).items())})"

    def _check_initial(self) -> None:
        if self.long_tail and (self.is_open or self.splits):
            raise InputError(
                "--longTail is of closed sets in rounds. Received: --splits, or options of an open set too. Leave one "
                "of them out."
            )
        if self.splits and self.initial != BALANCED:
            raise InputError(
                f"--initial has no place with --splits, where every budget is chosen. Received: {self.initial!r}. "
                "Name it as --strategy."
            )

    def _check_open_set(self) -> None:
        if self.splits and self.is_open:
            given = [flag(name) for name in ("n_class_known", "known_classes", "ood_dataset") if getattr(self, name)]
            raise InputError(f"--splits is of closed sets. Received: {' and '.join(given)} too. Leave one of them out.")
        if self.ood_dataset and (self.n_class_known or self.known_classes):
            raise InputError(
                "--oodDataset makes all classes of the first data set known. Received: --nClassKnown or --knownClasses "
                "too. Set --nClassKnown 0 and leave out the other."
            )
        if self.known_classes and self.trial is not None:
            raise InputError("--knownClasses and --trial both say which classes are known. Leave one of them out.")
        if not self.is_open and (self.ood_rate or self.trial is not None):
            raise InputError(
                "--oodRate and --trial need to know which classes are known. Give --nClassKnown, --knownClasses or "
                "--oodDataset."
            )

    def replace(self, **options: Any) -> Recipe:
        """The recipe with other options."""
        return dataclasses.replace(self, **options)

    def each_strategy(self) -> list[Recipe]:
        """One recipe for each name in `strategy`, which may be a comma list."""
        return [dataclasses.replace(self, strategy=name) for name in self.strategy.split(",")]

    @property
    def reps(self) -> range:
        """Numbers of the repetitions, from 1: all of them, or the one of `rep`."""
        return range(self.rep, self.rep + 1) if self.rep else range(1, self.n_rep + 1)

    @property
    def milestones(self) -> tuple[int, ...] | None:
        """Those of `lr_schedule`, percent of the epochs; None where each training has its own."""
        return None if self.lr_schedule is None else _percents(self.lr_schedule)

    @property
    def is_open(self) -> bool:
        """Whether the pool holds classes that are not asked for."""
        return bool(self.n_class_known or self.known_classes or self.ood_dataset)

    @property
    def title(self) -> str:
        """The data set and its variant, as result folders are named: "cifar10", or "cifar10-4known-ood60"."""
        if self.splits:
            return f"{self.dataset}-lowbudget"
        start = "" if self.initial == BALANCED else f"-from-{as_part(self.initial)}"
        tail = f"-longtail{self.long_tail:g}" if self.long_tail else ""
        return f"{self.dataset}{self._open_title if self.is_open else tail}{start}"

    @property
    def _open_title(self) -> str:
        if self.ood_dataset:
            known = f"+{self.ood_dataset}"
        elif self.known_classes:
            known = f"-known{_shortened(self.known_classes.replace(',', '.'))}"
        else:
            known = f"-{self.n_class_known}known"
        trial = "" if self.trial is None else f"-trial{self.trial}"
        return f"{known}-ood{100 * self.ood_rate:g}{trial}"

    def identity(self) -> dict[str, Any]:
        """The options that the results depend on; a run folder belongs to one such set."""
        from tfal.recipe.usage import component_options  # which needs the recipe

        groups = {name: getattr(self, name) for name, option in GROUPS.items() if option.metadata["identity"]}
        return groups | {name: value for name, (value, _) in component_options(self).items()}


def _components(given: dict[str, Any], others: Collection[str]) -> tuple[tuple[str, Any], ...]:
    """The options of strategies and learners, checked, in one spelling, without those at the only default there is.

    others: fields of the chosen strategies, which may be of types that no flag has.
    """
    from tfal.recipe.components import declared, unknown_option

    known, kept = declared(), dict(given)
    for name, value in given.items():
        if name in known:
            check_value(known[name].option, value, optional=known[name].may_be_unset)
        elif name not in others:
            raise unknown_option(name)
    kept |= resolved(given)
    return tuple(sorted((n, value) for n, value in kept.items() if n not in known or not known[n].is_default(value)))


def _of_objects(given: Any) -> dict[str, Any]:
    """The options that strategy objects stand for: their names, and what they are set to."""
    from tfal.strategies import Strategy, name_of

    listed = [given] if isinstance(given, str | Strategy) else given
    if isinstance(given, str) or not isinstance(listed, Sequence):
        return {}
    found: dict[str, Any] = {}
    names = []
    for strategy in listed:
        if isinstance(strategy, str):
            names.append(strategy)
            continue
        if not isinstance(strategy, Strategy):
            raise InputError(f"strategy must be names or strategy objects. Received: {strategy!r}.")
        names.append(name_of(strategy))
        for field in dataclasses.fields(strategy):  # type: ignore[arg-type]
            value = getattr(strategy, field.name)
            if found.setdefault(field.name, value) != value:
                raise InputError(
                    f"strategies of one recipe share their options. Received: {field.name} {found[field.name]!r} and "
                    f"{value!r}. Run them one after the other, with a recipe each."
                )
    return {"strategy": ",".join(names), **found}


def _shortened(text: str) -> str:
    """The text, or the beginning and a hash of one that is too long for a folder's name."""
    return text if len(text) <= _MOST else f"{text[:20]}...{blake2b(text.encode(), digest_size=6).hexdigest()}"


def _percents(text: str) -> tuple[int, ...]:
    """Ascending whole numbers from 1 to 99, from a comma list."""
    try:
        found = tuple(int(number) for number in text.split(","))
    except ValueError:
        found = ()
    if not found or list(found) != sorted({*found}) or not 0 < found[0] <= found[-1] < 100:
        raise InputError(
            f"--lrSchedule must be ascending whole numbers from 1 to 99, percent of the epochs, such as 50,75. "
            f"Received: {text!r}."
        )
    return found
