"""Jobs as lines of a shell, for any scheduler that tfal does not know."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence

from tfal.sweep.folder import JobFolder
from tfal.sweep.job import Job
from tfal.sweep.levels import levels


def lines(folder: JobFolder, jobs: Sequence[Job]) -> Iterator[str]:
    """A command for each job, in groups: those of a group wait for all that stand above it, and for nothing else.

    Each of them may be given to another machine that sees the same folders; it keeps log and state like all engines.
    """
    for number, level in enumerate(levels(jobs)):
        when = "when all above are done" if number else "in any order, and at the same time"
        yield f"# {when}: {len(level)} job{'s' * (len(level) != 1)}"
        for job in level:
            words = [sys.executable, "-m", "tfal.sweep.one", str(folder.results.absolute()), job.id]
            yield f"{shlex.join(words)}  # {job.title}{_needs(job)}"


def _needs(job: Job) -> str:
    asked = job.resources
    told = [f"{asked.gpus} GPU" if asked.gpus else f"{asked.threads or 'all'} core{'s' * (asked.threads != 1)}"]
    told += [f"{asked.memory_gb:g} GB"] if asked.memory_gb else []
    told += [f"{asked.minutes:g} minute{'s' * (asked.minutes != 1)}"] if asked.minutes else []
    return f" ({', '.join(told)})"
