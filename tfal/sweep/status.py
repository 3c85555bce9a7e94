"""What is known of a sweep, as text."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from tfal.sweep.folder import DONE, FAILED, QUEUED, RUNNING, STOPPED, JobFolder, State
from tfal.sweep.job import Job
from tfal.sweep.work import reason

_ORDER = (DONE, RUNNING, QUEUED, FAILED, STOPPED)


def overview(jobs: Sequence[Job], states: Mapping[str, State], at_a_time: int = 0) -> str:
    """How many are how far, in one line. at_a_time: jobs that work together; 0: as many as do so now."""
    counts = Counter(states[job.id].name for job in jobs)
    names = [*(name for name in _ORDER if counts[name]), *(name for name in counts if name not in _ORDER)]
    told = ", ".join(f"{counts[name]} {name}" for name in names)
    left, count = seconds_left(jobs, states), at_a_time or max(counts[RUNNING], 1)
    ends = f"; about {duration(left / count)} left with {count} at a time" if left else ""
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {told}{ends}"


def details(folder: JobFolder, jobs: Sequence[Job], states: Mapping[str, State]) -> list[str]:
    """A line for each job that is neither done nor waiting, with what it said last."""
    titles = {job.id: job.title for job in jobs}
    found = []
    for job in jobs:
        state = states[job.id]
        last = folder.last_line(job.id)
        if state.name == RUNNING:
            found.append(
                f"running  {job.title}, for {duration(time.time() - state.record.get('began', time.time()))}: {last}"
            )
        elif state.name == FAILED:
            found.append(f"failed   {job.title}: {reason(state, last)}   log: {folder.log(job.id)}")
        elif state.name == STOPPED:
            found.append(f"stopped  {job.title}: the same command goes on from there. It said last: {last}")
        elif state.name == QUEUED and state.record.get("before"):
            found.append(f"queued   {job.title}, again: {state.record['before']}; it goes on from there")
        elif failed := [need for need in job.needs if need in states and states[need].name == FAILED]:
            found.append(f"waiting  {job.title}: it needs {titles[failed[0]]}, which failed")
    held = Counter(str(states[job.id].record["why"]) for job in jobs if states[job.id].record.get("why"))
    return found + [f"queued   {n} job{'s' * (n != 1)}, held back: {why}" for why, n in held.items()]


def table(jobs: Sequence[Job], states: Mapping[str, State]) -> list[str]:
    """A line for each job: id, state, how long it took, title."""
    width = max((len(states[job.id].name) for job in jobs), default=0)
    lines = []
    for job in jobs:
        seconds = states[job.id].seconds
        took = "" if seconds is None else duration(seconds)
        lines.append(f"{job.id}  {states[job.id].name:{width}}  {took:>12}  {job.title}")
    return lines


def seconds_left(jobs: Sequence[Job], states: Mapping[str, State]) -> float:
    """What is left if jobs take as long as others of their group did, one after the other; 0.0 before one is done.

    The median: a job that was put to sleep for hours says nothing of the others.
    """
    took: dict[str, list[float]] = {}
    for job in jobs:
        seconds = states[job.id].seconds
        if seconds is not None:
            took.setdefault(job.group, []).append(seconds)
    if not took:
        return 0.0
    overall = statistics.median(seconds for each in took.values() for seconds in each)
    left = 0.0
    for job in jobs:
        state = states[job.id]
        if state.name not in (DONE, FAILED):
            expected = statistics.median(took.get(job.group, [overall]))
            gone = time.time() - state.record.get("began", time.time()) if state.name == RUNNING else 0.0
            left += max(expected - gone, 0.0)
    return left


def duration(seconds: float) -> str:
    """Seconds in the two largest units: "2 h 5 min", "40 s"."""
    whole = round(max(seconds, 0))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or first == 3)
