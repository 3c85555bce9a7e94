"""The strategy that somebody names: made, with its options checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from tfal.errors import InputError, unknown_name
from tfal.recipe.options import check_value
from tfal.strategies import Strategy, registered_name, strategy_class


def checked_strategy(strategy: Any, options: Mapping[str, Any], arguments: Collection[str] = ()) -> Strategy:
    """The strategy, one that can be asked outside of a study.

    Args:
        strategy: a name of tfal.strategies.STRATEGIES, or a Strategy.
        options: fields of the strategy that is named, by name.
        arguments: what else the caller takes by name, for the nearest name of one that is unknown.

    Raises:
        InputError: it is neither, an option is unknown or out of range, or it is for studies only.
    """
    made = strategy if isinstance(strategy, Strategy) else _made(strategy, options, arguments)
    if made is strategy and options:
        raise InputError(f"options go to the strategy itself when it is no name. Received: {sorted(options)}.")
    if made.oracle:
        raise InputError(f"strategy {shown_name(made)} looks at labels that nobody has bought: it is for studies only.")
    return made


def shown_name(strategy: Strategy) -> str:
    """What errors call it: its name in quotes, or its class."""
    return repr(registered_name(type(strategy)) or type(strategy).__name__)


def recorded_name(strategy: Strategy) -> str:
    """What the strategy is called in records."""
    kind = type(strategy)
    return registered_name(kind) or f"{kind.__module__}:{kind.__name__}"


def recorded_options(strategy: Strategy) -> dict[str, Any]:
    """What the strategy is set to, as json can write it."""
    if not is_dataclass(strategy):
        return {}
    return {field.name: _plain(getattr(strategy, field.name)) for field in fields(strategy)}


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, str | int | float) else repr(value)


def _made(name: Any, options: Mapping[str, Any], arguments: Collection[str]) -> Strategy:
    if isinstance(name, type) and issubclass(name, Strategy):
        raise InputError(f"strategy must be a name or a Strategy. Received: a class. Make one: {name.__name__}().")
    if not isinstance(name, str):
        raise InputError(f"strategy must be a name or a Strategy. Received: a {type(name).__name__}.")
    kind = strategy_class(name)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    given = {option: value.item() if isinstance(value, np.generic) else value for option, value in options.items()}
    for option, value in given.items():
        if option not in known:
            raise unknown_name("argument", option, {*known, *arguments})
        check_value(known[option], value, option)
    return kind(**given)
