"""Options: fields of a dataclass that know their limits, and what they are called on a command line."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from tfal.errors import InputError

LARGEST = 2**31 - 1  # whole number, where an option says nothing else: TensorFlow takes no larger ones


def option(
    default: Any,
    text: str,
    group: str = "run",
    *,
    protocol: bool = False,
    source: str = "",
    least: float | None = None,
    most: float = LARGEST,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    identity: bool = True,
    uses: str = "",
    file: bool = False,
) -> Any:
    """A field.

    group: heading in --help. protocol: another value in a script's first preset comes from the publication that the
    script reproduces. source: the publication that its default comes from; "": tfal's choice. least, most, above,
    below: its smallest value, its largest whole number, what it must be more than, and less than; numbers are finite
    in any case. choices: its values, when they are few. identity: a run folder belongs to one value of it. uses: what
    looks at it, see tfal.recipe.usage; "": everything does. file: it may be the path of a file, whose contents count,
    not its name.
    """
    limits = {"least": least, "most": most, "above": above, "below": below, "choices": choices}
    return dataclasses.field(
        default=default,
        metadata={"help": text, "group": group, "protocol": protocol, "source": source, **limits}
        | {"identity": identity, "uses": uses, "file": file},
    )


def flag(name: str) -> str:
    """The command-line flag of a field: n_query -> --nQuery."""
    first, *rest = name.split("_")
    return "--" + first + "".join(word.capitalize() for word in rest)


def check_value(option: dataclasses.Field[Any], value: Any, name: str | None = None) -> None:
    """Raises InputError for a value of another type, or beyond the limits of the option.

    option: any field with its type as a string; limits are those of `option()`. name: what errors call it; its flag
    when not given.
    """
    expected, name = str(option.type), name or flag(option.name)
    limits: dict[str, Any] = {"least": None, "most": LARGEST, "above": None, "below": None, "choices": ()} | dict(
        option.metadata
    )
    if not is_a(option, value):
        raise InputError(f"{name} must be of type {expected}. Received: {value!r}.")
    if value is None:
        return
    if limits["choices"] and value not in limits["choices"]:
        raise InputError(f"{name} must be one of {', '.join(limits['choices'])}. Received: {value!r}.")
    if limits["above"] == 0 and not 0 < value < math.inf:
        raise InputError(f"{name} must be a positive number. Received: {value}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} must be a finite number. Received: {value}.")
    if limits["least"] is not None and not value >= limits["least"]:
        raise InputError(f"{name} must be at least {limits['least']}. Received: {value}.")
    if isinstance(value, int) and value > limits["most"]:
        raise InputError(f"{name} must be at most {limits['most']:,}. Received: {value}.")
    if limits["below"] is not None and not value < limits["below"]:
        raise InputError(f"{name} must be less than {limits['below']}. Received: {value}.")


def is_a(option: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a value is of the type of an option, whatever its limits."""
    expected = str(option.type)
    if value is None:
        return "None" in expected
    kind = expected.partition(" ")[0]
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)
