"""Ask and tell on a large pool: seconds and peak memory beyond the features of each call, and growth with the rounds.

python -m benchmarks.campaign [--images N] [--dim D] [--batch N] [--rounds 1,10,100,1000] [--repeats N]
The features lie in a float16 memory map. Each line of the first table is a campaign of its own: rounds of ask and tell
by one strategy, medians of their seconds, the highest of their peaks. The second table is one campaign of random
batches: what a call takes after so many rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.low_budget import made_rows
from benchmarks.selection_measure import Sampler, machine
from tfal import Campaign
from tfal.kernels.parts.tiles import slices

CLASSES, AROUND = 10, 5  # AROUND: rounds that are measured at each point of the growth
_BLOCK = 50_000


class Case(NamedTuple):
    """What is asked: a strategy, its options and those of `ask`, and what it reads of the pool, in words."""

    strategy: str
    options: Mapping[str, Any]
    reads: str


CASES = {
    "random": Case("random", {}, "nothing"),
    "typiclust, 20,000": Case("typiclust", {"max_candidates": 20_000}, "20,000 candidates"),
    "coreset, 20,000": Case("coreset", {"max_candidates": 20_000}, "20,000 candidates"),
    "margin": Case("margin", {}, "all, chunk by chunk, through a linear head trained on the labels"),
    "coreset": Case("coreset", {}, "all at once"),
}


class Call(NamedTuple):
    """One call: seconds on the clock, of computing, and peak memory beyond what the process held before, in MB."""

    seconds: float
    processor: float
    peak_mb: float


def features_map(path: Path, n: int, d: int) -> np.ndarray:
    """float16 rows (n, d) of length 1 around 1,000 centers, as a memory map that cannot be written."""
    written = np.lib.format.open_memmap(path, "w+", np.float16, (n, d))
    for block, rows in zip(slices(n, _BLOCK), made_rows(n, d), strict=True):
        written[block] = rows
    written.flush()
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found


def timed(work: Callable[[], Any]) -> tuple[Call, Any]:
    """What a call takes, and what it gives."""
    with Sampler() as sampler:
        start, processor = time.perf_counter(), time.process_time()
        answer = work()
        found = time.perf_counter() - start, time.process_time() - processor
    return Call(*found, sampler.peak_mb), answer


def rounds_of(
    folder: Path, case: Case, features: np.ndarray, batch: int, repeats: int
) -> tuple[list[Call], list[Call]]:
    """The calls of `ask` and of `tell` in so many rounds, after a first one of random labels."""
    campaign = Campaign(folder, size=len(features), seed=0)
    tell_all(campaign, campaign.ask("random", features=features, n=batch))
    asked, told = [], []
    for _ in range(repeats):
        call, ids = timed(lambda: campaign.ask(case.strategy, features=features, n=batch, **case.options))
        asked.append(call)
        told.append(timed(lambda ids=ids: tell_all(campaign, ids))[0])  # type: ignore[misc]
    return asked, told


def tell_all(campaign: Campaign, ids: np.ndarray) -> None:
    """Every id has a class."""
    campaign.tell(ids, ids % CLASSES)


def calls_table(features: np.ndarray, names: Sequence[str], batch: int, repeats: int) -> list[str]:
    """What ask and tell take, a line for each of CASES."""
    lines = [
        "| strategy | reads | ask [s] | of computing | ask, peak MB | tell [s] | tell, peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            asked, told = rounds_of(Path(folder), CASES[name], features, batch, repeats)
        seconds, computing = (float(np.median([getattr(c, what) for c in asked])) for what in ("seconds", "processor"))
        peaks = [max(call.peak_mb for call in calls) for calls in (asked, told)]
        tell = float(np.median([call.seconds for call in told]))
        lines.append(
            f"| {name} | {CASES[name].reads} | {seconds:.3g} | {computing:.3g} | {peaks[0]:.0f} | {tell:.2g} | "
            f"{peaks[1]:.0f} |"
        )
    return lines


def growth_table(folder: Path, features: np.ndarray, batch: int, points: Sequence[int]) -> list[str]:
    """What a call takes after so many rounds of random batches: medians over the rounds from there on."""
    lines = [
        "| rounds before | journal [kB] | ask [ms] | tell [ms] | labeled_set [ms] | ask, peak MB | opened anew [ms] |",
        "|---|---|---|---|---|---|---|",
    ]
    campaign = Campaign(folder, size=len(features), seed=0)
    for point in points:
        while len(campaign.rounds) < point:
            tell_all(campaign, campaign.ask("random", features=features, n=batch))
        size = (folder / "journal.jsonl").stat().st_size / 1e3
        opened = timed(lambda: Campaign(folder))[0].seconds
        found: list[list[Call]] = [[], [], []]
        for _ in range(AROUND):
            call, ids = timed(lambda: campaign.ask("random", features=features, n=batch))
            found[0].append(call)
            found[1].append(timed(lambda ids=ids: tell_all(campaign, ids))[0])  # type: ignore[misc]
            found[2].append(timed(lambda: campaign.labeled_set)[0])
        ask, tell, labels = (1e3 * float(np.median([call.seconds for call in calls])) for calls in found)
        peak = max(call.peak_mb for call in found[0])
        lines.append(
            f"| {point} | {size:.0f} | {ask:.1f} | {tell:.1f} | {labels:.1f} | {peak:.0f} | {1e3 * opened:.0f} |"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=1_000_000, help="samples in the pool")
    parser.add_argument("--dim", type=int, default=512, help="features of each")
    parser.add_argument("--batch", type=int, default=100, help="ids asked for in a round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each strategy")
    parser.add_argument("--rounds", default="1,10,100,1000", help="where the growth is measured")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore", UserWarning)
    import tfal.evaluation.affine_head  # noqa: F401  its imports are no part of a call

    with tempfile.TemporaryDirectory() as name:
        features = features_map(Path(name) / "features.npy", args.images, args.dim)
        print(f"{machine()}; {args.images:,} x {args.dim} float16, batches of {args.batch}\n")
        print("\n".join(calls_table(features, list(CASES), args.batch, args.repeats)), flush=True)
        points = [int(point) for point in args.rounds.split(",")]
        print("\n" + "\n".join(growth_table(Path(name) / "growth", features, args.batch, points)))


if __name__ == "__main__":
    main()
