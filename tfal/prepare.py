"""What several runs need once, made before them: encoders that are trained on images alone, features of the frozen one.

A run that does not find them makes them itself, and another one waits for it meanwhile: to prepare changes no result,
only who does the work, and when.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tfal.data import Dataset, data_for
from tfal.errors import InputError, training_of
from tfal.files import check_writable
from tfal.initial_pool import initial_strategy
from tfal.jobs import asked_for
from tfal.learners import LEARNERS
from tfal.recipe import Recipe
from tfal.recipe.components import declared
from tfal.recipe.options import BALANCED, flag
from tfal.recipe.usage import kinds, usage_of, with_starts
from tfal.strategies import Strategy, make_strategy
from tfal.streams import Streams

if TYPE_CHECKING:
    from tfal.learners.base import Builder, OnEpoch

NOTHING = "nothing to prepare: no strategy here reads an encoder that is trained once, or features of --splits."
PLACES = {"data_dir", "csv", "csv_test", "results_dir"}  # no identity, and yet another file
_FEWER = ("long_tail", "n_train")  # leave samples out of the pool, in each repetition others
_OPEN = ("n_class_known", "known_classes", "trial", "ood_rate", "ood_dataset")


class Needs(NamedTuple):
    """What a recipe needs that other runs can need, too; equal ones share the same files.

    encoders: names of learners that are trained once and kept, without those that they start from. features: kinds of
    rows of the frozen encoder's features, "unit" and "raw". depends: name and value of all options that these depend
    on.
    """

    encoders: tuple[str, ...]
    features: tuple[str, ...]
    depends: tuple[tuple[str, Any], ...]


def needs(recipe: Recipe) -> Needs | None:
    """What `--prepare on` would make for a recipe, None for nothing; looks at no data, and needs no TensorFlow.

    Recipes of equal needs share the files in their results folder. The other way round holds with one exception: two
    data folders can hold the same images.

    Raises InputError where a strategy cannot be made from its options.
    """
    strategies = [make_strategy(name, recipe) for name in recipe.strategy.split(",")]
    asked = {"encoder"} if recipe.splits else _read_in_rounds(recipe, strategies)
    encoders = sorted({kept for name in asked for kept in _kept(recipe, name)})
    features = _features(recipe, strategies) if recipe.splits else ()
    if not encoders and not features:
        return None
    return Needs(tuple(encoders), features, tuple(_depends(recipe, asked if recipe.splits else encoders)))


def _kept(recipe: Recipe, name: str) -> list[str]:
    """The learner itself where it is kept, else those that it starts from and that are."""
    spec = LEARNERS[name]
    return [name] if spec.kept else [start for start in spec.starts_from(recipe) if LEARNERS[start].kept]


def _read_in_rounds(recipe: Recipe, strategies: list[Strategy]) -> set[str]:
    """Learners that rounds and the choice of the first labels read; the last round needs no query."""
    read = [(*s.learners, s.task_learner) if recipe.n_step else (s.task_learner,) for s in strategies]
    if recipe.initial != BALANCED:
        read.append(make_strategy(recipe.initial, recipe).learners)
    return {name for names in read for name in names}


def _features(recipe: Recipe, strategies: list[Strategy]) -> tuple[str, ...]:
    raw = recipe.head_input == "raw" and any(strategy.needs_labels for strategy in strategies)
    return ("unit", "raw") if raw else ("unit",)


def _depends(recipe: Recipe, asked: Any) -> list[tuple[str, Any]]:
    """The options that encoders, their pool and their features depend on, with their values."""
    specs = with_starts(recipe, set(asked))
    data = kinds(recipe) & {"images", "folder", "files", "keras", "converted"}
    names = {*usage_of(data | {spec.name for spec in specs}).names} - {"strategy", "splits"}
    names = {name for name in names if name in PLACES or declared()[name].option.metadata["identity"]}
    if not any(spec.kept for spec in specs):
        names -= {"network", "seed"}
    by_rep = [*_OPEN] * recipe.is_open + [name for name in _FEWER if getattr(recipe, name) and not recipe.splits]
    found = [(name, getattr(recipe, name)) for name in sorted({*names, *by_rep})]
    return [*found, ("rep", tuple(recipe.reps))] if by_rep else found


def refuse_preparing(recipe: Any) -> None:
    """Raises InputError for a recipe that says that nothing is to be run."""
    if isinstance(recipe, Recipe) and recipe.prepare != "off":
        raise InputError(
            f"this runs a recipe. Received: one with prepare={recipe.prepare!r}, by which nothing is run. Give it to "
            "tfal.prepare.prepare, or set prepare='off'."
        )


def prepare(recipe: Recipe, build: Builder, *, data: Dataset | None = None, on_epoch: OnEpoch | None = None) -> str:
    """Makes what `needs` tells, where its files are not there yet, and goes on where a stop left it; runs nothing.

    Folders of repetitions are neither read nor written. With recipe.prepare "encoders", features are left out; with
    recipe.shard, only that part of them is read.

    Args:
        recipe: what is to be run later, with "on" or "encoders" as its `prepare`.
        build: (input shape, number of classes) -> a new keras.Model, as for tfal.run.
        data: the data set; loaded by name when not given.
        on_epoch: called after each epoch with the encoder's name, the epoch from 1 and their number, and with
            ("features", images, all images) while features are read.

    Returns:
        what is there now, as one line.

    Raises:
        InputError: something cannot be used; raised before anything is written.
        TrainingError: a training went wrong. What was written stays.
    """
    recipe, data = data_for(recipe, data)
    needed = needs(recipe)
    if needed is None or (recipe.prepare == "encoders" and not needed.encoders):
        return NOTHING
    check_writable(Path(recipe.results_dir))
    made = _of_low_budget if recipe.splits else _of_rounds
    return f"prepared: {made(recipe, needed, build, data, on_epoch)}."


def _of_rounds(recipe: Recipe, needed: Needs, build: Builder, data: Dataset, on_epoch: OnEpoch | None) -> str:
    initial_strategy(recipe, data.n_classes)
    jobs = asked_for(recipe, data)
    tasks = {job.rep: job.task for job in jobs}
    from tfal.data.image_files import named_errors, open_images
    from tfal.training.built import checked_builder
    from tfal.training.runtime import prepare_tensorflow, settings_restored

    with settings_restored(), named_errors():
        prepare_tensorflow(recipe.threads)
        build, images = checked_builder(build, recipe.network), open_images(data.x_train, data.corrupt)
        n_classes = jobs[0].task.n_classes
        learners = {name: LEARNERS[name](build, images, n_classes, recipe) for name in needed.encoders}
        for rep, task in tasks.items():
            for name, learner in learners.items():
                mend = f"Lower {flag(LEARNERS[name].learning_rate_option)}, or look at the images."
                with training_of(f"the encoder {name} of repetition {rep}", mend):
                    learner.fit(task.start, Streams(recipe.seed, rep), on_epoch)
    return f"{', '.join(needed.encoders)} in {Path(recipe.results_dir) / 'encoders'}"


def _of_low_budget(recipe: Recipe, needed: Needs, build: Builder, data: Dataset, on_epoch: OnEpoch | None) -> str:
    from tfal.low_budget import jobs

    jobs.asked_for(recipe, data)
    from tfal.data.image_files import named_errors
    from tfal.low_budget.features import FrozenFeatures
    from tfal.storage.feature_files import Shard
    from tfal.training.runtime import settings_restored

    made, left = [], list[int]()
    with settings_restored(), named_errors():
        found = FrozenFeatures(recipe, build, data, on_epoch)
        found.fit()
        if needed.encoders:
            made.append(f"{', '.join(needed.encoders)} in {Path(recipe.results_dir) / 'encoders'}")
        if recipe.prepare != "encoders":
            shard = Shard(recipe.shard, recipe.n_shard) if recipe.shard else None
            left = found.read(needed.features, shard)
            part = f"shard {shard.number} of {shard.of} of the " if shard else ""
            made.append(f"{part}features of {recipe.encoder} in {Path(recipe.results_dir) / 'features'}")
    return ", ".join(made) + (f"; still missing: shard {', '.join(map(str, left))}" if left else "")
