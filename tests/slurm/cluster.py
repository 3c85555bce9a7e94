"""A real Slurm of one node on this machine, for tests: Debian's slurm-wlm and munge on loopback.

    python tests/slurm/cluster.py install           # apt-get, where that is root's and something is missing
    python tests/slurm/cluster.py run COMMAND ...   # a command with such a cluster around it, which ends with it

All of it (keys, configuration, logs, state) lies in a temporary folder, the ports are free ones, and the daemons are
children of the process that starts them, root's or not: nothing of the machine's own Slurm is read or changed, and
several clusters can live side by side. Commands find theirs by SLURM_CONF.

What it is not: there is no accounting (sacct has no answer, as on many small clusters), and processes are held neither
to cores nor, by the kernel, to memory (task/none). Memory is looked at once a second, and a job above what it asked for
is killed by slurmd. A GPU is a line in a file: jobs get CUDA_VISIBLE_DEVICES, and nothing stands behind it.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NEEDED = "needs Debian's Slurm: apt-get install slurm-wlm munge (as root: python tests/slurm/cluster.py install)"
_UP = ("idle", "mixed", "allocated", "completing")
NODE, CPUS, MEMORY_MB = "loop", 2, 4000
_IMPATIENT = ("-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30")  # where no packages can be reached
_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")  # a daemon ends with the process that started it, however that ends
_PATIENCE = 60.0  # seconds in which a daemon must answer
_CONF = """
ClusterName=tfal
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1500
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=3
SlurmdTimeout=30
OverTimeLimit=0
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
GresTypes=gpu
NodeName={name} NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} RealMemory={memory} Gres=gpu:1
PartitionName=normal Nodes={name} Default=YES PriorityTier=1 MaxTime=INFINITE
PartitionName=urgent Nodes={name} PriorityTier=10 MaxTime=INFINITE
"""


def missing() -> list[str]:
    """The programs that are not there; /usr/sbin, where the daemons are, is looked at, too."""
    return [name for name in PROGRAMS if _which(name) is None]


def install() -> bool:
    """Installs what is missing, as root on Debian and its kin; whether all is there afterwards."""
    if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "slurm-wlm", "munge"]):
            done = subprocess.run(["apt-get", *_IMPATIENT, *command], env=environment, stdout=subprocess.DEVNULL)
            if done.returncode:
                break
    return not missing()


class Cluster:
    """A controller and a node, which a `with` starts and stops.

    environment: what commands of it need; folder: with munged.log, slurmctld.log and slurmd.log. Partitions: normal,
    and urgent, whose jobs take the place of those in normal, which are requeued.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tfal-slurm-"))
        self.environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._configure()
        socket_, key = f"--socket={self.folder}/munge.socket", f"--key-file={self.folder}/munge.key"
        files = [f"--{name}-file={self.folder}/munged.{name}" for name in ("pid", "seed", "log")]
        self._commands = {
            "munged": [_which("munged"), "--foreground", "--force", socket_, key, *files],
            "slurmctld": [_which("slurmctld"), "-D", "-f", str(self.folder / "slurm.conf")],
            "slurmd": [_which("slurmd"), "-D", "-N", NODE, "-f", str(self.folder / "slurm.conf")],
        }

    def __enter__(self) -> Cluster:
        try:
            for name in self._commands:
                self.start(name)
            self.wait_for_node()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def call(self, *command: str) -> str:
        """What a Slurm command writes. Raises CalledProcessError."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    def start(self, name: str) -> None:
        """Starts a daemon: munged, slurmctld or slurmd."""
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [*_WITH_PARENT, *self._commands[name]]
            self._daemons[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        if name == "munged":
            self._until((self.folder / "munge.socket").exists, name)

    def write_down(self) -> None:
        """Returns once the controller's file of its state knows all jobs that run now.

        It writes every few seconds. Killed before that, it starts those jobs again, which their node refuses: "launch
        failed requeued held", and the node is drained.
        """
        mark = f"written {time.monotonic_ns()}"
        for number in self.call("squeue", "--noheader", "--states=running", "--format=%A").split():
            try:
                self.call("scontrol", "update", f"JobId={number}", f"Comment={mark} {number}")
            except subprocess.CalledProcessError:
                continue  # it has just ended
            self._until(lambda seen=f"{mark} {number}": self._state_has(seen), "the controller's file")

    def _state_has(self, text: str) -> bool:
        file = self.folder / "state" / "job_state"
        return file.exists() and text.encode() in file.read_bytes()

    def kill(self, name: str) -> None:
        """Ends a daemon at once, as a crash does; jobs that run go on without it."""
        self._daemons[name].kill()
        self._daemons.pop(name).wait()

    def wait_for_node(self) -> None:
        """Returns once the controller answers and the node takes jobs. Raises RuntimeError after a minute."""
        self._until(self._node_is_up, "the node")

    def resume(self) -> None:
        """Takes the node into use again where the controller gave it up, as an administrator does.

        A controller that was killed may remember an older state than its node, and then starts a job a second time.
        """
        if "drain" in self.call("sinfo", "--noheader", "--partition=normal", "--format=%T"):
            self.call("scontrol", "update", f"NodeName={NODE}", "State=RESUME")

    def stop(self) -> None:
        """Cancels all jobs, ends the daemons, removes the folder."""
        if {"slurmctld", "slurmd"} <= set(self._daemons):
            try:
                self.call("scancel", "--user", getpass.getuser())
                self._until(lambda: not self.call("squeue", "--noheader"), "the queue")
            except (subprocess.SubprocessError, RuntimeError):
                pass  # it does not answer: the daemons end without
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configure(self) -> None:
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o400)
        controller, node = _free_ports(2)
        values = {"host": socket.gethostname(), "user": getpass.getuser(), "controller": controller, "node": node}
        values |= {"name": NODE, "cpus": CPUS, "memory": MEMORY_MB, "folder": self.folder}
        (self.folder / "slurm.conf").write_text(_CONF.format(**values))
        (self.folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu File=/dev/null\n")
        for name in ("state", "spool"):
            (self.folder / name).mkdir()

    def _node_is_up(self) -> bool:
        try:
            self.resume()
            return self.call("sinfo", "--noheader", "--partition=normal", "--format=%T").strip() in _UP
        except subprocess.SubprocessError:
            return False

    def _until(self, there: object, what: str) -> None:
        limit = time.monotonic() + _PATIENCE
        while not there():  # type: ignore[operator]
            ended = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            if ended or time.monotonic() > limit:
                last = "; ".join(f"{name}: {self._last_line(name)}" for name in ended or self._daemons)
                raise RuntimeError(f"Slurm does not start here: no answer of {what} ({last})")
            time.sleep(0.1)

    def _last_line(self, name: str) -> str:
        return ((self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines() or ["no log"])[-1]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def main(arguments: list[str]) -> int:
    """The command; its exit code."""
    if arguments[:1] == ["install"]:
        there = install()
        if not there:
            print("no Slurm could be installed: tests on a cluster are skipped")
        return 0
    if arguments[:1] != ["run"] or len(arguments) < 2:
        print(__doc__)
        return 2
    if missing():
        print(f"{NEEDED}; missing: {', '.join(missing())}", file=sys.stderr)
        return 2
    with Cluster() as cluster:
        return subprocess.run(arguments[1:], env=cluster.environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
