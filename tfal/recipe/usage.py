"""Which options a recipe uses: an option that nothing looks at is refused by name, not passed over.

A strategy uses the options that are its fields (`Strategy.options_used`), a learner those that it declares, where it is
trained or read. Any option may say in `uses` what else must hold: alternatives with | between them, each of them tags
that must all hold. A tag is a learner, or one of `TAGS`; a group's option without `uses` is looked at by everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from tfal.data.dataset import Dataset
from tfal.data.listing import Listing
from tfal.errors import InputError
from tfal.learners import LEARNERS, LearnerSpec
from tfal.recipe import Recipe, presets
from tfal.recipe.components import Declared, declared, strategy_options
from tfal.recipe.groups import GROUPS
from tfal.recipe.options import BALANCED, flag
from tfal.strategies import STRATEGIES, Strategy, make_strategy

# What a tag means, as the refusal of an option says it.
TAGS = {
    "rounds": "query rounds (no --splits)",
    "training": "query rounds (no --splits)",
    "splits": "--splits",
    "repetitions": "several repetitions (no --rep)",
    "features": "--prepare on with --splits",
    "shard": "--shard",
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
    return Usage(frozenset(name for name, found in declared().items() if name in own or is_used(found, holds)), holds)


def is_used(found: Declared, holds: frozenset[str]) -> bool:
    """Whether one of an option's alternatives holds, or it is a group's and has none."""
    return any(holds >= set(tags) for tags in _alternatives(found))


def trained(recipe: Recipe) -> set[str]:
    """Tags of the training of a classifier."""
    found = {"momentum": recipe.momentum > 0, "steps": recipe.n_step_epoch > 0}
    return {recipe.optimizer, *(name for name, holds in found.items() if holds)}


def refuse_unused(options: Iterable[str], found: Usage) -> None:
    """Raises InputError, one line for all of them, where an option is given that nothing looks at here."""
    idle = [name for name in options if name in declared() and name not in found.names]
    if idle:
        shown = "; ".join(f"{flag(name)} goes with {users(name, found.holds)}" for name in idle)
        raise InputError(f"nothing would look at what is given here: {shown}. Leave it out.")


def idle(recipe: Recipe, data: Dataset | None = None) -> list[str]:
    """A line for the options of a recipe that are set and change nothing in it; [] when there is none.

    A recipe in Python is often a base for several, so this is said and not refused. What one of tfal.presets has is
    taken for a part of the preset.
    """
    found, bases = usage(recipe, data), [Recipe(), *(base for base in vars(presets).values() if type(base) is Recipe)]
    names = [n for n in declared() if n not in found.names and all(getattr(recipe, n) != getattr(b, n) for b in bases)]
    shown = [f"{name} ({users(name, found.holds)})" for name in names]
    return [f"nothing here looks at {', '.join(shown)}; in brackets: what does."] if shown else []


def users(name: str, holds: Collection[str] = ()) -> str:
    """What looks at the option `name`, in words, besides what holds already."""
    found = declared()[name]
    shown = [" and ".join(_meaning(tag) for tag in tags if tag not in holds) for tags in _alternatives(found)]
    return ", or ".join(shown + ([_named(found.strategies)] if found.strategies else []))


def component_options(recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """The options that the strategies and learners of a recipe have and results depend on: value and default there."""
    strategies = _strategies(recipe)
    found: dict[str, tuple[Any, Any]] = {}
    for owner, fields in (
        *((recipe, spec.fields) for spec in learners_of(recipe, strategies)),
        *((strategy, strategy_options(strategy)) for strategy in strategies),
    ):
        for field in fields:
            if field.metadata.get("identity", True) and field.name not in GROUPS:
                found[field.name] = getattr(owner, field.name), field.default
    return found


def _alternatives(found: Declared) -> list[list[str]]:
    """Lists of tags, of which one must hold: those of `uses`; of a learner's option, that learner too."""
    listed = [tags.split() for tags in found.option.metadata["uses"].split("|")]
    if found.in_group:
        return listed
    return [[learner, *tags] for learner in found.learners for tags in listed]


def _meaning(tag: str) -> str:
    if tag in TAGS:
        return TAGS[tag]
    recipe = Recipe()
    learners = {tag, *(name for name, spec in LEARNERS.items() if tag in _starts(spec, recipe))}
    strategies = _named([name for name, kind in STRATEGIES.items() if learners & _learners_of(kind)])
    if tag == "simclr":
        return f"{strategies}, or --encoder simclr of {_meaning('encoder')}"
    return f"--splits or {strategies}" if tag == "encoder" else strategies


def _starts(spec: LearnerSpec, recipe: Recipe) -> tuple[str, ...]:
    """What a learner is trained from, whatever the recipe; the encoder by choice alone, which is said apart."""
    return spec.starts_from(recipe) if spec.name != "encoder" else ()


def _named(strategies: Sequence[str]) -> str:
    return f"{'strategy' if len(strategies) == 1 else 'strategies'} {', '.join(strategies)}"


def _learners_of(kind: type[Strategy]) -> set[str]:
    with contextlib.suppress(InputError):  # one that needs a file
        return set(kind().learners)
    return set()


def kinds(recipe: Recipe, data: Dataset | None = None) -> set[str]:
    """Tags of the mode, the data and the evaluations."""
    rounds = not recipe.splits
    found = {
        "rounds": rounds,
        "training": rounds,
        "splits": not rounds,
        "repetitions": not recipe.rep,
        "features": not rounds and recipe.prepare == "on",
        "shard": bool(recipe.shard),
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


def learners_of(recipe: Recipe, strategies: Sequence[Strategy]) -> list[LearnerSpec]:
    """All learners that are trained or read for the strategies, and those that these start from."""
    return with_starts(
        recipe, {"encoder"} if recipe.splits else {name for s in strategies for name in (*s.learners, s.task_learner)}
    )


def with_starts(recipe: Recipe, asked: Collection[str]) -> list[LearnerSpec]:
    """Learners by name, and those that these start from."""
    found: dict[str, LearnerSpec] = {}
    while asked:
        found |= {name: LEARNERS[name] for name in sorted(asked)}
        asked = {start for spec in found.values() for start in spec.starts_from(recipe)} - found.keys()
    return list(found.values())


def _learners(recipe: Recipe, strategies: Sequence[Strategy]) -> set[str]:
    """The tags of these."""
    head = recipe.splits and any(strategy.needs_labels for strategy in strategies)
    return {spec.name for spec in learners_of(recipe, strategies)} | ({"head"} if head else set())
