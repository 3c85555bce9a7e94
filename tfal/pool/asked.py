"""Labels that a strategy asks for within a query: they count against its n, and are picks like all others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfal.errors import InputError

Tell = Callable[[np.ndarray], np.ndarray]  # ids (k,) -> a class, NO_CLASS or NOT_SURE of each, see tfal.pool.told


class Asked:
    """What is asked for within one query of n samples, in order.

    candidates: ids that may be asked for. tell: gives their labels.
    """

    def __init__(self, candidates: np.ndarray, n: int, tell: Tell) -> None:
        self._candidates, self._n, self._tell = candidates, n, tell
        self.ids = np.zeros(0, np.int64)

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The labels of `ids`, int64; see PoolView.ask."""
        ids = np.asarray(ids)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise InputError(
                f"view.ask takes distinct ids (k,) of integers. Received: {ids.dtype.name} of shape {ids.shape}."
            )
        together = np.concatenate([self.ids, ids]).astype(np.int64)
        if len(np.unique(together)) < len(together):
            raise InputError("view.ask takes ids that were not asked for before, each once. Received: some again.")
        foreign = ids[~np.isin(ids, self._candidates)]
        if len(foreign):
            raise InputError(f"view.ask takes ids of view.candidates. Received: {foreign[:5].tolist()}.")
        if len(together) > self._n:
            raise InputError(
                f"view.ask has a budget, the n = {self._n} of the query. Received: {len(together)} ids in all. What is "
                "asked for counts as picked."
            )
        found = self._tell(ids.astype(np.int64))
        self.ids = together
        return found.astype(np.int64)

    def check_picked(self, picks: np.ndarray, strategy: str) -> None:
        """Raises InputError where something that was asked for is not among the picks (n,): its label is paid for."""
        left_out = self.ids[~np.isin(self.ids, picks)]
        if len(left_out):
            raise InputError(
                f"strategy {strategy!r} must have all ids among its picks that it asked for. Received: picks without "
                f"{left_out[:5].tolist()}."
            )
