"""The candidates that come first in a file: rankings of one's own, as of any method that tfal does not have.

Rankings of files are as in Chen et al., Making Your First Choice: To Address Cold Start Problem in Vision Active
Learning, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfal.errors import InputError
from tfal.pool.view import PoolView
from tfal.recipe.options import option
from tfal.storage.array_files import read_ids
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class Ranking(Strategy):
    """The candidates that come first in a file.

    Paper: none; files of rankings: Chen et al., Making Your First Choice: To Address Cold Start Problem in Vision
        Active Learning, 2022.
    Definition: the candidates that come first in the file.
    Cost: no network is read; O(m) for m ids in the file.
    Use: for any method that tfal does not have: rank the samples elsewhere, judge them here.

    ranking: path of an .npy file of distinct ids of the training set, best first. It need not name all of them, but
        enough candidates for every round; with --nPool below the whole pool some of its ids are no candidates.

    Raises InputError for a file that is missing or holds something else, as soon as the strategy is made.
    """

    ranking: str | None = option(None, "an .npy file of ids, best first", file=True, protocol=True)

    learners = ()

    def __post_init__(self) -> None:
        ranked_ids(self.ranking)

    def check_pool(self, candidates: np.ndarray, n: int, size: int) -> None:
        self._first(candidates, n, size)

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        return Picks(self._first(view.candidates, n, view.size))

    def scores(self, view: PoolView) -> np.ndarray:
        """Minus the place in the file, from 0; candidates that it does not name come after all others."""
        return places(view, self.ranking)

    def _first(self, candidates: np.ndarray, n: int, size: int) -> np.ndarray:
        ids = ranked_ids(self.ranking, size)
        found = ids[np.isin(ids, candidates)]
        if len(found) < n:
            raise InputError(
                f"{self.ranking} must name at least {n} of the {len(candidates)} candidates. "
                f"Received: {len(found)} of them. Rank more samples, or ask for fewer labels."
            )
        return found[:n]


def ranked_ids(path: str | None, size: int | None = None) -> np.ndarray:
    """The distinct ids in a file, below `size` where that is given. Raises InputError for anything else."""
    if path is None:
        raise InputError(
            "this strategy needs an .npy file of ids, best first. Give it: --ranking FILE, or ranking=FILE."
        )
    ids = read_ids(Path(path), "Save ids with numpy.save, best first, and give the file with --ranking.")
    if size is not None and len(ids) and ids.max() >= size:
        raise InputError(
            f"{path} must hold ids from 0 to {size - 1}. Received: {ids.max()}. "
            "Rank the training set that is used here."
        )
    return ids


def places(view: PoolView, path: str | None) -> np.ndarray:
    """A score for every candidate, higher for an earlier place in a file; lowest for those that it does not name."""
    ids = ranked_ids(path, view.size)
    scores = np.full(view.size, -float(len(ids)))
    scores[ids] = -np.arange(len(ids))
    found: np.ndarray = scores[view.candidates]
    return found
