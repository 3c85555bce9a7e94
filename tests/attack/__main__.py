"""Attacks the project: random stops, full disks, bad input. Prints figures and faults; exit code 1 for any."""

from __future__ import annotations

import argparse
import multiprocessing.pool
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.attack import children

Pool = multiprocessing.pool.Pool


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    given = _parser().parse_args(argv)
    os.environ.update(children.THREADS, TF_CPP_MIN_LOG_LEVEL="3")
    began = time.monotonic()
    children.prepare()
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        folder, context = Path(name), multiprocessing.get_context("fork")
        cores = context.SimpleQueue()
        usable = sorted(os.sched_getaffinity(0))
        for number in range(given.jobs):
            cores.put(usable[number % len(usable)])
        chosen = _chosen_inputs(given, folder)
        with context.Pool(given.jobs, _on_one_core, (cores,)) as pool:
            sound = [_stops(given, pool, folder), _inputs(chosen, pool, folder)]
    print(f"\n{time.monotonic() - began:.0f} s with {given.jobs} processes, seed {given.seed}")
    return 0 if all(sound) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="stops, at the least (default: 20)")
    parser.add_argument("--disks", type=int, help="full or failing disks (default: a quarter of the stops)")
    parser.add_argument("--inputs", default="100", help="bad inputs: all, or how many of them (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of all moments (default: 0)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: all cores)")
    parser.add_argument("--only", default="", help="scenarios and inputs whose names hold this")
    return parser


def _on_one_core(cores: multiprocessing.SimpleQueue) -> None:
    """Every run has one core to itself, so that all of them compute with one thread."""
    os.sched_setaffinity(0, {cores.get()})


def _stops(given: argparse.Namespace, pool: Pool, folder: Path) -> bool:
    from tests.attack.scenarios import SCENARIOS
    from tests.attack.stops import killed, out_of_space, reference

    chosen = [scenario for scenario in SCENARIOS if given.only in scenario.name]
    n_disks = given.kills // 4 if given.disks is None else given.disks
    if not chosen or not given.kills + n_disks:
        return True
    chosen = chosen[: max(2, given.kills // 3)]
    places = [folder / f"reference-{number}" for number in range(len(chosen))]
    references = pool.starmap(reference, zip(chosen, places, strict=True), chunksize=1)
    for found in references:
        print(f"{found.scenario.name}: {found.seconds:.1f} s, {found.operations} file operations, {found.size} bytes")
    sound = True
    for n, attack in ((given.kills, killed), (n_disks, out_of_space)):
        sound &= _report_stops(attack.__name__, _until(n, attack, references, given.seed, pool, folder))
    return sound


def _until(n: int, attack: Callable, references: list, seed: int, pool: Pool, folder: Path) -> list:  # type: ignore[type-arg]
    """Trials until there were n stops."""
    trials: list = []  # type: ignore[type-arg]
    number = 0
    while (left := n - sum(len(trial.stops) for trial in trials)) > 0:
        batch = range(number, number + max(min(n, 2), -(-left // 3)))
        tasks = [
            (references[i % len(references)], seed * 100_000 + i, folder / f"{attack.__name__}-{i}") for i in batch
        ]
        for trial in pool.imap_unordered(partial(_attacked, attack), tasks):
            trials.append(trial)
            for fault in trial.faults + [f"differs: {name}" for name in trial.differing]:
                print(f"FAULT {attack.__name__}, {trial.scenario}, seed {trial.seed}: {fault}", flush=True)
        number = batch.stop
    return trials


def _attacked(attack: Callable, task: tuple) -> object:  # type: ignore[type-arg]
    return attack(*task)


def _report_stops(name: str, trials: list) -> bool:  # type: ignore[type-arg]
    hows = Counter(how for trial in trials for how, _ in trial.stops)
    whats = Counter(what for trial in trials for _, what in trial.stops)
    print(f"\n{name}: {hows.total()} stops in {len(trials)} runs")
    for title, counter in (("by", hows), ("in", whats)):
        print(f"  {title}: {', '.join(f'{kind} {n}' for kind, n in counter.most_common())}")
    print(f"  runs with differing results: {sum(bool(trial.differing) for trial in trials)}")
    print(f"  other faults: {sum(len(trial.faults) for trial in trials)}", flush=True)
    return not any(trial.faults or trial.differing for trial in trials)


CASES: list = []  # type: ignore[type-arg]  # filled before the fork, as functions cannot be sent to a process


def _chosen_inputs(given: argparse.Namespace, folder: Path) -> list[int]:
    """Places in CASES: all of them, or so many, spread evenly over the table."""
    from tests.attack.inputs import all_cases, damaged

    damaged.TEMPLATES = folder / "templates"
    CASES.extend(case for case in all_cases() if given.only in case.name)
    n = len(CASES) if given.inputs == "all" else min(int(given.inputs), len(CASES))
    return sorted({number * len(CASES) // max(n, 1) for number in range(n)})


def _inputs(chosen: list[int], pool: Pool, folder: Path) -> bool:
    from tests.attack.inputs.damaged import templates

    if not chosen:
        return True
    needed = templates(folder / "templates", (CASES[place] for place in chosen))
    pool.starmap(_template, needed.items(), chunksize=1)
    found = []
    for answer in pool.imap_unordered(partial(_tried, folder), chosen):
        found.append(answer)
        if answer.fault:
            print(f"FAULT {answer.name}: {answer.fault}\n      {answer.spelled}", flush=True)
    kinds = Counter(answer.fault.partition(":")[0] for answer in found if answer.fault)
    print(f"\ninputs: {len(found)}, of which {sum(answer.refused for answer in found)} were refused")
    for kind in ("traceback", "accepted", "refused", "believed", "wrote", "unclear", "advice", "endless"):
        print(f"  {kind}: {kinds[kind]}")
    slowest = sorted(found, key=lambda answer: -answer.seconds)[:3]
    print(f"  slowest: {', '.join(f'{answer.name} {answer.seconds:.0f} s' for answer in slowest)}", flush=True)
    return not kinds


def _tried(folder: Path, place: int) -> object:
    import shutil

    from tests.attack.inputs.case import tried

    answer = tried(CASES[place], folder / f"input-{place}")
    shutil.rmtree(folder / f"input-{place}", ignore_errors=True)
    return answer


def _template(name: str, argv: list[str]) -> None:
    place = Path(argv[-1]).parent
    ended = children.Child(children.command(argv[0], argv[1:]), place).end(240)
    if ended.code != 0:
        raise RuntimeError(f"the run {name!r} that is to be damaged does not work: {ended.err[-1000:]}")


if __name__ == "__main__":
    sys.exit(main())
