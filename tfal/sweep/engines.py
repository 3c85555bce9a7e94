"""Which engine does jobs, as a command line says it: the flags that commands share, and what they mean."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from tfal.errors import InputError
from tfal.sweep import commands, local, status
from tfal.sweep.folder import DONE, FAILED, JobFolder, State
from tfal.sweep.job import Job
from tfal.sweep.slurm import submit
from tfal.sweep.slurm.options import passed_through
from tfal.sweep.slurm.queue import states_with_queue

ENGINES = ("local", "slurm", "print")
States = dict[str, State]
Do = Callable[[JobFolder, Sequence[Job]], States]


def add_flags(parser: argparse._ActionsContainer) -> None:
    """--engine and what goes with it."""
    parser.add_argument("--engine", choices=ENGINES, default="local", help="where jobs run (default: local)")
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="jobs at a time on this machine (default: one for each GPU, or as many as its cores can do), or of each "
        "array of Slurm",
    )
    parser.add_argument("--partition", metavar="NAME", help="of Slurm, where jobs run (default: the cluster's)")
    parser.add_argument("--account", metavar="NAME", help="of Slurm, which pays for them (default: yours)")
    parser.add_argument(
        "--slurm",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other parameter of sbatch, such as time=MINUTES or qos=NAME; may be given several times",
    )
    parser.add_argument("--retry-failed", action="store_true", help="do failed jobs again, too")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1. Received: {text!r}")
    return int(text)


def engine(given: argparse.Namespace, jobs: Sequence[Job]) -> Do:
    """What does, or gives away, all jobs of a folder that are left, as the flags say, and returns the states of all.

    Raises InputError, before anything is written, where it could not, or would not look at a flag.
    """
    asked = _asked_of_slurm(given)
    if given.engine == "slurm":
        submit.check(jobs, asked)
        return lambda folder, jobs: _submitted(folder, jobs, given.retry_failed, asked)
    if given.engine == "print":
        if given.workers:
            raise InputError(
                "--workers: --engine print starts no jobs, so what runs its commands says how many at a time. "
                "Leave it out."
            )
        return lambda folder, jobs: _printed(folder, jobs, given.retry_failed, said_on(given))
    slots = local.slots(jobs, given.workers)
    return lambda folder, jobs: _done(folder, jobs, given.retry_failed, slots)


def said_on(given: argparse.Namespace) -> TextIO:
    """Where a command says what it does: with --engine print, stdout has nothing but commands."""
    return sys.stderr if given.engine == "print" else sys.stdout


def looked_up(folder: JobFolder, jobs: Sequence[Job]) -> tuple[States, str]:
    """The states, with what a scheduler knows; and a line where it does not answer."""
    try:
        return states_with_queue(folder, jobs), ""
    except InputError as error:
        return _states(folder, jobs), f"Jobs in a queue count as waiting here: {error}"


def _done(folder: JobFolder, jobs: Sequence[Job], retry: bool, slots: Sequence[Mapping[str, str]]) -> States:
    states = _states(folder, jobs)
    print(status.overview(jobs, states, len(slots)), flush=True)
    left = _left(jobs, states, retry)
    local.run(folder, left, slots, lambda job, state: _tell(folder, jobs, job, state, len(slots)))
    return _summed_up(folder, jobs, _states(folder, jobs))


def _submitted(folder: JobFolder, jobs: Sequence[Job], retry: bool, asked: Mapping[str, Any]) -> States:
    """Gives Slurm what is left and not in its queue."""
    states = states_with_queue(folder, jobs)
    print(status.overview(jobs, states), flush=True)
    for line in submit.submit(folder, _left(jobs, states, retry), asked):
        print(line, flush=True)
    states = _summed_up(folder, jobs, states_with_queue(folder, jobs))
    print("The same command with --status tells how far they are.")
    return states


def _printed(folder: JobFolder, jobs: Sequence[Job], retry: bool, to: TextIO) -> States:
    states = _states(folder, jobs)
    print(status.overview(jobs, states), file=to, flush=True)
    print("\n".join(commands.lines(folder, _left(jobs, states, retry))))
    return states


def _summed_up(folder: JobFolder, jobs: Sequence[Job], states: States) -> States:
    print("\n".join([status.overview(jobs, states), *status.details(folder, jobs, states)]))
    return states


def _asked_of_slurm(given: argparse.Namespace) -> dict[str, Any]:
    """What the command line passes through. Raises InputError for another engine's."""
    asked = passed_through(given.partition, given.account, given.slurm)
    if asked and given.engine != "slurm":
        raise InputError("--partition, --account and --slurm go with --engine slurm. Add it, or leave them out.")
    if given.workers and given.engine == "slurm":
        asked.setdefault("array_parallelism", given.workers)
    return asked


def _states(folder: JobFolder, jobs: Sequence[Job]) -> States:
    return {job.id: folder.state(job) for job in jobs}


def _left(jobs: Sequence[Job], states: Mapping[str, State], retry_failed: bool) -> list[Job]:
    """What is to be done now: not what is done, or failed, or needs what failed, unless that is tried again."""
    blocked: set[str] = set() if retry_failed else {job.id for job in jobs if states[job.id].name == FAILED}
    while more := {job.id for job in jobs if blocked & {*job.needs}} - blocked:
        blocked |= more
    return [job for job in jobs if states[job.id].name != DONE and job.id not in blocked]


def _tell(folder: JobFolder, jobs: Sequence[Job], job: Job, state: State, at_a_time: int) -> None:
    """A job ended: what came of it, and how far all are."""
    states = _states(folder, jobs)
    seconds = status.duration(state.record.get("seconds", 0.0))
    ended = {DONE: f"done in {seconds}"}.get(state.name, "; ".join(status.details(folder, [job], states)))
    print(f"{job.title}: {ended}. {status.overview(jobs, states, at_a_time)}", flush=True)
