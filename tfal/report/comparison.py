"""Several results side by side: settings x strategies x repetitions x rounds x metrics, as arrays.

A setting is an experiment, `<results>/<dataset>_<network>` (data set, network and variant), whether its repetitions lie
in folders of their own or joined. What is compared in a setting is a block: repetitions that all strategies have, at
numbers of labels that all of them reached. A repetition that ended early counts in curves as far as it goes.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.files import storage_errors
from tfal.report.results import Run, read_stored_runs, runs_of, told_apart
from tfal.storage.joined import StoredRuns, is_joined
from tfal.storage.tables import Row

ACCURACY = "test_accuracy"
_NO_METRICS = ("round", "labels")
_DENSE = re.compile(r"Dense \d+x(\d+) ")  # of a line that describes a layer


@dataclass(frozen=True, eq=False)
class Curves:
    """The repetitions of one strategy in one setting.

    reps: (R,) their numbers, ascending. labels: (T,) every number of labels that one of them reached, ascending.
    values: (R, T) float64 by name of the column of rounds.csv, NaN where a repetition has no value there.
    """

    reps: tuple[int, ...]
    labels: np.ndarray
    values: Mapping[str, np.ndarray]

    def has(self, metric: str) -> bool:
        """Whether any number is there."""
        return metric in self.values and bool(np.isfinite(self.values[metric]).any())

    def reached(self, rep: int) -> set[float]:
        """The numbers of labels of one repetition."""
        return {*self.labels[np.isfinite(self.values[ACCURACY][self.reps.index(rep)])].tolist()}

    def part(self, metric: str, reps: Sequence[int], labels: Sequence[float]) -> np.ndarray:
        """(len(reps), len(labels)) of its own repetitions and numbers of labels."""
        rows = np.array([self.reps.index(rep) for rep in reps], int)
        found: np.ndarray = self.values[metric][rows[:, None], np.searchsorted(self.labels, labels)]
        return found


@dataclass(frozen=True)
class Block:
    """What some strategies share: repetitions by number, and numbers of labels, ascending."""

    reps: tuple[int, ...]
    labels: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Setting:
    """An experiment. name: what tells it from the others. curves, runs: by strategy. environments: of all runs.

    n_classes: outputs of the network, as recipe.json describes it; None where it does not, or where runs differ.
    """

    name: str
    folder: Path
    curves: Mapping[str, Curves]
    runs: Mapping[str, Mapping[int, Run]]
    environments: Sequence[Mapping[str, Any]]
    n_classes: int | None = None

    @functools.cached_property
    def strategies(self) -> tuple[str, ...]:
        """Their names, ascending."""
        return tuple(self.curves)

    @functools.cached_property
    def metrics(self) -> tuple[str, ...]:
        """The columns in which any strategy has a number, in the order of the files."""
        names = dict.fromkeys(name for curves in self.curves.values() for name in curves.values)
        return tuple(name for name in names if any(curves.has(name) for curves in self.curves.values()))

    @functools.cached_property
    def block(self) -> Block:
        """The repetitions and numbers of labels that all strategies share: of all such blocks the largest one.

        So a repetition that stopped early is left out where the others are longer, and counts where they are not. Empty
        where nothing is shared.
        """
        every = [*self.curves.values()]
        common = sorted(set.intersection(*(set(curves.reps) for curves in every)))
        reached = {rep: set.intersection(*(curves.reached(rep) for curves in every)) for rep in common}
        best = Block((), ())
        for least in {frozenset(found) for found in reached.values() if found}:
            reps = tuple(rep for rep in common if least <= reached[rep])
            labels = tuple(sorted(set.intersection(*(reached[rep] for rep in reps))))
            if (len(reps) * len(labels), len(reps)) > (len(best.reps) * len(best.labels), len(best.reps)):
                best = Block(reps, labels)
        return best

    @functools.cached_property
    def compared(self) -> Block:
        """The block without the initial labels, which all strategies share; budgets of `--splits` have none."""
        chosen = any((run.recipe or {}).get("splits") for by_rep in self.runs.values() for run in by_rep.values())
        return self.block if chosen else Block(self.block.reps, self.block.labels[1:])

    def values(self, metric: str = ACCURACY, block: Block | None = None) -> dict[str, np.ndarray]:
        """(R, T) of every strategy that has the column, in the block that all share, or in another one."""
        block = self.block if block is None else block
        return {name: curves.part(metric, block.reps, block.labels) for name, curves in self.having(metric).items()}

    def of(self, strategies: Sequence[str]) -> Setting:
        """A setting with some of its strategies alone."""
        if tuple(strategies) == self.strategies:
            return self
        curves, runs = {name: self.curves[name] for name in strategies}, {name: self.runs[name] for name in strategies}
        return dataclasses.replace(self, curves=curves, runs=runs)

    def having(self, metric: str) -> dict[str, Curves]:
        """The strategies that have numbers in this column."""
        return {name: curves for name, curves in self.curves.items() if curves.has(metric)}


@dataclass(frozen=True)
class Comparison:
    """All settings, by their names in alphabetical order, and what was passed over, as sentences."""

    settings: tuple[Setting, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names of all strategies, ascending."""
        return tuple(sorted({name for setting in self.settings for name in setting.strategies}))

    @property
    def common(self) -> tuple[str, ...]:
        """The names of those that every setting has."""
        return tuple(sorted(set.intersection(*({*setting.strategies} for setting in self.settings))))


def read_comparison(folders: Sequence[Path]) -> Comparison:
    """The results in experiments, or in folders with experiments somewhere below them, such as those of a sweep.

    Folders whose names begin with a dot are passed over. Neither TensorFlow nor the runs' data are needed.

    Raises:
        InputError: no folder, one that is not there, no results in any of them, or damaged files.
    """
    if not folders:
        raise InputError("give at least one folder of results, such as results/mnist_SCNN. Received: none.")
    found: dict[Path, Path] = {}
    passed: list[str] = []
    for folder in map(Path, folders):
        if not folder.exists():
            raise InputError(f"there is no folder {str(folder)!r}. Give one with results, such as results/mnist_SCNN.")
        here = list(experiments(folder)) if folder.is_dir() else []
        if not here:
            passed.append(f"{folder} was passed over: it holds no results of runs.")
        for experiment in here:
            found.setdefault(experiment.resolve(), experiment)
    if not found:
        given = ", ".join(map(str, folders[:3]))
        raise InputError(
            f"no results in {given}. Expected: a folder such as results/mnist_SCNN, with "
            "<strategy>/rep001/rounds.csv in it, or one with such folders below it."
        )
    paths = [found[key] for key in sorted(found)]
    every = [_setting(name, path, read_stored_runs(path)) for name, path in zip(told_apart(paths), paths, strict=True)]
    return Comparison(tuple(sorted(every, key=lambda setting: setting.name)), tuple(passed))


def experiments(folder: Path) -> Iterator[Path]:
    """The experiments at or below a folder, in alphabetical order."""
    if is_joined(folder) or next(folder.glob("*/rep*/rounds.csv"), None) is not None:
        yield folder
        return
    with storage_errors(folder):
        below = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    for name in below:
        if not name.startswith("."):
            yield from experiments(folder / name)


def _setting(name: str, folder: Path, stored: StoredRuns) -> Setting:
    runs = dict(sorted(runs_of(stored).items()))
    curves = {strategy: curves_of([each.rows for each in by_rep.values()], by_rep) for strategy, by_rep in runs.items()}
    made = [run.recipe.get("environment") for run in stored.values() if run.recipe is not None]
    outputs = {_outputs(run.recipe.get("network", [])) for run in stored.values() if run.recipe is not None}
    n_classes = outputs.pop() if len(outputs) == 1 else None
    return Setting(name, folder, curves, runs, [each for each in made if isinstance(each, dict)], n_classes)


def _outputs(network: Sequence[Any]) -> int | None:
    """The outputs of the last Dense layer of a network, see tfal.training.layers.described; None where it is none."""
    dense = [match for line in network if (match := _DENSE.match(str(line)))]
    return int(dense[-1][1]) if dense else None


def curves_of(rows: Sequence[Sequence[Row]], reps: Iterable[int]) -> Curves:
    """The rows of all repetitions of a strategy as arrays; of two rounds with one number of labels, the later one."""
    labels = np.array(sorted({row["labels"] for each in rows for row in each}), float)
    place = {value: column for column, value in enumerate(labels.tolist())}
    names = dict.fromkeys(name for each in rows for row in each for name in row if name not in _NO_METRICS)
    values = {name: np.full((len(rows), len(labels)), np.nan) for name in names}
    for number, each in enumerate(rows):
        for row in each:
            column = place[row["labels"]]
            for name, value in row.items():
                if name in values:
                    values[name][number, column] = value
    return Curves(tuple(reps), labels, values)
