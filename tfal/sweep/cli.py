"""The command line of sweeps: `tfal sweep MANIFEST.toml`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.files import check_writable, locked
from tfal.sweep import commands, local, status
from tfal.sweep.checks import faults
from tfal.sweep.expand import SingleRun, expand
from tfal.sweep.folder import DONE, FAILED, JobFolder, State
from tfal.sweep.job import Job
from tfal.sweep.manifest import Manifest, read_manifest
from tfal.sweep.published import beside
from tfal.sweep.slurm import submit
from tfal.sweep.slurm.options import passed_through
from tfal.sweep.slurm.queue import states_with_queue

_ENGINES = ("local", "slurm", "print")
_NAMED = 6  # jobs that one line names


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.sweep") -> int:
    """Runs what is left of a sweep, or says how far it is; returns the exit code: 0 once all jobs are done."""

    def work() -> int:
        given = _parser().parse_args(arguments)
        manifest = read_manifest(given.manifest, given.variant)
        folder = JobFolder(Path(given.resultsDir or Path("results") / manifest.name))
        runs = expand(manifest, folder.results, _data_dirs(given.dataDir))
        jobs = [run.job for run in runs]
        if given.dry_run or given.status:
            return _told(given, manifest, folder, jobs, runs)
        return _done(given, manifest, folder, jobs, runs)

    return run_command(program, work)


def _parser() -> Parser:
    parser = Parser(
        description="Runs every strategy, data set and repetition that a manifest names, each once.",
        epilog="The same command goes on from where it was stopped. docs/SWEEPS.md tells how to write a manifest.",
        allow_abbrev=False,
    )
    parser.add_argument("manifest", type=Path, help="a TOML file, such as reproduce/ldms_mnist.toml")
    parser.add_argument("--variant", metavar="NAME", help="a table of the manifest that changes others, such as small")
    parser.add_argument("--resultsDir", metavar="DIR", help="folder of all results (default: results/<manifest>)")
    parser.add_argument(
        "--dataDir",
        metavar="[NAME=]DIR",
        action="append",
        default=[],
        help="folder with the data, of all runs or of the set or data set NAME; may be given several times",
    )
    parser.add_argument("--engine", choices=_ENGINES, default="local", help="where jobs run (default: local)")
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
    parser.add_argument("--dry-run", action="store_true", help="list all jobs, and how long the finished ones took")
    parser.add_argument("--status", action="store_true", help="say how far the jobs are, and what they said last")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1. Received: {text!r}")
    return int(text)


def _data_dirs(given: Sequence[str]) -> dict[str, str]:
    """Folders by the name of a set or data set; "" for all others."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, where = text.rpartition("=") if not Path(text).exists() else ("", "", text)
        if name in found:
            raise InputError(f"--dataDir is given twice for {name or 'all runs'}. Received: {text!r}. Leave one out.")
        found[name] = str(Path(where if equals else text).absolute())
    return found


def _told(
    given: argparse.Namespace, manifest: Manifest, folder: JobFolder, jobs: Sequence[Job], runs: Sequence[SingleRun]
) -> int:
    """--dry-run and --status: nothing is written."""
    states, doubt = _looked_up(folder, jobs)
    _say_about(manifest)
    if doubt:
        print(doubt)
    if given.dry_run:
        print("\n".join(status.table(jobs, states)))
    print(status.overview(jobs, states))
    if given.status:
        print("\n".join([*status.details(folder, jobs, states), *beside(manifest, runs, folder.results)]))
    _say_left(folder.others(jobs))
    return 0


def _done(
    given: argparse.Namespace, manifest: Manifest, folder: JobFolder, jobs: Sequence[Job], runs: Sequence[SingleRun]
) -> int:
    """Does what is left."""
    check_writable(folder.results)
    slots = local.slots(jobs, given.workers) if given.engine == "local" else []
    asked = _asked_of_slurm(given)
    if given.engine == "slurm":
        submit.check(jobs, asked)
    _check(runs, folder)
    busy = f"another sweep works in {folder.results}. Wait for it to end, or give another --resultsDir."
    to = sys.stderr if given.engine == "print" else sys.stdout  # there, only commands
    with locked(folder.path / ".lock", busy):
        _say_about(manifest, to)
        _say_left(folder.plan(jobs), to)
        states = (states_with_queue if given.engine == "slurm" else _states)(folder, jobs)
        left = _left(jobs, states, given.retry_failed)
        print(status.overview(jobs, states), file=to, flush=True)
        if given.engine == "slurm":
            return _submitted(folder, jobs, left, asked)
        if given.engine == "print":
            print("\n".join(commands.lines(folder, left)))
            return 0
        local.run(folder, left, slots, lambda job, state: _tell(folder, jobs, job, state, len(slots)))
    states = _states(folder, jobs)
    print("\n".join([status.overview(jobs, states), *status.details(folder, jobs, states)]))
    print("\n".join(beside(manifest, runs, folder.results)), end="")
    return 0 if all(state.name == DONE for state in states.values()) else 1


def _states(folder: JobFolder, jobs: Sequence[Job]) -> dict[str, State]:
    return {job.id: folder.state(job) for job in jobs}


def _looked_up(folder: JobFolder, jobs: Sequence[Job]) -> tuple[dict[str, State], str]:
    """The states, with what a scheduler knows; and a line where it does not answer."""
    try:
        return states_with_queue(folder, jobs), ""
    except InputError as error:
        return _states(folder, jobs), f"Jobs in a queue count as waiting here: {error}"


def _asked_of_slurm(given: argparse.Namespace) -> dict[str, Any]:
    """What the command line passes through. Raises InputError for another engine's."""
    asked = passed_through(given.partition, given.account, given.slurm)
    if asked and given.engine != "slurm":
        raise InputError("--partition, --account and --slurm go with --engine slurm. Add it, or leave them out.")
    if given.workers and given.engine == "slurm":
        asked.setdefault("array_parallelism", given.workers)
    return asked


def _submitted(folder: JobFolder, jobs: Sequence[Job], left: Sequence[Job], asked: Mapping[str, Any]) -> int:
    """Gives Slurm what is left and not in its queue."""
    for line in submit.submit(folder, left, asked):
        print(line, flush=True)
    states = states_with_queue(folder, jobs)
    print("\n".join([status.overview(jobs, states), *status.details(folder, jobs, states)]))
    print("The same command with --status tells how far they are.")
    return 0


def _check(runs: Sequence[SingleRun], folder: JobFolder) -> None:
    """Raises InputError, after a line for each fault, where runs that are not done cannot start."""
    found = list(faults([run for run in runs if folder.state(run.job).name != DONE]))
    for line in found[:-1]:
        print(f"error: {line}", file=sys.stderr)
    if found:
        raise InputError(
            found[-1] if len(found) == 1 else f"{found[-1]} ({len(found)} such lines: nothing was started.)"
        )


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


def _say_about(manifest: Manifest, to: TextIO | None = None) -> None:
    known = [manifest.about, f"source: {manifest.source}" if manifest.source else ""]
    if manifest.gpu_hours is not None:
        known.append(f"about {manifest.gpu_hours:g} GPU hours (an estimate)")
    print(f"{manifest.name}: {'; '.join(part for part in known if part)}".rstrip(": "), file=to)


def _say_left(left: Sequence[Job], to: TextIO | None = None) -> None:
    if left:
        titles = [job.title for job in left[:_NAMED]] + ["..."] * (len(left) > _NAMED)
        print(f"No longer in the manifest, and kept: {len(left)}, {'; '.join(titles)}.", file=to)
