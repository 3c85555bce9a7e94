"""Kills parts of sweeps on a real Slurm at random moments: submissions, workers, daemons. Prints figures and faults.

python -m tests.attack.slurm [--kills 20] [--limit]

Jobs are programs of a second that commit eight steps, each made of the one before, and that say when they run beside
themselves or before what they need. Stopped jobs are submitted again, until all are done; then every file must be what
an undisturbed sweep writes. --limit: two jobs over a real time limit of a minute, of which one may go on; four minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.slurm.cluster import NEEDED, Cluster, missing
from tests.slurm.programs import ProgramTask
from tfal.errors import InputError
from tfal.sweep.folder import DONE, JobFolder, State
from tfal.sweep.job import Job, Resources
from tfal.sweep.slurm import queue, submit
from tfal.sweep.slurm.options import passed_through
from tfal.sweep.status import details

N_STEP, SHARED, OTHERS = 8, "ab", "cdefgh"
PROGRAM = """
import fcntl, hashlib, os, pathlib, sys, time
place, name, needs, seconds = pathlib.Path({place!r}), {name!r}, {needs!r}, {seconds}
def fault(text):
    with (place / "faults").open("a") as file:
        file.write(f"{{name}} {{text}}\\n")
def steps(name):
    path = place / name
    return path.read_text().splitlines() if path.exists() else []
lock = (place / f"{{name}}.lock").open("w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    fault("ran twice at a time")
for need in needs:
    if len(steps(need)) < {n_step}:
        fault(f"began before {{need}} was done")
while len(done := steps(name)) < {n_step}:
    time.sleep(seconds)
    line = hashlib.sha256("".join([name, *done[-1:]]).encode()).hexdigest()
    part = place / f"{{name}}.{{os.getpid()}}.part"
    part.write_text("".join(f"{{each}}\\n" for each in [*done, line]))
    part.replace(place / name)
"""


def _wanted(name: str) -> list[str]:
    lines: list[str] = []
    for _ in range(N_STEP):
        lines.append(hashlib.sha256("".join([name, *lines[-1:]]).encode()).hexdigest())
    return lines


def _job(place: Path, name: str, needs: str = "", seconds: float = 0.15, minutes: float = 5) -> Job:
    code = PROGRAM.format(place=str(place), name=name, needs=needs, seconds=seconds, n_step=N_STEP)
    return Job(name * 12, f"job {name}", "all", (code,), tuple(need * 12 for need in needs), Resources(minutes=minutes))


class Trial:
    """A sweep in a folder of its own, and what was done to it."""

    def __init__(self, cluster: Cluster, place: Path, rng: random.Random) -> None:
        self.cluster, self.place, self.rng = cluster, place, rng
        self.kills: Counter[str] = Counter()
        self.submissions = 0
        self.folder = JobFolder(place / "results")
        place.mkdir()
        others = [_job(place, name, rng.choice(("a", "b", "ab"))) for name in OTHERS]
        self.jobs = [_job(place, name) for name in SHARED] + others
        self.folder.plan(self.jobs)

    def run(self, kills: int) -> list[str]:
        """Until all is done, with up to so many kills; what is wrong then."""
        while any(state.name != DONE for state in self.states().values()):
            self._submit(kills)
            while self._live():
                time.sleep(self.rng.uniform(0.1, 1.5))
                self.cluster.resume()
                if self.rng.random() < 0.1:
                    self._submit(kills)  # nothing twice; what Slurm holds back is released
                if self.kills.total() < kills:
                    self._kill()
        faults = self.place / "faults"
        found = faults.read_text().splitlines() if faults.exists() else []
        names = SHARED + OTHERS
        return found + [f"{name} differs" for name in names if (self.place / name).read_text().split() != _wanted(name)]

    def states(self) -> dict[str, State]:
        """What is known of the jobs."""
        return queue.states_with_queue(self.folder, self.jobs)

    def _live(self) -> bool:
        """Whether Slurm has jobs that are not done. Those that are, and that it forgot to have ended, are cancelled."""
        states, live = self.states(), queue.live(self.folder)
        for job, entry in live.items():
            if states[job].name == DONE:
                self.cluster.call("scancel", "--quiet", entry.number)
        return any(states[job].name != DONE for job in live)

    def _submit(self, kills: int) -> None:
        """In a process, which is killed at some moment as long as there are kills left."""
        self.submissions += 1
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            with contextlib.suppress(InputError):
                states = self.states()
                left = [job for job in self.jobs if states[job.id].name != DONE]
                for _ in submit.submit(self.folder, left, passed_through(None, None, ["mem=200M"])):
                    pass
                code = 0
            os._exit(code)
        if self.kills.total() < kills and self.rng.random() < 0.7:
            time.sleep(self.rng.uniform(0, 0.8))
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            os.kill(pid, signal.SIGKILL)
            self.kills["submission"] += 1
        os.waitpid(pid, 0)

    def _kill(self) -> None:
        kind = self.rng.choice(("slurmctld", "slurmd", "both daemons", "worker", "command", "preemption", "requeue"))
        if kind in ("worker", "command"):
            begins = "submitit.core._submit" if kind == "worker" else "\nimport fcntl"
            found = _processes(begins, str(self.place))
            if not found:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.rng.choice(found), signal.SIGKILL)
        elif kind == "preemption":
            urgent = ("sbatch", "--partition=urgent", f"-c{self.rng.randint(1, 2)}", "--mem=50", "--output=/dev/null")
            self.cluster.call(*urgent, "--wrap=sleep 0.3")
        elif kind == "requeue":
            live = sorted(entry.number for entry in queue.live(self.folder).values())
            with contextlib.suppress(subprocess.CalledProcessError):  # one that has not begun, or has just ended
                self.cluster.call("scontrol", "requeue", self.rng.choice(live))
        else:
            names = ("slurmctld", "slurmd") if kind == "both daemons" else (kind,)
            for name in names:
                self.cluster.kill(name)
            time.sleep(self.rng.uniform(0, 1))
            for name in names:
                self.cluster.start(name)
            self.cluster.wait_for_node()
        self.kills[kind] += 1


def _processes(begins: str, holds: str) -> list[int]:
    """Python processes of which a word of their command line begins so, and one holds that."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_text(errors="replace").split("\0")
            begun = "python" in words[0] and any(word.startswith(begins) for word in words)
            if begun and any(holds in word for word in words):
                found.append(int(path.parent.name))
    return found


def _limit(place: Path) -> list[str]:
    """Two jobs of 56 s with a limit of a minute, which Slurm warns of after 45 s or less: one may be requeued."""
    folder, given = (
        JobFolder(place / "results"),
        [passed_through(None, None, ["mem=200M", f"max_num_timeout={n}"]) for n in (0, 3)],
    )
    place.mkdir()
    jobs = [_job(place, name, seconds=7, minutes=1) for name in SHARED]
    folder.plan(jobs)
    for job, asked in zip(jobs, given, strict=True):
        list(submit.submit(folder, [job], asked))
    while queue.live(folder):
        time.sleep(1)
    states = queue.states_with_queue(folder, jobs)
    for line in details(folder, jobs, states):
        print(line)
    attempts = folder.record(jobs[1].id)["attempt"]
    print(f"{jobs[1].title}: {states[jobs[1].id].name} after {attempts} attempts")
    right = [states[jobs[0].id].record.get("over_time") == 1, states[jobs[1].id].name == DONE, attempts > 1]
    return [] if all(right) else ["a time limit did not do what it must"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.slurm", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="at the least (default: 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", action="store_true", help="a real time limit, in place of kills")
    given = parser.parse_args(argv)
    if missing():
        parser.error(NEEDED)
    submit.Task = ProgramTask  # type: ignore[misc]
    began, rng, total, faults = time.monotonic(), random.Random(given.seed), Counter[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="attack-slurm-") as name, Cluster() as cluster:
        os.environ["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
        if given.limit:
            faults = _limit(Path(name) / "limit")
        number = 0
        while not given.limit and total.total() < given.kills:
            number += 1
            trial = Trial(cluster, Path(name) / str(number), rng)
            found = trial.run(min(8, given.kills - total.total()))
            total += trial.kills
            faults += found
            print(
                f"sweep {number}: {trial.kills.total()} kills, {trial.submissions} submissions, {len(found)} faults",
                flush=True,
            )
    kinds = ", ".join(f"{kind} {n}" for kind, n in total.most_common())
    print(f"{total.total()} kills: {kinds}; {time.monotonic() - began:.0f} s")
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"faults: {len(faults)}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
