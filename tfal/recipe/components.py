"""All options by name, and who has them: groups of the recipe, strategies, learners."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tfal.errors import InputError, unknown_name
from tfal.learners import LEARNERS
from tfal.recipe.groups import GROUPS
from tfal.recipe.options import complete, is_option
from tfal.strategies import STRATEGIES

Option = dataclasses.Field


class Declared(NamedTuple):
    """An option and who has it.

    fields: as each of its owners has it: they differ in default and type at most. strategies, learners: names of those.
    in_group: whether it belongs to a group of the recipe.
    """

    fields: tuple[Option[Any], ...]
    strategies: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()
    in_group: bool = False

    @property
    def option(self) -> Option[Any]:
        """As its first owner declares it."""
        return self.fields[0]

    @property
    def may_be_unset(self) -> bool:
        """Whether None is a value of it."""
        return any("None" in str(field.type) for field in self.fields)

    def is_default(self, value: Any) -> bool:
        """Whether all owners have this value when nobody says anything."""
        return all(type(field.default) is type(value) and field.default == value for field in self.fields)


def declared() -> Mapping[str, Declared]:
    """Every option of every component that is known by now: groups first, in their order."""
    return _declared(tuple(STRATEGIES.items()), tuple(LEARNERS.items()))


def options() -> Mapping[str, Option[Any]]:
    """Every option by name, as its first owner declares it."""
    return _options(tuple(STRATEGIES.items()), tuple(LEARNERS.items()))


@functools.lru_cache(4)
def _options(strategies: tuple[Any, ...], learners: tuple[Any, ...]) -> Mapping[str, Option[Any]]:
    return MappingProxyType({name: found.option for name, found in _declared(strategies, learners).items()})


@functools.lru_cache(4)
def _declared(strategies: tuple[Any, ...], learners: tuple[Any, ...]) -> Mapping[str, Declared]:
    found = {name: Declared((option,), in_group=True) for name, option in GROUPS.items()}
    for name, spec in learners:
        for field in spec.fields:
            before = found.get(field.name, Declared(()))
            fields = (*before.fields, complete(field, f"of learner {name}"))
            found[field.name] = before._replace(fields=fields, learners=(*before.learners, name))
    for name, strategy in strategies:
        for field in strategy_options(strategy):
            before = found.get(field.name, Declared(()))
            fields = (*before.fields, complete(field, f"of strategy {name}"))
            found[field.name] = before._replace(fields=fields, strategies=(*before.strategies, name))
    return MappingProxyType(found)


def owned(strategies: Collection[str]) -> dict[str, dict[str, Option[Any]]]:
    """The options that some strategies, by name, have of their own: by option, the field of each that has it."""
    found: dict[str, dict[str, Option[Any]]] = {}
    for name, known in declared().items():
        if known.in_group:
            continue
        own = zip(known.strategies, known.fields[len(known.learners) :], strict=True)
        if of_these := {strategy: field for strategy, field in own if strategy in strategies}:
            found[name] = of_these
    return found


def strategy_options(strategy: Any) -> list[Option[Any]]:
    """The fields of a strategy that can be options: whole numbers, numbers and texts, or None in their place."""
    return [field for field in dataclasses.fields(strategy) if is_option(field)]


def check_new(owner: str, fields: Iterable[Option[Any]]) -> None:
    """Raises InputError where one of the options of a new component has the name of another one that means another
    thing."""
    known = options()
    for field in fields:
        there, here = known.get(field.name), complete(field, f"of {owner}")
        if there is not None and there.metadata["help"] != here.metadata["help"]:
            raise InputError(
                f"{owner} has an option {field.name!r}, which is that of {owners_of(field.name)} already "
                f"({there.metadata['help']!r}). Give it another name, or share it: tfal.recipe.options.shared."
            )


def owners_of(name: str) -> str:
    """Who has an option, in words."""
    found = declared()[name]
    parts = ["the recipe"] if found.in_group else []
    for kind, plural, names in (
        ("strategy", "strategies", found.strategies),
        ("learner", "learners", found.learners),
    ):
        if names:
            parts.append(f"{kind if len(names) == 1 else plural} {', '.join(names)}")
    return " and ".join(parts)


def unknown_option(name: str) -> InputError:
    """The error for an option that no component has."""
    message = str(unknown_name("option", name, options()))
    return InputError(f"{message.partition(' Valid:')[0]} `--help all` of a run script shows all of them.")
