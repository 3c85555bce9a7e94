"""Paired differences between runs: `python -m tfal.compare results/digits-from-random_SCNN results/digits-from-*_SCNN`.

Repetition r of every run has the same split, so runs are compared repetition by repetition (Munjal et al., CVPR 2022;
Luth et al., NeurIPS 2023): the mean of the differences, with the 95 % interval of Student's t. Fewer than 5 pairs get
none. Intervals are not corrected for the number of rows: of twenty, one is expected to leave out 0 by chance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfal.errors import InputError
from tfal.report import Curve, read_curves

LEAST_PAIRS = 5
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """Paired differences in accuracy. low, high: ends of the 95 % interval, NaN for fewer than 5 pairs."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        interval = f"[{100 * self.low:+6.2f}, {100 * self.high:+6.2f}]" if np.isfinite(self.low) else "insufficient"
        return f"{100 * self.mean:+6.2f} {interval}"


def paired(values: np.ndarray, reference: np.ndarray) -> Difference:
    """values - reference, (R,) each, row r of both from the same repetition."""
    found = np.asarray(values, float) - np.asarray(reference, float)
    low = high = float("nan")
    if len(found) >= LEAST_PAIRS:
        from scipy.stats import t

        half = float(t.ppf((1 + LEVEL) / 2, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
        low, high = float(found.mean()) - half, float(found.mean()) + half
    return Difference(float(found.mean()), low, high, len(found))


def differences(curve: Curve, reference: Curve) -> dict[str, Difference]:
    """At the first and the last number of labels that both have, and of the area under the curve between them.

    Raises InputError when they have no number of labels in common.
    """
    n = min(len(curve.accuracy), len(reference.accuracy))
    shared = sorted(set(curve.labels.tolist()) & set(reference.labels.tolist()))
    if not shared:
        raise InputError(
            "runs that are compared must have numbers of labels in common. Received: none. Run them alike."
        )

    def at(labels: float) -> Difference:
        one, other = (c.accuracy[:n, np.flatnonzero(c.labels == labels)[0]] for c in (curve, reference))
        return paired(one, other)

    area = paired(*(c.area(shared[0], shared[-1])[:n] for c in (curve, reference)))
    return {f"{labels:.0f} labels": at(labels) for labels in (shared[0], shared[-1])} | {"area": area}


def rows(reference: Path, others: Sequence[Path]) -> Iterable[tuple[str, str, dict[str, Difference]]]:
    """Folder, strategy and differences to the same strategy in `reference`; without `others`: to random, there."""
    start = read_curves(reference)
    if not others:
        if "random" not in start:
            raise InputError(
                f"{reference} holds no results of random. Received: {', '.join(start)}. Run it, or name another."
            )
        for name in start:
            if name != "random":
                yield reference.name, name, differences(start[name], start["random"])
    for folder in others:
        if folder.resolve() == reference.resolve():
            continue
        curves = read_curves(folder)
        for name in sorted(curves.keys() & start.keys()):
            yield folder.name, name, differences(curves[name], start[name])


def table(reference: Path, others: Sequence[Path]) -> str:
    """A Markdown table of all differences, in percentage points."""
    found = list(rows(reference, others))
    if not found:
        raise InputError(f"nothing to compare with {reference}. Name other folders with the same strategies.")
    to = f"the same strategy in {reference.name}" if others else "random"
    alike = len({tuple(by_kind) for _, _, by_kind in found}) == 1  # the budgets, which then stand in the head alone
    heads = list(found[0][2]) if alike else ["first", "last", "area"]
    lines = [
        f"Difference to {to} in test accuracy [percentage points], mean [95 % interval] over paired repetitions",
        "",
        f"| run | strategy | pairs | {' | '.join(heads)} |",
        f"| --- | --- | --- |{' --- |' * len(heads)}",
    ]
    for folder, name, by_kind in found:
        cells = [str(value) if alike else f"{value} ({kind})" for kind, value in by_kind.items()]
        lines.append(f"| {folder} | {name} | {by_kind['area'].n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command line: a reference and what is compared with it."""
    parser = argparse.ArgumentParser(prog="python -m tfal.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reference", type=Path, help="folder such as results/digits-from-random_SCNN")
    parser.add_argument("others", type=Path, nargs="*", help="folders with the same strategies; none: against random")
    given = parser.parse_args(arguments)
    try:
        print(table(given.reference, given.others))
    except InputError as error:
        print(f"compare: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
