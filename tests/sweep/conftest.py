"""Jobs that take no time: programs of a line or two in place of commands of tfal."""

import sys

import pytest

from tfal.sweep import work
from tfal.sweep.folder import JobFolder
from tfal.sweep.job import Job, Resources


@pytest.fixture
def folder(tmp_path):
    return JobFolder(tmp_path / "results")


@pytest.fixture
def job(monkeypatch):
    """Makes jobs whose command is a Python program."""
    monkeypatch.setattr(work, "program", lambda job: [sys.executable, "-c", job.command[0]])

    def make(code, name="a", needs=(), **resources):
        return Job(name * 12, f"job {name}", "all", (code,), tuple(n * 12 for n in needs), Resources(**resources))

    return make
