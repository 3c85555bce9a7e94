"""What is known of jobs that Slurm ended, from each of its witnesses; its commands are scripts here."""

import json

import pytest

from tfal.errors import InputError
from tfal.sweep.folder import DONE, FAILED, QUEUED, RUNNING, STOPPED, WAITING, JobFolder
from tfal.sweep.job import Job
from tfal.sweep.slurm import queue, submit
from tfal.sweep.status import details


class Fake:
    """An array of two jobs, a and b, of which Slurm has the number 7."""

    def __init__(self, place, monkeypatch):
        self.bin, self.folder = place / "bin", JobFolder(place / "results")
        self.bin.mkdir()
        self.jobs = [Job(name * 12, f"job {name}", "all", ()) for name in "ab"]
        self.folder.plan(self.jobs)
        self.logs = self.folder.path / "slurm" / "0001-results-cafe"
        self.logs.mkdir(parents=True)
        (self.logs / "array.json").write_text(json.dumps({"jobs": [job.id for job in self.jobs], "number": "7"}))
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        self.says("squeue")
        self.says("sacct", "Slurm accounting storage is disabled", code=1)

    def says(self, name, *lines, code=0):
        """A command of Slurm that says this."""
        (self.bin / name).write_text(
            "#!/bin/sh\ncat <<'end'\n" + "".join(f"{line}\n" for line in lines) + f"end\nexit {code}\n"
        )
        (self.bin / name).chmod(0o755)

    def states(self):
        """Names of the states of a and b."""
        found = queue.states_with_queue(self.folder, self.jobs)
        return [found[job.id].name for job in self.jobs]

    def details(self):
        """What a status says of them."""
        return details(self.folder, self.jobs, queue.states_with_queue(self.folder, self.jobs))


@pytest.fixture
def fake(tmp_path, monkeypatch):
    return Fake(tmp_path, monkeypatch)


def _entry(place, state, reason="None"):
    return f"7_{place}|0001-results-cafe|{state}|{reason}"


@pytest.mark.parametrize(
    ("state", "known"),
    [
        ("PENDING", QUEUED),
        ("CONFIGURING", QUEUED),
        ("RUNNING", RUNNING),
        ("COMPLETING", RUNNING),
        ("SUSPENDED", RUNNING),
        ("COMPLETED", WAITING),  # its results are gone
        ("CANCELLED", WAITING),
        ("TIMEOUT", FAILED),
        ("OUT_OF_MEMORY", FAILED),
        ("FAILED", FAILED),
        ("NODE_FAIL", STOPPED),
        ("PREEMPTED", STOPPED),
    ],
)
@pytest.mark.parametrize("witness", ["squeue", "sacct"])
def test_words_of_slurm(fake, witness, state, known):
    """Of a job whose command never began."""
    line = _entry(0, state) if witness == "squeue" else f"7_0|{state} by 1000"
    if witness == "sacct" and known in (QUEUED, RUNNING):
        known = WAITING  # the queue, which knows better, has it no more
    fake.says(witness, line)
    assert fake.states() == [known, WAITING]


@pytest.mark.parametrize(
    ("said", "known", "because"),
    [
        (
            "slurmstepd: error: *** JOB 8 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***",
            FAILED,
            "time limit",
        ),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=8.batch. Some of it was killed.",
            FAILED,
            "more memory",
        ),
        ("srun: error: n1: task 0: Out Of Memory", FAILED, "more memory"),
        ("slurmstepd: error: *** JOB 8 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***", STOPPED, ""),
        ("slurmstepd: error: *** JOB 8 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***", STOPPED, ""),
        ("", STOPPED, ""),
    ],
)
def test_words_of_a_node_where_slurm_remembers_nothing(fake, said, known, because):
    """Of a job whose command began, and could not say how it ended; the words of an earlier attempt do not count."""
    before = f"{queue.ATTEMPT}b\nslurmstepd: error: exceeded memory limit\n"
    (fake.logs / "7_1_0_log.err").write_text(f"{before}{queue.ATTEMPT}b\n{said}\n")
    fake.folder.write_state("b" * 12, {"attempt": 2, "began": 1.0})
    assert fake.states() == [WAITING, known]
    (line,) = fake.details()
    assert because in line


def test_a_node_where_nothing_could_start(fake):
    (fake.logs / "7_0_0_log.err").write_text("bash: /home/me/venv/bin/python: No such file or directory\n")
    assert fake.states() == [FAILED, WAITING]
    assert "/home/me/venv/bin/python: No such file or directory" in fake.details()[0]


def test_a_command_that_said_itself_how_it_ended_is_believed(fake):
    fake.says("squeue", _entry(0, "FAILED"), _entry(1, "FAILED"))
    fake.folder.write_state("a" * 12, {"code": 0, "seconds": 2.0})
    fake.folder.write_state("b" * 12, {"code": 2})
    (fake.logs / "7_1_0_log.err").write_text(f"{queue.ATTEMPT}b\njob b: no such disk\n")
    assert fake.states() == [DONE, FAILED]


def test_a_command_that_was_killed_with_its_job(fake):
    fake.says("squeue", _entry(0, "OUT_OF_MEMORY"), _entry(1, "FAILED"))
    for job in fake.jobs:
        fake.folder.write_state(job.id, {"code": -9})
    first, second = fake.details()
    assert "needed more memory than it asked for" in first
    assert "killed by SIGKILL" in second


def test_what_slurm_holds_back_is_let_go(fake):
    fake.says("squeue", _entry(0, "PENDING", "launch failed requeued held"), _entry(1, "PENDING", "Priority"))
    assert fake.details() == ["queued   1 job, held back: Slurm says launch failed requeued held"]
    fake.says("scontrol", "MaxArraySize = 1001")
    assert list(submit.submit(fake.folder, fake.jobs, {})) == ["Slurm job 7_0: its node failed to start it; released"]
    denied = '[ "$1" = release ] && { echo Access/permission denied >&2; exit 1; }\necho "MaxArraySize = 1001"'
    (fake.bin / "scontrol").write_text(f"#!/bin/sh\n{denied}\n")
    (line,) = submit.submit(fake.folder, fake.jobs, {})
    assert "cannot be released" in line
    assert "Access/permission denied" in line


def test_a_queue_that_does_not_answer_is_no_empty_queue(fake):
    fake.says("squeue", "slurm_load_jobs error: Unable to contact slurm controller", code=1)
    with pytest.raises(InputError, match="Unable to contact slurm controller"):
        fake.states()
    with pytest.raises(InputError, match="Unable to contact slurm controller"):
        list(submit.submit(fake.folder, fake.jobs, {}))


def test_a_folder_that_slurm_was_not_used_for_asks_nobody(fake):
    fake.says("squeue", "must not be asked", code=1)
    (fake.logs / "array.json").unlink()
    assert fake.states() == [WAITING, WAITING]
