"""Jobs given to a cluster: an array for those that wait for the same jobs and ask for the same."""

from __future__ import annotations

import inspect
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfal.errors import InputError
from tfal.files import make_folder, write_json
from tfal.sweep.folder import DONE, JobFolder
from tfal.sweep.job import Job, Resources
from tfal.sweep.levels import levels
from tfal.sweep.slurm import options, queue
from tfal.sweep.slurm.task import Task
from tfal.sweep.work import python_path

_LARGEST = 1001  # jobs of an array, where Slurm does not say


def check(jobs: Sequence[Job], given: Mapping[str, Any]) -> None:
    """Raises InputError where jobs could not be submitted. Writes nothing.

    given: parameters of sbatch, see `options.passed_through`.
    """
    submitit = _submitit()
    queue.ask("scontrol", "show", "config")
    for asked in dict.fromkeys(job.resources for job in jobs):
        found = options.parameters(asked, given)
        known = inspect.signature(submitit.SlurmExecutor.__init__).parameters
        words = options.flags(found, [*known, "array_parallelism", "signal_delay_s", "srun_args"])
        done = subprocess.run(
            ["sbatch", "--test-only", *words, "--wrap=true"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise InputError(f"Slurm refuses jobs with {' '.join(words)}: {said}. Change --slurm, or [resources].")


def submit(folder: JobFolder, jobs: Sequence[Job], given: Mapping[str, Any]) -> Iterator[str]:
    """Submits jobs that are not in the queue; yields a line for each array, and for each job that is released.

    Args:
        folder: of their states; another process must not submit meanwhile.
        jobs: what is left to be done. Needs that are not among them, nor in the queue, are done.
        given: parameters of sbatch, see `options.passed_through`.
    """
    entries = queue.live(folder)
    yield from _released(entries.values())
    done = {job.id for job in folder.jobs() if folder.state(job).name == DONE}  # whatever Slurm has not noticed yet
    numbers = {job: entry.number for job, entry in entries.items() if job not in done}
    largest = _largest_array()
    new = [job for job in jobs if job.id not in entries]
    for level in levels(new):
        groups: dict[tuple[Resources, tuple[str, ...]], list[Job]] = {}
        for job in level:
            waits = tuple(sorted(numbers[need] for need in job.needs if need in numbers))
            groups.setdefault((job.resources, waits), []).append(job)
        for (asked, waits), together in groups.items():
            for start in range(0, len(together), largest):
                part = together[start : start + largest]
                found = _submit_array(folder, part, options.parameters(asked, given), waits)
                numbers |= dict(zip((job.id for job in part), found, strict=True))
                yield _told(part, found, waits)


def _released(entries: Iterable[queue.Entry]) -> Iterator[str]:
    """Lets jobs go again that a node failed to start, such as one that was restarted at that moment."""
    for entry in entries:
        if entry.is_held:
            try:
                queue.ask("scontrol", "release", entry.number)
                yield f"Slurm job {entry.number}: its node failed to start it; released"
            except InputError as error:
                yield f"Slurm job {entry.number}: its node failed to start it, and it cannot be released: {error}"


def _submit_array(folder: JobFolder, jobs: Sequence[Job], asked: dict[str, Any], waits: Sequence[str]) -> list[str]:
    """One array; Slurm's number of each job. It is noted before it is submitted, so that it is never lost."""
    place = folder.path / "slurm" / _name(folder)
    make_folder(place)
    note = {"jobs": [job.id for job in jobs], "parameters": asked, "waits for": list(waits)}
    write_json(place / "array.json", note)
    executor = _executor(place, asked, waits)
    tasks = [Task(folder.results.absolute(), job.id, asked["time"]) for job in jobs]
    try:
        submitted = executor.submit_array(tasks)
    except Exception as error:  # of submitit, with what sbatch said
        said = re.sub(r"\s+", " ", str(error))
        raise InputError(
            f"Slurm took no more jobs, {len(jobs)} or more are left: {said}. The same command submits them later."
        ) from None
    numbers = [str(job.job_id) for job in submitted]
    write_json(place / "array.json", {**note, "number": numbers[0].partition("_")[0]})
    return numbers


def _name(folder: JobFolder) -> str:
    """A name that no other array has, in Slurm either; those of a folder in the order of their submission."""
    before = len(list(folder.path.glob("slurm/*")))
    title = re.sub(r"\W+", "-", folder.results.absolute().name)[:40]
    return f"{before + 1:04d}-{title}-{secrets.token_hex(4)}"


def _told(jobs: Sequence[Job], numbers: Sequence[str], waits: Sequence[str]) -> str:
    number = numbers[0].partition("_")[0]
    what = f"{jobs[0].title}{f' and {len(jobs) - 1} more' if len(jobs) > 1 else ''}"
    return f"Slurm job {number}: {what}{f', after {len(waits)} others' if waits else ''}"


def _largest_array() -> int:
    said = re.search(r"^MaxArraySize\s*=\s*(\d+)", queue.ask("scontrol", "show", "config"), re.MULTILINE)
    return max(int(said[1]), 1) if said else _LARGEST


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise InputError("--engine slurm needs submitit: pip install submitit.") from None
    return submitit


def _executor(place: Path, asked: Mapping[str, Any], waits: Sequence[str]) -> Any:
    submitit = _submitit()
    own = inspect.signature(submitit.SlurmExecutor.__init__).parameters
    at_start = {name: value for name, value in asked.items() if name in own}
    executor = submitit.SlurmExecutor(folder=place, **at_start)
    known = executor._valid_parameters()
    first = {name: value for name, value in asked.items() if name in known}
    others = {name: value for name, value in asked.items() if name not in known and name not in own}
    others["kill-on-invalid-dep"] = "yes"
    cores = asked.get("cpus_per_task")
    executor.update_parameters(
        **first,
        job_name=place.name,
        dependency=f"afterok:{':'.join(waits)}" if waits else None,
        additional_parameters=others,
        srun_args=[f"--cpus-per-task={cores}"] if cores else [],  # since Slurm 22.05 it does not ask its job
        setup=[f"export {name}={shlex.quote(value)}" for name, value in python_path(os.environ).items()],
    )
    return executor
