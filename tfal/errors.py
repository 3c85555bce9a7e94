"""The errors that a user can mend: one line each, raised before anything is written."""

from __future__ import annotations

import contextlib
import difflib
import functools
from collections.abc import Iterable, Iterator

_LONGEST = 1200  # characters of a message; lists of valid names are long


class InputError(ValueError):
    """An option, an array or a file that cannot be used: what, received, expected, how to mend.

    The message is one line, whatever it quotes: line ends become spaces, and the middle of a long one is left out.
    """

    def __init__(self, message: str = "") -> None:
        line = " ".join(str(message).splitlines())
        half = _LONGEST // 2
        super().__init__(line if len(line) <= _LONGEST else f"{line[:half]} [...] {line[-half:]}")


class StorageError(InputError):
    """A file or folder that the system refuses: path, reason, what to do. What was written before stays."""


class TrainingError(RuntimeError):
    """Training went wrong in a way that no retry mends, such as a loss that is not a number."""


@contextlib.contextmanager
def training_of(where: str, mend: str) -> Iterator[None]:
    """A TrainingError in here says what was trained, and what to do."""
    try:
        yield
    except TrainingError as error:
        raise TrainingError(f"{error}, of {where}. {mend}") from None


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> InputError:
    """The error for a name that is not in a registry; it offers the nearest valid one."""
    names = sorted(valid)
    lower = {known.lower(): known for known in names}
    nearest = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.4)
    hint = f" Did you mean {lower[nearest[0]]!r}?" if nearest else ""
    return InputError(f"unknown {kind} {name!r}.{hint} Valid: {', '.join(names)}.")


def resolve_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """The valid name that `name` means; upper and lower case, hyphens and underscores are all the same.

    Raises InputError, with the nearest valid name, when there is none.
    """
    names, wanted = list(valid), folded(str(name))
    for known in names:
        if folded(known) == wanted:
            return known
    raise unknown_name(kind, name, names)


@functools.lru_cache(1024)
def folded(name: str) -> str:
    """A name as it is compared, whether it is written as a flag, as a field or as a class."""
    return "".join(character for character in name.lower() if character.isalnum())
