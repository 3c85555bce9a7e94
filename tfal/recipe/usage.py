"""Which options a recipe uses: an option that nothing looks at is refused by name, not passed over.

Every option says in `uses` what looks at it: alternatives with | between them, each of them tags that must all hold. A
tag is a learner, or one of `TAGS`; an option without `uses` is looked at by everything. A strategy uses the options
that are its fields, too; "own" stands for an option that only strategies use.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tfal.data.dataset import Dataset
from tfal.data.listing import Listing
from tfal.errors import InputError
from tfal.recipe import Recipe, presets
from tfal.recipe.names import BALANCED
from tfal.recipe.options import flag
from tfal.strategies import STRATEGIES, Strategy, make_strategy

Option = dataclasses.Field  # of a Recipe
FIELDS: Mapping[str, Option[Any]] = {field.name: field for field in dataclasses.fields(Recipe)}

# What a tag means, as the refusal of an option says it.
TAGS = {
    "rounds": "query rounds (no --splits)",
    "training": "query rounds (no --splits)",
    "splits": "--splits",
    "images": "images (no --csv)",
    "folder": "data sets that lie in a folder",
    "files": "images that are read from files",
    "open": "--nClassKnown, --knownClasses or --oodDataset",
    "counted": "--nClassKnown",
    "first": "--initial",
    "tail": "--longTail",
    "sgd": "--optimizer sgd",
    "adam": "--optimizer adam",
    "momentum": "a --momentum above 0",
    "steps": "--nStepEpoch",
    "linear": "--evaluate linear",
    "knn": "--evaluate knn",
    "finetune": "--evaluate finetune",
    "scratch": "--evaluate scratch",
    "keras": "a .keras file as --encoder",
    "converted": "a .weights.h5 file as --encoder",
    "head": "--splits with a strategy that asks a classifier",
}
_STARTS_FROM = {"scan": ("simclr",), "self_label": ("scan", "simclr")}  # learners that others are trained from


class Usage(NamedTuple):
    """names: of the options that change something. holds: the tags."""

    names: frozenset[str]
    holds: frozenset[str]


def usage(recipe: Recipe, data: Dataset | None = None) -> Usage:
    """What a recipe uses; without its data, all that it may.

    Raises InputError where a strategy cannot be made from its options.
    """
    strategies = _strategies(recipe)
    own = {name for strategy in strategies for name in strategy.options_used}
    return usage_of(kinds(recipe, data) | trained(recipe) | _learners(recipe, strategies), own)


def usage_of(holds: Iterable[str], own: Collection[str] = ()) -> Usage:
    """What is used where these tags hold, and by strategies with these options of their own."""
    holds = frozenset(holds)
    return Usage(frozenset(name for name, option in FIELDS.items() if name in own or is_used(option, holds)), holds)


def is_used(option: Option[Any], holds: frozenset[str]) -> bool:
    """Whether one of an option's alternatives holds, or it has none."""
    return not option.metadata["uses"] or any(holds >= set(tags) for tags in _alternatives(option))


def trained(recipe: Recipe) -> set[str]:
    """Tags of the training of a classifier."""
    found = {"momentum": recipe.momentum > 0, "steps": recipe.n_step_epoch > 0}
    return {recipe.optimizer, *(name for name, holds in found.items() if holds)}


def refuse_unused(options: Iterable[str], found: Usage) -> None:
    """Raises InputError, one line for all of them, where an option is given that nothing looks at here."""
    idle = [name for name in options if name in FIELDS and name not in found.names]
    if idle:
        shown = "; ".join(f"{flag(name)} goes with {users(FIELDS[name], found.holds)}" for name in idle)
        raise InputError(f"nothing would look at what is given here: {shown}. Leave it out.")


def idle(recipe: Recipe, data: Dataset | None = None) -> list[str]:
    """A line for the options of a recipe that are set and change nothing in it; [] when there is none.

    A recipe in Python is often a base for several, so this is said and not refused. What one of tfal.presets has is
    taken for a part of the preset.
    """
    found, bases = usage(recipe, data), [Recipe(), *(base for base in vars(presets).values() if type(base) is Recipe)]
    names = [n for n in FIELDS if n not in found.names and all(getattr(recipe, n) != getattr(b, n) for b in bases)]
    shown = [f"{name} ({users(FIELDS[name], found.holds)})" for name in names]
    return [f"nothing here looks at {', '.join(shown)}; in brackets: what does."] if shown else []


def users(option: Option[Any], holds: Collection[str] = ()) -> str:
    """What looks at an option, in words, besides what holds already."""
    found = [
        " and ".join(_meaning(tag) for tag in tags if tag not in holds)
        for tags in _alternatives(option)
        if tags != ["own"]
    ]
    owners = [name for name, strategy in STRATEGIES.items() if option.name in _fields(strategy)]
    return ", or ".join(found + ([_named(owners)] if owners else []))


def _alternatives(option: Option[Any]) -> list[list[str]]:
    return [tags.split() for tags in option.metadata["uses"].split("|")]


def _meaning(tag: str) -> str:
    if tag in TAGS:
        return TAGS[tag]
    learners = {tag, *(name for name, starts in _STARTS_FROM.items() if tag in starts)}
    strategies = _named([name for name in STRATEGIES if learners & _learners_of(name)])
    if tag == "simclr":
        return f"{strategies}, or --encoder simclr of {_meaning('encoder')}"
    return f"--splits or {strategies}" if tag == "encoder" else strategies


def _named(strategies: list[str]) -> str:
    return f"{'strategy' if len(strategies) == 1 else 'strategies'} {', '.join(strategies)}"


def _fields(strategy: type[Strategy]) -> set[str]:
    return {field.name for field in dataclasses.fields(strategy)}  # type: ignore[arg-type]


def _learners_of(name: str) -> set[str]:
    with contextlib.suppress(InputError):  # one that needs a file
        return set(STRATEGIES[name]().learners)
    return set()


def kinds(recipe: Recipe, data: Dataset | None = None) -> set[str]:
    """Tags of the mode, the data and the evaluations."""
    rounds = not recipe.splits
    found = {
        "rounds": rounds,
        "training": rounds,
        "splits": not rounds,
        "images": not recipe.csv,
        "folder": not recipe.csv and {recipe.dataset, recipe.ood_dataset or recipe.dataset} != {"digits"},
        "files": not recipe.csv and (data is None or _of_any_size(data, recipe.image_size)),
        "open": recipe.is_open,
        "counted": bool(recipe.n_class_known),
        "first": recipe.initial != BALANCED,
        "tail": bool(recipe.long_tail),
        "keras": recipe.encoder.endswith(".keras"),
        "converted": recipe.encoder.endswith(".weights.h5"),
    }
    evaluations = () if rounds else recipe.evaluate.split(",")
    return {name for name, holds in found.items() if holds} | {*evaluations}


def _of_any_size(data: Dataset, size: int) -> bool:
    """Whether images are read from files, or were, when they became arrays of this size."""
    return isinstance(data.x_train, Listing) or data.input_shape[:2] == (size, size)


def _strategies(recipe: Recipe) -> list[Strategy]:
    """All that choose samples."""
    first = [recipe.initial] if recipe.initial != BALANCED else []
    return [make_strategy(name, recipe) for name in [*recipe.strategy.split(","), *first]]


def _learners(recipe: Recipe, strategies: list[Strategy]) -> set[str]:
    """Tags of all learners that are trained for the strategies, and of what these start from."""
    found = {name for strategy in strategies for name in strategy.learners}
    if recipe.splits:
        found = {"encoder", *(["head"] if "classifier" in found else [])}
    else:
        found |= {strategy.task for strategy in strategies}
    found |= {start for name in found for start in _STARTS_FROM.get(name, ())}
    return found | ({"simclr"} if "encoder" in found and recipe.encoder == "simclr" else set())
