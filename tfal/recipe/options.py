"""Options: fields of a dataclass that know their limits, and what they are called on a command line."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

from tfal.errors import InputError

# Where defaults come from.
LDMS, MQNET, MQNET_PAPER, CCAL = "LDM-S public code", "MQ-Net public code", "MQ-Net paper", "CCAL public code"
LFOSA, NEAT, DIRECT = "LfOSA public code", "NEAT public code", "GALAXY and DIRECT public code"
BALANCED_AL, EAOA, EOAL = "Class-Balanced-AL public code", "EAOA public code", "EOAL public code"
LOW_BUDGET, INITIAL_POOLS = "low-budget public code", "initial-pools public code"

BALANCED = "class_balanced"  # --initial: labels as the split gives them
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


def shared(owner: type, name: str, default: Any = dataclasses.MISSING) -> Any:
    """A field that is the option `name` of another dataclass, perhaps with another default."""
    field = {field.name: field for field in dataclasses.fields(owner)}[name]
    return dataclasses.field(
        default=field.default if default is dataclasses.MISSING else default, metadata=field.metadata
    )


def is_option(field: dataclasses.Field[Any]) -> bool:
    """Whether a field of a strategy or learner can be an option: int, float or str, and what has a default."""
    kinds = {part.strip() for part in type_text(field).split("|")} - {"None"}
    return len(kinds) == 1 and kinds <= {"int", "float", "str"} and field.default is not dataclasses.MISSING


def type_text(field: dataclasses.Field[Any]) -> str:
    """The type of a field as text, "int" or "int | None", whether its module postpones annotations or not."""
    return _type_text(field.type.__name__ if isinstance(field.type, type) else str(field.type))


@functools.lru_cache(256)
def _type_text(text: str) -> str:
    if text.endswith("]") and "Optional[" in text:
        text = f"{text.partition('Optional[')[2][:-1]} | None"
    first, bar, second = (part.strip() for part in text.partition("|"))
    return f"{second} | None" if first == "None" and bar else text


def complete(field: dataclasses.Field[Any], text: str) -> dataclasses.Field[Any]:
    """The field, with all that `option` notes: of a plain one, `text`, and no limits."""
    made = option(field.default, text)
    if "help" in field.metadata:
        made = dataclasses.field(default=field.default, metadata=field.metadata)
    made.name, made.type = field.name, type_text(field)
    found: dataclasses.Field[Any] = made
    return found


@functools.lru_cache(1024)
def flag(name: str) -> str:
    """The command-line flag of a field: n_query -> --nQuery."""
    first, *rest = name.split("_")
    return "--" + first + "".join(word.capitalize() for word in rest)


def check_value(option: dataclasses.Field[Any], value: Any, name: str | None = None, *, optional: bool = False) -> None:
    """Raises InputError for a value of another type, or beyond the limits of the option.

    option: any field with its type as a string; limits are those of `option()`. name: what errors call it; its flag
    when not given. optional: whether None is a value, too.
    """
    expected, name = type_text(option), name or flag(option.name)
    limits: dict[str, Any] = {"least": None, "most": LARGEST, "above": None, "below": None, "choices": ()} | dict(
        option.metadata
    )
    if not (optional and value is None) and not is_a(option, value):
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
    expected = type_text(option)
    if value is None:
        return "None" in expected
    kind = expected.partition(" ")[0]
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)
