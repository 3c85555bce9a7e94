"""The names in a recipe: one spelling of each, and none that leaves the results folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfal.errors import InputError, resolve_name
from tfal.plugins import is_path
from tfal.recipe.options import BALANCED, flag

EVALUATIONS = ("linear", "knn", "finetune", "scratch")
AUGMENTATIONS = ("none", "crop", "flip_crop", "randaugment")  # those of tfal.data, which loads TensorFlow
# Keras' own; a newer or registered one goes by the name that it was typed by.
OPTIMIZERS = (
    *("adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon", "nadam", "rmsprop"),
    *("schedulefreeadamw", "sgd"),
)
TRACKERS = ("tensorboard", "wandb")
REVISIONS = {"rmsprop": 2}  # of optimizers whose rule changed; all others are at 1. 2: epsilon beside the root
_MOST_BYTES = 100  # of a name in a path; file systems take 255 for all parts of one together
_BREAKS_FILE_NAMES = frozenset('/\\:*?"<>|')


def resolved(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a recipe's options that are names, in their one spelling; None stays None.

    Raises InputError for an unknown name, a list that repeats one, and a name that cannot be a part of a path.
    """
    return {name: resolve(options[name]) for name, resolve in _RESOLVERS.items() if options.get(name) is not None}


def check_part(option: str, value: str) -> str:
    """`value`, if it can be a part of a path: neither empty nor long, no separators, no dots at its ends."""
    bad = sorted({c for c in value if c in _BREAKS_FILE_NAMES or not c.isprintable()})
    if bad or not value or value != value.strip(" ").strip("."):
        found = f", with {' '.join(map(repr, bad))}" if bad else ""
        raise InputError(
            f"{flag(option)} becomes a part of a path: no separators, none of {' '.join(sorted(_BREAKS_FILE_NAMES))}, "
            f"no space or dot at either end. Received: {value!r}{found}. Choose another name."
        )
    if len(value.encode()) > _MOST_BYTES:
        raise InputError(
            f"{flag(option)} becomes a part of a path and must be at most {_MOST_BYTES} bytes. "
            f"Received: {len(value.encode())}, {value[:20]!r}... Choose a shorter name."
        )
    return value


def _one_of(kind: str, valid: Iterable[str]) -> Callable[[str], str]:
    return lambda name: resolve_name(kind, name, valid)


def _list_of(option: str, kind: str, one: Callable[[str], str]) -> Callable[[str], str]:
    """A comma list of names, each once."""

    def resolve(text: str) -> str:
        names = [one(name.strip()) for name in text.split(",")]
        if len(set(names)) < len(names):
            raise InputError(f"{flag(option)} must name each {kind} once. Received: {text!r}.")
        return ",".join(names)

    return resolve


def _known_or_as_typed(kind: str, valid: Iterable[str]) -> Callable[[str], str]:
    def resolve(name: str) -> str:
        with contextlib.suppress(InputError):
            return resolve_name(kind, name, valid)
        return name

    return resolve


def _dataset(option: str) -> Callable[[str], str]:
    """A known data set's name; any other is a lab's own."""

    def resolve(name: str) -> str:
        from tfal.data.dataset import DATASETS  # which imports the recipe

        return check_part(option, _known_or_as_typed("dataset", DATASETS)(name))

    return resolve


def _strategy(name: str) -> str:
    from tfal.strategies import strategy_name  # which imports options

    return strategy_name(name)


def _initial(name: str) -> str:
    from tfal.strategies import strategy_name

    return strategy_name(name, "initial strategy", [BALANCED])


def _network(name: str) -> str:
    return name if is_path(name) else check_part("network", name)


def _class_numbers(text: str) -> str:
    try:
        return ",".join(str(int(number)) for number in text.split(","))
    except ValueError:
        raise InputError(f"--knownClasses must be class numbers, a comma list. Received: {text!r}.") from None


def _encoder(text: str) -> str:
    return "simclr" if text.lower() == "simclr" else text


_RESOLVERS: dict[str, Callable[[str], str]] = {
    "dataset": _dataset("dataset"),
    "network": _network,
    "strategy": _list_of("strategy", "strategy", _strategy),
    "initial": _initial,
    "optimizer": _known_or_as_typed("optimizer", OPTIMIZERS),
    "augment": _one_of("augmentation", AUGMENTATIONS),
    "known_classes": _class_numbers,
    "ood_dataset": _dataset("ood_dataset"),
    "encoder": _encoder,
    "evaluate": _list_of("evaluate", "evaluation", _one_of("evaluation", EVALUATIONS)),
    "log": _list_of("log", "tracker", _one_of("tracker", TRACKERS)),
}
