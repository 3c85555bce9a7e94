"""The table of an open set: what strategies are worth at as many labels, and at as many labels of known classes."""

from __future__ import annotations

import numpy as np

from tfal.report.cautions import RANDOM
from tfal.report.compare import paired
from tfal.report.comparison import ACCURACY, Setting
from tfal.report.statistics import LEAST_PAIRS
from tfal.report.statistics.known_labels import gain_at_equal, known_labels
from tfal.report.tables.one_setting import area_difference, shown
from tfal.report.tables.table import NONE, Table, difference, mean_std

_PURITY = "purity"


def purity_or_choice(setting: Setting) -> Table | None:
    """Differences to random at equal labels and at equal labels of known classes; None in a closed set."""
    with_purity = setting.having(_PURITY)
    if RANDOM not in with_purity or all(np.nanmin(each.values[_PURITY]) >= 1 for each in with_purity.values()):
        return None
    rows: list[tuple[str, ...]] = []
    for name, curves in with_purity.items():
        known = known_labels(curves.labels, curves.values[_PURITY])
        last = mean_std(known[:, -1], scale=1, digits=0)
        if name == RANDOM:
            rows.append((name, str(len(curves.reps)), last, NONE, NONE))
            continue
        area, n, why = area_difference(setting, name)
        gains = np.zeros(0) if why else _gains(setting.of([name, RANDOM]))
        whole = len(gains) > 0 and bool(np.isfinite(gains).all())
        at_equal = difference(paired(gains, np.zeros(len(gains)))) if whole else NONE
        rows.append((shown(name), str(n), last, difference(area) if n else NONE, at_equal))
    head = ("strategy", "repetitions", "known labels, last", "over random, AUBC", "at equal known labels")
    notes = [
        "Differences to random in percentage points, mean and 95 % interval over paired repetitions. Known labels are "
        "those of known classes. The last column compares curves over them alone, as far as both have them, so purity "
        "has no part in it: below 0, what the strategy picks among known samples teaches less than random ones. "
        "-: nothing to compare.",
    ]
    if any(int(n) < LEAST_PAIRS for name, n, *_ in rows if name != RANDOM):
        notes.append(f"insufficient: below {LEAST_PAIRS} repetitions there is no interval.")
    return Table("known", "Purity, or which samples [percentage points]", head, tuple(rows), tuple(notes))


def _gains(both: Setting) -> np.ndarray:
    """(R,) of the first strategy over random at equal labels of known classes; NaN where a repetition shows none."""
    labels = np.array(both.block.labels)
    accuracy, purity = both.values(ACCURACY), both.values(_PURITY)
    (name,) = (strategy for strategy in both.strategies if strategy != RANDOM)
    known = {each: known_labels(labels, purity[each]) for each in (name, RANDOM)}
    return np.array(
        [
            gain_at_equal(known[name][row], accuracy[name][row], known[RANDOM][row], accuracy[RANDOM][row])
            for row in range(len(both.block.reps))
        ]
    )
