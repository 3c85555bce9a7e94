"""What the open-set kernels are compared with: the submodlib package, and the loops that public code runs.

`xp` is numpy or cupy. The package is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax

from tfal.kernels.parts.xp import to_numpy


class Similarities(NamedTuple):
    """What submodlib is given: dense products of the factors' cosines."""

    candidates: np.ndarray  # (n, n)
    query: np.ndarray  # (n, m)
    private: np.ndarray  # (n, p)
    query_query: np.ndarray  # (m, m)
    private_private: np.ndarray  # (p, p)
    query_private: np.ndarray  # (m, p)


def similarities(
    candidates: Sequence[np.ndarray], query: Sequence[np.ndarray], private: Sequence[np.ndarray]
) -> Similarities:
    """Similarities within and between candidates, query and private set, each of which is a sequence of factors."""
    c, q, p = (
        [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in factors]
        for factors in (candidates, query, private)
    )
    pairs = ((c, c), (c, q), (c, p), (q, q), (p, p), (q, p))
    return Similarities(*(np.prod([x @ y.T for x, y in zip(a, b, strict=True)], axis=0) for a, b in pairs))


def submodlib_flcmi(given: Similarities, n: int, optimizer: str) -> np.ndarray:
    """submodlib: facility location conditional mutual information; picks."""
    from submodlib import FacilityLocationConditionalMutualInformationFunction as Function

    (size, queries), privates = given.query.shape, given.private.shape[1]
    function = Function(
        size, queries, privates, data_sijs=given.candidates, query_sijs=given.query, private_sijs=given.private
    )
    return _picks(function, n, optimizer)


def submodlib_logdetcmi(given: Similarities, n: int, optimizer: str) -> np.ndarray:
    """submodlib: log-determinant conditional mutual information, with 1 added to the diagonals; picks."""
    from submodlib import LogDeterminantConditionalMutualInformationFunction as Function

    (size, queries), privates = given.query.shape, given.private.shape[1]
    function = Function(
        size,
        queries,
        privates,
        1,
        data_sijs=given.candidates,
        query_sijs=given.query,
        query_query_sijs=given.query_query,
        private_sijs=given.private,
        private_private_sijs=given.private_private,
        query_private_sijs=given.query_private,
    )
    return _picks(function, n, optimizer)


def _picks(function: Any, n: int, optimizer: str) -> np.ndarray:
    return np.array([row for row, _ in function.maximize(budget=n, optimizer=optimizer, show_progress=False)])


def purity_one_at_a_time(candidates: Any, labeled: Any, *, xp: Any) -> Any:
    """MQ-Net's purity: of one candidate after the other, the cosines to all labeled rows, and a growing result."""
    found = xp.empty(0, candidates.dtype)
    for row in candidates:
        norms = xp.maximum(xp.linalg.norm(labeled, axis=1) * xp.linalg.norm(row), 1e-8)
        found = xp.concatenate([found, (labeled @ row / norms).max(keepdims=True)])
    return found


def neat_one_at_a_time(
    candidates: Any, logits: Any, bought: Any, labels: np.ndarray, n: int, *, xp: Any, k: int = 10
) -> np.ndarray:
    """NEAT: of one candidate after the other, the cosines to all bought rows, sorted, and the classes of the first."""
    unit = bought / xp.linalg.norm(bought, axis=1, keepdims=True)
    n_known, scores = np.zeros(len(candidates), int), np.zeros(len(candidates))
    for place, row in enumerate(candidates):
        near = labels[to_numpy(xp.argsort(-(unit @ row)))[:k]]
        counts = np.bincount(near[near >= 0], minlength=logits.shape[1])
        n_known[place] = counts.sum()
        scores[place] = -(softmax(to_numpy(logits[place]).astype(float)) * log_softmax(counts.astype(float))).sum()
    order = np.argsort(-n_known, kind="stable")[: 2 * n]
    likely = order[2 * n_known[order] > k]
    found: np.ndarray = np.append(likely[np.argsort(-scores[likely], kind="stable")][:n], order[len(likely) :])[:n]
    return found


def ccal_one_at_a_time(candidates: Any, labeled: Any, labels: np.ndarray, n: int, *, xp: Any) -> np.ndarray:
    """CCAL: both scores candidate by candidate, class by class, rotation by rotation; picks in turn of the classes."""
    unit, known = (rows / xp.linalg.norm(rows, axis=2, keepdims=True) for rows in (candidates, labeled))
    classes = [known[xp.asarray(np.flatnonzero(labels == i))] for i in range(labels.max() + 1)]
    raw = np.array([[float(_distinctive(views, samples, xp)) for samples in classes] for views in unit])
    nearest = np.array([float((known[:, 0] @ views[0]).max()) for views in unit])
    semantic = np.tanh(50 * (_min_max(nearest) - 0.9))
    return _in_turn(semantic[:, None] + 1 - _min_max(raw), n)


def _distinctive(views: Any, samples: Any, xp: Any) -> Any:
    total = 0.0
    for r, view in enumerate(views):
        cosines = samples[:, r] @ view
        second, first = xp.argsort(cosines)[-2:]
        total += 2 * cosines[first] - cosines[second] + samples[first, r] @ samples[second, r]
    return total / len(views)


def _min_max(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = (values - values.min(axis=0)) / (values.max(axis=0) - values.min(axis=0))
    return found


def _in_turn(scores: np.ndarray, n: int) -> np.ndarray:
    scores, picks = scores.copy(), []
    for turn in range(n):
        picks.append(int(scores[:, turn % scores.shape[1]].argmax()))
        scores[picks[-1]] = -np.inf
    return np.array(picks)


def plain_flcmi(
    candidates: Sequence[Any], query: Sequence[Any], private: Sequence[Any], n: int, *, xp: Any
) -> np.ndarray:
    """FLCMI, greedy: the whole matrix of similarities, and what all rows gain, for every pick."""
    unit, asked, avoided = (
        [rows / xp.linalg.norm(rows, axis=1, keepdims=True) for rows in factors]
        for factors in (candidates, query, private)
    )
    similar, to_query, to_private = (_products(unit, others) for others in (unit, asked, avoided))
    covered = xp.minimum(similar, xp.maximum(to_query.max(axis=1), 0))  # by rows, of columns: the ceiling
    floor, picks = xp.maximum(to_private.max(axis=1), 0), list[int]()
    for _ in range(n):
        gains = xp.maximum(covered - floor, 0).sum(axis=1)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        floor = xp.maximum(floor, covered[picks[-1]])
    return np.array(picks)


def plain_logdetcmi(
    candidates: Sequence[Any], query: Sequence[Any], private: Sequence[Any], n: int, *, xp: Any
) -> np.ndarray:
    """LogDetCMI, greedy: two whole covariance matrices, from which every pick is taken off by an outer product."""
    unit, asked, avoided = (
        [rows / xp.linalg.norm(rows, axis=1, keepdims=True) for rows in factors]
        for factors in (candidates, query, private)
    )
    both, picks = [xp.concatenate(pair) for pair in zip(avoided, asked, strict=True)], list[int]()
    similar = _products(unit, unit).astype(np.float64)
    similar += xp.eye(len(similar))
    left = [similar - _explained(unit, given, xp) for given in (avoided, both)]
    for _ in range(n):
        variances = [xp.maximum(xp.diagonal(covariance), 1e-9) for covariance in left]  # 0 for a pick
        gains = xp.log(variances[0] / variances[1])
        gains[picks] = -np.inf
        picks.append(int(gains.argmax()))
        for covariance in left:
            column = covariance[:, picks[-1]].copy()
            covariance -= column[:, None] * column / column[picks[-1]]
    return np.array(picks)


def _products(a: Sequence[Any], b: Sequence[Any]) -> Any:
    similar = a[0] @ b[0].T
    for x, y in zip(a[1:], b[1:], strict=True):
        similar = similar * (x @ y.T)
    return similar


def _explained(unit: Sequence[Any], given: Sequence[Any], xp: Any) -> Any:
    """The covariance of all rows that some others explain."""
    kernel = _products(given, given).astype(np.float64)
    to = _products(unit, given).astype(np.float64)
    return to @ xp.linalg.solve(kernel + xp.eye(len(kernel)), to.T)
