"""Jobs on a real Slurm: arrays, what they wait for, and every way to end."""

import json

from tests.slurm.conftest import until
from tfal.sweep.folder import DONE, FAILED, QUEUED, RUNNING, STOPPED, WAITING
from tfal.sweep.slurm import queue
from tfal.sweep.status import details

_WAITS = "(place / 'began').touch()\nwhile not (place / 'go').exists(): time.sleep(0.05)"
_NOTES = "with (place / 'order').open('a') as file: file.write({!r})\n"


def _details(programs):
    return details(programs.folder, programs.jobs, queue.states_with_queue(programs.folder, programs.jobs))


def test_jobs_that_ask_for_the_same_are_one_array(programs):
    for name in "abc":
        programs.add(name, f"print('I am {name}')")
    big = programs.add(
        "d", "print(os.environ['SLURM_CPUS_PER_TASK'], os.environ['CUDA_VISIBLE_DEVICES'])", gpus=1, threads=2
    )
    assert len(programs.submit()) == 2
    assert programs.ends() == dict.fromkeys("abcd", DONE)
    assert {programs.folder.last_line(job.id) for job in programs.jobs[:3]} == {"I am a", "I am b", "I am c"}
    assert programs.folder.last_line(big.id) == "2 0"
    arrays = queue.arrays(programs.folder)
    assert [array.jobs for array in arrays] == [("a" * 12, "b" * 12, "c" * 12), ("d" * 12,)]
    assert len({programs.folder.record(job.id)["slurm"] for job in programs.jobs}) == 4


def test_what_is_queued_or_runs_is_not_submitted_again(programs):
    runs, waits = programs.add("a", _WAITS, threads=2), programs.add("b", "", threads=2)
    programs.submit()
    until((programs.place / "began").exists)
    assert programs.state(runs).name == RUNNING
    assert programs.state(waits).name == QUEUED
    assert programs.submit() == []
    (programs.place / "go").touch()
    assert programs.ends() == {"a": DONE, "b": DONE}


def test_a_submission_that_was_not_noted_to_its_end_is_found(programs):
    """As after a kill right behind sbatch: Slurm's number is in no file, and the job is not submitted twice."""
    job = programs.add("a", _WAITS)
    programs.submit()
    (note,) = programs.folder.path.glob("slurm/*/array.json")
    note.write_text(json.dumps({"jobs": [job.id]}))
    assert programs.submit() == []
    (programs.place / "go").touch()
    assert programs.ends() == {"a": DONE}


def test_jobs_wait_for_those_that_they_need(programs):
    programs.add("c", _NOTES.format("c"), "ab")
    programs.add("b", _NOTES.format("b"), "a")
    programs.add("a", _WAITS + "\n" + _NOTES.format("a"))
    assert len(programs.submit()) == 3
    until((programs.place / "began").exists)
    assert [programs.state(job).name for job in programs.jobs] == [QUEUED, QUEUED, RUNNING]
    (programs.place / "go").touch()
    assert programs.ends() == dict.fromkeys("abc", DONE)
    assert (programs.place / "order").read_text() == "abc"


def test_a_need_that_was_submitted_before_is_waited_for(programs):
    needed = programs.add("a", _WAITS + "\n" + _NOTES.format("a"))
    programs.submit()
    programs.add("b", _NOTES.format("b"), "a")
    (said,) = programs.submit()
    assert "after 1 other" in said
    assert programs.state(needed).name in (QUEUED, RUNNING)
    (programs.place / "go").touch()
    assert programs.ends() == {"a": DONE, "b": DONE}
    assert (programs.place / "order").read_text() == "ab"


def test_a_failed_job_is_retried_and_what_waited_for_it_follows(programs):
    once = "if not (place / 'tried').exists():\n    (place / 'tried').touch()\n    sys.exit('no such disk')"
    failed, behind = programs.add("a", once), programs.add("b", "", "a")
    programs.submit()
    assert programs.ends() == {"a": FAILED, "b": WAITING}
    told, waiting = _details(programs)
    assert told.startswith("failed   job a: no such disk   log: ")
    assert waiting == "waiting  job b: it needs job a, which failed"
    programs.submit(failed, behind)
    assert programs.ends() == {"a": DONE, "b": DONE}
    assert programs.folder.record(failed.id)["attempt"] == 2


def test_preempted_requeued_and_done(programs, cluster):
    code = _WAITS + "\nprint('ended')"
    job = programs.add("a", code)
    programs.submit()
    until((programs.place / "began").exists)
    urgent = ("sbatch", "--parsable", "--partition=urgent", "--exclusive", "--output=/dev/null", "--mem=100")
    other = cluster.call(*urgent, f"--wrap=until [ -e {programs.place}/over ]; do sleep 0.05; done").strip()
    until(lambda: programs.state(job).name == QUEUED)
    (line,) = _details(programs)
    assert line == "queued   job a, again: preempted; it goes on from there"
    assert programs.submit() == []
    for name in ("go", "over"):
        (programs.place / name).touch()
    assert programs.ends() == {"a": DONE}
    assert programs.folder.record(job.id)["attempt"] == 2
    until(lambda: other not in cluster.call("squeue", "--noheader", "--format=%i"))


def test_a_job_over_its_time_is_requeued_as_often_as_asked_and_says_so(programs, cluster):
    """Slurm's own warning before the limit, sent by hand; the limit itself is in python -m tests.attack.slurm."""
    job = programs.add("a", "with (place / 'began').open('a') as file: file.write('x')\ntime.sleep(600)", minutes=7.5)
    programs.submit(max_num_timeout=1)
    for times in ("x", "xx"):
        until(
            lambda times=times: (programs.place / "began").exists() and (programs.place / "began").read_text() == times
        )
        cluster.call("scancel", "--signal=USR2", programs.number(job))
    assert programs.ends() == {"a": FAILED}
    assert _details(programs)[0].startswith("failed   job a: ended after its limit of 8 minutes")


def test_a_job_that_must_not_be_requeued_says_so(programs, cluster):
    job = programs.add("a", _WAITS)
    programs.submit(flags=["no-requeue"])
    until((programs.place / "began").exists)
    cluster.call("scancel", "--signal=USR2", programs.number(job))
    assert programs.ends() == {"a": FAILED}
    assert _details(programs)[0].startswith("failed   job a: Slurm did not requeue it: ")


def test_a_job_that_needs_too_much_memory_says_so(programs):
    programs.add("a", "taken = bytearray(400_000_000)\ntime.sleep(600)")
    programs.submit()
    assert programs.ends() == {"a": FAILED}
    assert "needed more memory than it asked for" in _details(programs)[0]


def test_a_cancelled_job_is_stopped_and_submitted_again(programs, cluster):
    job = programs.add("a", _WAITS)
    programs.submit()
    until((programs.place / "began").exists)
    cluster.call("scancel", programs.number(job))
    assert programs.ends() == {"a": STOPPED}
    (programs.place / "go").touch()
    programs.submit()
    assert programs.ends() == {"a": DONE}


def test_a_job_that_never_starts_says_what_holds_it(programs, cluster):
    programs.add("a", "")
    cluster.call("scontrol", "update", "PartitionName=normal", "MaxTime=1")
    try:
        programs.submit()
        until(lambda: _details(programs) == ["queued   1 job, held back: Slurm says PartitionTimeLimit"])
    finally:
        cluster.call("scontrol", "update", "PartitionName=normal", "MaxTime=INFINITE")


def test_daemons_that_are_killed_and_come_back(programs, cluster):
    names = ("slurmctld", "slurmd")
    for name in "ab":
        programs.add(name, _WAITS + f"\nprint('I am {name}')", threads=2)
    programs.submit()
    until((programs.place / "began").exists)
    cluster.write_down()
    for name in names:
        cluster.kill(name)
    (programs.place / "go").touch()
    for name in names:
        cluster.start(name)
    cluster.wait_for_node()
    programs.submit()  # what a controller forgot that was killed before it wrote it down
    assert programs.ends() == {"a": DONE, "b": DONE}
