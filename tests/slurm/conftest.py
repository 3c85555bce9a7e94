"""A Slurm for the tests of this folder: started once, and theirs by SLURM_CONF."""

import contextlib
import logging
import os
import time

import pytest

from tests.slurm.cluster import NEEDED, Cluster, missing
from tests.slurm.programs import ProgramTask
from tfal.sweep.folder import QUEUED, RUNNING, JobFolder
from tfal.sweep.job import Job, Resources
from tfal.sweep.slurm import queue, submit
from tfal.sweep.slurm.options import passed_through


@pytest.fixture(scope="session", autouse=True)
def _submitit():
    """submitit, imported so that it closes nothing.

    It sets logging up, which closes the handlers that are there, and absl's then closes what it writes to, unless that
    is sys.stderr. In a test that captures, sys.stderr is another one, and what closed would be pytest's own.
    """
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(ImportError):
        patch.setattr(logging, "shutdown", lambda handlers: None)
        import submitit  # noqa: F401


@pytest.fixture(scope="session")
def _slurm():
    if missing():
        pytest.skip(f"{NEEDED}; missing: {', '.join(missing())}")
    try:
        started = Cluster().__enter__()
    except RuntimeError as error:  # such as in a container that forbids what a daemon needs
        pytest.skip(str(error))
    yield started
    started.stop()


@pytest.fixture
def cluster(_slurm, monkeypatch):
    """A Slurm that runs; commands and functions in this process find it."""
    monkeypatch.setenv("SLURM_CONF", _slurm.environment["SLURM_CONF"])
    _slurm.resume()  # a test that failed leaves nothing to the next
    return _slurm


def until(met, seconds=400.0):
    """What met() gives, once that is true."""
    limit = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < limit, "it never came to that"
        time.sleep(0.05)
    return found


class Programs:
    """Jobs on the cluster, each a Python program in a folder of its own, `self.place`."""

    def __init__(self, folder: JobFolder, place) -> None:
        self.folder, self.place, self.jobs = folder, place, []

    def add(self, name, code, needs=(), **resources):
        """A job; its program may use `place`."""
        code = f"import os, pathlib, sys, time\nplace = pathlib.Path({str(self.place)!r})\n{code}"
        asked = Resources(**{"minutes": 5, **resources})
        self.jobs.append(Job(name * 12, f"job {name}", "all", (code,), tuple(n * 12 for n in needs), asked))
        return self.jobs[-1]

    def submit(self, *jobs, flags=(), **parameters):
        """Gives jobs to Slurm, all when none is named; what it says."""
        pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
        self.folder.plan(self.jobs)
        given = passed_through(
            None, None, [*flags, *(f"{name}={value}" for name, value in {"mem": "200M", **parameters}.items())]
        )
        return list(submit.submit(self.folder, jobs or self.jobs, given))

    def state(self, job):
        """What is known of a job."""
        return queue.states_with_queue(self.folder, self.jobs)[job.id]

    def ends(self):
        """Waits until no job is queued or runs; their states by name."""
        return until(self._ended)

    def _ended(self):
        found = queue.states_with_queue(self.folder, self.jobs)
        names = {job.title[-1]: found[job.id].name for job in self.jobs}
        return None if {QUEUED, RUNNING} & {*names.values()} else names

    def number(self, job):
        """Slurm's number of a job that is queued or runs."""
        return queue.live(self.folder)[job.id].number


@pytest.fixture
def programs(cluster, tmp_path, monkeypatch):
    """Jobs of programs that take no time but what they wait; all are cancelled at the end."""
    monkeypatch.setattr(submit, "Task", ProgramTask)
    os.makedirs(tmp_path / "place")
    made = Programs(JobFolder(tmp_path / "results"), tmp_path / "place")
    yield made
    for entry in queue.live(made.folder).values():
        cluster.call("scancel", entry.number)
    until(lambda: not queue.live(made.folder))
