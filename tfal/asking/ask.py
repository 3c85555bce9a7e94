"""One question to a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfal.asking.opened import Opened
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies import Picks, Strategy, check_picks
from tfal.streams import Streams


def ask(
    strategy: Strategy,
    opened: Opened,
    pool: Pool,
    n: int,
    streams: Streams,
    memory: Mapping[str, np.ndarray] | None = None,
    candidates: np.ndarray | None = None,
) -> tuple[Picks, PoolView]:
    """n picks of a strategy, and the view that it saw.

    Args:
        strategy: as checked_strategy gives it.
        opened: what it reads, as open_given gives it; of as many samples as the pool.
        pool: what is known of each sample; it stays as it is.
        n: how many, from 1 to the number of candidates.
        streams: of this round; "query" is the strategy's.
        memory: what `observe` of the round before gave back.
        candidates: ids that may be picked, int64, distinct, ascending, unlabeled; None: all unlabeled ones.

    Raises:
        InputError: the strategy cannot choose, or something that it reads cannot be used.
    """
    view = view_of(strategy, opened, pool, streams, memory, candidates)
    strategy.check_pool(view.candidates, n, len(pool))
    picks = strategy.query(view, n, streams("query"))
    return check_picks(picks, view.candidates, n, type(strategy).__name__), view


def view_of(
    strategy: Strategy,
    opened: Opened,
    pool: Pool,
    streams: Streams,
    memory: Mapping[str, np.ndarray] | None = None,
    candidates: np.ndarray | None = None,
) -> PoolView:
    """What the strategy sees of a pool; see `ask`. For `observe` make one once the labels of the picks are there."""
    candidates = pool.unlabeled if candidates is None else candidates
    return PoolView(pool, candidates, opened.reader(pool, streams), streams, memory, learners=strategy.learners)


def checked_number(n: Any, n_candidates: int, of: str = "unlabeled samples") -> int:
    """n as an int, when so many samples are there to pick. Raises InputError otherwise. of: what they are called."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= n_candidates:
        mend = " Give int(n)." if isinstance(n, float) and n.is_integer() else ""
        raise InputError(f"n must be a whole number from 1 to the {n_candidates} {of}. Received: {n!r}.{mend}")
    return int(n)
