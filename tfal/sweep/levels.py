"""Jobs in groups that wait for each other."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from tfal.sweep.job import Job


def levels(jobs: Sequence[Job]) -> list[list[Job]]:
    """Groups of jobs: each needs only jobs of the groups before it. Needs that are not among `jobs` are done."""
    known = {job.id: job for job in jobs}
    order = graphlib.TopologicalSorter({job.id: [need for need in job.needs if need in known] for job in jobs})
    order.prepare()
    found = []
    while order.is_active():
        names = order.get_ready()
        found.append([known[name] for name in names])
        order.done(*names)
    return found
