"""A round of a campaign: the question, whether it is about the same pool, and the record of its answer."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tfal.asking.ask import ask, checked_number, narrowed
from tfal.asking.later import kept_arrays, learned, memory_shapes, observes
from tfal.asking.opened import Given, Opened, open_given
from tfal.asking.strategy import recorded_name, recorded_options
from tfal.asking.within import CANDIDATES, begun_in, next_batch
from tfal.data.prints import rows_fingerprint
from tfal.errors import InputError
from tfal.given import given_ids
from tfal.pool.ledger import Ledger
from tfal.storage.campaign_folder import About, CampaignFolder
from tfal.strategies import Strategy
from tfal.streams import Streams

Fingerprints = Mapping[str, Callable[[int], str]]


@dataclass(frozen=True)
class Question:
    """What is asked for: n of `candidates`, None for all, of which the strategy looks at most at `max_candidates`."""

    strategy: Strategy
    n: int
    given: Given
    candidates: Any = None
    max_candidates: int | None = None

    @property
    def name(self) -> str:
        """What the strategy is called in records."""
        return recorded_name(self.strategy)

    @property
    def options(self) -> dict[str, Any]:
        """What the strategy is set to, as json can write it."""
        return recorded_options(self.strategy)


def check_again(question: Question, ledger: Ledger, about: About) -> None:
    """What there is to say while a batch is open, and before the same ids are given again.

    Raises InputError for arrays of another pool. Warns where something else is asked for than was.
    """
    _new_prints(_of_arrays(question.given, ledger), ledger, about)
    last, pending = ledger.rounds[-1], ledger.pending
    if (question.name, question.options, question.n) != (last.strategy, last.options, last.n):
        warnings.warn(
            f"{len(pending)} of the {last.n} ids that {last.strategy!r} was asked for are open, and are given again. "
            "What is asked for now comes after them: tell them, or withdraw them, and ask again.",
            stacklevel=3,
        )
    if question.candidates is not None:
        gone = pending[~np.isin(pending, given_ids("candidates", question.candidates, ledger.size))]
        if len(gone):
            warnings.warn(
                f"{len(gone)} of the ids that are open are none of the candidates, such as {gone[:5].tolist()}. "
                "Withdraw those that can no longer be labeled.",
                stacklevel=3,
            )


def answer(question: Question, ledger: Ledger, about: About, folder: CampaignFolder) -> dict[str, Any]:
    """The record of the ids that the strategy picks; what it needs later is written to the folder.

    Of a strategy that asks for labels within its query, these are the ids whose labels it needs next.

    Raises InputError, before anything is written.
    """
    record = _answer(question, ledger, about, folder, begun_in(question, ledger))
    if record is None:  # the query that was open is over
        record = _answer(question, ledger, about, folder, len(ledger.rounds))
    return cast(dict[str, Any], record)


def _answer(
    question: Question, ledger: Ledger, about: About, folder: CampaignFolder, begun: int
) -> dict[str, Any] | None:
    """As `answer`, of the query that began in round `begun`; None where it is over and all of its picks are known."""
    round, query = len(ledger.rounds), ledger.query_number(begun)
    strategy = question.strategy.in_round(query)
    streams = Streams(about.seed, round=query)
    if begun < round:
        candidates = folder.memory(begun, {})[CANDIDATES]
    else:
        candidates = _candidates(question, ledger, streams)
    fewer = question.max_candidates is not None and len(candidates) == question.max_candidates
    n = checked_number(
        question.n, len(candidates), "candidates, of max_candidates" if fewer else "samples that are left"
    )
    opened = open_given(strategy, question.given)
    pool, now = ledger.pool(begun), ledger.pool()
    if opened.size is not None:
        _check_size("images and features", opened.size, ledger)
    _check_classes(now.label[now.labeled], now.labeled, opened)
    prints = _new_prints(opened.fingerprints, ledger, about, 5)
    record = {
        "ask": round,
        "strategy": question.name,
        "options": question.options,
        "n": n,
        "ids": [],
        "revision": strategy.revision,
        "memory": observes(strategy),
        "prints": prints,
    }
    if strategy.asks:
        batch = next_batch(strategy, opened, pool, n, streams, candidates, ledger)
        if not len(batch.ids):
            return None
        if begun == round:
            folder.write_memory(round, {CANDIDATES: candidates})
        return {**record, "ids": batch.ids.tolist(), "begun": begun, "goes_on": batch.goes_on}
    memory = _memory(question, ledger, about, folder)
    picks, view = ask(strategy, opened, pool, n, streams, memory, candidates)
    if observes(strategy):
        folder.write_memory(round, kept_arrays(strategy, picks, view))
    return {**record, "ids": picks.ids.tolist()}


def _candidates(question: Question, ledger: Ledger, streams: Streams) -> np.ndarray:
    """The ids that may be picked, ascending."""
    free, wanted = ledger.free(), question.candidates
    found = free if wanted is None else np.intersect1d(free, given_ids("candidates", wanted, ledger.size))
    if not len(found):
        among = "" if wanted is None else " among the candidates"
        raise InputError(
            f"nothing is left to ask for{among}: of every sample something is known. Received: n={question.n}."
        )
    return narrowed(found, question.max_candidates, streams)


def _check_size(what: str, size: int, ledger: Ledger) -> None:
    if size != ledger.size:
        mend = (
            f"Where new samples stand at their end, call extend({size}) first"
            if size > ledger.size
            else "Give all of them; which are to be chosen from is said by candidates"
        )
        raise InputError(f"{what} must be of the {ledger.size} samples of the campaign. Received: {size}. {mend}.")


def _check_classes(labels: np.ndarray, ids: np.ndarray, opened: Opened) -> None:
    n_classes = opened.n_classes
    wrong = labels >= (np.inf if n_classes is None else n_classes)
    if n_classes is not None and wrong.any():
        raise InputError(
            f"labels must be from 0 to {n_classes - 1}, the model's classes. Told: {labels[wrong][:5].tolist()} of ids "
            f"{ids[wrong][:5].tolist()}. Give a model of all classes, or tell them anew: None for none of its classes."
        )


def _of_arrays(given: Given, ledger: Ledger) -> Fingerprints:
    """The fingerprints of those images and features that are arrays of a pool of this size."""
    found = {"images": given.images, "features": given.features}
    arrays = {name: array for name, array in found.items() if isinstance(array, np.ndarray) and array.ndim}
    for name, array in arrays.items():
        _check_size(name, len(array), ledger)
    return {name: functools.partial(rows_fingerprint, array) for name, array in arrays.items()}


def _new_prints(fingerprints: Fingerprints, ledger: Ledger, about: About, level: int = 4) -> dict[str, str]:
    """The fingerprints of images and features that are not known yet.

    Raises InputError where they are of another pool, or, without a name of the pool, cannot be told from such.
    """
    new = {}
    for name, fingerprint in fingerprints.items():
        size, before = ledger.prints.get(name, (0, ""))
        changed = bool(size) and fingerprint(size) != before
        if changed and about.fingerprint is None:
            raise InputError(
                f"{name} must be those of the rounds before, row i of sample i. Received: others. Give the campaign of "
                "this pool; or, if it is the same samples in the same order, read or processed anew, open it with a "
                "name for the pool: Campaign(folder, fingerprint='...')."
            )
        if changed and name == "images":
            warnings.warn(
                "images are others than in the rounds before. The pool has its name, so they are taken for the same "
                "samples in the same order, processed otherwise.",
                stacklevel=level,
            )
        if changed or size != ledger.size:
            new[name] = fingerprint(ledger.size)
    return new


def _memory(question: Question, ledger: Ledger, about: About, folder: CampaignFolder) -> Mapping[str, np.ndarray]:
    """What the strategy learned in the last round in which it was asked with these options."""
    strategy, of = question.strategy.in_round(ledger.query_number(len(ledger.rounds))), question.strategy
    if not observes(strategy):
        return {}
    known = (question.options, strategy.revision)
    rounds = [
        number
        for number, asked in enumerate(ledger.rounds)
        if asked.strategy == question.name and asked.memory and of.in_round(asked.query) == strategy
    ]
    same = [number for number in rounds if (ledger.rounds[number].options, ledger.rounds[number].revision) == known]
    if rounds and not same:
        warnings.warn(
            f"what {question.name!r} learned in round {rounds[-1]} was with other options, and is not used: it begins "
            "anew.",
            stacklevel=5,
        )
    if not same:
        return {}
    last = same[-1]
    ids = ledger.rounds[last].ids
    arrays = folder.memory(last, memory_shapes(strategy))
    pools = ledger.pool(last), ledger.pool()
    return learned(
        strategy, ids, ledger.told(ids), arrays, *pools, Streams(about.seed, round=ledger.rounds[last].query)
    )
