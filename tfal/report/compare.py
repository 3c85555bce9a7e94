"""Differences between runs, each with the first.

    python -m tfal.report.compare results/digits-from-random_SCNN results/digits-from-*_SCNN

Repetition r of every run has the same split, so runs are compared repetition by repetition, over those that both have
(Munjal et al., CVPR 2022; Luth et al., NeurIPS 2023): the mean of the differences, with the 95 % interval of
Student's t. Where data, seed or split differ, nothing is paired: then the table says so, and gives the difference of
the means with Welch's interval. Fewer than 5 repetitions get no interval. Intervals are not corrected for the number of
rows: of twenty, one is expected to leave out 0 by chance.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.recipe.options import flag
from tfal.report.results import Curve, Run, curve_of, differing, read_runs, told_apart

LEAST_PAIRS = 5
LEVEL = 0.95

# Options that a repetition's split follows from; "data" is the fingerprint of the images.
SPLIT = (
    "data",
    "seed",
    "splits",
    "n_init",
    "n_valid",
    "long_tail",
    "n_class_known",
    "known_classes",
    "trial",
    "ood_rate",
    "ood_dataset",
)
_OF_BUDGETS = ("data", "seed", "resume_indices")  # of a low-budget study, which has no first labels


@dataclass(frozen=True)
class Difference:
    """A difference in accuracy. low, high: ends of its 95 % interval, NaN for fewer than 5 repetitions."""

    mean: float
    low: float = float("nan")
    high: float = float("nan")

    def __str__(self) -> str:
        interval = f"[{100 * self.low:+6.2f}, {100 * self.high:+6.2f}]" if np.isfinite(self.low) else "insufficient"
        return f"{100 * self.mean:+6.2f} {interval}"


@dataclass(frozen=True)
class Comparison:
    """One strategy against its reference.

    folder, strategy: whose. labels: the first and the last number of labels that both have. found: the differences
    there and in the area under the curve between them. repetitions: how many, in words. unpaired: why the repetitions
    are no pairs; "" where they are.
    """

    folder: str
    strategy: str
    labels: tuple[float, float]
    found: tuple[Difference, Difference, Difference]
    repetitions: str
    unpaired: str = ""


def paired(values: np.ndarray, reference: np.ndarray) -> Difference:
    """values - reference, (R,) each, row r of both from the same repetition."""
    found = np.asarray(values, float) - np.asarray(reference, float)
    return Difference(*intervals(found[:, None])[:, 0].tolist())


def intervals(values: np.ndarray) -> np.ndarray:
    """(3, T) mean and ends of Student's interval of each column of values (R, T); ends are NaN below 5 rows."""
    mean = values.mean(axis=0)
    half = np.full_like(mean, np.nan)
    if len(values) >= LEAST_PAIRS:
        half = _quantile(len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return np.stack([mean, mean - half, mean + half])


@functools.cache
def _quantile(freedom: int) -> float:
    """A quantile of Student's t; a page asks for it thousands of times."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))


def unpaired(values: np.ndarray, reference: np.ndarray) -> Difference:
    """Mean of values (R,) minus mean of reference (Q,), repetitions that have nothing to do with each other."""
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    mean = float(values.mean() - reference.mean())
    if min(len(values), len(reference)) < LEAST_PAIRS:
        return Difference(mean)
    if np.ptp(values) == np.ptp(reference) == 0:
        return Difference(mean, mean, mean)
    from scipy.stats import ttest_ind

    interval = ttest_ind(values, reference, equal_var=False).confidence_interval(LEVEL)
    return Difference(mean, float(interval.low), float(interval.high))


def why_unpaired(runs: Mapping[int, Run], reference: Mapping[int, Run]) -> str:
    """Why repetition r of one is not to be paired with repetition r of the other; "" where it is.

    Raises InputError where they are of different data sets, whose accuracies have no difference.
    """
    known = [run for run in (*reference.values(), *runs.values()) if run.recipe is not None]
    sets = differing(known, ["dataset"])
    if sets:
        there, here = sets["dataset"][:2]
        raise InputError(
            f"runs that are compared must be of one data set. Received: {there!r} and {here!r}. Leave one of them out."
        )
    shared = sorted(runs.keys() & reference.keys())
    if not shared:
        return "no repetition in common"
    if any(run.recipe is None or "data" not in run.recipe for run in (*runs.values(), *reference.values())):
        return "no recipe.json that tells data and seed"
    for rep in shared:
        pair = (reference[rep], runs[rep])
        budgets = all(run.recipe and run.recipe.get("splits") for run in pair)
        found = differing(pair, _OF_BUDGETS if budgets else SPLIT)
        if found:
            return "; ".join(
                f"{flag(name)[2:]} {values[0]!r} there, {values[1]!r} here" for name, values in found.items()
            )
    return ""


def compared(folder: str, strategy: str, runs: Mapping[int, Run], reference: Mapping[int, Run]) -> Comparison:
    """The runs of one strategy against those of its reference.

    Raises InputError when they are of different data sets, or have no number of labels in common.
    """
    why = why_unpaired(runs, reference)
    if not why:
        shared = runs.keys() & reference.keys()
        runs, reference = ({rep: side[rep] for rep in shared} for side in (runs, reference))
    curve, other = curve_of(runs, f"{strategy} in {folder}"), curve_of(reference, "the reference")
    labels = _shared_budgets(curve, other, f"{strategy} in {folder}")
    difference = unpaired if why else paired
    found = (
        difference(curve.at(labels[0]), other.at(labels[0])),
        difference(curve.at(labels[1]), other.at(labels[1])),
        difference(curve.area(*labels), other.area(*labels)),
    )
    repetitions = f"unpaired, {len(runs)} and {len(reference)}" if why else str(len(runs))
    return Comparison(folder, strategy, labels, found, repetitions, why)


def _shared_budgets(curve: Curve, other: Curve, name: str) -> tuple[float, float]:
    shared = sorted(set(curve.labels.tolist()) & set(other.labels.tolist()))
    if not shared:
        raise InputError(
            f"runs that are compared must have numbers of labels in common. Received: none for {name}. Run them alike."
        )
    return shared[0], shared[-1]


def comparisons(reference: Path, others: Sequence[Path]) -> Iterator[Comparison]:
    """Every strategy of `others` against the same in `reference`; without `others`, those there against random."""
    start = read_runs(reference)
    if not others:
        if "random" not in start:
            raise InputError(
                f"{reference} holds no results of random. Received: {', '.join(start)}. Run it, or name another."
            )
        (name,) = told_apart([reference])
        for strategy in start:
            if strategy != "random":
                yield compared(name, strategy, start[strategy], start["random"])
    names = told_apart([reference, *others])[1:]
    seen = {reference.resolve()}
    for folder, name in zip(others, names, strict=True):
        if folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        runs = read_runs(folder)
        for strategy in sorted(runs.keys() & start.keys()):
            yield compared(name, strategy, runs[strategy], start[strategy])


def table(reference: Path, others: Sequence[Path]) -> str:
    """A Markdown table of all differences, in percentage points."""
    found = list(comparisons(reference, others))
    if not found:
        raise InputError(f"nothing to compare with {reference}. Name other folders with the same strategies.")
    to = f"the same strategy in {told_apart([reference, *others])[0]}" if others else "random"
    alike = len({each.labels for each in found}) == 1  # the budgets, which then stand in the head alone
    heads = [*(f"{labels:.0f} labels" for labels in found[0].labels), "area"] if alike else ["first", "last", "area"]
    lines = [
        f"Difference to {to} in test accuracy [percentage points], mean [95 % interval] over paired repetitions",
        "",
        f"| run | strategy | pairs | {' | '.join(heads)} |",
        f"| --- | --- | --- |{' --- |' * len(heads)}",
    ]
    for each in found:
        first, last = (f"{labels:.0f}" for labels in each.labels)
        where = ("", "", "") if alike else (f" (at {first})", f" (at {last})", f" ({first} to {last})")
        cells = [f"{value}{place}" for value, place in zip(each.found, where, strict=True)]
        lines.append(f"| {each.folder} | {each.strategy} | {each.repetitions} | {' | '.join(cells)} |")
    reasons = dict.fromkeys(f"{each.folder}, {each.strategy}: {each.unpaired}" for each in found if each.unpaired)
    if reasons:
        lines += ["", "Unpaired rows give the difference of the means, with Welch's interval:"]
        lines += [f"- {reason}" for reason in reasons]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.report.compare") -> int:
    """The command line: a reference and what is compared with it."""

    def work() -> int:
        parser = Parser(description=(__doc__ or "").splitlines()[0])
        parser.add_argument("reference", type=Path, help="folder such as results/digits-from-random_SCNN")
        parser.add_argument(
            "others", type=Path, nargs="*", help="folders with the same strategies; none: against random"
        )
        given = parser.parse_args(arguments)
        print(table(given.reference, given.others))
        return 0

    return run_command(program, work, "The same command begins again.")


if __name__ == "__main__":
    sys.exit(main())
