"""Selection by shards beside one process, on made features: what the picks are worth, time and memory, row by row.

python -m benchmarks.sharded [--images N] [--dim D] [--budget N] [--shards N] [--only NAME,NAME] [--folder DIR]
Each shard, each union, and the one process are processes of their own, one after the other. What is done lies in the
folder: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.low_budget import made_rows
from benchmarks.selection_measure import Sampler, machine
from tfal import kernels
from tfal.files import write_json
from tfal.kernels.badge import _softmax_errors
from tfal.kernels.parts.tiles import slices
from tfal.kernels.uncertainty import log_complement
from tfal.sharded.checks import checked_question
from tfal.sharded.folder import SelectionFolder
from tfal.sharded.question import Arrays

CLASSES, DELTA = 100, 0.78
_BLOCK = 8192


class Pool(NamedTuple):
    """features: float16 memory map (N, d), rows of length 1. logits: float32 memory map (N, CLASSES)."""

    features: np.ndarray
    logits: np.ndarray


class Case(NamedTuple):
    """reads: names of arrays. options: of the strategy. worth: of picks; least: whether little is good."""

    reads: tuple[str, ...]
    options: dict[str, Any]
    worth: Callable[[Pool, np.ndarray], float]
    least: bool
    name: str


def made_pool(folder: Path, n: int, d: int) -> None:
    """Writes features.npy and logits.npy, unless they are there."""
    if (folder / "made").exists():
        return
    kernel = 4 * np.random.default_rng(7).standard_normal((d, CLASSES), dtype=np.float32)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float16, (n, d))
    logits = np.lib.format.open_memmap(folder / "logits.npy", "w+", np.float32, (n, CLASSES))
    start = 0
    for rows in made_rows(n, d):
        features[start : start + len(rows)] = rows
        logits[start : start + len(rows)] = rows @ kernel
        start += len(rows)
    features.flush()
    logits.flush()
    (folder / "made").touch()


def _least_squares(pool: Pool, picks: np.ndarray) -> np.ndarray:
    """Squared distances of all rows to the nearest pick."""
    centers = pool.features[picks]
    blocks = slices(len(pool.features), _BLOCK)
    return np.concatenate([kernels.squared_distances(pool.features[b], centers).min(axis=1) for b in blocks])


def _radius(pool: Pool, picks: np.ndarray) -> float:
    return float(np.sqrt(_least_squares(pool, picks).max()))


def _covered(pool: Pool, picks: np.ndarray) -> float:
    return float((_least_squares(pool, picks) <= DELTA**2).mean())


def _kernel_mean(pool: Pool, picks: np.ndarray) -> float:
    return float(np.exp(-_least_squares(pool, picks)).mean(dtype=np.float64))


def _weighted_kernel_mean(pool: Pool, picks: np.ndarray) -> float:
    weights = np.exp(log_complement(kernels.margin_log_odds(pool.logits)))
    return float(np.average(np.exp(-_least_squares(pool, picks)), weights=weights))


def _inertia(pool: Pool, picks: np.ndarray) -> float:
    return float(_least_squares(pool, picks).sum(dtype=np.float64))


def _spread(pool: Pool, picks: np.ndarray) -> float:
    """Sum of the squared distances of all gradient embeddings to the nearest pick's."""
    centers, at = _softmax_errors(pool.logits[picks]), pool.features[picks].astype(np.float64)
    squares, total = np.square(centers).sum(axis=1) * np.square(at).sum(axis=1), 0.0
    for block in slices(len(pool.features), _BLOCK):
        errors, rows = _softmax_errors(pool.logits[block]), pool.features[block].astype(np.float64)
        own = np.square(errors).sum(axis=1) * np.square(rows).sum(axis=1)
        apart = own[:, None] + squares - 2 * (errors @ centers.T) * (rows @ at.T)
        total += float(np.maximum(apart, 0).min(axis=1).sum())
    return total


CASES = {
    "margin": Case(("logits",), {}, lambda pool, picks: float("nan"), True, "picks"),
    "coreset": Case(("features",), {}, _radius, True, "radius"),
    "badge": Case(("features", "logits"), {}, _spread, True, "sum of squares, gradients"),
    "probcover": Case(("features",), {"delta": DELTA}, _covered, False, "share within delta"),
    "kmeans": Case(("features",), {"n_redo": 1}, _inertia, True, "sum of squares"),
    "maxherding": Case(("features",), {}, _kernel_mean, False, "mean kernel value"),
    "uherding": Case(("features", "logits"), {}, _weighted_kernel_mean, False, "mean kernel value, weighted"),
}


def job(out: Path, part: str) -> dict[str, float]:
    """One job of a selection in this process, measured: seconds, of processor time, and peak memory in MB."""
    folder = SelectionFolder(out)
    question = folder.question()
    start, of_cores = time.perf_counter(), time.process_time()
    with Sampler() as sampler:
        if part == "union":
            folder.do_union(question)
        else:
            folder.do_shard(question, int(part))
    cores = time.process_time() - of_cores
    return {"seconds": time.perf_counter() - start, "cores": cores, "peak_mb": sampler.peak_mb}


def measured(files: Path, out: Path, name: str, n: int, n_shard: int) -> dict[str, dict[str, float]]:
    """What each job of a selection took; those that are done are not done again."""
    case, path = CASES[name], out / "measured.json"
    arrays = Arrays(**{array: files / f"{array}.npy" for array in case.reads})
    folder = SelectionFolder(out)
    folder.begin(checked_question(name, n, arrays, n_shard=n_shard, options=case.options))
    found: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    for part in [*map(str, range(n_shard)), "union"]:
        if part not in found:
            result = folder.picks if part == "union" else folder.shard_path(int(part))
            result.unlink(missing_ok=True)  # of a run that was stopped before it noted the time
            words = [sys.executable, "-m", "benchmarks.sharded", "--job", str(out), part]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
            found[part] = json.loads(done.stdout)
            write_json(path, found)
    return found


def row(files: Path, name: str, n: int, n_shard: int) -> str:
    """A line of the table."""
    case, pool = CASES[name], Pool(*(np.load(files / f"{each}.npy", mmap_mode="r") for each in Pool._fields))
    outs = [files / name / "one", files / name / f"{n_shard} shards"]
    one, parts = (measured(files, out, name, n, shards) for out, shards in zip(outs, (1, n_shard), strict=True))
    picks = [np.load(out / "picks.npy") for out in outs]
    random = np.random.default_rng(8).choice(len(pool.features), n, replace=False)
    if name == "margin":
        worth = ["", "", "equal" if np.array_equal(*picks) else "NOT EQUAL", ""]
    else:
        values = [case.worth(pool, some) for some in (*picks, random)]
        worth = [f"{values[0]:.4g}", f"{values[1]:.4g}", f"{values[1] / values[0]:.4f}", f"{values[2]:.4g}"]
    union, shards = parts.pop("union"), list(parts.values())
    cells = [name, f"{case.name}, {'least' if case.least else 'most'} is best", *worth]
    cells += [_times([one["0"]]), _times(shards), _times([max(shards, key=lambda each: each["seconds"])])]
    cells += [
        _times([union]),
        *(f"{max(each['peak_mb'] for each in some):,.0f}" for some in ([one["0"]], shards, [union])),
    ]
    return f"| {' | '.join(cells)} |"


def _times(jobs: list[dict[str, float]]) -> str:
    return " / ".join(f"{sum(each[key] for each in jobs):.1f}" for key in ("seconds", "cores"))


def table_head(n_shard: int) -> str:
    """The head of the table."""
    worth = ["strategy", "objective", "one process", f"{n_shard} shards", "ratio", "random picks"]
    times = ["one process [s]", "all shards [s]", "longest [s]", "union [s]"]
    names = [*worth, *times, "peak, one [MB]", "peak, shard [MB]", "peak, union [MB]"]
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}"


def main(arguments: list[str] | None = None) -> None:
    """Prints the table as Markdown, each row as it comes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=50_000, help="rows [images]")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--budget", type=int, default=1000, help="picks [images]")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--only", default=",".join(CASES), help="strategies, divided by commas")
    parser.add_argument("--folder", type=Path, help="where what is done is kept; not given: nowhere")
    parser.add_argument("--job", nargs=2, metavar=("DIR", "PART"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.job:
        print(json.dumps(job(Path(given.job[0]), given.job[1])))
        return
    with tempfile.TemporaryDirectory() as temporary:
        files = (given.folder or Path(temporary)) / f"{given.images} x {given.dim}"
        os.makedirs(files, exist_ok=True)
        made_pool(files, given.images, given.dim)
        print(f"{machine()}\n\n{given.images:,} x {given.dim}, float16 memory map, {given.budget:,} picks\n")
        print("Times: seconds / of processor time. Peaks: beyond what the process held before.\n")
        print(table_head(given.shards), flush=True)
        for name in given.only.split(","):
            print(row(files, name.strip(), given.budget, given.shards), flush=True)


if __name__ == "__main__":
    main()
