"""Whether a score tells what a pool is worth: its sum over a random pool against the accuracy that the pool leads to.

Source: the cold-start benchmark of Chen et al., 2022 (arXiv 2210.02442), and its public code, which correlates areas
under the ROC curve that were rounded to two decimals; here all digits count.

    python -m tfal.report.correlation results/mnist_SCNN results/mnist-from-kmeans_SCNN ...

asks the same of initial pools: whether the accuracy of round 0 foretells that of a later round.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from tfal.command import run_command
from tfal.errors import InputError
from tfal.kernels.parts import check
from tfal.report.results import Curve, Run, curve_of, read_runs

LEAST = 5  # pools: with fewer, a correlation says nothing


class Correlation(NamedTuple):
    """Two-sided p values. NaN with the note "insufficient: ..." where there are too few or constant values."""

    n: int
    pearson_r: float
    pearson_p: float
    spearman_r: float
    spearman_p: float
    note: str = ""


def correlate(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Pearson's and Spearman's r between two values of the same pools, with p values (both by Student's t).

    Args:
        x, y: (n,) float. A pool in which one of them is NaN is left out.

    Raises:
        InputError: shapes that disagree.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(
            f"x and y: expected one value each of n pools, received shapes {x.shape} and {y.shape}. "
            "Give both for the same pools."
        )
    known = np.isfinite(x) & np.isfinite(y)
    x, y, n = x[known], y[known], int(known.sum())
    if n < LEAST:
        return _insufficient(n, f"fewer than {LEAST} pools")
    if _constant(x) or _constant(y):
        return _insufficient(n, "constant values")
    pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
    return Correlation(
        n,
        float(pearson.statistic),
        float(pearson.pvalue),
        float(spearman.statistic),
        float(spearman.pvalue),
    )


def _insufficient(n: int, why: str) -> Correlation:
    nan = float("nan")
    return Correlation(n, nan, nan, nan, nan, f"insufficient: {why}")


def _constant(values: np.ndarray) -> bool:
    """All alike, but for the rounding of sums."""
    return float(np.ptp(values)) <= 1e-12 * float(np.abs(values).max())


def pool_sum(scores: np.ndarray, rows: np.ndarray) -> float:
    """The sum of scores (N,) over the rows (n,) of a pool."""
    return float(np.asarray(scores, np.float64)[rows].sum())


def pair_distance_sum(features: Any) -> float:
    """The sum of cosine distances 1 - cos over all pairs of rows: how much of the space a pool spans.

    With unit rows u_i: [n**2 - |sum_i u_i|**2] / 2, so that no pair is visited. A row of zeros has cosine 0.

    Args:
        features: (n, d) float16/32/64, in memory or memory-mapped.

    Raises:
        InputError: wrong shape, integers, values not finite.

    Example:
        >>> round(pair_distance_sum(np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])), 6)
        1.585786
    """
    features = check.float_array(np, "features", features, ("n", "d"), dtype=np.float64)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(lengths > 0, lengths, 1)
    n = len(unit)
    squares = float((lengths > 0).sum())  # of the unit rows: those that are no zeros
    return (n * (n - 1) - (float(np.square(unit.sum(axis=0)).sum()) - squares)) / 2


def from_results(*folders: Path) -> list[dict[str, Any]]:
    """How the accuracy of the initial pools goes with that of later rounds, from result folders of the loop.

    Args:
        folders: experiments, `<results>/<dataset>_<network>` each. From one folder the points are its repetitions, each
            of which has an initial pool of its own; from several, each folder is one kind of initial pool and one
            point, the mean of the repetitions that all folders have.

    Returns:
        A row for each strategy that all folders have, and each round from 1 that all of them reached: strategy, round,
        labels, and the fields of Correlation.

    Raises:
        InputError: a folder without results, no strategy or repetition in common, different numbers of labels.
    """
    if not folders:
        raise InputError("folders: expected at least one folder of results, received none. Name results/mnist_SCNN.")
    found = [read_runs(Path(folder)) for folder in folders]
    names = sorted(set.intersection(*(set(runs) for runs in found)))
    if not names:
        raise InputError("the folders have no strategy in common. Run one strategy from all initial pools.")
    return [row for name in names for row in _rows(name, [_shared(name, runs[name], found) for runs in found])]


def _shared(name: str, runs: Mapping[int, Run], found: Sequence[Mapping[str, Mapping[int, Run]]]) -> Curve:
    """The curve of the repetitions that all folders have, so that a point differs from another by its pool alone."""
    reps = set.intersection(*(set(others[name]) for others in found))
    if not reps:
        raise InputError(f"the folders have no repetition of {name} in common. Run the same ones in all of them.")
    return curve_of({rep: runs[rep] for rep in reps}, name)


def _rows(name: str, curves: Sequence[Curve]) -> list[dict[str, Any]]:
    n_rounds = min(len(curve.labels) for curve in curves)
    labels = np.array([curve.labels[:n_rounds] for curve in curves])
    if np.any(labels != labels[0]):
        raise InputError(f"the folders have different numbers of labels for {name}. Compare pools of one budget.")
    values = [curve.accuracy if len(curves) == 1 else curve.accuracy.mean(axis=0)[None] for curve in curves]
    points = np.concatenate([rows[:, :n_rounds] for rows in values])
    return [
        {"strategy": name, "round": step, "labels": int(labels[0, step])}
        | correlate(points[:, 0], points[:, step])._asdict()
        for step in range(1, n_rounds)
    ]


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Rows with Correlation's fields as text, after the columns `names`."""
    heads = [*names, "n", "Pearson r", "p", "Spearman r", "p"]
    lines = [heads]
    for row in rows:
        numbers = [f"{row[key]:.3g}" for key in ("pearson_r", "pearson_p", "spearman_r", "spearman_p")]
        lines.append([*(str(row[name]) for name in names), str(row["n"]), *([row["note"]] if row["note"] else numbers)])
    widths = [max(len(line[i]) for line in lines if len(line) == len(heads)) for i in range(len(heads))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=False)) for line in lines)


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.report.correlation") -> int:
    """The command line: folders of the loop's results."""
    folders = list(sys.argv[1:] if arguments is None else arguments)

    def work() -> int:
        if folders[:1] in (["-h"], ["--help"]):
            print(f"usage: {program} RESULTS_FOLDER [...]   e.g. results/mnist_SCNN results/mnist-from-kmeans_SCNN")
            return 0
        if not folders:
            raise InputError("give at least one folder of results, such as results/mnist_SCNN. Received: none.")
        print(table(from_results(*map(Path, folders)), ("strategy", "round", "labels")))
        return 0

    return run_command(program, work, "The same command begins again.")


if __name__ == "__main__":
    sys.exit(main())
