"""Several jobs on this machine: their order, what failed, and how many at a time."""

import pytest

from tfal.errors import InputError
from tfal.sweep import local
from tfal.sweep.folder import DONE, FAILED, STOPPED, WAITING
from tfal.sweep.job import Job, Resources
from tfal.sweep.levels import levels


def _run(folder, jobs, slots=({},)):
    told = []
    folder.plan(jobs)
    local.run(folder, jobs, slots, lambda job, state: told.append((job.title[-1], state.name)))
    return told


def test_jobs_wait_for_what_they_need(folder, job):
    jobs = [job("print(1)", "c", "ab"), job("print(1)", "b", "a"), job("print(1)", "a")]
    assert _run(folder, jobs) == [("a", DONE), ("b", DONE), ("c", DONE)]
    assert [[each.title[-1] for each in level] for level in levels(jobs)] == [["a"], ["b"], ["c"]]


def test_what_is_behind_a_failure_is_left_and_all_else_is_done(folder, job):
    jobs = [job("exit(3)", "a"), job("print(1)", "b", "a"), job("print(1)", "c")]
    assert sorted(_run(folder, jobs)) == [("a", FAILED), ("c", DONE)]
    assert folder.state(jobs[1]).name == WAITING


def test_a_need_that_is_done_already_is_no_obstacle(folder, job):
    assert _run(folder, [job("print(1)", "b", "a")]) == [("b", DONE)]


def test_two_at_a_time_meet(folder, job, tmp_path):
    """Each of two jobs waits for the other's file: they end only when both run."""
    code = "import pathlib, sys\npathlib.Path({0!r}).touch()\nwhile not pathlib.Path({1!r}).exists(): pass"
    first, second = str(tmp_path / "1"), str(tmp_path / "2")
    jobs = [job(code.format(first, second), "a"), job(code.format(second, first), "b")]
    assert sorted(_run(folder, jobs, ({}, {}))) == [("a", DONE), ("b", DONE)]


def test_each_process_has_a_slot_of_its_own(folder, job):
    jobs = [job("import os; print(os.environ['SLOT'])", name) for name in "abcd"]
    _run(folder, jobs, ({"SLOT": "0"}, {"SLOT": "1"}))
    assert {folder.last_line(each.id) for each in jobs} <= {"0", "1"}


def test_an_error_of_this_thread_ends_the_commands(folder, job):
    waits = job("import time; print('began', flush=True); time.sleep(600)", "a")
    short = job("print(1)", "b")
    folder.plan([waits, short])

    def tell(ended, state):
        while folder.last_line(waits.id) != "began":
            pass
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.run(folder, [waits, short], ({}, {}), tell)
    assert folder.state(waits).name == STOPPED


@pytest.mark.parametrize(("threads", "expected"), [(1, 4), (2, 2), (3, 1), (0, 1), (8, 1)])
def test_as_many_jobs_as_have_cores_of_their_own(monkeypatch, threads, expected):
    monkeypatch.setattr(local, "usable_cores", lambda: 4)
    monkeypatch.setattr(local, "_gpus", list)
    jobs = [Job("a" * 12, "a", "all", (), resources=Resources(threads=threads))]
    assert local.slots(jobs, None) == [{}] * expected
    assert local.slots(jobs, 3) == [{}] * 3


def test_as_many_jobs_as_have_memory(monkeypatch):
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    monkeypatch.setattr(local, "_gpus", list)
    monkeypatch.setattr(local, "_memory_gb", lambda: 10.0)
    assert len(local.slots([Job("a" * 12, "a", "all", (), resources=Resources(memory_gb=4))], None)) == 2
    assert len(local.slots([Job("a" * 12, "a", "all", (), resources=Resources(memory_gb=40))], None)) == 1


def test_a_job_for_each_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5")
    one, two = (Job("a" * 12, "a", "all", (), resources=Resources(gpus=n)) for n in (1, 2))
    assert local.slots([one], None) == [{"CUDA_VISIBLE_DEVICES": name} for name in ("2", "3", "5")]
    assert local.slots([two], None) == [{"CUDA_VISIBLE_DEVICES": "2,3"}]
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in local.slots([one], 4)] == ["2", "3", "5", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match=r"jobs need 1 GPU\. Received: a machine with 0"):
        local.slots([one], None)


def test_the_first_of_those_that_can_begin_comes_first(folder, job):
    jobs = [job("print(1)", "a"), job("print(1)", "b", "a"), job("print(1)", "c"), job("print(1)", "d")]
    assert [title for title, _ in _run(folder, jobs)] == ["a", "b", "c", "d"]
