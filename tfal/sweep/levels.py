"""Jobs in groups that wait for each other."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from tfal.sweep.job import Job


def ordered(jobs: Sequence[Job]) -> graphlib.TopologicalSorter[str]:
    """The ids of jobs, to be taken up as what they need is done. Needs that are not among `jobs` are done."""
    known = {job.id for job in jobs}
    order = graphlib.TopologicalSorter({job.id: [need for need in job.needs if need in known] for job in jobs})
    order.prepare()
    return order


def levels(jobs: Sequence[Job]) -> list[list[Job]]:
    """Groups of jobs: each needs only jobs of the groups before it. Needs that are not among `jobs` are done."""
    known, order, found = {job.id: job for job in jobs}, ordered(jobs), []
    while order.is_active():
        names = order.get_ready()
        found.append([known[name] for name in names])
        order.done(*names)
    return found
