"""The pool: state, label and round of every sample. Arrays only; ids are positions in the training set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfal.errors import InputError
from tfal.files import write_atomically
from tfal.storage.array_files import ArrayFileError, read_arrays

UNLABELED, LABELED, VALIDATION, REJECTED, EXCLUDED = 0, 1, 2, 3, 4


@dataclass(eq=False)
class Pool:
    """What is known of each of the N training samples.

    state: (N,) uint8, one of UNLABELED, LABELED, VALIDATION, REJECTED (labeled, but of a class nobody asked for),
        EXCLUDED (of the data set, but not of this pool).
    label: (N,) int32, the class once revealed, -1 before.
    round: (N,) int32, the round in which the label was bought: 0 for the initial set, -1 when not bought.
    """

    state: np.ndarray
    label: np.ndarray
    round: np.ndarray

    @classmethod
    def unlabeled_pool(cls, n: int, members: np.ndarray | None = None) -> Pool:
        """A pool of n samples of which nothing is known; members: ids of those that belong to it, None for all."""
        pool = cls(np.zeros(n, np.uint8), np.full(n, -1, np.int32), np.full(n, -1, np.int32))
        if members is not None:
            pool.exclude(np.setdiff1d(np.arange(n), members))
        return pool

    def __len__(self) -> int:
        return len(self.state)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pool):
            return NotImplemented
        names = ("state", "label", "round")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    __hash__ = None  # type: ignore[assignment]

    def ids(self, state: int) -> np.ndarray:
        """The ids (int64, ascending) of all samples in `state`."""
        return np.flatnonzero(self.state == state)

    @property
    def members(self) -> np.ndarray:
        """Ids of the samples that belong to the pool: all that are not excluded."""
        return np.flatnonzero(self.state != EXCLUDED)

    @property
    def n_bought(self) -> int:
        """Number of labels paid for: of known and of unknown classes."""
        return int(np.sum(self.round >= 0))

    @property
    def labeled(self) -> np.ndarray:
        """Ids of the samples that train the classifier."""
        return self.ids(LABELED)

    @property
    def unlabeled(self) -> np.ndarray:
        """Ids of the samples that a strategy may ask for."""
        return self.ids(UNLABELED)

    @property
    def validation(self) -> np.ndarray:
        """Ids of the validation samples, whose labels are not counted as bought."""
        return self.ids(VALIDATION)

    @property
    def rejected(self) -> np.ndarray:
        """Ids of the samples that turned out to be of an unknown class."""
        return self.ids(REJECTED)

    def label_samples(self, ids: np.ndarray, labels: np.ndarray, round: int, n_known: int | None = None) -> None:
        """Reveals the labels of unlabeled samples in `round`: they become LABELED.

        Where only the classes below `n_known` are known, samples of other classes become REJECTED.
        """
        known = np.full(len(ids), True) if n_known is None else labels < n_known
        self._reveal(ids[known], labels[known], LABELED)
        self._reveal(ids[~known], labels[~known], REJECTED)
        self.round[ids] = round

    def exclude(self, ids: np.ndarray) -> None:
        """Takes unlabeled samples out of the pool for good."""
        self._check_unlabeled(ids)
        self.state[ids] = EXCLUDED

    def set_validation(self, ids: np.ndarray, labels: np.ndarray) -> None:
        """Sets unlabeled samples apart for validation."""
        self._reveal(ids, labels, VALIDATION)

    def _reveal(self, ids: np.ndarray, labels: np.ndarray, state: int) -> None:
        self._check_unlabeled(ids)
        self.state[ids] = state
        self.label[ids] = labels

    def _check_unlabeled(self, ids: np.ndarray) -> None:
        taken = ids[self.state[ids] != UNLABELED]
        if len(taken):
            raise ValueError(f"samples can be labeled once. Received ids already taken: {taken[:5].tolist()}")

    def back_to(self, round: int) -> Pool:
        """A copy as it was after the labels of `round` were bought and before any later ones."""
        later = self.round > round
        return Pool(
            np.where(later, UNLABELED, self.state).astype(np.uint8),
            np.where(later, -1, self.label).astype(np.int32),
            np.where(later, -1, self.round).astype(np.int32),
        )

    def check(self) -> str | None:
        """What contradicts itself in these arrays, in words; None for a sound pool."""
        wanted = {"state": np.uint8, "label": np.int32, "round": np.int32}
        for name, dtype in wanted.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != (len(self.state),):
                return (
                    f"{name} has shape {array.shape} and dtype {array.dtype}, not ({len(self.state)},) {dtype.__name__}"
                )
        if self.state.max(initial=0) > EXCLUDED:
            return f"state holds {self.state.max()}, which is none of 0..{EXCLUDED}"
        if np.any((self.label < 0) != np.isin(self.state, (UNLABELED, EXCLUDED))):
            return "some samples have a label without being labeled, or are labeled without a label"
        if np.any((self.round >= 0) != np.isin(self.state, (LABELED, REJECTED))):
            return "some samples have a round without being labeled, or are labeled without a round"
        return None

    def mislabeled(self, labels: np.ndarray, n_known: int | None = None) -> np.ndarray:
        """Ids whose label is another than in `labels` (N,), or that are rejected against what `n_known` says."""
        wrong = (self.label >= 0) & (self.label != labels)
        if n_known is not None:
            wrong |= (self.round >= 0) & ((labels >= n_known) != (self.state == REJECTED))
        return np.flatnonzero(wrong)

    def save(self, path: Path) -> None:
        """Writes the pool as .npz, at once or not at all. The same pool gives the same bytes."""
        write_atomically(path, lambda file: np.savez(file, state=self.state, label=self.label, round=self.round))

    @classmethod
    def load(cls, path: Path) -> Pool:
        """Reads what `save` wrote. Raises InputError for a file that is damaged or something else."""
        try:
            arrays = read_arrays(path, names=("state", "label", "round"))
            pool = cls(**arrays)
            problem = pool.check()
        except ArrayFileError as error:
            problem = error.reason
        if problem:
            raise InputError(
                f"{path} is damaged or was not written by tfal ({problem}). "
                "Remove its folder to run this repetition anew, or give another --resultsDir."
            )
        return pool
