"""What can be said over several settings: those that have the same strategies."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from tfal.report.cautions import why_no_pairs
from tfal.report.comparison import ACCURACY, Comparison, Setting
from tfal.report.results import Run, value
from tfal.report.statistics import LEAST_UNITS
from tfal.report.words import counted, listed


@dataclass(frozen=True, eq=False)
class Group:
    """settings: some that have all of `strategies`, with something to compare. left_out: the names of the others."""

    settings: tuple[Setting, ...]
    strategies: tuple[str, ...]
    left_out: tuple[str, ...]

    @functools.cached_property
    def cases(self) -> list[dict[str, np.ndarray]]:
        """Accuracies (R, T) of every strategy where they chose, of each setting whose repetitions are pairs."""
        return [self._case(setting) for setting in self.settings if setting.name not in self.unpaired]

    @functools.cached_property
    def unpaired(self) -> tuple[str, ...]:
        """The names of settings whose repetitions are no pairs, which cannot be compared one by one."""
        first, *others = self.strategies
        return tuple(
            setting.name for setting in self.settings if any(why_no_pairs(setting, name, first) for name in others)
        )

    def _case(self, setting: Setting) -> dict[str, np.ndarray]:
        block = setting.of(self.strategies).compared
        return {name: setting.curves[name].part(ACCURACY, block.reps, block.labels) for name in self.strategies}

    @property
    def notes(self) -> list[str]:
        """Which settings these are, and what that means for tests."""
        found = [f"Over {len(self.settings)} settings with {listed(self.strategies)}, the initial labels left out."]
        if len(self.settings) == 1:
            found = [f"In one setting, {self.settings[0].name}, the initial labels left out."]
        if self.left_out:
            found.append(f"Left out, as other strategies were run or nothing is shared: {', '.join(self.left_out)}.")
        return found

    @property
    def dependence(self) -> str:
        """A sentence about settings of one data set, which are no independent units; "" where there are none."""
        sets = {str(value(run, "dataset")) for each in self.settings for run in _first_runs(each)}
        if len(sets) >= len(self.settings):
            return ""
        few = "" if len(sets) >= LEAST_UNITS else f", fewer than the {LEAST_UNITS} that a claim about data sets needs"
        data = counted(len(sets), "data set")
        return (
            f"These {len(self.settings)} settings are of {data}{few}: the tests take settings for independent units, "
            "which those of one data set are not."
        )


def _first_runs(setting: Setting) -> list[Run]:
    return [next(iter(by_rep.values())) for by_rep in list(setting.runs.values())[:1]]


def largest_group(comparison: Comparison) -> Group:
    """The settings and strategies with the most comparisons: settings times strategies beyond the first.

    Tried are the strategies of each setting, what each two settings share, and what all share. A setting whose
    strategies share no repetition or number of labels is left out.
    """
    sets = {frozenset(setting.strategies) for setting in comparison.settings}
    tried = {one & other for one in sets for other in sets} | {frozenset(comparison.common)}
    best = Group((), (), tuple(setting.name for setting in comparison.settings))
    for names in sorted(tried, key=sorted):
        inside = tuple(
            setting
            for setting in comparison.settings
            if names and names <= {*setting.strategies} and setting.of(tuple(sorted(names))).compared.labels
        )
        if len(inside) * (len(names) - 1) > len(best.settings) * max(len(best.strategies) - 1, 0):
            outside = tuple(setting.name for setting in comparison.settings if setting not in inside)
            best = Group(inside, tuple(sorted(names)), outside)
    return best
