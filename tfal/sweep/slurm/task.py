"""What runs on a cluster: one job, again where it was requeued. Only submitit calls it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfal.sweep.folder import DONE, FAILED, JobFolder
from tfal.sweep.slurm.queue import ATTEMPT
from tfal.sweep.work import reason, work

_UNTIL_KILLED = 600.0  # seconds; what Slurm asks to end, it kills soon after
_LOOK = 1.0


class Task:
    """A job of a folder. Slurm's limit on its time is the one that holds, so that it can be requeued before it."""

    def __init__(self, results: Path, job: str, minutes: int) -> None:
        self.results, self.job, self.minutes = results, job, minutes

    def __call__(self) -> None:
        """Does the job; ends the process with exit code 1 where it failed."""
        print(f"{ATTEMPT}{self.job}", file=sys.stderr, flush=True)
        _remove_half_written(Path(os.environ["SUBMITIT_FOLDER"]))
        folder = JobFolder(self.results)
        job = next(job for job in folder.jobs() if job.id == self.job)
        unlimited = dataclasses.replace(job, resources=dataclasses.replace(job.resources, minutes=None))
        with self._said_where_it_ends(folder):
            state = work(folder, unlimited, about={"slurm": os.environ.get("SLURM_JOB_ID", "")})
        if state.name == FAILED:
            raise SystemExit(f"{job.title}: {reason(state, folder.last_line(job.id))}")
        if state.name != DONE:
            self._wait_until_killed()

    def checkpoint(self) -> Any:
        """What runs after the job was requeued: the same, as runs know how far they are."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    __submitit_checkpoint__ = checkpoint

    @contextlib.contextmanager
    def _said_where_it_ends(self, folder: JobFolder) -> Iterator[None]:
        """A job that its time limit ended too often, or that cannot be requeued, has failed, and its state says so."""
        from submitit.core.utils import UncompletedJobError

        try:
            yield
        except UncompletedJobError:
            self._fail(folder, {"over_time": self.minutes})
            raise
        except Exception as error:  # such as an answer of scontrol
            self._fail(folder, {"because": f"Slurm did not requeue it: {error}"})
            raise

    def _fail(self, folder: JobFolder, why: dict[str, Any]) -> None:
        folder.write_state(self.job, {**folder.record(self.job), "code": 1, **why})

    @staticmethod
    def _wait_until_killed() -> None:
        """Slurm asked the command to end. A job that ends by itself before it is preempted would not be requeued."""
        until = time.monotonic() + _UNTIL_KILLED
        while time.monotonic() < until:
            time.sleep(_LOOK)
        raise SystemExit("asked to end, and not killed")


def _remove_half_written(folder: Path) -> None:
    """What a kill in the middle of a requeue left: submitit would refuse to write it again."""
    from submitit import JobEnvironment

    for path in folder.glob(f"{JobEnvironment().job_id}_*.save_tmp"):
        path.unlink(missing_ok=True)
