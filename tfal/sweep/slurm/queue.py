"""What Slurm knows of the jobs that were submitted: those in its queue, and how others ended.

Once a job has left the queue, most small clusters remember nothing (`sacct` has no answer). What the job's command came
to stands in its state then; where the whole job was killed, Slurm's own words in `*_log.err` say why.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfal.errors import InputError
from tfal.files import read_json
from tfal.sweep.folder import DONE, FAILED, QUEUED, RUNNING, STOPPED, WAITING, JobFolder, State
from tfal.sweep.job import Job

ATTEMPT = "=== "  # what a job writes first to *_log.err, each time that it starts
_PATIENCE_S = 60  # for an answer
_RUNS = ("RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
_ENDS = "COMPLETING"
_WAITS = (
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "REQUEUE_FED",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
    "RESIZING",
)
_OWN_REASONS = (
    "None",
    "Priority",
    "Resources",
    "BeginTime",
    "Dependency",
    "JobArrayTaskLimit",
)  # of jobs that only wait for their turn
# How Slurm names an end, and the words of slurmstepd for it, those that tell more first.
_MEMORY, _TIME, _PREEMPTED, _NODE, _CANCELLED = "OUT_OF_MEMORY", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "CANCELLED"
_WORDS = (
    (_MEMORY, ("exceeded memory limit", "oom_kill", "oom-kill", "out of memory")),
    (_TIME, ("due to time limit",)),
    (_PREEMPTED, ("due to preemption",)),
    (_NODE, ("due to node failure",)),
    (_CANCELLED, ("cancelled at",)),
)
_BECAUSE = {
    _MEMORY: "killed by Slurm, as it needed more memory than it asked for. Give it more: memory_gb in [resources], or "
    "--slurm mem=16G",
    _TIME: "ended by Slurm at its time limit. Give it more: minutes in [resources], or --slurm time=MINUTES",
    _PREEMPTED: "preempted",
    _NODE: "its node failed",
    _CANCELLED: "cancelled in Slurm",
}
_LAST = 65536  # bytes of a log that are looked at


class Array(NamedTuple):
    """What was submitted at once. name: in Slurm. jobs: ids, by their place. number: Slurm's; "": not known."""

    name: str
    folder: Path
    jobs: tuple[str, ...]
    number: str


class Entry(NamedTuple):
    """A job in Slurm's queue. number: such as 12_3. state: Slurm's word. reason: why it waits."""

    number: str
    state: str
    reason: str

    @property
    def is_live(self) -> bool:
        """Whether it runs, or will."""
        return self.state in (*_RUNS, *_WAITS, _ENDS)

    @property
    def is_held(self) -> bool:
        """Whether Slurm keeps it back because its node failed to start it, until somebody releases it."""
        return self.state in _WAITS and self.reason.replace("_", " ").lower().startswith("launch failed")


def arrays(folder: JobFolder) -> list[Array]:
    """What was submitted for a folder, in this order."""
    found = []
    for path in sorted(folder.path.glob("slurm/*/array.json")):
        name = path.parent.name
        content = read_json(path, f"Cancel its jobs (scancel --name={name}), remove it, and submit them again.")
        found.append(Array(name, path.parent, tuple(content.get("jobs", ())), content.get("number", "")))
    return found


def ask(*command: str) -> str:
    """What a command of Slurm answers. Raises InputError where there is none, or it says no."""
    if shutil.which(command[0]) is None:
        raise InputError(
            f"there is no {command[0]}: this is no machine of a Slurm cluster. Run it on a login node, or use "
            "--engine local or print."
        )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"Slurm does not answer ({command[0]}: no answer in {_PATIENCE_S} s). Try again later."
        ) from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise InputError(f"Slurm does not answer ({command[0]}: {said}). Try again later.")
    return done.stdout


def queue() -> dict[tuple[str, int], Entry]:
    """All jobs of this user, by name of the array and place in it: those that wait or run, and those that just ended.

    Raises InputError where Slurm does not answer.
    """
    found: dict[tuple[str, int], Entry] = {}
    listed = ask("squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i|%j|%T|%r")
    for line in listed.splitlines():
        number, name, state, reason = line.strip().split("|", 3)
        place = number.partition("_")[2]
        if place == "" or place.isdecimal():
            found[name, int(place or 0)] = Entry(number, state, reason)
    return found


def states_with_queue(folder: JobFolder, jobs: Sequence[Job]) -> dict[str, State]:
    """The states of jobs with what Slurm knows of them: "queued" beside the five words of `JobFolder`.

    Where it was not used, those of the folder. Raises InputError where Slurm was used and does not answer.
    """
    submitted = {job: (array, place) for array in arrays(folder) for place, job in enumerate(array.jobs)}
    if not submitted.keys() & {job.id for job in jobs}:
        return {job.id: folder.state(job) for job in jobs}
    entries = queue()  # before the states, so that a job that ends meanwhile is one that has ended
    found = {job.id: folder.state(job) for job in jobs}
    ended: dict[str, tuple[Array, int]] = {}
    for job, (array, place) in submitted.items():
        if job not in found or found[job].name == DONE:
            continue
        entry = entries.get((array.name, place))
        if entry is not None and entry.is_live:
            found[job] = _live(found[job], entry, array, place)
        elif _ended_from_outside(found[job], folder.record(job)):
            ended[job] = (array, place)
    remembered = _remembered(ended.values(), entries)
    for job, (array, place) in ended.items():
        found[job] = _ended(found[job], remembered.get((array.name, place), ""), last_words(array, place))
    return found


def live(folder: JobFolder) -> dict[str, Entry]:
    """Jobs that wait or run, by their ids. Raises InputError where Slurm does not answer."""
    submitted, entries = arrays(folder), queue()
    found = {}
    for array in submitted:
        for place, job in enumerate(array.jobs):
            entry = entries.get((array.name, place))
            if entry is not None and entry.is_live:
                found[job] = entry
    return found


def _live(state: State, entry: Entry, array: Array, place: int) -> State:
    if entry.state == _ENDS and state.name == FAILED:
        return state
    if entry.state in _WAITS:
        before = _BECAUSE.get(last_words(array, place)[0], "requeued").partition(".")[0] if state.record else ""
        why = f"Slurm says {entry.reason}" if entry.reason not in _OWN_REASONS else ""
        return State(QUEUED, {**state.record, "before": before, "why": why})
    return State(RUNNING, state.record)


def _ended_from_outside(state: State, record: Mapping[str, Any]) -> bool:
    """Whether Slurm may have ended a job. Where all of it is killed, its command may be the first to go."""
    if state.name == WAITING:
        return not record
    return state.name == STOPPED or (state.name == FAILED and record.get("code") == -signal.SIGKILL)


def _ended(state: State, end: str, words: tuple[str, str]) -> State:
    """What Slurm says of a job whose command did not come to tell how it ended.

    end: its own word for it; "": it remembers none. words: how its node put it, and the last line there.
    """
    began = bool(state.record)
    end = end if end in _BECAUSE else words[0] or end
    if end == "COMPLETED" or (end == _CANCELLED and not began):  # by hand, or since a job that it needs has failed
        return state
    if end in (_MEMORY, _TIME):
        return State(FAILED, {**state.record, "because": _BECAUSE[end], "code": 1})
    if end in _BECAUSE:
        return State(STOPPED, {**state.record, "because": _BECAUSE[end]})
    if state.name != FAILED and (end or (words[1] and not began)):
        return State(FAILED, {**state.record, "because": f"Slurm says {end or 'nothing'}: {words[1]}", "code": 1})
    return state


def last_words(array: Array, place: int) -> tuple[str, str]:
    """How the last attempt of a job ended by what its node wrote about it, in Slurm's word, and the last line there.

    "" where there is nothing of that kind.
    """
    for path in array.folder.glob(f"*_{place}_0_log.err" if len(array.jobs) > 1 else "*_0_log.err"):
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LAST))
            said = file.read().decode(errors="replace").rpartition(f"\n{ATTEMPT}")[2]
        end = next((end for end, words in _WORDS if any(word in said.lower() for word in words)), "")
        lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(ATTEMPT)]
        return end, lines[-1] if lines else ""
    return "", ""


def _remembered(
    asked: Iterable[tuple[Array, int]], entries: Mapping[tuple[str, int], Entry]
) -> dict[tuple[str, int], str]:
    """How jobs ended that have left the queue: by the queue itself, or by sacct where a cluster has it."""
    asked = list(asked)
    found = {
        (array.name, place): entries[array.name, place].state
        for array, place in asked
        if (array.name, place) in entries
    }
    numbers = {array.number: array.name for array, place in asked if array.number and (array.name, place) not in found}
    if numbers and shutil.which("sacct"):
        try:
            listed = ask(
                "sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State", "-j", ",".join(numbers)
            )
        except InputError:  # there is no accounting
            return found
        for name, place, state in _of_sacct(listed, numbers):
            found.setdefault((name, place), state)
    return found


def _of_sacct(listed: str, names: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
    for line in listed.splitlines():
        number, _, state = line.partition("|")
        array, _, place = number.partition("_")
        word = state.partition(" ")[0]  # of "CANCELLED by 1000"
        if array in names and (place == "" or place.isdecimal()) and not Entry(number, word, "").is_live:
            yield names[array], int(place or 0), word
