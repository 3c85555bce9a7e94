"""Tables over all settings that have the same strategies: differences, penalties, profiles, ranks."""

from __future__ import annotations

import functools

import numpy as np

from tfal.errors import InputError
from tfal.report.cautions import RANDOM
from tfal.report.comparison import Comparison
from tfal.report.group import Group
from tfal.report.statistics import ALPHA, LEAST_PAIRS
from tfal.report.statistics.areas import area_under_budget_curve
from tfal.report.statistics.penalty import Penalties, penalty_matrix
from tfal.report.statistics.profiles import gaps, profile, ratios
from tfal.report.statistics.ranks import Ranks, ranks
from tfal.report.tables.one_setting import area_difference, shown
from tfal.report.tables.table import NONE, Table, difference, number, p_value
from tfal.report.words import counted

GAPS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
RATIOS = (1.0, 1.05, 1.1, 1.25, 1.5, 2.0)


def overall_tables(comparison: Comparison, group: Group) -> list[Table]:
    """What is said over the settings of a group; of the differences to random, over all settings."""
    tables = [gains(comparison)]
    if len(group.strategies) < 2:
        why = "insufficient: no two strategies share a setting, a repetition and a number of labels."
        return [*tables, Table("penalty", "Penalty matrix", notes=(why,))]
    if not group.cases:
        why = "insufficient: in no setting are the repetitions of all strategies pairs."
        return [*tables, Table("penalty", "Penalty matrix", notes=(why,)), *rank_tables(group)]
    tables += [penalties(group, penalties_of(group, corrected), corrected) for corrected in (False, True)]
    return [*tables, *profiles(group), *rank_tables(group)]


def _of_pairs(group: Group) -> list[str]:
    """The notes of what is compared repetition by repetition."""
    out = f"Left out, as their repetitions are no pairs: {', '.join(group.unpaired)}."
    return [*group.notes, *([out] if group.unpaired else [])]


def gains(comparison: Comparison) -> Table:
    """The difference in area to random of every strategy in every setting, with its interval."""
    title = "Difference to random in AUBC (labels), all settings [percentage points, mean and 95 % interval]"
    settings = [setting for setting in comparison.settings if RANDOM in setting.curves]
    names = [name for name in comparison.strategies if name != RANDOM]
    if not settings or not names:
        return Table("gains", title, notes=("insufficient: random was not run, or nothing else.",))
    rows = []
    for name in names:
        found = [area_difference(each, name) if name in each.curves else None for each in settings]
        cells = [NONE if each is None or not each[1] else difference(each[0]) + "*" * bool(each[2]) for each in found]
        sure = [each[0] for each in found if each is not None and np.isfinite(each[0].low)]
        better, worse = sum(each.low > 0 for each in sure), sum(each.high < 0 for each in sure)
        rows.append((shown(name), f"{better} of {len(sure)}", f"{worse} of {len(sure)}", *cells))
    notes = (
        f"better, worse: settings with an interval that leaves out 0, of those with {LEAST_PAIRS} repetitions or more; "
        "without an interval there are fewer. Not corrected for the number of cells. *: unpaired, Welch's interval.",
    )
    return Table("gains", title, ("strategy", "better", "worse", *(each.name for each in settings)), tuple(rows), notes)


@functools.lru_cache(maxsize=4)
def penalties_of(group: Group, corrected: bool) -> Penalties | str:
    """The matrix, or why there is none."""
    try:
        return penalty_matrix(group.cases, corrected=corrected)
    except InputError as error:
        return str(error)


def penalties(group: Group, found: Penalties | str, corrected: bool) -> Table:
    """Who beats whom significantly: rows beat columns."""
    how = "corrected by Holm" if corrected else "uncorrected"
    key, title = f"penalty{'_holm' * corrected}", f"Penalty matrix, {how}"
    if isinstance(found, str):
        return Table(key, title, notes=(found,))
    if not found.n_settings:
        why = f"insufficient: no setting has the {LEAST_PAIRS} paired repetitions that a test needs."
        return Table(key, title, notes=(*_of_pairs(group), why))
    rows = [
        (shown(name), *(number(each) for each in found.wins[place]), number(found.winning[place]))
        for place, name in enumerate(found.names)
    ]
    rows.append(("is beaten, mean", *(number(each) for each in found.beaten), NONE))
    notes = [
        *_of_pairs(group),
        f"Row beats column: at each number of labels a paired two-sided t-test at {ALPHA}; a win adds 1 / number of "
        f"these. At most {found.n_settings}, the number of settings tested. Low means in the last row are good.",
    ]
    if corrected:
        notes.append("Holm's method over all pairs and numbers of labels of a setting.")
    if found.insufficient:
        notes.append(f"Not tested, with fewer than {LEAST_PAIRS} pairs: {counted(found.insufficient, 'setting')}.")
    return Table(key, title, ("beats", *map(shown, found.names), "beats, mean"), tuple(rows), tuple(notes))


def profiles(group: Group) -> list[Table]:
    """In which share of all cases a strategy is within a distance of the best, with bootstrap bands."""
    made = (
        (
            "gap_profile",
            "Gap profile (Dolan-More, as in LDM-S) [% of cases]",
            GAPS,
            gaps,
            "gap at most {:g} points",
            100,
        ),
        ("ratio_profile", "Ratio profile (Dolan-More) [% of cases]", RATIOS, ratios, "error at most {:g} times", 1),
    )
    tables = []
    for key, title, at, distance, text, scale in made:
        found = profile(group.cases, at, distance)
        rows = [
            (
                shown(name),
                *(
                    f"{100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
                    for share, low, high in zip(found.share[place], found.low[place], found.high[place], strict=True)
                ),
            )
            for place, name in enumerate(found.names)
        ]
        what = "to the best accuracy" if distance is gaps else "the smallest error"
        notes = (
            *_of_pairs(group),
            "The share of cases (setting, repetition, number of labels) in which a strategy is no further than that "
            f"from the best, {what} of the case; each setting weighs the same. Ties count for all. In brackets 95 % of "
            "1,000 draws of repetitions with replacement.",
        )
        tables.append(Table(key, title, ("strategy", *(text.format(scale * each) for each in at)), tuple(rows), notes))
    return tables


def ranks_of(group: Group) -> Ranks | str:
    """Ranks by the area under the budget curve over labels, or why there are none."""
    units = []
    for setting in group.settings:
        block = setting.of(group.strategies)
        labels = np.array(block.compared.labels)
        values = block.values(block=block.compared)
        units.append({name: float(area_under_budget_curve(labels, each).mean()) for name, each in values.items()})
    try:
        return ranks(units)
    except InputError as error:
        return str(error)


def rank_tables(group: Group) -> list[Table]:
    """Mean ranks and their tests."""
    title, found = "Ranks by AUBC (labels)", ranks_of(group)
    if isinstance(found, str):
        return [Table("ranks", title, notes=(f"insufficient: {found}",))]
    order = np.argsort(found.mean, kind="stable")
    groups = ["; ".join(found.names[place] for place in each) for each in found.cliques]
    notes = [
        *group.notes,
        f"Friedman, with SciPy's correction for ties: chi2 {found.chi2:.2f}, p {p_value(found.p_friedman)}. "
        f"Iman-Davenport: F {number(found.f)}, p {p_value(found.p_iman_davenport)}.",
        f"Nemenyi: ranks that differ by less than {found.critical_difference:.2f} are not told apart at {ALPHA}.",
        "Wilcoxon with Holm, not told apart: " + (" | ".join(groups) if groups else "none; all pairs differ") + ".",
        *([group.dependence] if group.dependence else []),
    ]
    rows = tuple((shown(found.names[place]), number(found.mean[place])) for place in order)
    pairs = Table(
        "wilcoxon",
        "Wilcoxon signed-rank tests of all pairs, p adjusted by Holm",
        ("strategy", *(shown(found.names[place]) for place in order)),
        tuple((shown(found.names[i]), *(p_value(found.p_wilcoxon[i, j]) for j in order)) for i in order),
        (f"Over {found.n_units} settings, zeros as Pratt.",),
    )
    return [Table("ranks", title, ("strategy", "mean rank"), rows, tuple(notes)), pairs]
