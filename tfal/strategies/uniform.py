"""Uniform: as many labels of every class. An oracle, since it looks at labels before they are bought.

Source: the upper bound of Pourahmadi et al., A Simple Baseline for Low-Budget Active Learning, 2021. Differences from
its public code: exactly n picks, where classes run short too, and labels of earlier rounds count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfal.pool.view import PoolView
from tfal.strategies.base import Picks, Strategy


@dataclass(frozen=True)
class Uniform(Strategy):
    """Random candidates, each of a class with the fewest labels so far; no fair competitor of other strategies.

    Paper: Pourahmadi et al., A Simple Baseline for Low-Budget Active Learning, 2021: its upper bound.
    Definition: a random candidate of the class with the fewest labels, n times.
    Cost: no network is read; O(m log m) for m candidates.
    Use: as a bound in a study, never as a method: it looks at labels before they are bought.

    oracle: whether true labels of unlabeled samples are needed, which the view has to be given.
    """

    learners = ()
    oracle: ClassVar[bool] = True

    def query(self, view: PoolView, n: int, rng: np.random.Generator) -> Picks:
        ids = rng.permutation(view.candidates)
        _, class_of = np.unique(view.oracle_labels(np.concatenate([ids, view.labeled])), return_inverse=True)
        candidates, labeled = class_of[: len(ids)], class_of[len(ids) :]
        order = candidates.argsort(kind="stable")  # class by class, each in random order
        sizes = np.bincount(candidates, minlength=class_of.max() + 1)
        turn = np.empty(len(ids), np.int64)  # how many labels its class has before its turn comes
        turn[order] = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        turn += np.bincount(labeled, minlength=len(sizes))[candidates]
        return Picks(ids[turn.argsort(kind="stable")[:n]])
