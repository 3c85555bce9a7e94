"""The kernels for low budgets on made features: seconds and peak memory beyond the features, in one table.

python -m benchmarks.low_budget [--images N] [--dim D] [--budget N] [--only "NAME;NAME"] [--compare]
The features lie in a float16 memory map. k-means stands beside faiss alone, from the same first centers; --compare puts
TypiClust, ProbCover and MaxHerding beside scikit-activeml, at sizes of its own.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import selection_others as others
from benchmarks.selection import compare, comparison_table
from benchmarks.selection_measure import machine, measure
from benchmarks.selection_rows import Comparison, on_device, packages, same
from tfal import kernels
from tfal.kernels.parts.tiles import slices
from tfal.strategies.covering import found_radius

CLUSTERS, SPREAD = 1000, 0.7  # of the made features: deviation within a cluster, when centers have 1
N_ITER = 20
COVERED, MOST_ANCHORS = 50_000, 20_000  # as in the strategies
_BLOCK = 50_000


class Inputs(NamedTuple):
    """features: float16 (n, d), rows of length 1, mapped or on a GPU. scores: (n,). start: float32 (budget, d)."""

    features: Any
    scores: Any
    start: Any
    budget: int


def made_rows(n: int, d: int) -> Iterator[np.ndarray]:
    """float32 rows around 1,000 centers, scaled to length 1, in blocks."""
    centers = np.random.default_rng(0).standard_normal((CLUSTERS, d), dtype=np.float32)
    for block in slices(n, _BLOCK):
        rng, size = np.random.default_rng([1, block.start]), block.stop - block.start
        noise = SPREAD * rng.standard_normal((size, d), dtype=np.float32)
        rows = centers[rng.integers(CLUSTERS, size=size)] + noise
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def inputs(path: Path, n: int, d: int, budget: int, xp: Any = np) -> Inputs:
    """The rows of made_rows in a file, as a memory map that cannot be written, and what else the cases take.

    With CuPy all of it is on the device.
    """
    written = np.lib.format.open_memmap(path, "w+", np.float16, (n, d))
    for block, rows in zip(slices(n, _BLOCK), made_rows(n, d), strict=True):
        written[block] = rows
    written.flush()
    features, rng = np.load(path, mmap_mode="r"), np.random.default_rng(2)
    start = features[np.sort(rng.choice(n, budget, replace=False))].astype(np.float32)
    return Inputs(xp.asanyarray(features), xp.asarray(rng.random(n)), xp.asarray(start), budget)


def _kmeans(given: Inputs) -> Any:
    found = kernels.kmeans(given.features, given.budget, rng=_rng(), n_iter=N_ITER)
    return kernels.representatives(given.features, found.centers, found.labels)


def _purity_radius(given: Inputs) -> float:
    return found_radius(given.features, min(CLUSTERS, len(given.features)), _rng())


def _max_herding(given: Inputs) -> Any:
    return kernels.max_herding(given.features, given.budget, n_anchor=MOST_ANCHORS, rng=_rng())


CASES: dict[str, Callable[[Inputs], Any]] = {
    "kmeans, picks": _kmeans,
    "typiclust": lambda given: kernels.typiclust(given.features, given.budget, rng=_rng(), n_iter=N_ITER),
    "purity_radius": _purity_radius,
    "probcover": lambda given: kernels.probcover(
        given.features, given.budget, delta=_purity_radius(given), n_anchor=COVERED, rng=_rng()
    ),
    "dcom": lambda given: kernels.dcom(
        *(given.features, given.budget),
        **{"delta": _purity_radius(given), "uncertainty": given.scores, "skill": 0.3, "n_anchor": COVERED},
        rng=_rng(),
    ),
    "max_herding": _max_herding,
    "k_center_greedy": lambda given: kernels.k_center_greedy(given.features, given.budget, rng=_rng()),
    "power_top_n": lambda given: kernels.power_top_n(given.scores, given.budget, rng=_rng()),
    "kmeans, given centers": lambda given: (
        kernels.kmeans(given.features, given.budget, rng=_rng(), init=given.start, n_iter=N_ITER).labels
    ),
    "faiss, given centers": lambda given: others.faiss_kmeans(given.features.astype(np.float32), given.start, N_ITER),
}


def run(given: Inputs, names: list[str], repeats: int = 1, xp: Any = np) -> list[str]:
    """Lines of a Markdown table."""
    small = given._replace(features=given.features[:200], scores=given.scores[:200], start=given.start[:8], budget=8)
    for name in names:  # libraries that are loaded and buffers that stay are no cost of a case
        CASES[name](small._replace(budget=len(small.start)))
    of_cores: dict[str, float] = {}

    def work(name: str) -> Any:
        start = time.process_time()
        answer = CASES[name](given)
        of_cores[name] = time.process_time() - start
        return answer

    found = measure({name: functools.partial(work, name) for name in names}, xp, repeats, compiled=True)
    lines = [
        f"| kernel, budget {given.budget:,} | seconds | of processor time | peak MB |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {found[name].seconds:.2f} | {of_cores[name]:.2f} | {found[name].peak_mb:.0f} |" for name in names
    ]
    if {"kmeans, given centers", "faiss, given centers"} <= found.keys():
        ours, theirs = (found[f"{name}, given centers"].answer for name in ("kmeans", "faiss"))
        lines.append(f"\nkmeans and faiss from the same centers: {same('labels')(ours, theirs)}")
    return lines


def typiclust(xp: Any, n: int = 20_000, d: int = 128, q: int = 200) -> Comparison:
    """Both choose their first centers at random, so the picks differ."""
    features = xp.asarray(np.concatenate([*made_rows(n, d)]))
    return Comparison(
        "typiclust",
        f"n={n:,} d={d} q={q}",
        lambda: kernels.typiclust(features, q, rng=_rng(), n_iter=300),  # scikit-learn's default
        packages(xp, {"scikit-activeml": lambda: _skactiveml("TypiClust", features, q, k=20)}),
        lambda ours, other: "random draws",
    )


def probcover(xp: Any, n: int = 5000, d: int = 128, q: int = 200) -> Comparison:
    """ProbCover with one radius; ties, which many are, are drawn at random in the other package."""
    features = xp.asarray(np.concatenate([*made_rows(n, d)]))
    delta = kernels.purity_radius(features, min(CLUSTERS, n // 5), rng=_rng())
    return Comparison(
        "probcover",
        f"n={n:,} d={d} q={q} delta={delta:.3f}",
        lambda: kernels.probcover(features, q, delta=delta),
        packages(xp, {"scikit-activeml": lambda: _skactiveml("ProbCover", features, q, deltas=[delta])})
        | on_device(xp, {"plain, all pairs": lambda: others.plain_probcover(features, q, delta, xp=xp)}),
        lambda ours, other: f"rows covered {covered(features, ours, delta):,} and {covered(features, other, delta):,}",
    )


def max_herding(xp: Any, n: int = 5000, d: int = 128, q: int = 200) -> Comparison:
    """All rows are anchors."""
    features = xp.asarray(np.concatenate([*made_rows(n, d)]))
    return Comparison(
        "max_herding",
        f"n={n:,} d={d} q={q}",
        lambda: kernels.max_herding(features, q),
        packages(xp, {"scikit-activeml": lambda: _skactiveml("MaxHerding", features, q, metric_dict={"gamma": 1.0})})
        | on_device(xp, {"plain, all pairs": lambda: others.plain_max_herding(features, q, xp=xp)}),
        same("picks"),
    )


COMPARISONS: list[Callable[[Any], Comparison]] = [typiclust, probcover, max_herding]
ON_DEVICE = [functools.partial(build, n=20_000, d=512) for build in (probcover, max_herding)]


def covered(features: Any, picks: np.ndarray, delta: float) -> int:
    """How many rows lie within delta of a pick."""
    return int((kernels.squared_distances(features, features[picks]).min(axis=1) <= delta**2).sum())


def _skactiveml(name: str, features: np.ndarray, q: int, **options: Any) -> np.ndarray:
    import skactiveml.pool

    strategy = getattr(skactiveml.pool, name)(random_state=0, **options)
    found: np.ndarray = strategy.query(features, np.full(len(features), np.nan), batch_size=q)
    return found


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=50_000, help="rows [images]")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--budget", type=int, default=1000, help="picks [images]")
    parser.add_argument("--only", default=";".join(CASES), help="names from the table, divided by ';'; '' for none")
    parser.add_argument(
        "--compare", action="store_true", help="with scikit-activeml, on a GPU with plain code, at sizes of its own"
    )
    parser.add_argument("--backend", choices=["numpy", "cupy"], default="numpy", help="cupy: features on a GPU")
    given = parser.parse_args(arguments)
    names = [name.strip() for name in given.only.split(";") if name.strip()]
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"--only: unknown {unknown[0]!r}. Choose among {'; '.join(CASES)}.")
    xp = importlib.import_module(given.backend)
    stored = "float16 memory map" if xp is np else "float16 on the device"
    print(f"{machine(xp)}\n\n{given.images:,} x {given.dim}, {stored}\n")
    if xp is not np:
        names = [name for name in names if not name.startswith("faiss")]
    if names:
        with tempfile.TemporaryDirectory() as folder:
            made = inputs(Path(folder) / "f.npy", given.images, given.dim, given.budget, xp)
            print("\n".join(run(made, names, 1 if xp is np else 0, xp)), flush=True)
    if given.compare:
        print("\n" + comparison_table(compare(xp, COMPARISONS if xp is np else ON_DEVICE)))


if __name__ == "__main__":
    main()
