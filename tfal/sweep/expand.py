"""A manifest as jobs: one for each strategy and repetition of each set of options, and what several of them need."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tfal.data.places import check_named, data_dir
from tfal.data.tabular import table_name
from tfal.errors import InputError, unknown_name
from tfal.flags import parsed
from tfal.networks import builders
from tfal.prepare import Needs, needs
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.recipe.options import flag
from tfal.recipe.protocols import NAMES, protocol
from tfal.recipe.usage import kinds, usage
from tfal.storage.folder import digest_of
from tfal.storage.runfolder import experiment_name, repetition_part
from tfal.sweep.job import Job
from tfal.sweep.manifest import Manifest
from tfal.sweep.option_sets import OptionSet
from tfal.sweep.preparations import preparations

# Options by which the folders of runs differ anyway.
_APART = (
    *("protocol", "dataset", "network", "n_class_known", "known_classes", "ood_rate", "ood_dataset", "trial"),
    *("long_tail", "initial"),
)


@dataclass(frozen=True)
class SingleRun:
    """One strategy and one repetition. recipe: None for a command that has none, and for what is made before runs.

    typed: names of its options.
    """

    job: Job
    set_name: str
    recipe: Recipe | None = None
    typed: tuple[str, ...] = ()


class _Place(NamedTuple):
    """results: of the whole sweep. data_dirs: see `expand`. beside: the folder of the manifest."""

    results: Path
    data_dirs: Mapping[str, str]
    beside: Path

    def data_dir(self, *names: str) -> str | None:
        """Where data lie that go by one of these names, the first that is known."""
        return data_dir(self.data_dirs, *names)

    def file(self, named: str, set_name: str) -> str:
        """A file that a manifest names: from the folder of the data, or from its own."""
        folders = [Path(folder) for folder in [self.data_dir(set_name)] if folder] + [self.beside.absolute()]
        found = [folder / named for folder in folders]
        return str(next((path for path in found if path.exists()), found[0]).resolve())


def expand(manifest: Manifest, results: Path, data_dirs: Mapping[str, str]) -> list[SingleRun]:
    """All runs of a manifest, those of one repetition after the other, so that a sweep that is stopped is paired.

    What several of them need, an encoder or features, is a job of its own before the first of them.

    Args:
        manifest: what is compared.
        results: the folder of all its results.
        data_dirs: where data lie, by the name of a set or data set; "" for all others.

    Raises:
        InputError: options that cannot be, or that nothing would look at; two runs that are the same, or would write
            into one folder; a folder of data by a name that none has. Needs no data.
    """
    place = _Place(results.absolute(), data_dirs, manifest.path.parent)
    runs = [run for chosen in manifest.sets for run in _of_a_set(manifest, chosen, place)]
    runs.sort(key=lambda run: 0 if run.recipe is None else run.recipe.rep)
    _check_apart(manifest, runs)
    _check_places(manifest, runs, data_dirs)
    return _with_preparations(manifest, runs)


def some_of(runs: Sequence[SingleRun], sets: Sequence[str], reps: Sequence[int]) -> list[SingleRun]:
    """The runs of some sets and repetitions, with what is made before them; all where none is named.

    What a run needs stands in its set, since each set has a folder of its own. A command that has no repetitions is in
    none. Raises InputError for a set or repetition that the manifest does not have.
    """
    known = {run.set_name for run in runs} - {""}
    for name in sets:
        if not known:
            raise InputError(f"--set {name}: the manifest has no sets. Leave it out.")
        if name not in known:
            raise unknown_name("set", name, known)
    named = [run for run in runs if not sets or run.set_name in sets]
    if not reps:
        return named
    there = {run.recipe.rep for run in named if run.recipe is not None and run.recipe.rep is not None}
    if missing := set(reps) - there:
        listed = ", ".join(map(str, sorted(there))) or "none"
        raise InputError(f"--rep {min(missing)}: no run has it. These have {listed}. Choose among them.")
    found = [run for run in named if run.recipe is not None and run.recipe.rep in reps]
    ids = {run.job.id for run in found} | {id for run in found for id in run.job.needs}
    return [run for run in named if run.job.id in ids]


def _with_preparations(manifest: Manifest, runs: Sequence[SingleRun]) -> list[SingleRun]:
    made: dict[Needs, list[Job]] = {}
    found: list[SingleRun] = []
    for run in runs:
        needed = needs(run.recipe) if run.recipe is not None else None
        if run.recipe is None or needed is None:
            found.append(run)
            continue
        if needed not in made:
            made[needed] = preparations(needed, run.job, run.recipe, manifest.n_shard)
            found += [SingleRun(job, run.set_name) for job in made[needed]]
        waits = tuple(job.id for job in made[needed])
        found.append(dataclasses.replace(run, job=dataclasses.replace(run.job, needs=waits)))
    if manifest.n_shard > 1 and not any(needed.features for needed in made):
        raise InputError(
            f"{manifest.path}: n_shard = {manifest.n_shard} goes with runs that read features: those with splits. "
            "Leave it out."
        )
    return found


def _check_apart(manifest: Manifest, runs: Sequence[SingleRun]) -> None:
    seen: dict[str, SingleRun] = {}
    for run in runs:
        for what, key in (("are the same", run.job.id), ("would write into one folder", run.job.results)):
            other = seen.setdefault(key, run) if key else run
            if other is not run:
                raise InputError(
                    f"{manifest.path}: two runs {what}: {other.job.title}, and {run.job.title}. Give them sets of "
                    "their own, or leave one out."
                )


def _check_places(manifest: Manifest, runs: Sequence[SingleRun], data_dirs: Mapping[str, str]) -> None:
    recipes = [run.recipe for run in runs if run.recipe is not None]
    of_commands = {str(chosen.base.get("dataset", "")) for chosen in manifest.sets if "command" in chosen.base}
    read = {name for run in runs if _reads_files(run) for name in _names_of_data(run)} | of_commands
    others = {name for run in runs for name in _names_of_data(run)} - read
    check_named(data_dirs, read, {recipe.ood_dataset for recipe in recipes if recipe.ood_dataset}, others)


def _names_of_data(run: SingleRun) -> set[str]:
    return {run.set_name} | ({run.recipe.dataset} if run.recipe else set())


def _reads_files(run: SingleRun) -> bool:
    return run.recipe is None or bool(run.recipe.csv) or "folder" in kinds(run.recipe)


def _of_a_set(manifest: Manifest, chosen: OptionSet, place: _Place) -> Iterator[SingleRun]:
    if "command" in chosen.base:
        yield _command(manifest, chosen, place)
        return
    others = {key: values for key, values in chosen.grid.items() if key not in ("strategy", "rep")}
    together = {"strategy": chosen.grid["strategy"]} if "strategy" in chosen.grid else {}
    for values in itertools.product(*others.values()):
        varied = dict(zip(others, values, strict=True))
        apart = [f"{flag(key)[2:]}{_text(varied[key])}" for key in others if key not in _APART and len(others[key]) > 1]
        folder = place.results.joinpath(*([chosen.name] if chosen.name else []), *apart)
        try:
            yield from _runs({**chosen.base, **varied, **together}, chosen, folder, place)
        except InputError as error:
            where = f"{manifest.path}{f', set {chosen.name!r}' if chosen.name else ''}"
            raise InputError(f"{where}: {error}") from None


def _runs(options: Mapping[str, Any], chosen: OptionSet, folder: Path, place: _Place) -> Iterator[SingleRun]:
    """The runs of some options: one for each strategy and repetition.

    An option that some of the strategies look at is left out for the others. Raises InputError for one that none does.
    """
    name = options.get("protocol")
    if name not in NAMES:
        raise InputError(f"protocol must be one of {', '.join(NAMES)}. Received: {name!r}.")
    given = {key: value for key, value in options.items() if key not in ("protocol", "preset")}
    given |= {key: place.file(given[key], chosen.name) for key in ("csv", "csv_test") if key in given}
    if not chosen.resources.gpus:
        given.setdefault("threads", chosen.resources.threads)
    preset = ["--preset", str(options["preset"])] if "preset" in options else []
    for recipe, own in _recipes(name, preset, given, chosen.own):
        used = usage(recipe).names
        where = place.data_dir(chosen.name, recipe.dataset) if "data_dir" in used else None
        typed = {key: value for key, value in own.items() if key in used} | {"strategy": recipe.strategy}
        typed |= {"data_dir": where} if where else {}
        for rep in chosen.grid.get("rep", recipe.reps):
            single = recipe.replace(rep=rep, results_dir=str(folder), **({"data_dir": where} if where else {}))
            words = _words(typed | {"rep": rep, "results_dir": str(folder)})
            job = _job(single, ("run", name, *preset, *words), chosen, folder.relative_to(place.results))
            yield SingleRun(job, chosen.name, single, tuple(typed))


def _recipes(
    name: str, preset: list[str], given: Mapping[str, Any], by_strategy: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[Recipe, Mapping[str, Any]]]:
    """A recipe for each strategy, and the options that it was made of; by_strategy: those of one alone."""
    known = protocol(name)

    def made(options: Mapping[str, Any]) -> Recipe:
        return parsed("", known.PRESETS, builders(), known.SOURCE, [*preset, *_words(options)])[0]

    for recipe in made(given).each_strategy():
        own = by_strategy.get(recipe.strategy)
        if own is None:
            yield recipe, given
            continue
        used = usage(recipe).names
        options = {**{key: value for key, value in given.items() if key in used}, **own, "strategy": recipe.strategy}
        try:
            yield made(options), options
        except InputError as error:
            raise InputError(f"[strategy.{recipe.strategy}]: {error}") from None


def _job(recipe: Recipe, command: tuple[str, ...], chosen: OptionSet, below: Path) -> Job:
    """below: its folder, from the results of the whole sweep."""
    if recipe.csv:
        recipe = recipe.replace(dataset=table_name(Path(recipe.csv)))
    set_folder = below.as_posix() if below.parts else ""
    experiment = experiment_name(recipe)
    # Options at their defaults do not count, so that one that is added to tfal makes no other job of a run.
    known = options()
    identity = {name: value for name, value in recipe.identity().items() if value != known[name].default}
    about = {"folder": set_folder, "options": identity, "rep": recipe.rep}
    group = f"{set_folder or experiment}, {recipe.strategy}"
    return Job(
        digest_of(about)[:12],
        f"{group}, repetition {recipe.rep}",
        group,
        command,
        resources=chosen.resources,
        results=(below / experiment / repetition_part(recipe.strategy, recipe.rep) / "rounds.csv").as_posix(),
    )


def _command(manifest: Manifest, chosen: OptionSet, place: _Place) -> SingleRun:
    """A set that is one command of tfal, such as the cold-start benchmark."""
    name = chosen.base["command"]
    if name != "coldstart":
        raise InputError(f"{manifest.path}: command must be coldstart. Received: {name!r}. Leave it out for runs.")
    from tfal.coldstart.cli import parse

    alone = [flag(key) for key, value in chosen.base.items() if value is True]
    options = {key: value for key, value in chosen.base.items() if key != "command" and value is not True}
    if not chosen.resources.gpus:
        options.setdefault("threads", chosen.resources.threads)
    typed = [*alone, *_words(options)]
    where = place.data_dir(chosen.name, str(options.get("dataset", "")))
    ends = {"data_dir": where} if where else {}
    words = [*typed, *_words({**ends, "results_dir": str(place.results / chosen.name)})]
    try:
        parse(builders(), words)
    except InputError as error:
        raise InputError(f"{manifest.path}, set {chosen.name!r}: {error}") from None
    title = f"{chosen.name or manifest.name}, {name}"
    digest = digest_of({"folder": chosen.name, "command": name, "words": typed})
    return SingleRun(Job(digest[:12], title, title, (name, *words), resources=chosen.resources), chosen.name)


def _words(options: Mapping[str, Any]) -> list[str]:
    """Options as they are typed."""
    return [word for key, value in options.items() for word in (flag(key), _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(_text, value)) if isinstance(value, list) else str(value)
