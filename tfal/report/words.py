"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Sequence

_MANY = 6  # names that are listed; of more the first ones


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"; of many the first, and how many more."""
    if len(names) > _MANY:
        return f"{', '.join(names[: _MANY - 1])} and {len(names) - _MANY + 1} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def counted(n: int, one: str, many: str = "") -> str:
    """A number with what is counted: "1 setting", "2 settings"; many: where it is more than an s that differs."""
    return f"{n} {one if n == 1 else many or one + 's'}"
