"""What a learner is, and what is known of one by name before TensorFlow is loaded.

A learner is whatever is trained for query strategies: the classifier, an ensemble, an encoder. One of your own is a
class and one call:

    from dataclasses import dataclass

    from tfal.learners import LearnerSpec, register_learner
    from tfal.recipe.options import option

    @dataclass(frozen=True)
    class Options:
        n_epoch_jigsaw: int = option(50, "epochs of the puzzles", least=1)

    register_learner(LearnerSpec("jigsaw", "my_package.jigsaw:Jigsaw", trained_on="images", options=Options))

Then a strategy names it in `learners`, and `n_epoch_jigsaw` is an option of its runs, `--nEpochJigsaw` on a command
line.
"""

from __future__ import annotations

import dataclasses
import importlib
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from tfal.errors import InputError

if TYPE_CHECKING:
    from tfal.pool import Pool
    from tfal.streams import Streams

Builder = Callable[[tuple[int, int, int], int], Any]  # (input shape, number of classes) -> a new keras.Model
OnEpoch = Callable[[str, int, int], object]  # name of the learner, epoch from 1, number of epochs
TRAINED_ON = ("labels", "images")


class Learner(Protocol):
    """What is trained in a run, and what strategies read.

    It is made by `(build, images, n_classes, recipe)`: a Builder; tfal.data.images.Images, the training images; an int;
    the Recipe, which has its options as attributes.

    May have, too:
        head() -> kernel (d, C) and bias (C,): of its last Dense layer, for strategies that compute with it. A learner
            that a strategy is judged by (`Strategy.task_learner`) must read "logits".
        weights() -> list of arrays, and start_from(weights): for `--warmStart on`.
        check_outputs(names): InputError for outputs that this network cannot give; asked before anything is trained.
        frozen_for: the ids (ascending) that it was trained for, where its outputs stay what they are until this is
            another array; what was read from it is then remembered. None, or no such attribute: trained in every round.
    """

    def fit(self, pool: Pool, streams: Streams, on_epoch: OnEpoch | None = None) -> Mapping[str, float]:
        """Trains on the pool, from the random streams alone; returns figures for rounds.csv. May do nothing.

        Raises TrainingError where a loss or a weight becomes NaN or infinite.
        """

    def read(self, batch: Any, outputs: Sequence[str]) -> Mapping[str, Any]:
        """Named outputs, float tensors of (B, ...), of a batch of images (B, H, W, C), float32, in inference mode.

        Raises InputError for an output that it does not have.
        """


def _nothing(recipe: Any) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class LearnerSpec:
    """What is known of a learner without its code.

    Args:
        name: as strategies name it in `learners`.
        made_by: its class or function, or where that is, "package.module:Class", which is imported when one is made.
        trained_on: "labels" of labeled samples, or "images" alone: then it can serve the choice of the first labels.
        learning_rate_option: the option that is lowered when its training diverges.
        options: a frozen dataclass of its own options, fields made by tfal.recipe.options.option; None: it has none.
        starts_from: (recipe) -> names of learners that it is trained from, whose options then count, too.
        doing: what a progress bar says of its training.
        from_model: whether the one trained model of tfal.query stands for it.
        from_features: whether frozen features, or a linear head on them, can stand for it, as in a low-budget study.
        kept: whether one training serves all runs with the same images and options, in a file below
            `<results>/encoders`, as tfal.learners.pretrained.Pretrained keeps it: then `--prepare on` makes it.
        output: what a single array, or the one output of a model, is where it stands for this learner in tfal.query.

    Raises:
        InputError: a name that is no Python identifier, or something else than is said above.
    """

    name: str
    made_by: str | Callable[..., Learner]
    trained_on: str
    learning_rate_option: str = "learning_rate"
    options: type | None = None
    starts_from: Callable[[Any], tuple[str, ...]] = _nothing
    doing: str = ""
    from_model: bool = False
    from_features: bool = False
    kept: bool = False
    output: str = "features"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise InputError(f"the name of a learner must be an identifier, such as 'jigsaw'. Received: {self.name!r}.")
        if self.trained_on not in TRAINED_ON:
            raise InputError(
                f"learner {self.name!r}: trained_on must be {' or '.join(map(repr, TRAINED_ON))}. "
                f"Received: {self.trained_on!r}."
            )
        if not callable(self.made_by) and not (isinstance(self.made_by, str) and self.made_by.count(":") == 1):
            raise InputError(
                f"learner {self.name!r}: made_by must be a class, or where it is, 'package.module:Class'. "
                f"Received: {self.made_by!r}."
            )
        if self.options is not None and not (isinstance(self.options, type) and dataclasses.is_dataclass(self.options)):
            raise InputError(f"learner {self.name!r}: options must be a dataclass. Received: {self.options!r}.")

    def __call__(self, build: Builder, images: Any, n_classes: int, recipe: Any) -> Any:
        """A new learner; see Learner."""
        return self.load()(build, images, n_classes, recipe)

    def load(self) -> Any:
        """Its class or function. Raises InputError where that cannot be imported."""
        if not isinstance(self.made_by, str):
            return self.made_by
        module, _, name = self.made_by.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            if module.startswith("tfal."):
                raise  # a fault of tfal's own
            raise InputError(f"learner {self.name!r} cannot be imported from {self.made_by!r} ({error}).") from None

    @property
    def origin(self) -> str:
        """Where it is made, "package.module:Class"."""
        if isinstance(self.made_by, str):
            return self.made_by
        kind = self.made_by if hasattr(self.made_by, "__qualname__") else type(self.made_by)
        return f"{kind.__module__}:{kind.__qualname__}"

    @property
    def fields(self) -> tuple[dataclasses.Field[Any], ...]:
        """Its own options."""
        return dataclasses.fields(self.options) if self.options is not None else ()

    @property
    def shown(self) -> str:
        """What a progress bar says of its training."""
        return self.doing or f"{'pretraining' if self.trained_on == 'images' else 'training'} {self.name}"


def check_learner(name: str, made: Any) -> Learner:
    """`made`, if it has what the loop calls. Raises InputError otherwise."""
    missing = [method for method in ("fit", "read") if not callable(getattr(made, method, None))]
    if missing:
        raise InputError(
            f"learner {name!r} must have {' and '.join(missing)}, see tfal.learners.Learner. "
            f"Received: a {type(made).__name__} without."
        )
    return cast(Learner, made)
