"""One job of a sweep that was planned: python -m tfal.sweep.one RESULTS ID. Schedulers call it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tfal.command import Parser, run_command
from tfal.errors import InputError
from tfal.sweep.folder import DONE, STOPPED, JobFolder
from tfal.sweep.work import reason, work


def main(arguments: Sequence[str] | None = None, program: str = "python -m tfal.sweep.one") -> int:
    """Does the job; exit code 0 where it is done, 1 where it failed, 143 where it was asked to end."""

    def one() -> int:
        parser = Parser(description=(__doc__ or "").partition(":")[0])
        parser.add_argument("results", type=Path, help="the results folder of the sweep")
        parser.add_argument("id", help="of the job, as --dry-run shows it")
        given = parser.parse_args(arguments)
        folder = JobFolder(given.results)
        found = [job for job in folder.jobs() if job.id == given.id]
        if not found:
            raise InputError(f"{folder.path} has no job {given.id!r}. `tfal sweep MANIFEST --dry-run` lists them.")
        state = work(folder, found[0])
        if state.name == DONE:
            print(f"{found[0].title}: done. Log: {folder.log(given.id)}")
            return 0
        print(f"{program}: {found[0].title}: {reason(state, folder.last_line(given.id))}", file=sys.stderr)
        return 143 if state.name == STOPPED else 1

    return run_command(program, one)


if __name__ == "__main__":
    sys.exit(main())
