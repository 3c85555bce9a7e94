"""A Slurm for the tests of this folder: started once, and theirs by SLURM_CONF."""

import pytest

from tests.slurm.cluster import NEEDED, Cluster, missing


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
    return _slurm
