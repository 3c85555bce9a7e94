"""Tables of what a setting recorded beside the accuracy: scores, recalls, calibration, time and memory, stopping."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tfal.report.comparison import ACCURACY, Curves, Setting
from tfal.report.results import MORE
from tfal.report.statistics import stopping
from tfal.report.tables.known import purity_or_choice
from tfal.report.tables.one_setting import shown
from tfal.report.tables.table import NONE, Table, mean_std, number

_RECALL = re.compile(r"recall_(\d+)")
_CALIBRATION = ("nll", "brier", "ece")
_SCALED = "_scaled"  # after a temperature of the validation samples
_SECONDS = (("seconds_query", "query"), ("seconds_read", "reading for it"), ("seconds_train", "training"))


def measured_tables(setting: Setting) -> list[Table]:
    """The tables of all that the runs of a setting recorded; a table of nothing is left out, but that of stopping."""
    every = [purity_or_choice(setting), scores(setting), recalls(setting), calibration(setting), times(setting)]
    every.append(stops(setting))
    return [table for table in every if table is not None]


def recall_columns(setting: Setting) -> list[str]:
    """recall_0, recall_1, ..., as far as they are there, by class."""
    found = [name for name in setting.metrics if _RECALL.fullmatch(name)]
    return sorted(found, key=lambda name: int(name.partition("_")[2]))


def differs_from_accuracy(setting: Setting, metric: str) -> bool:
    """Whether a column says anything that the accuracy does not."""
    return any(
        not np.array_equal(curves.values[metric], curves.values[ACCURACY], equal_nan=True)
        for curves in setting.having(metric).values()
    )


def _last(curves: Curves, metric: str) -> np.ndarray:
    """(R,) value of each repetition in its last round that has one; NaN where none has."""
    if metric not in curves.values:
        return np.full(len(curves.reps), np.nan)
    found = np.full(len(curves.reps), np.nan)
    for row, values in enumerate(curves.values[metric]):
        known = values[np.isfinite(values)]
        found[row] = known[-1] if len(known) else np.nan
    return found


def _means(curves: Curves, metric: str) -> np.ndarray:
    """(R,) mean over the rounds of each repetition, of those that have a value; NaN where none has."""
    values = curves.values.get(metric, np.full((len(curves.reps), 1), np.nan))
    counts = np.isfinite(values).sum(axis=1)
    found: np.ndarray = np.where(counts, np.nansum(values, axis=1) / np.maximum(counts, 1), np.nan)
    return found


def scores(setting: Setting) -> Table | None:
    """Last and mean values of the fractions of MORE."""
    there = [name for name in MORE if name in setting.metrics and differs_from_accuracy(setting, name)]
    if not there:
        return None
    columns: list[tuple[str, Callable[[Curves], np.ndarray]]] = []
    for name in there:
        columns.append((f"{name}, last", lambda curves, name=name: _last(curves, name)))  # type: ignore[misc]
        columns.append((f"{name}, mean", lambda curves, name=name: _means(curves, name)))  # type: ignore[misc]
    rows = [(shown(name), *(mean_std(of(curves)) for _, of in columns)) for name, curves in setting.curves.items()]
    notes = [
        "Mean ± standard deviation over repetitions; last: in the last round of each, mean: over its rounds.",
        *(f"{name}: {MORE[name][0]}." for name in there),
    ]
    return Table("scores", "Also measured [%]", ("strategy", *(head for head, _ in columns)), tuple(rows), tuple(notes))


def recalls(setting: Setting) -> Table | None:
    """The recall of each class in the last round."""
    columns = recall_columns(setting)
    if not columns:
        return None
    rows = [
        (shown(name), *(mean_std(_last(curves, column), digits=1) for column in columns))
        for name, curves in setting.curves.items()
    ]
    head = ("strategy", *(column.replace("recall_", "class ") for column in columns))
    notes = ("The share of each class's test samples that is found, in the last round of each repetition.",)
    return Table("recalls", "Recall of each class [%]", head, tuple(rows), notes)


def calibration(setting: Setting) -> Table | None:
    """How far probabilities can be trusted, as the network gives them and after a temperature."""
    columns = [name + end for end in ("", _SCALED) for name in _CALIBRATION if name + end in setting.metrics]
    if not columns:
        return None
    rows = [
        (shown(name), *(mean_std(_last(curves, column), 1.0, 4) for column in columns))
        for name, curves in setting.curves.items()
    ]
    head = ("strategy", *(name.removesuffix(_SCALED) + " scaled" * name.endswith(_SCALED) for name in columns))
    notes = [
        "In the last round, mean ± standard deviation over repetitions; lower is better. nll: negative log-likelihood "
        "[nats]; brier: sum over the classes of squared errors, 0 to 2; ece: expected calibration error in 15 bins of "
        "equal width, each with its upper edge."
    ]
    if any(name.endswith(_SCALED) for name in columns):
        notes.append("scaled: after a temperature that was fitted on the validation samples.")
    else:
        notes.append("Without validation samples there is no temperature.")
    return Table("calibration", "Calibration on the test samples", head, tuple(rows), tuple(notes))


def times(setting: Setting) -> Table | None:
    """What choosing costs in time, beside training, and the largest memory of the process."""
    there = [(name, head) for name, head in _SECONDS if name in setting.metrics]
    memory = "peak_memory_mb"
    if not there:
        return None
    rows = []
    for name, curves in setting.curves.items():
        means = [_means(curves, column) for column, _ in there]
        whole = np.sum(means, axis=0)
        share = 100 * (whole - means[-1]) / whole if there[-1][0] == "seconds_train" else np.full(1, np.nan)
        peak = curves.values.get(memory, np.full((1, 1), np.nan))
        known = peak[np.isfinite(peak)]
        cells = [mean_std(each, 1.0, 3) for each in means]
        rows.append((shown(name), *cells, mean_std(share, 1.0, 1), number(known.max() if len(known) else np.nan, 0)))
    head = ("strategy", *(f"{text} [s]" for _, text in there), "share of choosing [%]", "peak memory [MB]")
    notes = (
        "Seconds of a round, mean ± standard deviation over repetitions. Peak memory: of the whole process, whatever "
        "else it did before. Times of runs beside others on one machine are no measurement of a strategy.",
    )
    return Table("time", "Time and memory", head, tuple(rows), notes)


def stops(setting: Setting) -> Table:
    """Where criteria would have ended labeling, and at which accuracy: they ended nothing."""
    title, criteria = "Stopping criteria: where they would have stopped", _criteria(setting)
    rows = [
        _stopped(name, curves, column, text, stop)
        for name, curves in setting.curves.items()
        for column, text, stop in criteria
        if curves.has(column)
    ]
    if not rows:
        why = "insufficient: neither predictions for a stop set nor accuracies on validation samples were recorded."
        return Table("stopping", title, notes=(why,))
    head = ("strategy", "criterion", "repetitions that stop", "labels", "accuracy there [%]", "accuracy at the end [%]")
    notes = (
        "Of the repetitions that stop, mean ± standard deviation. stabilised predictions: mean kappa of the last 3 "
        "pairs of models at least 0.99 (Bloodgood and Vijay-Shanker, 2009); unchanged predictions: none differs from "
        "the last round; certain: mean entropy below 5 % of its largest value; no gain: 10 rounds without 0.0001 more "
        "on validation samples. They ended nothing.",
    )
    return Table("stopping", title, head, tuple(rows), notes)


Stop = Callable[[np.ndarray], int | None]


def _criteria(setting: Setting) -> list[tuple[str, str, Stop]]:
    """Column, name and rule of each; that of uncertainty needs the number of classes: of recalls, or of the network."""
    n_classes = len(recall_columns(setting)) or setting.n_classes or 0
    found: list[tuple[str, str, Stop]] = [
        ("agreement", "stabilised predictions", stopping.stabilised),
        ("changed", "unchanged predictions", stopping.unchanged),
        ("val_accuracy", "no gain", stopping.no_gain),
    ]
    if n_classes > 1:
        found.insert(2, ("mean_entropy", "certain", lambda values: stopping.certain(values, n_classes)))
    return found


def _stopped(name: str, curves: Curves, column: str, text: str, stop: Stop) -> tuple[str, ...]:
    where: list[tuple[float, float, float]] = []
    for row in range(len(curves.reps)):
        accuracy = curves.values[ACCURACY][row]
        there = np.flatnonzero(np.isfinite(accuracy))
        place = stop(curves.values[column][row][there])
        if place is not None:
            at = there[place]
            where.append((curves.labels[at], accuracy[at], accuracy[there[-1]]))
    count = f"{len(where)} of {len(curves.reps)}"
    if not where:
        return shown(name), text, count, NONE, NONE, NONE
    labels, there_, end = np.array(where).T
    return shown(name), text, count, mean_std(labels, 1.0, 0), mean_std(there_), mean_std(end)


def panels(setting: Setting) -> Sequence[tuple[str, str]]:
    """The columns that get curves of their own beside the accuracy, with what they are, where they are recorded."""
    fractions = [(name, text) for name, (text, has_panel) in MORE.items() if has_panel]
    others = [(name, f"Calibration: {name}") for name in _CALIBRATION]
    return [
        (name, text)
        for name, text in [*fractions, *others]
        if name in setting.metrics and differs_from_accuracy(setting, name)
    ]
