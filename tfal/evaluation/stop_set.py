"""The stop set: unlabeled samples, the same ones in all rounds, whose predictions tell when a network stops changing.

Bloodgood and Vijay-Shanker, CoNLL 2009. What is recorded here ends nothing; tfal.report.statistics.stopping reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tfal.evaluation.scores import read_logits
from tfal.kernels import entropy
from tfal.pool import UNLABELED, Pool
from tfal.storage.tables import Row
from tfal.streams import Streams

SIZE = 2000  # samples, as in the paper


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two lists of classes (N,), at least one: agreement beyond chance; 1 where chance is all.

    (p_o - p_e) / (1 - p_e): p_o the share of equal classes, p_e the one that the frequencies of both let expect.
    """
    first, second = np.asarray(first), np.asarray(second)
    classes = np.unique(np.concatenate([first, second]))
    shares = [(given[:, None] == classes).mean(axis=0) for given in (first, second)]
    observed, expected = float(np.mean(first == second)), float(np.sum(shares[0] * shares[1]))
    return 1.0 if expected >= 1 else (observed - expected) / (1 - expected)


def stop_set(pool: Pool, seed: int, rep: int) -> np.ndarray:
    """Ids (S,) of up to SIZE samples, drawn once for a repetition: `pool` is the one before its first query."""
    ids = pool.unlabeled
    return np.sort(Streams(seed, rep)("stop_set").choice(ids, stop_size(pool), replace=False))


def stop_size(pool: Pool) -> int:
    """S of `stop_set`."""
    return min(SIZE, len(pool.unlabeled))


def answers(learner: Any, batches: Iterable[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The predicted class of each image (S,) int32, and the entropy of its prediction (S,) float64 [nats].

    Args:
        learner: has read(batch, ["logits"]).
        batches: of images, at least one, as the learner takes them.
    """
    predicted, entropies = [], []
    for logits in read_logits(learner, batches):
        predicted.append(logits.argmax(axis=1).astype(np.int32))
        entropies.append(entropy(logits))
    return np.concatenate(predicted), np.concatenate(entropies)


def stop_scores(
    predicted: np.ndarray, before: np.ndarray | None, entropies: np.ndarray, ids: np.ndarray, pool: Pool
) -> Row:
    """What criteria of tfal.report.statistics.stopping need of a round.

    agreement: kappa of the predictions with those of the round before. changed: the share that differs from them; both
    only where there is one. mean_entropy: of the samples that are still unlabeled [nats], where there are some.

    Args:
        predicted, before: (S,) classes of the stop set, of this round and of the one before.
        entropies: (S,) of this round's predictions [nats].
        ids: (S,) of the stop set.
        pool: as the round found it.
    """
    row: Row = {}
    if before is not None:
        row = {"agreement": kappa(before, predicted), "changed": float(np.mean(before != predicted))}
    left = pool.state[ids] == UNLABELED
    return row | ({"mean_entropy": float(entropies[left].mean())} if left.any() else {})
