"""What a report draws, as numbers and words, whatever draws it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfal.report.cautions import RANDOM, why_no_pairs
from tfal.report.compare import intervals, unpaired
from tfal.report.comparison import ACCURACY, Comparison, Curves, Setting
from tfal.report.figures import Style, styles
from tfal.report.group import Group
from tfal.report.statistics import LEAST_PAIRS
from tfal.report.statistics.penalty import Penalties
from tfal.report.statistics.profiles import gaps, profile, ratios
from tfal.report.statistics.ranks import Ranks
from tfal.report.tables.measured import panels
from tfal.report.tables.one_setting import shown
from tfal.report.tables.overall import penalties_of, ranks_of
from tfal.strategies import STRATEGIES

_PROFILE_POINTS = 61


@dataclass(frozen=True)
class Line:
    """x, y: (T,). low, high: (T,) ends of a band, NaN where there is none. note: beside the name, such as "n = 5"."""

    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Lines:
    """Curves with bands. steps: whether they are constant between points. key: part of the names of files."""

    key: str
    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    caption: str
    steps: bool = False


@dataclass(frozen=True)
class Heat:
    """A square matrix (K, K), rows against columns."""

    key: str
    title: str
    names: tuple[str, ...]
    values: np.ndarray
    caption: str


@dataclass(frozen=True)
class RankLines:
    """Strategies by mean rank (K,), best first; critical: Nemenyi's difference; cliques: of places in `names`."""

    key: str
    title: str
    names: tuple[str, ...]
    mean: np.ndarray
    critical: float
    cliques: tuple[tuple[int, ...], ...]
    caption: str


Chart = Lines | Heat | RankLines


def looks(comparison: Comparison) -> dict[str, Style]:
    """A look for each strategy by the name that is shown, the same in all figures."""
    found = styles(comparison.strategies, list(STRATEGIES))
    return {shown(name): look for name, look in found.items()}


_BANDS = (
    f"Means over repetitions. Bands: 95 % intervals of Student's t with {LEAST_PAIRS} repetitions or more, else from "
    "the lowest to the highest repetition."
)


def setting_charts(setting: Setting) -> list[Chart]:
    """The curves of one setting: accuracies, the differences to random, and what else was recorded."""
    found: list[Chart] = [_curves(setting, ACCURACY, "Test accuracy")]
    gain = _gain(setting)
    found += [gain] if gain is not None else []
    found += [_curves(setting, name, text) for name, text in panels(setting)]
    return found


def _curves(setting: Setting, metric: str, text: str) -> Lines:
    head, _, meaning = text.partition(": ")
    scale, unit = (1.0, "") if head == "Calibration" else (100.0, " [%]")
    lines = [_line(name, curves, metric, scale) for name, curves in setting.having(metric).items()]
    caption = f"{meaning[:1].upper()}{meaning[1:]}. {_BANDS}" if meaning and unit else _BANDS
    title = f"Calibration: {meaning}" if head == "Calibration" else head
    return Lines(metric, title, "labeled samples", f"{title}{unit}", tuple(lines), caption)


def _line(name: str, curves: Curves, metric: str, scale: float) -> Line:
    values = scale * curves.values[metric]
    counts = np.isfinite(values).sum(axis=0)
    there = counts > 0
    found = np.full((3, values.shape[1]), np.nan)
    for rows in {tuple(rows) for rows in np.isfinite(values[:, there]).T.tolist()}:
        columns = (np.isfinite(values) == np.array(rows)[:, None]).all(axis=0)  # all where these repetitions are known
        known = values[np.array(rows)][:, columns]
        found[:, columns] = intervals(known)
        if 1 < len(known) < LEAST_PAIRS:
            found[1:, columns] = known.min(axis=0), known.max(axis=0)
    middle, low, high = found
    note = f"n = {counts.max()}" if counts.min() == counts.max() else f"n = {counts.min()} to {counts.max()}"
    return Line(shown(name), curves.labels[there], middle[there], low[there], high[there], note)


def _gain(setting: Setting) -> Lines | None:
    """The mean difference to random, repetition by repetition, over those that all strategies have."""
    values, labels = setting.values(), np.array(setting.block.labels)
    if RANDOM not in values or len(values) < 2 or not setting.block.reps:
        return None
    lines = []
    for name, each in values.items():
        if name != RANDOM:
            if why_no_pairs(setting, name, RANDOM):
                found = [unpaired(each[:, t], values[RANDOM][:, t]) for t in range(len(labels))]
                mean, low, high = np.array([(one.mean, one.low, one.high) for one in found]).T * 100
            else:
                mean, low, high = 100 * intervals(each - values[RANDOM])
            lines.append(Line(shown(name), labels, mean, low, high, f"n = {len(each)}"))
    caption = (
        "The mean of the differences of repetitions of one number (of means, where they are no pairs); above 0 is "
        f"better. Bands: 95 % intervals with {LEAST_PAIRS} repetitions or more, each for its number of labels alone."
    )
    title = "Difference to random"
    return Lines("difference", title, "labeled samples", "points of test accuracy", tuple(lines), caption)


def overall_charts(group: Group) -> list[Chart]:
    """Profiles, penalties and ranks over the settings of a group."""
    if len(group.strategies) < 2:
        return []
    found: list[Chart] = []
    if group.cases:
        found += [_profile(group, "gap"), _profile(group, "ratio")]
        for corrected in (False, True):
            penalties = penalties_of(group, corrected)
            if not isinstance(penalties, str) and penalties.n_settings:
                found.append(_heat(group, penalties, corrected))
    ranks = ranks_of(group)
    return found if isinstance(ranks, str) else [*found, _rank_lines(group, ranks)]


def _profile(group: Group, kind: str) -> Lines:
    distance, first, x_title = (
        (gaps, 0.0, "gap to the best [points]") if kind == "gap" else (ratios, 1.0, "error / smallest error")
    )
    each = np.concatenate([distance(np.stack([*case.values()])).ravel() for case in group.cases])
    finite = each[np.isfinite(each)]
    last = max(float(np.quantile(finite, 0.99)) if len(finite) else first, first + 0.01)
    found = profile(group.cases, np.linspace(first, last, _PROFILE_POINTS), distance)
    scale = 100 if kind == "gap" else 1
    lines = tuple(
        Line(shown(name), scale * found.at, 100 * found.share[k], 100 * found.low[k], 100 * found.high[k])
        for k, name in enumerate(found.names)
    )
    caption = f"{group.notes[0]} Higher is better; at the left end the share of wins. Bands: 95 % of 1,000 resamples."
    return Lines(f"{kind}_profile", f"{kind.capitalize()} profile", x_title, "share of cases [%]", lines, caption, True)


def _heat(group: Group, found: Penalties, corrected: bool) -> Heat:
    how = "corrected by Holm" if corrected else "uncorrected"
    caption = f"{group.notes[0]} How often the row beats the column significantly; at most {found.n_settings}."
    names = tuple(map(shown, found.names))
    return Heat(f"penalty{'_holm' * corrected}", f"Penalty matrix, {how}", names, found.wins, caption)


def _rank_lines(group: Group, found: Ranks) -> RankLines:
    order = np.argsort(found.mean, kind="stable")
    place = {int(old): new for new, old in enumerate(order)}
    cliques = tuple(tuple(sorted(place[each] for each in clique)) for clique in found.cliques)
    caption = (
        f"{group.notes[0]} Bars below the scale join strategies that Wilcoxon with Holm does not tell apart. By "
        "Nemenyi's test, which is weaker, two differ at .05 where their ranks are further apart than the bar above is "
        f"long. {group.dependence}"
    )
    names = tuple(shown(found.names[each]) for each in order)
    title, critical = "Mean ranks by AUBC", found.critical_difference
    return RankLines("ranks", title, names, found.mean[order], critical, cliques, caption.strip())
