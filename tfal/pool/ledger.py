"""What is known in a campaign after each thing that happened in it: asked, told, taken back, pool extended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfal.pool.pool import EXCLUDED, LABELED, REJECTED, UNLABELED, Pool
from tfal.pool.told import NO_CLASS, NOT_SURE, as_json, from_json

NOTHING = -3  # is known of a sample: a number that nobody tells


class AskedRound(NamedTuple):
    """One batch that was asked for.

    strategy: its name. options: what it was set to. n: how many were asked for. ids: (n,) int64, in the order of
    picking; of a strategy that asks within its query, a part of the n. revision: of the strategy's rule. memory:
    whether a file holds what the strategy knew then. begun: the round in which its query began. goes_on: whether the
    query does, once the ids are told. query: its number, from 0.
    """

    strategy: str
    options: Mapping[str, Any]
    n: int
    ids: np.ndarray
    revision: int
    memory: bool
    begun: int
    goes_on: bool
    query: int


class Ledger:
    """The pool of a campaign, and its rounds, as its records make them.

    Records are dicts as json has them: {"ask": 0, "strategy": ..., "options": ..., "n": ..., "ids": ..., "revision":
    ..., "memory": ..., "prints": ...}, of a strategy that asks within its query with "begun": ..., "goes_on": ... too;
    {"tell": ids, "labels": ...}, {"withdraw": ids}, {"extend": size}.

    size: number of samples at first. Attributes: rounds, what was asked for so far, the last one open as long as an id
    of it is pending; prints, what the images and features looked like: (number of samples, print) by name.
    """

    def __init__(self, size: int) -> None:
        self.rounds: list[AskedRound] = []
        self.prints: dict[str, tuple[int, str]] = {}
        self._pool = Pool.unlabeled_pool(size)
        self._pending = np.zeros(size, bool)
        self._asked = np.full(size, -1, np.int32)  # the last round in which it was

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self._pool)

    @property
    def pending(self) -> np.ndarray:
        """Ids (int64) that were asked for and neither told nor withdrawn, in the order of picking."""
        if not self.rounds:
            return np.zeros(0, np.int64)
        ids = self.rounds[-1].ids
        found: np.ndarray = ids[self._pending[ids]]
        return found

    @property
    def open_query(self) -> AskedRound | None:
        """The last batch, where its query goes on."""
        return self.rounds[-1] if self.rounds and self.rounds[-1].goes_on else None

    def query_number(self, begun: int) -> int:
        """The number of the query that began, or begins now, in round `begun`."""
        return self.rounds[begun].query if begun < len(self.rounds) else self._n_queries

    @property
    def _n_queries(self) -> int:
        return self.rounds[-1].query + 1 if self.rounds else 0

    def labeled_set(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids with a class, ascending, and their classes; int64."""
        ids = self._pool.labeled
        return ids, self._pool.label[ids].astype(np.int64)

    def in_state(self, state: int) -> np.ndarray:
        """The ids in one of the states of tfal.pool; those that nobody can say are EXCLUDED."""
        return self._pool.ids(state)

    def free(self) -> np.ndarray:
        """The ids that may be asked for: of which nothing is known, and which are not pending."""
        return np.flatnonzero((self._pool.state == UNLABELED) & ~self._pending)

    def never_asked(self, ids: np.ndarray) -> np.ndarray:
        """Those of `ids` that no round asked for."""
        found: np.ndarray = ids[self._asked[ids] < 0]
        return found

    def told(self, ids: np.ndarray) -> np.ndarray:
        """Which of `ids` have a class or are known to be of none, bool: a strategy may learn from these."""
        return np.isin(self._pool.state[ids], (LABELED, REJECTED))

    def pool(self, round: int | None = None) -> Pool:
        """The pool as strategies take it: every rejected sample has one number, which is that of no class.

        round: as it was when this round was asked for, with the labels as they are now; None: as it is.
        """
        pool = self._pool.back_to(len(self.rounds) if round is None else round)
        pool.label[pool.rejected] = pool.label[pool.labeled].max(initial=0) + 1
        return pool

    def news(self, ids: np.ndarray, told: np.ndarray) -> dict[str, Any] | None:
        """The record of what is told; None where all of it is known already."""
        new = self.known(ids) != told
        return {"tell": ids[new].tolist(), "labels": as_json(told[new])} if new.any() else None

    def apply(self, record: Mapping[str, Any]) -> None:
        """Follows a record. Raises ValueError or KeyError for one that cannot be, and changes nothing then."""
        kinds = [kind for kind in ("ask", "tell", "withdraw", "extend") if kind in record]
        if len(kinds) != 1:
            raise ValueError(f"it is none of ask, tell, withdraw, extend; it has {', '.join(record) or 'nothing'}")
        getattr(self, f"_{kinds[0]}")(record)

    def _ask(self, record: Mapping[str, Any]) -> None:
        ids = self._ids(record["ids"])
        if record["ask"] != len(self.rounds):
            raise ValueError(f"it is round {record['ask']} after {len(self.rounds)} of them")
        if len(self.pending):
            raise ValueError("it asks while a batch is open")
        if not len(ids) or np.any((self._pool.state[ids] != UNLABELED) | self._pending[ids]):
            raise ValueError("it asks for what is known already, or for nothing")
        strategy, options, prints = str(record["strategy"]), dict(record["options"]), dict(record["prints"])
        begun, goes_on = record.get("begun", len(self.rounds)), bool(record.get("goes_on"))
        if begun != len(self.rounds) and (self.open_query is None or begun != self.open_query.begun):
            raise ValueError(f"it goes on with a query of round {begun}, which is not open")
        number = self.query_number(begun)
        about = int(record["n"]), ids, int(record["revision"]), bool(record["memory"])
        found = AskedRound(strategy, options, *about, begun, goes_on, number)
        self._asked[ids] = len(self.rounds)
        self._pending[ids] = True
        self.prints |= {str(name): (self.size, str(value)) for name, value in prints.items()}
        self.rounds.append(found)

    def _tell(self, record: Mapping[str, Any]) -> None:
        ids, told = self._ids(record["tell"]), from_json(record["labels"])
        if len(ids) != len(told):
            raise ValueError(f"it has {len(ids)} ids and {len(told)} labels")
        pool = self._pool
        pool.state[ids] = np.select([told == NO_CLASS, told == NOT_SURE], [REJECTED, EXCLUDED], LABELED)
        pool.label[ids] = np.where(told == NOT_SURE, -1, np.maximum(told, 0))
        rounds = np.where(self._asked[ids] >= 0, self._asked[ids] + 1, len(self.rounds))
        pool.round[ids] = np.where(told == NOT_SURE, -1, np.where(pool.round[ids] >= 0, pool.round[ids], rounds))
        self._pending[ids] = False

    def _withdraw(self, record: Mapping[str, Any]) -> None:
        ids = self._ids(record["withdraw"])
        if not self._pending[ids].all():
            raise ValueError("it withdraws what is not open")
        self._pending[ids] = False

    def _extend(self, record: Mapping[str, Any]) -> None:
        size, before = record["extend"], self.size
        if type(size) is not int or size <= before:
            raise ValueError(f"it extends {before} samples to {size!r}")
        more = Pool.unlabeled_pool(size - before)
        parts = ((getattr(self._pool, name), getattr(more, name)) for name in ("state", "label", "round"))
        self._pool = Pool(*map(np.concatenate, parts))
        self._pending = np.concatenate([self._pending, np.zeros(len(more), bool)])
        self._asked = np.concatenate([self._asked, more.round])

    def _ids(self, given: Sequence[Any]) -> np.ndarray:
        ids = np.array(given, np.int64) if all(type(one) is int for one in given) else np.full(1, -1)
        if ids.ndim != 1 or (len(ids) and not 0 <= ids.min() <= ids.max() < self.size):
            raise ValueError(f"its ids are not all from 0 to {self.size - 1}")
        if len(np.unique(ids)) < len(ids):
            raise ValueError("it names an id twice")
        return ids

    def known(self, ids: np.ndarray) -> np.ndarray:
        """What is known of each of `ids`, int64: as it would be told, and NOTHING where nothing is."""
        state = self._pool.state[ids]
        known = np.select([state == REJECTED, state == EXCLUDED, state == UNLABELED], [NO_CLASS, NOT_SURE, NOTHING], 0)
        return np.where(state == LABELED, self._pool.label[ids], known).astype(np.int64)
