"""One question to a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tfal.asking.opened import Opened
from tfal.asking.strategy import shown_name
from tfal.errors import InputError
from tfal.given import check_int
from tfal.kernels import top_n
from tfal.kernels.parts.xp import to_numpy
from tfal.pool import Pool
from tfal.pool.asked import Tell
from tfal.pool.view import PoolView
from tfal.strategies import STRATEGIES, Picks, Strategy, picks_of
from tfal.strategies.base import warn_if_alike
from tfal.streams import Streams


class Ranked(NamedTuple):
    """Samples, the one to be asked for first at the beginning.

    ids: (m,) int64. scores: (m,) float64, the larger the sooner, never NaN.
    """

    ids: np.ndarray
    scores: np.ndarray


def ask(
    strategy: Strategy,
    opened: Opened,
    pool: Pool,
    n: int,
    streams: Streams,
    memory: Mapping[str, np.ndarray] | None = None,
    candidates: np.ndarray | None = None,
    tell: Tell | None = None,
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
        tell: gives the labels that a strategy asks for within its query, see tfal.pool.asked; None: nobody does.

    Raises:
        InputError: the strategy cannot choose, or something that it reads cannot be used.
    """
    view = _view(strategy, opened, pool, streams, memory, candidates)
    strategy.check_pool(view.candidates, n, len(pool))
    return picks_of(strategy, view, n, streams("query"), tell=tell), view


def rank_all(
    strategy: Strategy,
    opened: Opened,
    pool: Pool,
    streams: Streams,
    memory: Mapping[str, np.ndarray] | None = None,
    candidates: np.ndarray | None = None,
) -> Ranked:
    """All candidates in the order in which `ask` would pick them, with their scores.

    Args: see `ask`.

    Raises:
        InputError: the strategy has no score of single samples, or something that it reads cannot be used.
    """
    if not ranks(type(strategy)):
        known = ", ".join(sorted(name for name, kind in STRATEGIES.items() if ranks(kind)))
        raise InputError(
            f"strategy {shown_name(strategy)} chooses by what else it chooses, or by chance, and has no scores "
            f"of single samples. Those that have: {known}; one of your own needs a method scores(view)."
        )
    view = _view(strategy, opened, pool, streams, memory, candidates)
    scores = to_numpy(strategy.scores(view))
    if scores.shape != view.candidates.shape:
        raise InputError(
            f"strategy {shown_name(strategy)} must give one score for each of {len(view.candidates)} candidates. "
            f"Received: shape {scores.shape}."
        )
    rows = top_n(scores, len(scores), rng=streams("query"))
    warn_if_alike(scores, 1)
    return Ranked(view.candidates[rows], strategy.shown(scores[rows]).astype(np.float64))


def ranks(strategy: type[Strategy]) -> bool:
    """Whether strategies of this class have a score of single samples."""
    return strategy.scores is not Strategy.scores


def narrowed(candidates: np.ndarray, most: Any, streams: Streams) -> np.ndarray:
    """At most so many candidates, ascending, drawn at random where there are more; None: all of them."""
    if most is None:
        return candidates
    check_int("max_candidates", most, 1)
    if most >= len(candidates):
        return candidates
    return np.sort(streams("candidates").choice(candidates, int(most), replace=False))


def _view(
    strategy: Strategy,
    opened: Opened,
    pool: Pool,
    streams: Streams,
    memory: Mapping[str, np.ndarray] | None = None,
    candidates: np.ndarray | None = None,
) -> PoolView:
    """What the strategy sees of a pool; see `ask`."""
    candidates = pool.unlabeled if candidates is None else candidates
    return PoolView(pool, candidates, opened.reader(pool, streams), streams, memory, learners=strategy.learners)


def checked_number(n: Any, n_candidates: int, of: str = "unlabeled samples") -> int:
    """n as an int, when so many samples are there to pick. Raises InputError otherwise. of: what they are called."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= n_candidates:
        mend = " Give int(n)." if isinstance(n, float) and n.is_integer() else ""
        raise InputError(f"n must be a whole number from 1 to the {n_candidates} {of}. Received: {n!r}.{mend}")
    return int(n)
