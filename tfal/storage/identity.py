"""What a run folder was made with, and in what that differs from what is asked for now.

Compared are the options that the recipe uses (see tfal.recipe.usage), the data, the contents of files that options
name, what the strategies themselves are set to, and the network. A folder of an earlier version is taken for what its
recipe.json says: what it does not tell is not compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfal.data.prints import comparable
from tfal.errors import InputError
from tfal.files import read_json
from tfal.recipe import Recipe
from tfal.recipe.components import declared, strategy_options
from tfal.recipe.groups import GROUPS
from tfal.recipe.names import REVISIONS, resolved
from tfal.recipe.options import BALANCED, flag, is_a
from tfal.recipe.usage import component_options, usage
from tfal.strategies import Strategy, make_strategy, name_of

_BLOCK = 2**20  # bytes


@dataclass(frozen=True)
class Identity:
    """What a run folder is made with: a recipe that names one strategy, and the fingerprint of its data."""

    recipe: Recipe
    data: str

    def as_json(self) -> dict[str, Any]:
        """What recipe.json holds of it: recipe (with "data"), files, strategies, revisions."""
        return {
            "recipe": {**self.recipe.identity(), "data": self.data},
            "files": self._files,
            "strategies": self._strategies,
            "revisions": self._revisions,
        }

    def differences(self, stored: Mapping[str, Any]) -> list[str]:
        """In what a recipe.json differs, a few words for each; [] when a run may go on there."""
        there, here = self._canonical(stored), self.recipe.identity()
        there["data"], here["data"] = comparable([there.get("data"), self.data])
        hashed = self._files.keys() & stored.get("files", {}).keys()
        used, unknown = usage(self.recipe).names & here.keys(), there.keys() - declared().keys()
        names = used - hashed - {"splits"} | {"data"} | unknown
        found = [_differing(flag(name)[2:], there.get(name), here.get(name)) for name in sorted(names)]
        found.append(_differing("splits", *_differing_budgets(there.get("splits"), here["splits"])))
        for name in sorted(hashed):
            if stored["files"][name] != self._files[name]:
                found.append(f"{flag(name)[2:]}: the file has other contents than there")
        for name, options in self._strategies.items():
            known = stored.get("strategies", {}).get(name, options)
            known = {option: value for option, value in known.items() if option not in declared()}
            found += [_differing(f"{name}'s {o}", known.get(o), options.get(o)) for o in sorted({*known, *options})]
        for name, revision in self._revisions.items():
            if stored.get("revisions", {}).get(name, 1) != revision:
                found.append(f"{name}: another rule in that version of tfal, see CHANGELOG")
        return [line for line in found if line]

    def _canonical(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a recipe.json in their one spelling; an option that is younger than the file has its default.

        Files of versions before 0.2 hold some options of strategies apart, under their names.
        """
        options = {name: option.default for name, option in GROUPS.items() if option.metadata["identity"]}
        options |= {name: default for name, (_, default) in component_options(self.recipe).items()}
        for name, strategy in self._made.items():
            apart, own = stored.get("strategies", {}).get(name, {}), strategy_options(strategy)
            options |= {field.name: apart[field.name] for field in own if field.name in apart}
        options |= stored["recipe"]
        with contextlib.suppress(InputError, TypeError, AttributeError):
            options |= resolved(options)
        return options

    def with_all_budgets(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a recipe.json with the longer of the two lists of budgets."""
        lists = [text for text in (stored.get("splits"), self.recipe.splits) if text]
        return {**stored, "splits": max(lists, key=lambda text: text.count(","))} if lists else dict(stored)

    @functools.cached_property
    def _files(self) -> dict[str, str]:
        """Hashes of the files that are read, by option."""
        names = [name for name in usage(self.recipe).names if declared()[name].option.metadata["file"]]
        paths = {name: getattr(self.recipe, name) for name in sorted(names)}
        return {name: digest(Path(path)) for name, path in paths.items() if path and Path(path).is_file()}

    @functools.cached_property
    def _strategies(self) -> dict[str, dict[str, Any]]:
        """What strategies are set to, besides the options of the recipe; for those of others where they come from."""
        return {name: _about(strategy) for name, strategy in self._made.items()}

    @functools.cached_property
    def _revisions(self) -> dict[str, int]:
        """Revisions of strategies and optimizer but the first, which is that of a folder that tells none."""
        found = {name: strategy.revision for name, strategy in self._made.items()}
        if "optimizer" in usage(self.recipe).names:
            found[self.recipe.optimizer] = REVISIONS.get(self.recipe.optimizer, 1)
        return {name: revision for name, revision in found.items() if revision > 1}

    @property
    def strategy(self) -> Strategy:
        """That of the recipe."""
        return self._made[self.recipe.strategy]

    @functools.cached_property
    def _made(self) -> dict[str, Strategy]:
        """All that choose samples, by name, and those that they are made of."""
        first = [self.recipe.initial] if self.recipe.initial != BALANCED else []
        made = {name: make_strategy(name, self.recipe) for name in [*first, self.recipe.strategy]}
        return {name_of(part): part for strategy in made.values() for part in strategy.parts} | made


def read_stored(path: Path, mend: str) -> dict[str, Any]:
    """A recipe.json. Raises InputError, which ends in `mend`, where it is damaged or says what no recipe can."""
    stored = read_json(path, mend)
    check_stored(path, stored, mend)
    return stored


def check_stored(path: Path, stored: Mapping[str, Any], mend: str) -> None:
    """Raises InputError, which ends in `mend`, where what was read from `path` says what no recipe.json can."""
    recipe = stored.get("recipe")
    if not isinstance(recipe, dict):
        raise InputError(f"{path} is damaged (it has no recipe). {mend}")
    known = declared()
    given = {n: value for n, value in recipe.items() if n in known and (value is not None or known[n].in_group)}
    odd = [name for name, value in given.items() if not any(is_a(field, value) for field in known[name].fields)]
    odd += ["data"] * (not isinstance(recipe.get("data"), str | None))
    if odd:
        raise InputError(f"{path} is damaged ({odd[0]}: {recipe[odd[0]]!r}). {mend}")
    parts = {"files": dict, "strategies": dict, "revisions": dict, "network": list}
    odd = [name for name, kind in parts.items() if not isinstance(stored.get(name, kind()), kind)]
    if not odd and not all(isinstance(options, dict) for options in stored.get("strategies", {}).values()):
        odd = ["strategies"]
    if odd:
        raise InputError(f"{path} is damaged ({odd[0]}: {stored[odd[0]]!r}). {mend}")


def digest(path: Path) -> str:
    """16 hexadecimal digits of a file's contents; read once as long as it does not change."""
    about = path.stat()
    return _digest(path.resolve(), about.st_size, about.st_mtime_ns)


@functools.cache
def _digest(path: Path, size: int, changed: int) -> str:
    found = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _differing(name: str, there: Any, here: Any) -> str:
    return "" if there == here else f"{name}: {there!r} there, {here!r} here"


def _differing_budgets(there: str | None, here: str | None) -> tuple[str | None, str | None]:
    """The two lists, or nothing where one begins with the other: budgets may be added and left out at the end."""
    if there and here:
        first, second = (text.replace(" ", "").split(",") for text in (there, here))
        n = min(len(first), len(second))
        if first[:n] == second[:n]:
            return None, None
    return there, here


def _about(strategy: Strategy) -> dict[str, Any]:
    options = {field.name for field in strategy_options(strategy)}
    own = [field.name for field in dataclasses.fields(strategy) if field.name not in options]  # type: ignore[arg-type]
    found = {name: json.loads(json.dumps(getattr(strategy, name), default=_named)) for name in own}
    module = type(strategy).__module__
    if module.partition(".")[0] == "tfal":
        return found
    return {"class": _named(type(strategy)), "version": _version(module), **found}


def _version(module: str) -> str | None:
    """What a module says of itself, or that of the installed package that it is of."""
    package = module.partition(".")[0]
    for name in (module, package):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            return str(version)
    for distribution in importlib.metadata.packages_distributions().get(package, ()):
        return importlib.metadata.version(distribution)
    return None


def _named(value: Any) -> str:
    """What json cannot write: a function or class by its name, anything else by its own words."""
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else repr(value)
