"""What a reader of a comparison has to know before its numbers: plain sentences, the gravest first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfal.errors import InputError
from tfal.recipe.options import flag
from tfal.report.compare import why_unpaired
from tfal.report.comparison import ACCURACY, Comparison, Setting
from tfal.report.results import Run, options_that_differ, value
from tfal.report.statistics import LEAST_PAIRS
from tfal.report.words import counted, listed

RANDOM = "random"
_HOST = ("processor", "machine", "gpus", "python", "tensorflow", "keras", "numpy")  # what can move results


def cautions(comparison: Comparison) -> list[str]:
    """The warnings of all settings, each once; a sentence each that names its setting."""
    found: list[str] = []
    for check in _CHECKS:
        where: dict[str, list[str]] = {}
        for setting in comparison.settings:
            for sentence in check(setting):
                where.setdefault(sentence, []).append(setting.name)
        found += [f"{listed(names)}: {sentence}" for sentence, names in where.items()]
    return [*found, *comparison.passed_over]


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def numbers(values: Sequence[int]) -> str:
    """Whole numbers in a sentence: "1-5, 7"."""
    runs: list[list[int]] = []
    for each in sorted(values):
        if runs and each == runs[-1][-1] + 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


@functools.lru_cache(maxsize=1024)
def why_no_pairs(setting: Setting, first: str, second: str) -> str:
    """Why the repetitions of two strategies are no pairs; "" where they are."""
    try:
        return why_unpaired(setting.runs[first], setting.runs[second])
    except InputError as error:
        return str(error)


def _every_run(setting: Setting) -> list[Run]:
    return [run for by_rep in setting.runs.values() for run in by_rep.values()]


def _options(setting: Setting) -> Iterator[str]:
    found = options_that_differ(_every_run(setting))
    if found:
        parts = "; ".join(f"{flag(name)[2:]} {', '.join(map(repr, values))}" for name, values in found.items())
        yield f"its runs were made with different options ({parts}), so strategies differ in more than the strategy."
    if any(run.recipe is None for run in _every_run(setting)):
        yield "some of its runs have no recipe.json, so nobody can tell whether they were made alike."


def _unpaired(setting: Setting) -> Iterator[str]:
    first = RANDOM if RANDOM in setting.curves else setting.strategies[0]
    reasons: dict[str, list[str]] = {}
    for name in setting.strategies:
        why = "" if name == first else why_no_pairs(setting, name, first)
        if why:
            reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        yield f"{listed(names)} {_are(names)} not paired with {first} ({why}): intervals are Welch's, and wider."


def _few(setting: Setting) -> Iterator[str]:
    counts = {name: len(curves.reps) for name, curves in setting.curves.items()}
    few = [name for name, count in counts.items() if count < LEAST_PAIRS]
    if few:
        least = min(counts.values())
        how_many = f"{least}" if least == max(counts[name] for name in few) else f"{least} or more"
        who = (
            "all strategies have" if len(few) == len(counts) else f"{listed(few)} {'has' if len(few) == 1 else 'have'}"
        )
        yield f"{who} {how_many} of the {LEAST_PAIRS} repetitions that a test or an interval needs."


def _worse_than_random(setting: Setting) -> Iterator[str]:
    values = setting.values(block=setting.compared)
    if RANDOM not in values or not values[RANDOM].size:
        return
    below = {name: found.mean(axis=0) < values[RANDOM].mean(axis=0) for name, found in values.items()}
    worse = [f"{name} ({each.sum()} of {len(each)})" for name, each in below.items() if each.mean() > 0.5]
    if worse:
        yield f"below random at most numbers of labels, by the means of repetitions: {', '.join(worse)}."


def _validation(setting: Setting) -> Iterator[str]:
    every = {value(run, "n_valid") for run in _every_run(setting)}
    sizes = [size for size in every if isinstance(size, int) and size > 0]
    most = max(float(curves.labels[-1]) for curves in setting.curves.values())
    if sizes and max(sizes) > most:
        yield (
            f"{max(sizes)} validation samples choose the epoch, more than the {most:.0f} labels bought at most: "
            "whoever buys so few does not have them."
        )


def _unfinished(setting: Setting) -> Iterator[str]:
    rounds = {
        (name, rep): int(np.isfinite(curves.values[ACCURACY][row]).sum())
        for name, curves in setting.curves.items()
        for row, rep in enumerate(curves.reps)
    }
    most = max(rounds.values())
    short = [f"{name} {rep} ({count})" for (name, rep), count in rounds.items() if count < most]
    if short:
        whole = counted(most, "round")
        yield f"not all repetitions have {whole}: {listed(short)}. They count in curves as far as they go."


def _budgets(setting: Setting) -> Iterator[str]:
    block = setting.block
    every = sorted({labels for curves in setting.curves.values() for labels in curves.labels.tolist()})
    reps = sorted({rep for curves in setting.curves.values() for rep in curves.reps})
    if not block.reps:
        yield "its strategies have no repetition or no number of labels in common, so they are not compared."
    elif len(block.labels) < len(every) or len(block.reps) < len(reps):
        yield (
            f"tables of all strategies use what all of them have: repetitions {numbers(block.reps)} of "
            f"{numbers(reps)}, and {len(block.labels)} of {len(every)} numbers of labels, {block.labels[0]:.0f} to "
            f"{block.labels[-1]:.0f}."
        )


def _no_random(setting: Setting) -> Iterator[str]:
    if RANDOM not in setting.curves:
        yield "random was not run, so nothing can be said of what strategies are worth beside it."


def _hosts(setting: Setting) -> Iterator[str]:
    for name in _HOST:
        values = list(dict.fromkeys(str(each[name]) for each in setting.environments if name in each))
        if len(values) > 1:
            yield f"its runs were made with different {name}: {listed(values)}."


def _empty_columns(setting: Setting) -> Iterator[str]:
    empty = dict.fromkeys(
        metric for curves in setting.curves.values() for metric in curves.values if metric not in setting.metrics
    )
    if empty:
        have = "has" if len(empty) == 1 else "have"
        yield f"{listed([*empty])} {have} no number in any round, and {_are([*empty])} left out."


_CHECKS: tuple[Callable[[Setting], Iterator[str]], ...] = (
    _options,
    _unpaired,
    _few,
    _worse_than_random,
    _validation,
    _unfinished,
    _budgets,
    _no_random,
    _hosts,
    _empty_columns,
)
