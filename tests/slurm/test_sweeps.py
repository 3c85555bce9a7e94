"""`tfal sweep --engine slurm`: the digits on a real Slurm, and what is refused before anything is written."""

import socket
import sys

import pytest

from tests.attack.scenarios import contents, differences
from tests.slurm.conftest import until
from tfal.__main__ import main
from tfal.sweep.folder import QUEUED, JobFolder
from tfal.sweep.slurm import queue

_MANIFEST = """
[base]
protocol = "digits"
network = "MLP"
n_epoch = 1
n_step = 3
n_pool = 60
n_query = 5
n_valid = 20

[grid]
strategy = ["margin", "random"]
rep = 1

[resources]
minutes = 5
"""
_FLAGS = "--network MLP --nEpoch 1 --nStep 3 --nPool 60 --nQuery 5 --nValid 20 --strategy margin,random --nRep 1"


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.toml"
    path.write_text(_MANIFEST)
    return path


def _sweep(*options):
    return main(["sweep", "m.toml", *options])


def test_digits_as_an_array_with_a_preemption_and_daemons_that_are_killed(manifest, cluster, nursery, tmp_path, capsys):
    pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
    assert _sweep("--engine", "slurm", "--slurm", "mem=1500M") == 0
    assert "Slurm job" in capsys.readouterr().out
    folder = JobFolder(tmp_path / "results" / "m")
    jobs = folder.jobs()
    until(lambda: all((folder.results / job.results).exists() for job in jobs))
    numbers = [entry.number for entry in queue.live(folder).values()]
    for number in numbers:  # in the middle of its run, wherever that is; Slurm wakes what it ends
        cluster.call("scancel", "--signal=STOP", number)
    urgent = cluster.call("sbatch", "--parsable", "--partition=urgent", "--mem=100", "--wrap=true").strip()
    until(lambda: QUEUED in {state.name for state in queue.states_with_queue(folder, jobs).values()})
    assert _sweep("--engine", "slurm", "--slurm", "mem=1500M") == 0
    assert "Slurm job" not in capsys.readouterr().out
    cluster.write_down()
    for name in ("slurmctld", "slurmd"):
        cluster.kill(name)
        cluster.start(name)
    cluster.wait_for_node()
    for number in numbers:
        cluster.call("scancel", "--signal=CONT", number)
    assert _sweep("--engine", "slurm", "--slurm", "mem=1500M") == 0  # what a controller forgot that was killed
    until(lambda: not queue.live(folder) and urgent not in cluster.call("squeue", "--noheader", "--format=%i"))
    assert _sweep("--status") == 0
    assert "2 jobs: 2 done" in capsys.readouterr().out
    assert max(folder.record(job.id)["attempt"] for job in jobs) > 1
    flags = [*_FLAGS.split(), "--threads", "1", "--resultsDir", str(tmp_path / "whole")]
    whole = nursery.run(tmp_path, "run_digits.py", *flags)
    assert whole.code == 0, whole.err
    found = (contents(place / "digits_MLP") for place in (folder.results, tmp_path / "whole"))
    assert differences(*found) == []


def _refused(capsys, *options):
    """What an engine says that cannot be had."""
    code = _sweep("--engine", "slurm", *options)
    said = capsys.readouterr().err.splitlines()
    assert (code, len(said)) == (2, 1), said
    return said[0]


@pytest.fixture
def untouched(manifest):
    yield
    assert [path.name for path in manifest.parent.iterdir()] == ["m.toml"]


def test_no_submitit(untouched, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert "needs submitit: pip install" in _refused(capsys)


def test_no_cluster(untouched, monkeypatch, capsys):
    pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "this is no machine of a Slurm cluster" in _refused(capsys)


def test_a_controller_that_does_not_answer(untouched, cluster, monkeypatch, tmp_path_factory, capsys):
    pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lines = (cluster.folder / "slurm.conf").read_text().splitlines()
    path = tmp_path_factory.mktemp("conf") / "slurm.conf"
    path.write_text("\n".join([line for line in lines if "SlurmctldPort" not in line] + [f"SlurmctldPort={port}", ""]))
    monkeypatch.setenv("SLURM_CONF", str(path))
    assert "Slurm does not answer" in _refused(capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--partition", "nope"], "nvalid partition"),
        (["--slurm", "mem=900G"], "Slurm refuses jobs with"),
        (["--slurm", "qoss=high"], "unrecognized option"),
        (["--slurm", "array=1-3"], "is set by tfal"),
    ],
)
def test_what_slurm_would_not_take(untouched, cluster, capsys, options, said):
    pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
    assert said in _refused(capsys, *options)


def test_no_time_limit(untouched, cluster, manifest, capsys):
    pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
    manifest.write_text(_MANIFEST.replace("minutes = 5", ""))
    assert "--slurm time=MINUTES" in _refused(capsys)


def test_parameters_of_slurm_for_another_engine(untouched, capsys):
    assert _sweep("--partition", "long") == 2
    assert "go with --engine slurm" in capsys.readouterr().err
