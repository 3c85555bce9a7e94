"""What an engine does: commands of tfal, each a process of its own, and what each of them waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Resources:
    """What a job needs.

    threads: of a processor; results can depend on it, so it is fixed, and a run's recipe records it. gpus: 0 for a job
    that computes on processors. memory_gb: at its peak; None: not known. minutes: after which it is ended; None: no
    limit.
    """

    threads: int = 1
    gpus: int = 0
    memory_gb: float | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Job:
    """One command, done once.

    id: 12 hexadecimal digits of what it is, which no folder or machine goes into. title: what messages call it.
    group: what jobs that take about as long have in common. command: arguments of `python -m tfal`. needs: ids of jobs
    that must be done before. results: a file that is there once it is done, from the results folder; "": not known.
    """

    id: str
    title: str
    group: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    resources: Resources = Resources()
    results: str = ""

    def as_json(self) -> dict[str, Any]:
        """All of it, as json can write it."""
        return asdict(self)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Job:
        """What `as_json` gave."""
        lists = {name: tuple(given[name]) for name in ("command", "needs")}
        return cls(**{**given, **lists, "resources": Resources(**given["resources"])})
