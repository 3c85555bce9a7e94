"""REFINE: several strategies thin out the pool together, before one of them chooses from what is left.

Source: REFINE, CVPR 2026, arXiv 2511.22344. Differences from its public code: see docs/DIFFERENCES.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tfal.errors import InputError
from tfal.pool.read_once import ReadOnce
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.strategies.base import Picks, Strategy, picks_of

REFINE = "REFINE public code"
MEMBERS = "random,margin,badge,bait_binary,typiclust,alfamix,dropquery,maxherding,uherding"


@dataclass(frozen=True)
class Refine(Strategy):
    """What every one of several strategies asks for from random parts of the pool, again and again; then uherding.

    Paper: REFINE, CVPR 2026, arXiv 2511.22344.
    Definition: in each of n_refine rounds each strategy of refine_by picks refine_draws batches, each of a random part
        of the pool; all that was picked is the pool of the next round. uherding chooses from the last one.
    Cost: n_refine refine_draws queries of each strategy per query, on small parts; outputs are read once and kept, as
        badge and maxherding keep them.
    Use: where no single strategy is known to be best, on features of a pretrained encoder: samples that none of them
        asks for do not come through.

    The strategies have their default options.

    n_refine, refine_draws: rounds; batches of each strategy in each. refine_pool: most candidates, drawn at random.
    refine_first: the part of the first round; refine_share: of those that follow, and of the first where there are
    fewer candidates. refine_by: a comma list of strategies that keep nothing from round to round.
    """

    n_refine: int = option(5, "rounds that thin out the pool, refine", least=1, protocol=True, source=REFINE)
    refine_draws: int = option(10, "batches of each strategy in a round, refine", least=1, protocol=True, source=REFINE)
    refine_pool: int = option(10_000, "most candidates, refine", least=1, protocol=True, source=REFINE)
    refine_first: int = option(
        5000, "candidates of a batch in the first round, refine", least=1, protocol=True, source=REFINE
    )
    refine_share: float = option(
        0.4, "share of the pool that a batch is picked from, refine", above=0, protocol=True, source=REFINE
    )
    refine_by: str = option(MEMBERS, "strategies that thin out the pool, a comma list", protocol=True, source=REFINE)

    uses_labels = True

    def __post_init__(self) -> None:
        if self.refine_share > 1:
            raise InputError(f"--refineShare must be at most 1, a share of the pool. Received: {self.refine_share}.")
        if len({*self._names}) < len(self._names):
            raise InputError(f"--refineBy must name each strategy once. Received: {self.refine_by!r}.")
        for name, member in zip(self._names, self._members, strict=False):
            if member.parts or member.memory_shapes or member.asks or member.oracle or isinstance(member, Refine):
                raise InputError(
                    "--refineBy must name strategies of single queries, which keep nothing and see no hidden label. "
                    f"Received: {name!r}. Leave it out."
                )
            if member.task_learner in member.learners and member.task_learner != "classifier":
                raise InputError(
                    f"--refineBy must name strategies that read the classifier. Received: {name!r}, which reads the "
                    f"{member.task_learner}. Leave it out."
                )

    @property
    def _names(self) -> list[str]:
        return [name.strip() for name in self.refine_by.split(",")]

    @property
    def _members(self) -> list[Strategy]:
        """Those that thin out, and at the end the one that chooses."""
        from tfal.strategies import make_strategy  # which imports this

        return [make_strategy(name, None) for name in [*self._names, "uherding"]]

    @property
    def learners(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all of them."""
        return tuple(dict.fromkeys(name for member in self._members for name in member.learners))

    @property
    def required_outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all of them."""
        return tuple(dict.fromkeys(name for member in self._members for name in member.required_outputs))

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        *members, last = self._members
        pool = view.candidates
        if len(pool) > max(self.refine_pool, n):
            pool = np.sort(rng.choice(pool, max(self.refine_pool, n), replace=False))
        kept = ReadOnce(view, np.union1d(pool, view.labeled), {"classifier": ["features", "logits"]})
        for number in range(self.n_refine):
            size = self._size(len(pool), n, first=not number)
            picked = [
                self._asked(member, view, kept, np.sort(rng.choice(pool, size, replace=False)), n, rng)
                for member in members
                for _ in range(self.refine_draws)
            ]
            pool = np.unique(np.concatenate(picked))
        return Picks(self._asked(last, view, kept, pool, n, rng))

    def _size(self, m: int, n: int, *, first: bool) -> int:
        """How many of m samples a batch is picked from."""
        wanted = self.refine_first if first and m > self.refine_first else math.ceil(self.refine_share * m)
        return min(m, max(n, wanted))

    def _asked(
        self, member: Strategy, view: PoolView, kept: ReadOnce, ids: np.ndarray, n: int, rng: np.random.Generator
    ) -> np.ndarray:
        part = view.part(ids, kept, member.learners)
        (child,) = rng.spawn(1)
        return picks_of(member, part, n, child).ids
