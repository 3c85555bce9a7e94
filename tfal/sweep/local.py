"""Jobs on this machine: a process for each GPU, or for each core that its jobs do not share.

On two cores, two workers with a thread each do 1.7 times as many short runs as one with two threads
(benchmarks/sweep.py); on a GPU, one at a time.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from tfal.errors import InputError
from tfal.storage.environment import usable_cores
from tfal.sweep.folder import DONE, JobFolder, State
from tfal.sweep.job import Job
from tfal.sweep.levels import ordered
from tfal.sweep.work import work

Tell = Callable[[Job, State], None]


def run(folder: JobFolder, jobs: Sequence[Job], slots: Sequence[Mapping[str, str]], tell: Tell) -> None:
    """Does all jobs, each after those that it needs; those behind one that fails are left.

    Args:
        folder: of their states.
        jobs: what is left to be done, the first of those that can begin first. Needs that are not among them are done.
        slots: variables of the environment of each process that works at a time.
        tell: called with each job as it ends, by this thread.
    """
    order, stop = ordered(jobs), threading.Event()
    free: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
    for slot in slots:
        free.put(slot)

    def one(job: Job) -> State:
        slot = free.get()
        try:
            return work(folder, job, slot, stop)
        finally:
            free.put(slot)

    places, ready = {job.id: place for place, job in enumerate(jobs)}, list[int]()
    running: dict[Future[State], Job] = {}
    with ThreadPoolExecutor(len(slots)) as executor, _stopped_on_error(stop):
        while True:
            ready = sorted([*ready, *(places[name] for name in order.get_ready())])
            while ready and len(running) < len(slots):
                job = jobs[ready.pop(0)]
                running[executor.submit(one, job)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                state = future.result()
                tell(job, state)
                if state.name == DONE:
                    order.done(job.id)


@contextlib.contextmanager
def _stopped_on_error(stop: threading.Event) -> Iterator[None]:
    """Whatever ends this thread ends the commands, before the executor waits for them."""
    try:
        yield
    except BaseException:
        stop.set()
        raise


def slots(jobs: Sequence[Job], workers: int | None) -> list[dict[str, str]]:
    """The processes that may work at a time: variables of the environment of each.

    workers: how many; None: one for each GPU, or as many as have cores, and memory where jobs say what they need, of
    their own. Raises InputError where jobs need more GPUs than there are.
    """
    gpus, needed = _gpus(), max((job.resources.gpus for job in jobs), default=0)
    if needed > len(gpus):
        raise InputError(
            f"jobs need {needed} GPU{'s' * (needed > 1)}. Received: a machine with {len(gpus)}. Choose --variant small "
            "if the manifest has one, set gpus = 0 in its [resources], or use --engine slurm."
        )
    if gpus:
        groups = [gpus[i : i + max(needed, 1)] for i in range(0, len(gpus) - max(needed, 1) + 1, max(needed, 1))]
        count = workers or len(groups)
        return [{"CUDA_VISIBLE_DEVICES": ",".join(groups[i % len(groups)])} for i in range(count)]
    threads = max((job.resources.threads or usable_cores() for job in jobs), default=1)
    fitting = usable_cores() // threads
    memory = max((job.resources.memory_gb or 0 for job in jobs), default=0)
    if memory:
        fitting = min(fitting, int(_memory_gb() // memory))
    return [{} for _ in range(workers or max(fitting, 1))]


def _gpus() -> list[str]:
    """GPUs of this machine that may be used, by what CUDA_VISIBLE_DEVICES calls them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [f"{place}" for place, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return float("inf")
