"""What a strategy learns from labels that come when the networks of its round are gone.

What `observe` will need is kept with the round: what the strategy knew, its notes, and the outputs of the picks that
it names in `observes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfal.errors import InputError
from tfal.kernels.parts.xp import to_numpy
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies import Picks, Strategy, check_memory
from tfal.streams import Streams

_MEMORY, _NOTES, _BY_PICK, _OUTPUT, _SCORES = "memory/", "notes/", "by_pick/", "output/", "scores"


def observes(strategy: Strategy) -> bool:
    """Whether a strategy learns for later rounds."""
    return type(strategy).observe is not Strategy.observe


def kept_arrays(strategy: Strategy, picks: Picks, view: PoolView) -> dict[str, np.ndarray]:
    """What `learned` needs, as arrays by name. view: the one that the strategy chose with; it is read once more.

    Raises InputError for what no file of arrays holds.
    """
    found = {f"{_MEMORY}{name}": array for name, array in view.memory.items()}
    found |= {f"{_NOTES}{name}": to_numpy(array) for name, array in picks.notes.items()}
    found |= {f"{_BY_PICK}{name}": to_numpy(array) for name, array in picks.by_pick.items()}
    if picks.scores is not None:
        found[_SCORES] = to_numpy(picks.scores)
    for learner, outputs in strategy.observes.items():
        read = view.read(learner, outputs, picks.ids)
        found |= {f"{_OUTPUT}{learner}/{name}": to_numpy(array) for name, array in read.items()}
    odd = [name for name, array in found.items() if array.dtype.hasobject]
    if odd:
        raise InputError(
            f"what {type(strategy).__name__} keeps of a round must be arrays of numbers or texts. Received: Python "
            f"objects for {odd[0]!r}. Make numbers of them."
        )
    return found


def memory_shapes(strategy: Strategy) -> dict[str, tuple[int | None, ...]]:
    """The strategy's memory_shapes, by the names that `kept_arrays` gives."""
    return {f"{_MEMORY}{name}": shape for name, shape in strategy.memory_shapes.items()}


def learned(
    strategy: Strategy,
    ids: np.ndarray,
    told: np.ndarray,
    arrays: Mapping[str, np.ndarray],
    before: Pool,
    now: Pool,
    streams: Streams,
) -> Mapping[str, np.ndarray]:
    """What the strategy knows after a round of which labels are there.

    Args:
        strategy: the one that chose.
        ids: (n,) its picks.
        told: (n,) bool, those with a label; it hears of no others. Of none, it knows what it knew.
        arrays: what `kept_arrays` gave.
        before, now: the pool before that round, and with the labels of now.
        streams: of that round.

    Raises:
        InputError: the strategy reads what was not kept.
        TrainingError: what it learned is NaN or infinite.
    """
    memory = _part(arrays, _MEMORY)
    if not told.any():
        return memory
    picks = Picks(ids, arrays.get(_SCORES), _part(arrays, _NOTES), _part(arrays, _BY_PICK)).only(told)
    view = _LaterView(strategy, _KeptReader(ids, _part(arrays, _OUTPUT)), before, now, streams, memory)
    found = strategy.observe(view, picks, streams("observe"))
    return check_memory(found, f"what {type(strategy).__name__} learned from round {streams.round}")


def _part(arrays: Mapping[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _not_kept(what: str) -> InputError:
    return InputError(
        f"of a round whose networks are gone, `observe` can read outputs of its picks that `observes` names. Received: "
        f"{what}. Name it there, or put it into the notes of the picks."
    )


class _KeptReader:
    """The outputs of some picks; see tfal.pool.view.Reader."""

    def __init__(self, ids: np.ndarray, outputs: Mapping[str, np.ndarray]) -> None:
        self._rows = {number: row for row, number in enumerate(ids.tolist())}
        self._outputs = outputs

    def chunks(self, learner: str, outputs: Sequence[str], ids: np.ndarray) -> Iterator[dict[str, Any]]:
        for name in outputs:
            if f"{learner}/{name}" not in self._outputs:
                raise _not_kept(f"{name!r} of the {learner}")
        if any(number not in self._rows for number in ids.tolist()):
            raise _not_kept("ids that are none of the picks")
        rows = [self._rows[number] for number in ids.tolist()]
        yield {name: self._outputs[f"{learner}/{name}"][rows] for name in outputs}

    def head(self, learner: str) -> tuple[Any, Any]:
        raise _not_kept(f"the head of the {learner}")


class _LaterView(PoolView):
    """A view of a round that is over: labeled and rejected as they were when it was asked for, labels as they are."""

    def __init__(
        self, strategy: Strategy, reader: _KeptReader, before: Pool, now: Pool, streams: Streams, memory: Any
    ) -> None:
        super().__init__(now, now.unlabeled[:0], reader, streams, memory, learners=strategy.learners)
        self.labeled, self.rejected = before.labeled, before.rejected

    @property
    def candidates(self) -> np.ndarray:
        """They were not kept."""
        raise _not_kept("view.candidates")

    @candidates.setter
    def candidates(self, ids: np.ndarray) -> None:
        """There are none."""

    def _gather(
        self, learner: str, outputs: Sequence[str], fn: Callable[[dict[str, Any]], dict[str, Any]], ids: np.ndarray
    ) -> dict[str, Any]:
        self._check_declared(learner)
        (chunk,) = self._reader.chunks(learner, outputs, np.asarray(ids))
        return fn(chunk)
