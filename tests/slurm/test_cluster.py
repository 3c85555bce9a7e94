"""The cluster that the tests of this folder use is a real one: jobs outlive its daemons, and memory is looked at."""

import time


def _state(cluster, job):
    said = cluster.call("scontrol", "show", "job", job)
    return next(word.partition("=")[2] for word in said.split() if word.startswith("JobState="))


def _ended(cluster, job):
    limit = time.monotonic() + 60
    while (state := _state(cluster, job)) in ("PENDING", "RUNNING", "COMPLETING"):
        assert time.monotonic() < limit, state
        time.sleep(0.1)
    return state


def test_jobs_outlive_the_daemons(cluster, tmp_path):
    waits = f"touch {tmp_path}/began; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo went on"
    job = cluster.call("sbatch", "--parsable", f"--output={tmp_path}/log", f"--wrap={waits}").strip()
    while not (tmp_path / "began").exists():
        assert _state(cluster, job) in ("PENDING", "RUNNING", "CONFIGURING")
        time.sleep(0.1)
    for name in ("slurmctld", "slurmd"):
        cluster.kill(name)
    (tmp_path / "go").touch()
    for name in ("slurmd", "slurmctld"):
        cluster.start(name)
    cluster.wait_for_node()
    assert _ended(cluster, job) == "COMPLETED"
    assert (tmp_path / "log").read_text() == "went on\n"


def test_memory_is_looked_at(cluster, tmp_path):
    takes = "srun python3 -c 'import time; taken = bytearray(300_000_000); time.sleep(60)'"
    job = cluster.call("sbatch", "--parsable", "--mem=100", f"--output={tmp_path}/log", f"--wrap={takes}").strip()
    assert _ended(cluster, job) == "FAILED"
    assert "exceeded memory limit" in (tmp_path / "log").read_text()
