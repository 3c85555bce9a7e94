"""Ask and tell: which samples people should label next, and a folder that remembers what they said."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfal.asking import Given, checked_strategy
from tfal.asking.round import Question, answer, check_again
from tfal.errors import InputError
from tfal.given import check_int, given_ids
from tfal.pool.ledger import AskedRound, Ledger
from tfal.pool.pool import EXCLUDED, REJECTED, UNLABELED
from tfal.pool.told import told_labels
from tfal.storage.campaign_folder import About, CampaignFolder
from tfal.strategies import Strategy

_T = TypeVar("_T")
_MOST = 10**9  # samples


class Campaign:
    """A pool that people label, batch by batch, in a folder that outlives the process.

    `ask` gives the ids of the samples to be labeled next, the same ones again until they are told; `tell` takes labels.
    The lab trains as it likes in between. An id is a position in its data set.

    Whatever `tell`, `withdraw` and `extend` returned from is on the disk, and so are the ids that `ask` gave: a process
    may be killed at any moment. The folder holds campaign.json (what it is), journal.jsonl (what happened, a line of
    json each), and memory/ for strategies that learn from round to round. Several processes may work in it, one call
    after the other; each sees at once what the others did. Where another one tells meanwhile, take `labeled_set`, in
    which ids and labels belong together.

    Args:
        folder: of this campaign alone; made when it is not there.
        size: number of samples in the pool. Needed for a new campaign; of one that is there, held against its own.
        seed: of the random streams, at least 0; 0 for a new campaign when not given. Round r of a campaign draws what
            round r of a run with this seed would.
        fingerprint: a name of the pool, such as a version of the data set; another one is refused later on. Without it,
            images and features are taken for the pool's name: some 256 of their rows are compared in each round. With
            it, features may change from round to round, as they do when an encoder is trained on, and images may be
            processed otherwise, which is said in a warning.

    Raises:
        InputError: the folder is of another pool, damaged, of something else, or cannot be written to.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        size: int | None = None,
        seed: int | None = None,
        fingerprint: str | None = None,
    ) -> None:
        if not isinstance(folder, str | PathLike) or not str(folder):
            raise InputError(f"folder must be the path of the campaign's folder. Received: {folder!r}.")
        if size is not None:
            _check_samples(size)
        if seed is not None:
            check_int("seed", seed, 0)
        if fingerprint is not None and not (isinstance(fingerprint, str) and fingerprint.strip()):
            raise InputError(f"fingerprint must be a text that names the pool. Received: {fingerprint!r}.")
        self._folder = CampaignFolder(Path(folder))
        self._mutex = threading.RLock()  # of what this object knows; the folder has its own, for calls that write
        self._about = self._opened(size, seed, fingerprint)
        self._ledger = Ledger(self._about.size)
        self._refresh()
        self._check_size(size)

    def __repr__(self) -> str:
        return f"Campaign({str(self._folder.path)!r}, size={self.size}, seed={self._about.seed})"

    @property
    def size(self) -> int:
        """Number of samples in the pool."""
        return self._look(lambda ledger: ledger.size)

    @property
    def labeled(self) -> np.ndarray:
        """Ids with a class, int64, ascending."""
        return self.labeled_set[0]

    @property
    def labels(self) -> np.ndarray:
        """The class of each of `labeled`, int64."""
        return self.labeled_set[1]

    @property
    def labeled_set(self) -> tuple[np.ndarray, np.ndarray]:
        """`labeled` and `labels` of one moment."""
        return self._look(Ledger.labeled_set)

    @property
    def rejected(self) -> np.ndarray:
        """Ids that were told to be of none of the classes (None), int64, ascending."""
        return self._look(lambda ledger: ledger.in_state(REJECTED))

    @property
    def unsure(self) -> np.ndarray:
        """Ids of which nobody can say it (tfal.UNSURE), int64, ascending."""
        return self._look(lambda ledger: ledger.in_state(EXCLUDED))

    @property
    def unlabeled(self) -> np.ndarray:
        """Ids of which nothing was told, pending ones included, int64, ascending."""
        return self._look(lambda ledger: ledger.in_state(UNLABELED))

    @property
    def pending(self) -> np.ndarray:
        """Ids of the open batch that are neither told nor withdrawn, int64, in the order of picking."""
        return self._look(lambda ledger: ledger.pending)

    @property
    def rounds(self) -> tuple[AskedRound, ...]:
        """What was asked for so far, a batch each: strategy, options, n, ids."""
        return self._look(lambda ledger: tuple(ledger.rounds))

    def ask(
        self,
        strategy: str | Strategy,
        model: Any = None,
        images: Any = None,
        features: Any = None,
        *,
        n: int,
        candidates: Any = None,
        max_candidates: int | None = None,
        batch_size: int = 256,
        outputs: Mapping[str, Any] | None = None,
        backend: str = "auto",
        **options: Any,
    ) -> np.ndarray:
        """Which n samples should be labeled next?

        As long as some of the last batch are neither told nor withdrawn, it is these that are given again, and nothing
        is looked at but whether it is the same pool. One that asks for labels within its query (galaxy, direct) gives
        the ids that it needs next. Tell them, and ask the same again, with the same model, while `rounds[-1].goes_on`.

        Args:
            strategy: a name of tfal.strategies.STRATEGIES, or a Strategy.
            model, images, features: what the strategy reads; see tfal.query. All samples of the pool, row i is id i.
            n: number of samples.
            candidates: ids, or a boolean mask, that the choice is to be made from, such as the pictures that are still
                there; None: all. What is known of the other samples counts all the same.
            max_candidates: how many of these the strategy looks at, drawn at random where there are more; None: all.
            batch_size, outputs, backend: see tfal.query.
            options: options of the strategy, such as n_sample for "ldms".

        Returns:
            ids (n,) int64, distinct, in the order of picking; of an open batch or query fewer, as said above.

        Warns:
            UserWarning: a batch is open, and something else is asked for now; a strategy cannot use what it learned
                with other options.

        Raises:
            InputError: fewer are left than asked for; images or features are of another pool; the strategy cannot be
                asked, or cannot read what was given.
        """
        chosen = checked_strategy(strategy, options, {*signature(Campaign.ask).parameters} - {"self", "options"})
        given = Given(model, images, features, outputs, batch_size, backend)
        question = Question(chosen, n, given, candidates, max_candidates)
        with self._writing() as ledger:
            pending = ledger.pending
            if len(pending):
                check_again(question, ledger, self._about)
                return pending
            self._write(answer(question, ledger, self._about, self._folder))
            return ledger.pending

    def tell(self, ids: Any, labels: Any) -> None:
        """Says what samples are: some of a batch, all of it, corrections, or samples that nobody asked for.

        Args:
            ids: (m,) distinct ids, or a boolean mask (size,).
            labels: (m,) a class, an integer from 0, for each of the ids; None for none of the classes: the sample is
                rejected, which open-set strategies use; tfal.UNSURE where nobody can say: it is left out from then on.
                The last word counts. What is known already changes nothing.

        Warns:
            UserWarning: some were never asked for. They count all the same.

        Raises:
            InputError: ids that are not in the pool, or twice; labels that are none of these, or not as many. Nothing
                is told then.
        """
        with self._writing() as ledger:
            found = given_ids("ids", ids, ledger.size)
            told = told_labels(labels, found)
            record = ledger.news(found, told)
            stray = ledger.never_asked(found)
            if record and len(stray):
                warnings.warn(
                    f"{len(stray)} of the ids were never asked for, such as {stray[:5].tolist()}. Their labels count "
                    "all the same.",
                    stacklevel=2,
                )
            self._write(record)

    def withdraw(self, ids: Any = None) -> None:
        """Takes back open ids: they are samples of which nothing is known, as before they were asked for.

        ids: some of `pending`; None: all of them. Raises InputError for others.
        """
        with self._writing() as ledger:
            pending = ledger.pending
            found = pending if ids is None else given_ids("ids", ids, ledger.size)
            others = found[~np.isin(found, pending)]
            if len(others):
                raise InputError(
                    f"ids must be pending, asked for and not told. Received: {others[:5].tolist()}. Those of pending "
                    "can be withdrawn; a label is corrected by tell."
                )
            self._write({"withdraw": found.tolist()} if len(found) else None)

    def extend(self, size: int) -> None:
        """Makes the pool larger: new samples stand at its end, so that ids mean what they meant.

        size: number of samples with them. The same size again changes nothing; InputError for a smaller one.
        """
        _check_samples(size)
        with self._writing() as ledger:
            if size < ledger.size:
                raise InputError(
                    f"size must be at least {ledger.size}, that of the pool. Received: {size}. Samples that are gone "
                    "are left out by candidates of ask."
                )
            self._write({"extend": int(size)} if size > ledger.size else None)

    def _opened(self, size: int | None, seed: int | None, fingerprint: str | None) -> About:
        """What the campaign is; it is made, or gets its fingerprint, where that is not so yet."""
        about = self._folder.about()
        if about is None or (fingerprint and about.fingerprint is None):
            if about is None and size is None:
                raise InputError(
                    f"{self._folder.path} holds no campaign yet. Give size=, the number of samples, for a new one."
                )
            self._folder.check_writable()
            with self._folder.locked():
                found = self._folder.about()  # again: another process may have been faster
                about = found or About(int(size or 0), int(seed or 0), None)
                self._folder.check(about, seed, fingerprint)
                about = about._replace(fingerprint=about.fingerprint or fingerprint)
                if about != found:
                    self._folder.write(about)
        self._folder.check(about, seed, fingerprint)
        return about

    def _check_size(self, size: int | None) -> None:
        if size is not None and size != self._ledger.size:
            mend = (
                f"Where new ones stand at its end, open it without size and call extend({size})"
                if size > self._ledger.size
                else "Give the folder of this pool, or a new one; candidates of ask leaves out samples that are gone"
            )
            raise InputError(
                f"{self._folder.path} holds a campaign of {self._ledger.size} samples. Received: size={size}. {mend}."
            )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Ledger]:
        """What is known, while nobody else may change it."""
        with self._folder.locked():
            self._refresh()
            self._folder.journal.repair()
            yield self._refresh()

    def _write(self, record: Mapping[str, Any] | None) -> None:
        if record is not None:
            self._folder.journal.append(record)
            self._refresh()

    def _look(self, at: Callable[[Ledger], _T]) -> _T:
        with self._mutex:
            return at(self._refresh())

    def _refresh(self) -> Ledger:
        """What is known by now, whoever wrote it."""

        def restart() -> None:
            self._ledger = Ledger(self._about.size)

        with self._mutex:
            self._folder.journal.read(lambda record: self._ledger.apply(record), restart)
            return self._ledger


def _check_samples(size: int) -> None:
    check_int("size", size, 1)
    if size > _MOST:
        raise InputError(f"size must be at most {_MOST}, the samples of a pool. Received: {size}.")
