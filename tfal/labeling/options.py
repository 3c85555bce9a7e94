"""The options of a folder that is labeled, `python run_folder.py`: each a flag, with its text, limits and check."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from functools import partial
from types import SimpleNamespace
from typing import Any

from tfal.data.listing import MAX_PIXELS
from tfal.errors import InputError
from tfal.labeling.answers import check_classes
from tfal.learners.specs import EncoderOptions
from tfal.recipe.components import declared
from tfal.recipe.groups import RunOptions
from tfal.recipe.options import check_value, flag, option, shared
from tfal.recipe.usage import Usage, refuse_unused
from tfal.strategies import STRATEGIES, Strategy, make_strategy, strategy_name
from tfal.strategies.base import no_validation

_pictures = partial(option, group="pictures and answers")
_choice = partial(option, group="the next batch")
_model = partial(option, group="features and classifier")


def _as_elsewhere(owner: type, name: str, group: str = "features and classifier") -> Any:
    """The option `name` of another command, under another heading."""
    found = shared(owner, name)
    return field(default=found.default, metadata={**found.metadata, "group": group})


@dataclass(frozen=True)
class Options:
    """What `python run_folder.py --help` tells of. Raises InputError for values that cannot be used.

    own: options of `strategy` and `initial`, by the names of their fields.
    """

    images: str = _pictures("", "folder of pictures, in folders of any depth: JPEG, PNG, BMP, GIF, WebP")
    classes: str = _pictures("", "names of the classes, a comma list; new ones may follow at its end later on")
    labels: str | None = _pictures(
        None, "further files of answers, a comma list: csv files, or .json exports of Label Studio"
    )
    export: str = _pictures("none", "also write tasks for Label Studio", choices=("none", "label-studio"))
    disagreement: str = _pictures(
        "majority",
        "where annotators of Label Studio disagree: the majority counts, or such an export is refused",
        choices=("majority", "refuse"),
    )
    predict: str | None = _pictures(None, "csv file to write, class and probabilities of all pictures")
    max_pixels: int = _pictures(MAX_PIXELS, "largest picture that is decoded [pixels]", least=1)
    results_dir: str = _as_elsewhere(RunOptions, "results_dir", "pictures and answers")
    n_query: int = _choice(0, "pictures of a batch; 0: a tenth of the folder's, from 10 to 50", least=0)
    strategy: str = _choice("uherding", "query strategy, once there are labels of two classes")
    initial: str = _choice("typiclust", "strategy before that, one that needs no labels")
    open_batch: str = _choice(
        "same", "where nothing of the last batch is answered: the same again, or a new one", choices=("same", "new")
    )
    max_candidates: int = _choice(
        20_000, "pictures that a strategy chooses from, drawn at random where there are more", least=1
    )
    seed: int = _choice(0, "seed of all random numbers", least=0, most=math.inf)
    encoder: str = _as_elsewhere(EncoderOptions, "encoder")
    trust_encoder: str = _as_elsewhere(EncoderOptions, "trust_encoder")
    encoder_statistics: str = _as_elsewhere(EncoderOptions, "encoder_statistics")
    image_size: int = _model(
        0, "side of pictures as networks see them [pixels]; 0: what the encoder takes, simclr 32", least=0
    )
    model: str = _model(
        "linear",
        "what is trained on the labels: a linear head on the encoder's features, the encoder too (finetune), or a "
        "network from scratch",
        choices=("linear", "finetune", "scratch"),
    )
    network: str = _model("ResNet18-16", "network of simclr and of scratch")
    n_epoch: int = _model(50, "epochs, finetune and scratch", least=1)
    backend: str = _as_elsewhere(RunOptions, "backend", "machine")
    threads: int = _as_elsewhere(RunOptions, "threads", "machine")
    own: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in flags():
            check_value(each, getattr(self, each.name))
        for name in ("images", "classes"):
            if not getattr(self, name):
                raise InputError(f"{flag(name)} must be given. {_EXAMPLE}")
        check_classes(self.class_names)
        object.__setattr__(self, "strategy", _usable("strategy", self.strategy))
        object.__setattr__(self, "initial", _usable("initial", self.initial, unlabeled=True))
        self._check_own()

    def _check_own(self) -> None:
        for name, value in self.own.items():
            option = declared()[name]
            check_value(option.option, value, optional=option.may_be_unset)
        made = {name: self.made(name) for name in (self.strategy, self.initial)}
        refuse_unused(self.own, Usage(frozenset().union(*(one.options_used for one in made.values())), frozenset()))
        for name, strategy in made.items():
            if strategy.needs_validation:
                raise no_validation(name)

    def made(self, name: str) -> Strategy:
        """The strategy called `name`, set to its own options."""
        return make_strategy(name, SimpleNamespace(**self.own))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(name.strip() for name in self.classes.split(","))


def flags() -> list[Field[Any]]:
    """The options that are flags of this command, whatever the strategy."""
    return [each for each in fields(Options) if each.metadata]


_EXAMPLE = "For example: --images PHOTOS --classes cat,dog,bird"


def usable_strategies(unlabeled: bool = False) -> list[str]:
    """Names of the strategies that choose from features and a classifier's head; unlabeled: from features alone."""
    return [name for name in STRATEGIES if _is_usable(name, unlabeled)]


def _is_usable(name: str, unlabeled: bool) -> bool:
    wanted = {"encoder"} if unlabeled else {"encoder", "classifier"}
    with contextlib.suppress(InputError):  # of one that needs a file of its own
        made = make_strategy(name, None)
        return {*made.learners} <= wanted and not made.oracle and not made.asks and not made.required_outputs
    return False


def _usable(option: str, name: str, unlabeled: bool = False) -> str:
    """The one spelling of a strategy's name; InputError for one that cannot choose here."""
    found = strategy_name(name)
    if not _is_usable(found, unlabeled):
        usable = usable_strategies(unlabeled)
        by = "features of pictures alone" if unlabeled else "features of pictures and a classifier's head"
        raise InputError(f"{flag(option)} must choose by {by}. Received: {name}. Valid: {', '.join(usable)}.")
    return found
