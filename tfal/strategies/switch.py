"""Switching: one strategy for the first queries, another one for all that follow.

Source of TCM: Doucet et al., Bridging Diversity and Uncertainty in Active Learning with Self-Supervised Pre-Training,
2024, arXiv 2403.03728.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields, make_dataclass
from typing import Any, ClassVar

import numpy as np

from tfal.errors import InputError
from tfal.recipe.options import option, shared, type_text
from tfal.strategies.base import Strategy
from tfal.strategies.clusters import TypiClust
from tfal.strategies.top_scores import Margin

TCM_CODE = "TCM public code"


class Switch(Strategy):
    """`before` for the first `n_first` queries, then `after`; its fields are the options of both.

    Whoever asks it asks `in_round` which of them it is; learners, labels and memory are then those of that one. In
    the round of the switch, the second begins with no memory. Both are judged by one network.
    """

    before: ClassVar[type[Strategy]]
    after: ClassVar[type[Strategy]]
    switched_as: ClassVar[str] = ""

    def __post_init__(self) -> None:
        judged = {part.task_learner for part in self.parts if part.task_learner in part.learners}
        if len(judged) > 1:
            one, other = (f"{type(part).__name__} by the {part.task_learner}" for part in self.parts)
            raise InputError(
                f"strategies that follow each other are judged by one network. Received: {one}, {other}. Choose two "
                "that read the same classifier, or run them one after the other, with a comma."
            )

    @property
    def n_first(self) -> int:
        """How many queries the first of them answers."""
        raise TypeError(f"{type(self).__name__} does not define n_first")

    @property
    def parts(self) -> tuple[Strategy, ...]:
        """Both, set to what this has of their options."""
        return self._made(self.before), self._made(self.after)

    def in_round(self, round: int) -> Strategy:
        return self._made(self.before if round < self.n_first else self.after)

    def _made(self, kind: type[Strategy]) -> Strategy:
        given = {each.name: getattr(self, each.name) for each in _fields(kind)}
        apart = {each.name for each in _fields(type(self)) if each.metadata.get("apart")}
        return kind(**{name: value for name, value in given.items() if value is not None or name not in apart})

    @property
    def learners(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of both."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.learners))

    @property
    def task_learner(self) -> str:  # type: ignore[override]
        """That of the one that reads its own; others do not care."""
        found = [part.task_learner for part in self.parts if part.task_learner in part.learners]
        return (*found, self.parts[0].task_learner)[0]

    @property
    def required_outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of both."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.required_outputs))

    @property
    def asks(self) -> bool:  # type: ignore[override]
        """Whether either does."""
        return any(part.asks for part in self.parts)

    @property
    def needs_validation(self) -> bool:
        return any(part.needs_validation for part in self.parts)

    @property
    def options_used(self) -> frozenset[str]:
        """Those that either uses, and its own."""
        of_parts = {each.name for part in self.parts for each in _fields(type(part))}
        used = {name for part in self.parts for name in part.options_used}
        return frozenset({each.name for each in _fields(type(self))} - of_parts | used)

    def check_pool(self, candidates: np.ndarray, n: int, size: int) -> None:
        for part in self.parts:
            part.check_pool(candidates, n, size)


@dataclass(frozen=True)
class TCM(Switch):
    """TypiClust for the first `switch_at` queries, then margin.

    Paper: Doucet et al., Bridging Diversity and Uncertainty in Active Learning with Self-Supervised Pre-Training, 2024.
    Definition: in queries 1 to switch_at that of typiclust, which reads the encoder alone; that of margin in all that
        follow.
    Cost: that of the one that is asked; a round trains what that one reads.
    Use: on features of a pretrained encoder, from few labels to many: typical samples help as long as labels are few,
        uncertain ones when there are more. When to switch depends on budget and features. Any two strategies follow
        each other by a name such as `typiclust@3+margin`.

    switch_at: queries by TypiClust. n_redo, n_iter: its restarts and iterations of k-means.
    """

    switch_at: int = option(3, "queries of the first strategy, tcm", least=1, protocol=True, source=TCM_CODE)
    n_redo: int = shared(TypiClust, "n_redo")
    n_iter: int = shared(TypiClust, "n_iter")

    before = TypiClust
    after = Margin

    @property
    def n_first(self) -> int:
        return self.switch_at


def switched(name: str, first: type[Strategy], n_first: int, second: type[Strategy]) -> type[Switch]:
    """The class of strategies that ask `first` in n_first queries, and then `second`; it goes by `name`.

    An option that both have with different defaults is None there: to each its own.
    """
    key = (name, first, second)
    if key not in _KINDS:
        found = {each.name: _same(each) for each in _fields(second)}
        for each in _fields(first):
            differs = each.name in found and found[each.name][1].default != each.default
            found[each.name] = _apart(each) if differs else _same(each)
        namespace = {
            "__doc__": f"{first.__name__} for the first queries ({n_first}), then {second.__name__}.",
            "__module__": __name__,
            "before": first,
            "after": second,
            "switched_as": name,
            "n_first": n_first,
            "oracle": first.oracle or second.oracle,
            "asks": first.asks or second.asks,
        }
        title = f"{first.__name__}Then{second.__name__}"
        made = [(option, *rest) for option, rest in found.items()]
        _KINDS[key] = make_dataclass(title, made, bases=(Switch,), frozen=True, namespace=namespace)
    return _KINDS[key]


_KINDS: dict[tuple[str, type[Strategy], type[Strategy]], type[Switch]] = {}


def _same(given: Any) -> tuple[str, Any]:
    """Type and copy of a field."""
    made = field(default=given.default, default_factory=given.default_factory, metadata=given.metadata)
    return type_text(given), made


def _apart(given: Any) -> tuple[str, Any]:
    """Type and copy of a field that may be None, which is its default."""
    kind = type_text(given).removesuffix(" | None")
    return f"{kind} | None", field(default=None, metadata={**given.metadata, "apart": True})


def options_of(first: Strategy, second: Strategy) -> dict[str, Any]:
    """The options of a switch between two strategy objects. Raises InputError where they have one that differs."""
    found: dict[str, Any] = {}
    for part in (first, second):
        for each in _fields(type(part)):
            value = getattr(part, each.name)
            other = found.setdefault(each.name, value)
            if other == value:
                continue
            at_defaults = (
                value == each.default and other == {f.name: f for f in _fields(type(first))}[each.name].default
            )
            if not at_defaults:
                raise InputError(
                    f"strategies that follow each other share their options. Received: {each.name} {other!r} and "
                    f"{value!r}. Give both the same."
                )
            found[each.name] = None
    return found


def _fields(kind: type[Strategy]) -> tuple[Field[Any], ...]:
    return fields(kind)  # type: ignore[arg-type]
