"""How long a sweep will take yet, from what has been done of it."""

import pytest

from tfal.sweep.folder import DONE, FAILED, WAITING, State
from tfal.sweep.job import Job
from tfal.sweep.status import overview, seconds_left


def sweep(**groups):
    """Jobs and their states: of each group the seconds of those that are done, and names of the others' states."""
    jobs, states = [], {}
    for group, every in groups.items():
        for found in every:
            job = Job(f"{len(jobs):012x}", f"{group}, {len(jobs)}", group, ())
            jobs.append(job)
            states[job.id] = State(found) if isinstance(found, str) else State(DONE, {"seconds": found})
    return jobs, states


def test_a_job_takes_as_long_as_most_of_its_group():
    assert seconds_left(*sweep(a=[10.0, 14.0, 9000.0, WAITING, WAITING], b=[2.0, WAITING])) == 14 + 14 + 2


def test_a_group_of_which_nothing_is_done_takes_as_long_as_others():
    assert seconds_left(*sweep(a=[10.0, 14.0, 30.0], b=[WAITING, FAILED])) == 14


def test_before_anything_is_done_nothing_is_known():
    jobs, states = sweep(a=[WAITING])
    assert seconds_left(jobs, states) == 0
    assert overview(jobs, states, 2) == "1 job: 1 waiting"


@pytest.mark.parametrize(("at_a_time", "told"), [(0, "4 min 10 s left with 1"), (5, "50 s left with 5")])
def test_several_at_a_time(at_a_time, told):
    jobs, states = sweep(a=[50.0, *5 * [WAITING]])
    assert overview(jobs, states, at_a_time) == f"6 jobs: 1 done, 5 waiting; about {told} at a time"
