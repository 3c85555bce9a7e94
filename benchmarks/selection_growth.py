"""How time and memory grow with the number of candidates: one kernel at one size, in a process of its own.

python -m benchmarks.selection_growth KERNEL FOLDER [--q 200] prints a line of JSON; FOLDER comes from write_head.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import selection_draws
from benchmarks.selection_closed_set import GROWTH
from benchmarks.selection_inputs import Case, Inputs, gradient_factors, labeled_factors
from benchmarks.selection_measure import measure
from benchmarks.selection_open_set import ccal_picks
from tfal import kernels
from tfal.kernels.parts.xp import array_module, to_numpy

ROOT = Path(__file__).parent.parent
SIGMAS = np.logspace(-3, 0, 4)
HYPOTHESES = 16 * len(SIGMAS)
N_ITER = 5
QUERIES = 1000
NEIGHBORS = 10
LABELED, REJECTED, ROTATIONS = 200, 300, 4  # of the open-set kernels


def load(folder: Path, xp: Any = np) -> Inputs:
    """The inputs of a folder; with CuPy all are on the device."""
    features = np.load(folder / "features.npy", mmap_mode="r")
    if xp is np and features.dtype != np.float16:
        features = np.array(features)
    rest = (np.load(folder / f"{name}.npy") for name in ("logits", "kernel", "bias"))
    return Inputs(*(xp.asanyarray(array) for array in (features, *rest)))


def _badge(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    flops = 2.0 * n * q * (d + given.logits.shape[1])
    return Case(lambda: kernels.badge_seeding(given.features, given.logits, q, rng=_rng()), q, flops)


def _k_center(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    return Case(lambda: kernels.k_center_greedy(given.features, q, rng=_rng()), q, 2.0 * n * q * d)


def _ldm_seeding(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    ldm = array_module(given.features).asarray(_rng().integers(1, 1200, n) / 2000)
    return Case(lambda: kernels.ldm_seeding(ldm, given.features, q, rng=_rng()), q, 2.0 * n * q * d)


def _ldm(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    inputs = given.features[:2000].astype(np.float32)
    flops = 2.0 * HYPOTHESES * (n + len(inputs)) * d * len(given.bias)

    def work() -> Any:
        with fixed_hypotheses():
            return kernels.least_disagree_metric(
                given.features, inputs, given.kernel, given.bias, rng=_rng(), sigmas=SIGMAS, patience=16
            )

    return Case(work, HYPOTHESES, flops, "hypothesis", HYPOTHESES)


def _kmeans(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    passes = N_ITER + 2  # the first centers, the iterations, the last labels
    return Case(lambda: kernels.kmeans(given.features, q, rng=_rng(), n_iter=N_ITER), passes, 2.0 * n * q * d * passes)


def _nearest_neighbors(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    m = min(n, QUERIES)
    queries = given.features[:m].astype(np.float32)
    work = lambda: kernels.nearest_neighbors(queries, given.features, min(n, NEIGHBORS))  # noqa: E731
    return Case(work, 1, 2.0 * n * m * d, "query", m)


def _flcmi(given: Inputs, q: int) -> Case:
    """Plain way: the similarities of all pairs, once."""
    candidates, sets, numbers = _factors(given)
    n = len(given.features)
    return Case(lambda: kernels.flcmi_greedy(candidates, q, **sets), 1, 2.0 * n * n * numbers, numbers=numbers)


def _logdetcmi(given: Inputs, q: int) -> Case:
    """Plain way: columns of the picked, labeled and rejected rows, and two Cholesky factors that grow with them."""
    candidates, sets, numbers = _factors(given)
    lengths = (q + REJECTED, q + REJECTED + LABELED)
    flops = float(len(given.features)) * (2 * lengths[1] * numbers + lengths[0] ** 2 + lengths[1] ** 2)
    return Case(lambda: kernels.logdetcmi_greedy(candidates, q, **sets), q, flops, numbers=numbers)


def _factors(given: Inputs) -> tuple[Any, dict[str, Any], int]:
    """Factors of candidates, those of labeled and rejected ones by name, and how many numbers a candidate has."""
    d, classes = given.features.shape[1], given.logits.shape[1]
    made = (
        gradient_factors(to_numpy(given.features), to_numpy(given.logits)),
        *labeled_factors(LABELED, REJECTED, d, classes - 1),
    )
    asarray = array_module(given.features).asarray
    candidates, query, private = (tuple(map(asarray, factors)) for factors in made)
    return candidates, {"query": query, "private": private}, d + 1 + classes


def _purity(given: Inputs, q: int) -> Case:
    """A part of the features stands for the row of a coder."""
    n, d = len(given.features), given.features.shape[1] // ROTATIONS
    candidates = array_module(given.features).ascontiguousarray(given.features[:, :d])
    labeled = _labeled(given)[:, 0]
    return Case(lambda: kernels.purity(candidates, labeled), 1, 2.0 * n * LABELED * d, numbers=d)


def _ccal(given: Inputs, q: int) -> Case:
    """The features, in parts, stand for the rows of a coder."""
    n, d, classes = *given.features.shape, given.logits.shape[1] - 1
    candidates, labeled = given.features.reshape(n, ROTATIONS, -1), _labeled(given)
    flops = 2.0 * n * LABELED * (d + d // ROTATIONS)
    return Case(lambda: ccal_picks(candidates, labeled, np.arange(LABELED) % classes, classes, q), 1, flops)


def _labeled(given: Inputs) -> Any:
    (_, rows), _ = labeled_factors(LABELED, 1, given.features.shape[1], 1)
    return array_module(given.features).asarray(rows[:, 1:].reshape(LABELED, ROTATIONS, -1))


def _neat(given: Inputs, q: int) -> Case:
    n, d = given.features.shape
    bought = _labeled(given).reshape(LABELED, d)
    every = np.arange(LABELED)
    labels = np.where(every % 2, every % given.logits.shape[1], -1)
    return Case(lambda: kernels.neat(given.features, given.logits, bought, labels, q), 1, 2.0 * n * LABELED * d)


def _lfosa(given: Inputs, q: int) -> Case:
    """Logits alone, the last of which are those of the unknown class."""
    n, classes = given.logits.shape
    return Case(lambda: kernels.lfosa(given.logits, q), 1, 2.0 * n * classes)


def _on_lines(kernel: Callable[..., Any], given: Inputs, q: int) -> Case:
    """Logits alone. The labels that are asked for are the predicted classes of the candidates, turned by one."""
    n, classes = given.logits.shape
    truth, labels = to_numpy(given.logits.argmax(axis=1)), np.full(n, -2)
    truth[1::3] = (truth[1::3] + 1) % classes
    n_labeled = min(LABELED, n // 2)
    labels[:n_labeled] = truth[:n_labeled]
    work = lambda: kernel(given.logits, labels, q, ask=lambda rows: truth[rows], rng=_rng())  # noqa: E731
    return Case(work, 1, 2.0 * n * classes)


def _eaoa(given: Inputs, q: int) -> Case:
    """The classifier's logits stand for those of the detector, the last class for the unknown one."""
    (n, d), classes = given.features.shape, given.logits.shape[1] - 1
    bought, labels = _labeled(given).reshape(LABELED, d), np.arange(LABELED) % (classes + 1) - 1

    def work() -> Any:
        votes = kernels.reverse_neighbor_votes(given.features, bought, labels, classes)
        return kernels.eaoa(given.logits, votes, given.logits[:, :-1], q, rng=_rng())

    return Case(work, 1, 2.0 * n * LABELED * d)


def _eoal(given: Inputs, q: int) -> Case:
    """The last class of the classifier stands for the unknown one; all pairs of the others have products."""
    known = to_numpy(given.logits.argmax(axis=1)) < given.logits.shape[1] - 1
    unsure = given.logits.max(axis=1)
    flops = 2.0 * int(known.sum()) ** 2 * given.features.shape[1]
    return Case(lambda: kernels.eoal(unsure, known, given.features, q, rng=_rng()), 1, flops)


def _balanced(given: Inputs, q: int) -> Case:
    n, classes = given.logits.shape
    work = lambda: kernels.balanced_entropy(given.logits, q, needs=np.arange(classes) * q / 45, rng=_rng())  # noqa: E731
    return Case(work, 1, 60.0 * n * classes)


def _balanced_k_center(given: Inputs, q: int) -> Case:
    (n, d), classes = given.features.shape, given.logits.shape[1]
    centers, needs = _labeled(given).reshape(LABELED, d), np.arange(classes) * q / 45
    options: dict[str, Any] = {"centers": centers, "needs": needs, "rng": _rng()}
    return Case(
        lambda: kernels.balanced_k_center(given.features, given.logits, q, **options), q, 2.0 * n * q * (d + classes)
    )


CASES: dict[str, Callable[[Inputs, int], Case]] = {
    "ldm": _ldm,
    "ldm_seeding": _ldm_seeding,
    "badge": _badge,
    "k_center": _k_center,
    "kmeans": _kmeans,
    "nearest_neighbors": _nearest_neighbors,
    "flcmi": _flcmi,
    "logdetcmi": _logdetcmi,
    "purity": _purity,
    "ccal": _ccal,
    "neat": _neat,
    **GROWTH,
    "lfosa": _lfosa,
    **selection_draws.GROWTH,
    "eoal": _eoal,
    "eaoa": _eaoa,
    "balanced_entropy": _balanced,
    "balanced_k_center": _balanced_k_center,
    "galaxy": functools.partial(_on_lines, kernels.galaxy),
    "direct": functools.partial(_on_lines, kernels.direct),
}
OPEN_SET = ("flcmi", "logdetcmi", "purity", "ccal")
QUADRATIC = ("eoal",)  # more than an hour at a million


@contextmanager
def fixed_hypotheses() -> Iterator[None]:
    """End every sigma after its first block: how many hypotheses a search takes would else depend on n."""
    module: Any = importlib.import_module("tfal.kernels.ldm")
    advance = module._advance

    def once(counts: Any, quiet: int, rho: Any, flips: Any, patience: int) -> Any:
        if len(rho) * len(SIGMAS) != HYPOTHESES:
            raise RuntimeError(
                f"expected {HYPOTHESES // len(SIGMAS)} hypotheses in the first block, received {len(rho)}"
            )
        counts, _, used = advance(counts, quiet, rho, flips, patience)
        return counts, patience, used

    module._advance = once
    try:
        yield
    finally:
        module._advance = advance


def grow(kernel: str, folder: Path, q: int, xp: Any = np) -> dict[str, Any]:
    """Measure one kernel on the inputs of a folder, in this process."""
    if xp is not np:  # what is left of the case before would count as memory of this one
        xp.get_default_memory_pool().free_all_blocks()
    given = load(folder, xp)
    # On a few rows first: libraries that are loaded and buffers that stay are no cost of the candidates.
    CASES[kernel](given._replace(features=given.features[:64], logits=given.logits[:64]), min(q, 8)).work()
    case = CASES[kernel](given, q)
    found = measure({kernel: case.work}, xp)[kernel]
    n, d = given.features.shape
    numbers = case.numbers or d
    return {
        "kernel": kernel,
        "n": n,
        "d": d,
        "stored": f"{given.features.dtype.name}{' memory map' if isinstance(given.features, np.memmap) else ''}",
        "seconds": found.seconds,
        "candidate_us": found.seconds / n / case.units * 1e6,
        "unit": case.unit,
        "peak_mb": found.peak_mb,
        "share": found.peak_mb * 1e6 / (4 * n * numbers),
        "bytes": float(case.passes * n * numbers * given.features.itemsize),
        "flops": case.flops,
    }


def grow_in_new_process(kernel: str, folder: Path, q: int) -> dict[str, Any]:
    """`grow` in a process of its own, so that no memory of another case is counted."""
    command = [sys.executable, "-m", "benchmarks.selection_growth", kernel, str(folder), "--q", str(q)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def main() -> None:
    """Prints the measurements of one case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kernel", choices=CASES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--q", type=int, default=200)
    given = parser.parse_args()
    print(json.dumps(grow(given.kernel, given.folder, given.q)))


if __name__ == "__main__":
    main()
