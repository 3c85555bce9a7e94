"""Results read back: the repetitions of each strategy by number, what they were made with, and curves of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfal.data.prints import comparable
from tfal.errors import InputError
from tfal.recipe.components import options
from tfal.report.statistics.areas import area_under_budget_curve
from tfal.storage.identity import read_stored
from tfal.storage.joined import Stored, StoredRuns, is_joined, read_joined
from tfal.storage.tables import Row, read_rounds

# What a table is made of where rounds.csv has it: title, and whether the picture has a panel of it.
MORE = {
    "purity": ("Purity: share of known classes among the labels bought last (at first: of the initial ones)", True),
    "known_recall": ("Known-class recall: share of the pool's samples of known classes that are labeled", False),
    "balanced_accuracy": ("Balanced test accuracy: mean over the classes of the share that is found", True),
    "coverage": ("Class coverage: share of the classes that are among the labels", False),
    "linear_top1": ("Linear probe on frozen features, top-1", True),
    "linear_top5": ("Linear probe on frozen features, top-5", False),
    "knn_top1": ("Nearest neighbors of frozen features, top-1", True),
    "finetune_top1": ("Fine-tuning of the encoder, top-1", True),
    "scratch_top1": ("Training from scratch, top-1", True),
}


_OF_STRATEGIES = ("strategy", "n_step")  # options that may differ between the runs of a setting


@dataclass(frozen=True)
class Run:
    """One repetition as its files have it.

    rows: the committed rounds. recipe: the options that it was made with, with those of another repetition of its
    strategy where its own recipe.json is not there; None where no repetition has one.
    """

    rows: Sequence[Row]
    recipe: Mapping[str, Any] | None


@dataclass(frozen=True)
class Curve:
    """The repetitions of one strategy, as far as all of them got.

    labels: (T,) number of labels. accuracy: (R, T) test accuracy, a fraction, one row a repetition. others: (R, T)
    fractions by the names of MORE, as far as the runs have them.
    """

    labels: np.ndarray
    accuracy: np.ndarray
    others: Mapping[str, np.ndarray] = field(default_factory=dict)

    def area(self, first: float, last: float) -> np.ndarray:
        """(R,) area under the budget curve between two of its numbers of labels, in [0, 1].

        Trapezoids over the labels, divided by their range; the accuracy itself when the range is one number.
        """
        inside = (self.labels >= first) & (self.labels <= last)
        labels, accuracy = self.labels[inside], self.accuracy[:, inside]
        return area_under_budget_curve(labels, accuracy)

    def at(self, labels: float) -> np.ndarray:
        """(R,) accuracies at one of its numbers of labels."""
        return self.accuracy[:, np.flatnonzero(self.labels == labels)[0]]


def read_runs(experiment: Path) -> dict[str, dict[int, Run]]:
    """The repetitions of all strategies with results below `experiment`: strategy -> number of the repetition -> run.

    They lie in folders of their own, as a run leaves them, or joined in the two files of tfal.storage.joined.

    Raises InputError when there is none, when a folder there is called like a repetition and has no number of its own,
    when results lie there in both forms, or when a file is damaged.
    """
    return runs_of(read_stored_runs(experiment))


def runs_of(stored: StoredRuns) -> dict[str, dict[int, Run]]:
    """Strategy -> number of the repetition -> run, of what files say by both."""
    found: dict[str, dict[int, Run]] = {}
    for (strategy, rep), run in stored.items():
        found.setdefault(strategy, {})[rep] = Run(run.rows, None if run.recipe is None else run.recipe["recipe"])
    return {strategy: _with_recipes(runs) for strategy, runs in found.items()}


def read_stored_runs(experiment: Path) -> StoredRuns:
    """What the files of all repetitions below `experiment` say, by strategy and number; InputError as `read_runs`."""
    tables = sorted(experiment.glob("*/rep*/rounds.csv"))
    if is_joined(experiment):
        if tables:
            raise InputError(
                f"{experiment} holds joined results (rounds.csv) and folders of repetitions, such as "
                f"{tables[0].parent}. Move one of them elsewhere."
            )
        found = read_joined(experiment)
    else:
        found = _read_folders(tables)
    if not found:
        raise InputError(
            f"no results in {str(experiment)!r}. Expected: a folder such as results/mnist_SCNN, "
            "with <strategy>/rep001/rounds.csv in it."
        )
    return found


def _read_folders(tables: Sequence[Path]) -> StoredRuns:
    found: StoredRuns = {}
    for path in tables:
        folder = path.parent
        key = folder.parent.name, _number(folder)
        if key in found:
            raise InputError(f"{folder.parent} holds repetition {key[1]} twice. Move one of its folders elsewhere.")
        mend = f"Mend it, or move {folder} elsewhere."
        rows, recipe = read_rounds(path, mend), folder / "recipe.json"
        if rows:
            found[key] = Stored(rows, read_stored(recipe, mend) if recipe.exists() else None)
    return found


def _number(folder: Path) -> int:
    match = re.fullmatch(r"rep(\d+)", folder.name)
    if match is None:
        raise InputError(
            f"{folder} must be called rep and a number, as rep001, to be a repetition. "
            "Rename it, or move it elsewhere when it is a copy."
        )
    return int(match[1])


def _with_recipes(runs: Mapping[int, Run]) -> dict[int, Run]:
    known = next((run.recipe for run in runs.values() if run.recipe is not None), None)
    return {rep: Run(run.rows, known if run.recipe is None else run.recipe) for rep, run in sorted(runs.items())}


def value(run: Run, name: str) -> Any:
    """The option `name` of a run: its default where the run is older than the option, None where nothing is known."""
    if run.recipe is None or name in run.recipe:
        return None if run.recipe is None else run.recipe[name]
    return getattr(options().get(name), "default", None)


def curve_of(runs: Mapping[int, Run], name: str) -> Curve:
    """The curve of some repetitions of the strategy `name`, in the order of their numbers.

    Raises InputError when they have different budgets.
    """
    common = min(len(run.rows) for run in runs.values())
    rows = [run.rows[:common] for _, run in sorted(runs.items())]
    labels = np.array([[row["labels"] for row in each] for each in rows])
    if np.any(labels != labels[0]):
        raise InputError(f"the repetitions of {name} have different numbers of labels. Report them apart.")

    def column(name: str) -> np.ndarray:
        return np.array([[row.get(name, np.nan) for row in each] for each in rows])

    names = [name for name in MORE if any(name in row for each in rows for row in each)]
    if not any(value(run, "long_tail") for run in runs.values()):  # all runs have it; elsewhere it says little more
        names = [name for name in names if name != "balanced_accuracy"]
    others = {name: column(name) for name in names}
    return Curve(labels[0], column("test_accuracy"), others)


def read_curves(experiment: Path) -> dict[str, Curve]:
    """The curves of all strategies with results below `experiment`, by name; InputError as `read_runs`, `curve_of`."""
    return {name: curve_of(runs, name) for name, runs in read_runs(experiment).items()}


def differing(runs: Collection[Run], names: Collection[str]) -> dict[str, list[Any]]:
    """The options among `names` that the runs do not share, with their values in the order of the runs, each once."""
    found: dict[str, list[Any]] = {}
    for name in names:
        values = found[name] = []
        given = [value(run, name) for run in runs]
        for one in comparable(given) if name == "data" else given:
            if one not in values:
                values.append(one)
    return {name: values for name, values in found.items() if len(values) > 1}


def options_that_differ(runs: Sequence[Run]) -> dict[str, list[object]]:
    """The options, but the strategy and the number of rounds, that runs with a recipe do not share."""
    known = [run for run in runs if run.recipe is not None]
    recorded = set.intersection(*(set(run.recipe or ()) for run in known)) if known else set()
    return differing(known, sorted(recorded - {*_OF_STRATEGIES}))


def told_apart(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: the last parts of its path, as many as it takes to tell all of them apart."""
    parts = [folder.resolve().parts for folder in folders]
    different = len(set(parts))
    for n in range(1, max(map(len, parts)) + 1):
        if len({each[-n:] for each in parts}) == different:
            break
    return [str(Path(*each[-n:])) for each in parts]
