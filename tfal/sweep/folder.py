"""What came of jobs: `<results>/.sweep/` with all jobs, and for each a log, a state and a lock.

jobs.json          every job that was ever planned here
logs/ID.log        what its command wrote, one attempt after the other
states/ID.json     what came of the last attempt
locks/ID.lock      held as long as its command lives, whoever started it
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfal.errors import InputError
from tfal.files import inheritable_lock, is_held, make_folder, read_json, write_json
from tfal.sweep.job import Job

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
QUEUED = "queued"  # by a scheduler; no state of a folder
_MEND = "Remove it, and start the sweep again: finished runs are not trained again."
_LAST = 4096  # bytes of a log in which its last line is looked for


class State(NamedTuple):
    """What is known of a job. name: one of the five words. record: of the last attempt, {} before the first."""

    name: str
    record: Mapping[str, Any] = {}

    @property
    def seconds(self) -> float | None:
        """How long the attempts took that finished the job, or None."""
        return float(self.record["seconds"]) if self.name == DONE and "seconds" in self.record else None


class JobFolder:
    """The states of jobs below the folder of their results."""

    def __init__(self, results: Path) -> None:
        self.results, self.path = results, results / ".sweep"

    def jobs(self) -> list[Job]:
        """All jobs that were planned here. Raises InputError where their file is damaged."""
        path = self.path / "jobs.json"
        if not path.exists():
            return []
        content = read_json(path, _MEND)
        try:
            return [Job.of_json(given) for given in content["jobs"]]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error!r}). {_MEND}") from None

    def plan(self, jobs: Sequence[Job]) -> list[Job]:
        """Adds jobs to those that were planned here; returns the others of these.

        A job of the same id is replaced, and so is one whose results another job now makes.
        """
        left = self.others(jobs)
        for name in ("logs", "states", "locks"):
            make_folder(self.path / name)
        write_json(self.path / "jobs.json", {"jobs": [job.as_json() for job in (*jobs, *left)]})
        return left

    def others(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that were planned here, and are none of `jobs`."""
        ids, results = {job.id for job in jobs}, {job.results for job in jobs if job.results}
        return [job for job in self.jobs() if job.id not in ids and job.results not in results]

    def log(self, job: str) -> Path:
        """What the command of a job writes."""
        return self.path / "logs" / f"{job}.log"

    def last_line(self, job: str) -> str:
        """The last line in the log of a job that says something; "" where there is none."""
        try:
            with self.log(job).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _LAST))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @contextlib.contextmanager
    def claimed(self, job: str) -> Iterator[int | None]:
        """Holds the lock of a job; gives its descriptor, or None where another process has it."""
        with inheritable_lock(self._lock(job)) as descriptor:
            yield descriptor

    def state(self, job: Job, *, look_at_lock: bool = True) -> State:
        """What is known of a job. look_at_lock: not where this process holds it."""
        record = self.record(job.id)
        if look_at_lock and is_held(self._lock(job.id)):
            return State(RUNNING, record)
        if not record:
            return State(WAITING)
        if record.get("code") == 0:
            gone = job.results and not (self.results / job.results).exists()
            return State(WAITING) if gone else State(DONE, record)
        return State(STOPPED if record.get("stopped") or "code" not in record else FAILED, record)

    def record(self, job: str) -> Mapping[str, Any]:
        """What was noted of the last attempt of a job. {}: nothing, or not to be read; runs know how far they are."""
        path = self.path / "states" / f"{job}.json"
        if path.exists():
            with contextlib.suppress(InputError):
                return read_json(path, "")
        return {}

    def write_state(self, job: str, record: Mapping[str, Any]) -> None:
        """Replaces the record of a job."""
        write_json(self.path / "states" / f"{job}.json", record)

    def _lock(self, job: str) -> Path:
        return self.path / "locks" / f"{job}.lock"
