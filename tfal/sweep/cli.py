"""The command line of sweeps: `tfal sweep MANIFEST.toml`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from tfal.command import Parser, run_command
from tfal.data.places import data_dirs
from tfal.errors import InputError
from tfal.files import check_writable, locked
from tfal.sweep import engines, status
from tfal.sweep.checks import faults
from tfal.sweep.expand import SingleRun, expand, some_of
from tfal.sweep.folder import DONE, JobFolder
from tfal.sweep.job import Job
from tfal.sweep.manifest import Manifest, read_manifest
from tfal.sweep.published import beside

_NAMED = 6  # jobs that one line names


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.sweep") -> int:
    """Runs what is left of a sweep, or says how far it is; returns the exit code: 0 once all jobs are done."""

    def work() -> int:
        given = _parser().parse_args(arguments)
        manifest = read_manifest(given.manifest, given.variant)
        folder = JobFolder(Path(given.resultsDir or Path("results") / manifest.name))
        every = expand(manifest, folder.results, data_dirs(given.dataDir))
        runs, planned = some_of(every, given.set, given.rep), [run.job for run in every]
        if given.dry_run or given.status:
            return _told(given, manifest, folder, planned, runs)
        return _done(given, manifest, folder, planned, runs)

    return run_command(program, work)


def _parser() -> Parser:
    parser = Parser(
        description="Runs every strategy, data set and repetition that a manifest names, each once.",
        epilog="The same command goes on from where it was stopped. docs/SWEEPS.md tells how to write a manifest.",
        allow_abbrev=False,
    )
    parser.add_argument("manifest", type=Path, help="a TOML file, such as reproduce/ldms_mnist.toml")
    parser.add_argument("--variant", metavar="NAME", help="a table of the manifest that changes others, such as small")
    parser.add_argument(
        "--set",
        metavar="NAME",
        action="append",
        default=[],
        help="only the set NAME of the manifest (default: all); may be given several times",
    )
    parser.add_argument(
        "--rep",
        metavar="N",
        type=int,
        action="append",
        default=[],
        help="only repetition N of all runs (default: all); may be given several times",
    )
    parser.add_argument("--resultsDir", metavar="DIR", help="folder of all results (default: results/<manifest>)")
    parser.add_argument(
        "--dataDir",
        metavar="[NAME=]DIR",
        action="append",
        default=[],
        help="folder with the data, of all runs or of the set or data set NAME; may be given several times",
    )
    engines.add_flags(parser)
    parser.add_argument("--dry-run", action="store_true", help="list all jobs, and how long the finished ones took")
    parser.add_argument("--status", action="store_true", help="say how far the jobs are, and what they said last")
    return parser


def _told(
    given: argparse.Namespace, manifest: Manifest, folder: JobFolder, planned: Sequence[Job], runs: Sequence[SingleRun]
) -> int:
    """--dry-run and --status: nothing is written. planned: jobs of all sets, also of those that are not asked for."""
    jobs = [run.job for run in runs]
    states, doubt = engines.looked_up(folder, jobs)
    _say_about(manifest, len(jobs) < len(planned))
    if doubt:
        print(doubt)
    if given.dry_run:
        print("\n".join(status.table(jobs, states)))
    print(status.overview(jobs, states))
    if given.status:
        _say([*status.details(folder, jobs, states), *beside(manifest, runs, folder.results)])
    _say_left(folder.others(planned))
    return 0


def _done(
    given: argparse.Namespace, manifest: Manifest, folder: JobFolder, planned: Sequence[Job], runs: Sequence[SingleRun]
) -> int:
    """Does what is left of the runs; all jobs are planned."""
    jobs = [run.job for run in runs]
    check_writable(folder.results)
    do = engines.engine(given, jobs)
    _check(runs, folder)
    busy = f"another sweep works in {folder.results}. Wait for it to end, or give another --resultsDir."
    with locked(folder.path / ".lock", busy):
        to = engines.said_on(given)
        _say_about(manifest, len(jobs) < len(planned), to)
        _say_left(folder.plan(planned), to)
        states = do(folder, jobs)
    if given.engine != "local":
        return 0
    _say(beside(manifest, runs, folder.results))
    return 0 if all(state.name == DONE for state in states.values()) else 1


def _check(runs: Sequence[SingleRun], folder: JobFolder) -> None:
    """Raises InputError, after a line for each fault, where runs that are not done cannot start."""
    found = list(faults([run for run in runs if folder.state(run.job).name != DONE]))
    for line in found[:-1]:
        print(f"error: {line}", file=sys.stderr)
    if found:
        raise InputError(
            found[-1] if len(found) == 1 else f"{found[-1]} ({len(found)} such lines: nothing was started.)"
        )


def _say(lines: Iterable[str]) -> None:
    print("".join(f"{line}\n" for line in lines), end="")


def _say_about(manifest: Manifest, part: bool, to: TextIO | None = None) -> None:
    """part: whether only some of its jobs are asked for."""
    known = [manifest.about, f"source: {manifest.source}" if manifest.source else ""]
    if manifest.gpu_hours is not None:
        known.append(f"about {manifest.gpu_hours:g} GPU hours{' for all of it' * part} (an estimate)")
    print(f"{manifest.name}: {'; '.join(part for part in known if part)}".rstrip(": "), file=to)


def _say_left(left: Sequence[Job], to: TextIO | None = None) -> None:
    if left:
        titles = [job.title for job in left[:_NAMED]] + ["..."] * (len(left) > _NAMED)
        print(f"No longer in the manifest, and kept ({len(left)}): {'; '.join(titles)}.", file=to)
