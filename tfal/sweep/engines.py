"""Which engine does jobs, as a command line says it: the flags that commands share, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from tfal.sweep import commands, local, status
from tfal.sweep.folder import DONE, FAILED, JobFolder, State
from tfal.sweep.job import Job

ENGINES = ("local", "print")
Do = Callable[[JobFolder, Sequence[Job]], dict[str, State]]


def add_flags(parser: argparse._ActionsContainer) -> None:
    """--engine and what goes with it."""
    parser.add_argument("--engine", choices=ENGINES, default="local", help="where jobs run (default: local)")
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="jobs at a time on this machine (default: one for each GPU, or as many as its cores can do)",
    )
    parser.add_argument("--retry-failed", action="store_true", help="do failed jobs again, too")


def engine(given: argparse.Namespace, jobs: Sequence[Job]) -> Do:
    """What does all jobs of a folder that are left, as the flags say, and returns the states of all.

    Raises InputError, before anything is written, where it could not.
    """
    slots = local.slots(jobs, given.workers) if given.engine == "local" else []

    def do(folder: JobFolder, jobs: Sequence[Job]) -> dict[str, State]:
        states = _states(folder, jobs)
        left = _left(jobs, states, given.retry_failed)
        print(status.overview(jobs, states), flush=True)
        if given.engine == "print":
            print("\n".join(commands.lines(folder, left)))
            return states
        local.run(folder, left, slots, lambda job, state: _tell(folder, jobs, job, state))
        states = _states(folder, jobs)
        print("\n".join([status.overview(jobs, states), *status.details(folder, jobs, states)]))
        return states

    return do


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1. Received: {text!r}")
    return int(text)


def _states(folder: JobFolder, jobs: Sequence[Job]) -> dict[str, State]:
    return {job.id: folder.state(job) for job in jobs}


def _left(jobs: Sequence[Job], states: Mapping[str, State], retry_failed: bool) -> list[Job]:
    """What is to be done now: not what is done, or failed, or needs what failed, unless that is tried again."""
    blocked: set[str] = set() if retry_failed else {job.id for job in jobs if states[job.id].name == FAILED}
    while more := {job.id for job in jobs if blocked & {*job.needs}} - blocked:
        blocked |= more
    return [job for job in jobs if states[job.id].name != DONE and job.id not in blocked]


def _tell(folder: JobFolder, jobs: Sequence[Job], job: Job, state: State) -> None:
    """A job ended: what came of it, and how far all are."""
    states = _states(folder, jobs)
    seconds = status.duration(state.record.get("seconds", 0.0))
    ended = {DONE: f"done in {seconds}"}.get(state.name, "; ".join(status.details(folder, [job], states)))
    print(f"{job.title}: {ended}. {status.overview(jobs, states)}", flush=True)
