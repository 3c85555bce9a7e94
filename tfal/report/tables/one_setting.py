"""Tables of one setting: accuracies, areas, label efficiency, differences to random."""

from __future__ import annotations

import numpy as np

from tfal.report.cautions import RANDOM, numbers, why_no_pairs
from tfal.report.compare import Difference, paired, unpaired
from tfal.report.comparison import ACCURACY, Setting
from tfal.report.statistics import LEAST_PAIRS
from tfal.report.statistics.areas import AXES, area_under_budget_curve
from tfal.report.statistics.efficiency import LEVELS, efficiency
from tfal.report.tables.table import NONE, Table, difference, mean_std, number
from tfal.report.words import counted
from tfal.strategies import find_strategy

_COLUMNS = 10  # numbers of labels in a table


def shown(strategy: str) -> str:
    """The strategy's name, and that it is a bound and no method."""
    known = find_strategy(strategy)
    return f"{strategy}, oracle" if known and known.oracle else strategy


def setting_tables(setting: Setting) -> list[Table]:
    """What is said of accuracies in one setting."""
    return [accuracies(setting), areas(setting), differences(setting), efficiencies(setting)]


def what_is_shared(setting: Setting) -> str:
    """The block of a setting in a sentence."""
    block = setting.block
    return (
        f"Repetitions {numbers(block.reps)} at {counted(len(block.labels), 'number')} of labels, {block.labels[0]:.0f} "
        f"to {block.labels[-1]:.0f}, which all strategies have."
    )


_NOTHING = "insufficient: the strategies have no repetition or no number of labels in common."


def accuracies(setting: Setting) -> Table:
    """Mean and standard deviation of the test accuracy at some numbers of labels, as far as repetitions go."""
    every = sorted({labels for curves in setting.curves.values() for labels in curves.labels.tolist()})
    places = np.unique(np.linspace(0, len(every) - 1, min(_COLUMNS, len(every))).round().astype(int))
    labels = [every[place] for place in places]
    rows = []
    for name, curves in setting.curves.items():
        columns = [np.flatnonzero(curves.labels == each) for each in labels]
        cells = [mean_std(curves.values[ACCURACY][:, at[0]]) if len(at) else NONE for at in columns]
        rows.append((shown(name), str(len(curves.reps)), *cells))
    head = ("strategy", "repetitions", *(counted(round(each), "label") for each in labels))
    notes = ["Mean ± standard deviation over the repetitions that got there."]
    if len(labels) < len(every):
        notes.append(f"{len(labels)} of {len(every)} numbers of labels; the curves show all.")
    return Table("accuracy", "Test accuracy [%]", head, tuple(rows), tuple(notes))


def areas(setting: Setting) -> Table:
    """The area under the budget curve on all axes."""
    title, block = "Area under the budget curve (AUBC) [%]", setting.block
    if not block.reps or block.labels[0] < 1:
        return Table("aubc", title, notes=(_NOTHING,))
    labels = np.array(block.labels)
    rows = [
        (shown(name), *(mean_std(area_under_budget_curve(labels, values, axis)) for axis in AXES))
        for name, values in setting.values().items()
    ]
    notes = (
        what_is_shared(setting),
        "Mean ± standard deviation of the mean height of a curve, by trapezoids. x: labels, their number; rounds, equal"
        " steps; log labels, so that each doubling counts alike.",
    )
    return Table("aubc", title, ("strategy", *AXES), tuple(rows), notes)


def efficiencies(setting: Setting) -> Table:
    """How many labels random needs for what a strategy reaches with fewer."""
    title, block, values = "Label efficiency against random", setting.block, setting.values()
    if RANDOM not in values:
        return Table("efficiency", title, notes=("insufficient: random was not run.",))
    if len(block.labels) < 2:
        return Table("efficiency", title, notes=(_NOTHING,))
    labels, reference = np.array(block.labels), values[RANDOM].mean(axis=0)
    rows = []
    for name, each in values.items():
        if name == RANDOM:
            continue
        found = efficiency(labels, each.mean(axis=0), reference)
        last = "not reached" if np.isinf(found.beyond) else number(found.beyond, 0)
        rows.append((shown(name), number(found.median), f"{100 * found.reached:.0f} %", last))
    head = ("strategy", "labels of random / labels of the strategy", "accuracies reached", "labels for random's last")
    notes = [
        what_is_shared(setting),
        f"Median over {LEVELS - 1} accuracies from random's first to its last; one that is never reached counts as 0. "
        "Mean curves, their running maximum, linear between rounds (Beck et al., 2021). Above 1 is better.",
    ]
    if not rows or all(row[1] == NONE for row in rows):
        notes.append("insufficient: random's curve does not rise, or no other strategy was run.")
    return Table("efficiency", title, head, tuple(rows), tuple(notes))


def area_difference(setting: Setting, name: str) -> tuple[Difference, int, str]:
    """The difference in area to random, of how many repetitions, and why these are no pairs; "" where they are."""
    both, why = setting.of([name, RANDOM]), why_no_pairs(setting, name, RANDOM)
    if why:
        return _of_all_repetitions(both, name, why)
    values = both.values()
    areas_of = [area_under_budget_curve(np.array(both.block.labels), values[each]) for each in (name, RANDOM)]
    return paired(*areas_of), len(both.block.reps), ""


def _of_all_repetitions(both: Setting, name: str, why: str) -> tuple[Difference, int, str]:
    labels = _reached_by_all(both)
    if not labels:
        return Difference(float("nan")), 0, why
    found = [
        area_under_budget_curve(np.array(labels), both.curves[each].part(ACCURACY, both.curves[each].reps, labels))
        for each in (name, RANDOM)
    ]
    return unpaired(*found), min(map(len, found)), why


def _reached_by_all(setting: Setting) -> list[float]:
    reached = [curves.reached(rep) for curves in setting.curves.values() for rep in curves.reps]
    return sorted(set.intersection(*reached))


def differences(setting: Setting) -> Table:
    """Differences to random at the first and the last number of labels and in the area, with 95 % intervals."""
    title = "Difference to random [percentage points, mean and 95 % interval]"
    if RANDOM not in setting.curves:
        return Table("differences", title, notes=("insufficient: random was not run.",))
    rows: list[tuple[str, ...]] = []
    reasons, few = {}, False
    for name in setting.strategies:
        if name == RANDOM:
            continue
        both, (area, n, why) = setting.of([name, RANDOM]), area_difference(setting, name)
        if not n:
            rows.append((shown(name), "0", NONE, NONE, NONE, "nothing in common"))
            continue
        labels = _reached_by_all(both) if why else list(both.compared.labels or both.block.labels)
        ends = [_at(both, name, at, bool(why)) for at in (labels[0], labels[-1])]
        few = few or n < LEAST_PAIRS
        if why:
            reasons[name] = why
        cells = [f"{difference(each)} (at {at:.0f})" for each, at in zip(ends, (labels[0], labels[-1]), strict=True)]
        rows.append((shown(name), f"{n}", *cells, difference(area), "unpaired" if why else "paired"))
    head = ("strategy", "repetitions", "first labels that it chose", "last labels", "AUBC (labels)", "repetitions are")
    notes = [
        "Student's t of paired repetitions, which share split and seed; where they do not, Welch's of two means. Not "
        "corrected for the number of rows: of twenty intervals, one is expected to leave out 0 by chance."
    ]
    if not rows:
        notes = ["insufficient: only random was run."]
    if few:
        notes.append(f"insufficient: below {LEAST_PAIRS} repetitions there is no interval.")
    notes += [f"{name} is unpaired: {why}." for name, why in reasons.items()]
    return Table("differences", title, head, tuple(rows), tuple(notes))


def _at(both: Setting, name: str, labels: float, apart: bool) -> Difference:
    def found(strategy: str) -> np.ndarray:
        curves = both.curves[strategy]
        return curves.part(ACCURACY, curves.reps if apart else both.block.reps, [labels])[:, 0]

    return (unpaired if apart else paired)(found(name), found(RANDOM))
