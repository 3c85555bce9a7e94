"""What several tests of the kernels use: the simplest inputs of inner functions, and common checks."""

import importlib.util

import numpy as np
import pytest
from scipy.stats import chisquare

from tfal.errors import InputError

NO_FAISS = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
BACKENDS = ["array", pytest.param("faiss", marks=NO_FAISS)]


def plain_map(work, pieces):
    return [work(piece) for piece in pieces]


class Matrix:
    """The space of a given distance matrix."""

    def __init__(self, distances):
        self.features = np.asarray(distances)

    def rows(self, where):
        return self.features[where]

    def centers(self, where):
        return where

    def nearness(self, rows, centers):
        return -rows[:, centers]

    def squared(self, rows, nearness):
        return nearness**2


def squared_distances(space):
    """All pairs of rows of a space, from one product."""
    every = np.arange(len(space.features))
    return space.squared(space.rows(slice(None)), space.nearness(space.rows(slice(None)), space.centers(every)))


def check_refusal(parts, call, *given, **named):
    """The call is refused, in one line that has all these parts."""
    with pytest.raises(InputError) as error:
        call(*given, **named)
    message = str(error.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message
    assert message.endswith(".")


def check_law(sequences, law):
    """Chi-square test of drawn sequences, (runs, n), against the probability of each."""
    counts = dict.fromkeys(law, 0)
    for sequence in map(tuple, np.asarray(sequences).tolist()):
        counts[sequence] += 1  # a KeyError here is a sequence of probability 0
    expected = len(sequences) * np.array(list(law.values()))
    observed = np.array(list(counts.values()))
    rare = expected < 5
    observed, expected = (np.append(a[~rare], a[rare].sum()) for a in (observed, expected))
    kept = expected > 0
    assert kept.sum() > 10
    assert chisquare(observed[kept], expected[kept]).pvalue > 1e-3


def greedy_traces(each, total, fisher, n):
    """The rows that bait picks: by the traces themselves, all inverses anew for every row and step.

    each: information of every row, (m, s, s). total: what is there already. fisher: what it is held against.
    """
    picks = []

    def trace(change):
        return np.trace(np.linalg.inv(total + change) @ fisher)

    for _ in range(min(2 * n, len(each))):
        picks.append(int(np.argmin([np.inf if i in picks else trace(each[i]) for i in range(len(each))])))
        total = total + each[picks[-1]]
    while len(picks) > n:
        total = total - each[picks.pop(int(np.argmin([trace(-each[i]) for i in picks])))]
    return picks
