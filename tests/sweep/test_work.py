"""One job: its state, its log, its lock, and how it ends."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading

from tfal.sweep import status
from tfal.sweep.folder import DONE, FAILED, RUNNING, STOPPED, WAITING
from tfal.sweep.job import Job
from tfal.sweep.status import details
from tfal.sweep.work import program, reason, work

_WAITS = "import time; print('began', flush=True); time.sleep(600)"


def _worked(folder, job, **options):
    folder.plan([job])
    return work(folder, job, **options)


def test_a_job_is_done_once(folder, job, tmp_path):
    one = job(f"open({str(tmp_path / 'made')!r}, 'a').write('x'); print('said')")
    assert folder.state(one).name == WAITING
    assert _worked(folder, one).name == DONE
    assert work(folder, one).name == DONE
    assert (tmp_path / "made").read_text() == "x"
    assert folder.log(one.id).read_text().splitlines()[1:] == ["said"]
    record = folder.state(one).record
    assert (record["code"], record["attempt"]) == (0, 1)
    assert folder.state(one).seconds > 0


def test_a_job_whose_results_are_gone_is_done_again(folder, job):
    one = dataclasses.replace(job("import pathlib; pathlib.Path('there').touch()"), results="there")
    assert _worked(folder, one).name == WAITING  # it wrote no such file below the results
    (folder.results / "there").touch()
    assert folder.state(one).name == DONE
    os.unlink("there")


def test_a_job_that_fails_says_why(folder, job):
    one = job("import sys; print('tfal run: error: no such file.', file=sys.stderr); sys.exit(2)")
    state = _worked(folder, one)
    assert state.name == FAILED
    assert reason(state, folder.last_line(one.id)) == "tfal run: error: no such file."
    (line,) = details(folder, [one], {one.id: state})
    assert line.startswith("failed   job a: tfal run: error: no such file.   log: ")
    assert work(folder, one).record["attempt"] == 2
    assert folder.log(one.id).read_text().count("=== attempt") == 2


def test_a_job_that_is_killed_says_so(folder, job):
    state = _worked(folder, job("import os; print('round 3', flush=True); os.kill(os.getpid(), 9)"))
    assert state.name == FAILED
    assert reason(state, folder.last_line("a" * 12)) == (
        "killed by SIGKILL, as a system does where memory is short; it said last: round 3"
    )


def test_a_job_over_its_time_is_ended(folder, job):
    state = _worked(folder, job(_WAITS, minutes=0.001))
    assert state.name == FAILED
    assert reason(state, "began") == "ended after its limit of 0.001 minutes"


def test_a_job_that_is_stopped_goes_on_the_next_time(folder, job):
    stop = threading.Event()
    one = job(_WAITS)
    folder.plan([one])
    thread = threading.Thread(target=work, args=(folder, one), kwargs={"stop": stop})
    thread.start()
    while folder.last_line(one.id) != "began":
        assert thread.is_alive()
    assert folder.state(one).name == RUNNING
    stop.set()
    thread.join()
    assert folder.state(one).name == STOPPED
    assert _worked(folder, dataclasses.replace(one, command=("print(1)",))).name == DONE


def test_a_run_that_was_terminated_in_order_counts_as_stopped(folder, job):
    assert _worked(folder, job(f"import sys; sys.exit({128 + signal.SIGTERM})")).name == STOPPED


def test_a_command_holds_its_lock_when_the_sweep_is_killed(folder, job, tmp_path):
    """The worker is killed, its command lives on: nobody else begins the job until that has ended."""
    folder.plan([job("")])
    waits = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys, pathlib\nfrom tfal.sweep import work\nfrom tfal.sweep.folder import JobFolder\n"
            f"work.program = lambda job: [sys.executable, '-c', {waits!r}]\n"
            f"folder = JobFolder(pathlib.Path({str(folder.results)!r}))\nwork.work(folder, folder.jobs()[0])",
        ]
    )
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        assert parent.poll() is None
    parent.kill()
    parent.wait()
    (one,) = folder.jobs()
    assert folder.state(one).name == RUNNING
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(folder, job("print('mine')")), kwargs={"stop": stop})
    thread.start()
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    thread.join()
    assert folder.state(one).name == DONE
    assert folder.last_line(one.id) == "mine"


def test_the_environment_of_a_slot(folder, job):
    state = _worked(
        folder, job("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"), environment={"CUDA_VISIBLE_DEVICES": "7"}
    )
    assert state.name == DONE
    assert folder.last_line("a" * 12) == "7"


def test_a_command_of_tfal_is_this_tfal(folder):
    version = Job("b" * 12, "version", "all", ("--version",))
    assert program(version)[1:] == ["-m", "tfal", "--version"]
    assert _worked(folder, version).name == DONE
    assert folder.last_line(version.id).startswith("tfal ")


def test_a_damaged_state_is_as_good_as_none(folder, job):
    one = job("print(1)")
    assert _worked(folder, one).name == DONE
    (folder.path / "states" / f"{one.id}.json").write_text("{")
    assert folder.state(one).name == WAITING


def test_time_of_a_running_job(folder, job, monkeypatch):
    monkeypatch.setattr(status.time, "time", lambda: 1000.0)
    one = job("print(1)")
    folder.plan([one])
    with folder.claimed(one.id) as descriptor:
        assert descriptor is not None
        with folder.claimed(one.id) as second:
            assert second is None
        folder.write_state(one.id, {"began": 875.0})
        (line,) = details(folder, [one], {one.id: folder.state(one)})
        assert line.startswith("running  job a, for 2 min 5 s:")
