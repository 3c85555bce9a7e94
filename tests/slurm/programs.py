"""Jobs on the cluster whose command is a Python program, in place of a command of tfal that takes its time."""

from __future__ import annotations

import sys

from tfal.sweep import work
from tfal.sweep.slurm.task import Task


class ProgramTask(Task):
    """A job whose command is a program of Python."""

    def __call__(self) -> None:
        """Does it."""
        work.program = lambda job: [sys.executable, "-c", job.command[0]]
        super().__call__()
