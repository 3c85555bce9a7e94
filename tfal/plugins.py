"""Doors for code of others: "package.module:Name" from the current folder or as installed, and entry points.

An installed package gives its strategies and networks short names by entry points, in its pyproject.toml:

    [project.entry-points."tfal.strategies"]
    density = "my_package.density:Density"

    [project.entry-points."tfal.networks"]
    tiny = "my_package.networks:tiny"

Nothing of it is imported before it is asked for by name.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import sys
from collections.abc import Collection, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tfal.errors import InputError, resolve_name

STRATEGIES, NETWORKS = "tfal.strategies", "tfal.networks"  # groups of entry points


def is_path(name: str) -> bool:
    """Whether a name is "package.module:Name"."""
    module, colon, last = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), last))


def as_part(name: str) -> str:
    """The name of a strategy or network as a part of a path, where a colon cannot be."""
    return name.replace(":", ".")


@functools.cache
def installed(group: str) -> Mapping[str, str]:
    """What installed packages offer in a group of entry points: "package.module:Name" by short name.

    Raises InputError where two packages offer one name.
    """
    found: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=group):
        if found.setdefault(entry.name, entry.value) != entry.value:
            raise InputError(
                f"two installed packages have an entry point {entry.name!r} in {group}: {found[entry.name]} and "
                f"{entry.value}. Uninstall one, or ask the author of one for another name."
            )
    return MappingProxyType(found)


def check_not_taken(kind: str, group: str, name: str, known: Collection[str]) -> None:
    """Raises InputError where a name is one of tfal's and that of an entry point, too."""
    other = installed(group).get(name)
    if other is not None and name in known:
        raise InputError(
            f"{kind} {name!r} is one of tfal's, and an installed package has an entry point of that name, {other}. "
            f"Uninstall that package, or name its {kind} {other}."
        )


def load(kind: str, path: str) -> Any:
    """The object at "package.module:Name", from the current folder where that has the package, or as installed.

    Args:
        kind: what it is, for errors: "strategy", "network".
        path: where it is, as is_path takes it.

    Raises:
        InputError: an import that fails, with the last line of its own error, or no such name.
    """
    module, _, name = path.partition(":")
    _look_here(module.partition(".")[0])
    try:
        found = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a module of others does, its own words are what helps
        words = str(error).strip().splitlines()
        raise InputError(
            f"{kind} {path!r}: {module} cannot be imported ({type(error).__name__}: {words[-1] if words else ''}). "
            f"Start where it lies, or install it; this is {Path.cwd()}."
        ) from None
    try:
        return getattr(found, name)
    except AttributeError:
        names = [known for known, value in vars(found).items() if callable(value) and not known.startswith("_")]
        raise InputError(
            f"{kind} {path!r}: {module} has no {name}. It has {', '.join(names[:10]) or 'nothing to be called'}."
        ) from None


def network_name(name: str, known: Collection[str]) -> str:
    """The one spelling of a network's name: one of `known`, an entry point's, or "package.module:function".

    Raises InputError for any other, and for one that is both tfal's and an entry point's.
    """
    if is_path(name):
        return name
    found = resolve_name("network", name, [*known, *installed(NETWORKS)])
    check_not_taken("network", NETWORKS, found, known)
    return found


def load_network(name: str, known: Mapping[str, Any]) -> Any:
    """The function that makes the network called `name`; see network_name. Raises InputError where it has none."""
    if name in known:
        return known[name]
    found = load("network", name if is_path(name) else installed(NETWORKS)[name])
    if not callable(found):
        raise InputError(
            f"network {name!r} must be a function (input_shape, n_classes) -> keras.Model. "
            f"Received: a {type(found).__name__}."
        )
    return found


def _look_here(package: str) -> None:
    """Lets a package of the current folder be found, as Python does for what it is started with."""
    here = str(Path.cwd())
    if here not in sys.path and PathFinder.find_spec(package, [here]) is not None:
        sys.path.insert(0, here)
        importlib.invalidate_caches()
