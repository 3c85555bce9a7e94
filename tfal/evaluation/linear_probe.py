"""Linear probes: how good a labeled set is, by a linear classifier on frozen features. Many sets are judged together.

As in the study of low budgets (Pourahmadi et al., arXiv 2110.12033; public code UCDvision/low-budget-al), but for the
differences that linear_heads.py lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfal.evaluation.linear_heads import MILESTONES, Head, linear_heads
from tfal.evaluation.scores import Scores, checked_labels, class_coverage
from tfal.kernels.parts import check
from tfal.kernels.parts.pairwise import unit_rows

_LOGITS = 2**23  # computed at once


@dataclass(frozen=True)
class ProbeScores(Scores):
    """Scores, and the share of the classes that the selection covers."""

    coverage: float


def linear_probes(
    features: Any,
    labels: np.ndarray,
    selections: Sequence[np.ndarray],
    test_features: Any,
    test_labels: np.ndarray,
    *,
    n_classes: int,
    seeds: Sequence[int],
    epochs: int = 100,
    batch: int = 128,
    learning_rate: float = 0.01,
    milestones: Sequence[int] = MILESTONES,
) -> list[ProbeScores]:
    """Trains a linear head on each selection, all of them together, and tests it.

    Args:
        features, labels, selections, n_classes, seeds, epochs, batch, learning_rate, milestones: as for
            `linear_heads`.
        test_features: (T, D) float, in memory or memory-mapped.
        test_labels: (T,) integer classes in 0..n_classes-1.

    Returns:
        For each selection top1, top5 (among the first min(5, C)) and coverage, fractions. Of equal logits the lower
        class comes first.

    Raises:
        InputError: what `linear_heads` refuses, and test samples that do not fit or are not finite.
        TrainingError: weights that are not finite.
    """
    test_features = check.float_rows(np, "test_features", test_features, ("T", np.shape(features)[-1]))
    truth = checked_labels("test_labels", test_labels, len(test_features), n_classes)
    heads = linear_heads(
        features,
        labels,
        selections,
        n_classes=n_classes,
        seeds=seeds,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        milestones=milestones,
    )
    if not heads:
        return []
    ranks = _ranks(heads, test_features, truth)
    coverage = [class_coverage(np.asarray(labels)[np.asarray(ids)], n_classes) for ids in selections]
    scores = [Scores.of_ranks(column) for column in ranks.T]
    return [ProbeScores(found.top1, found.top5, part) for found, part in zip(scores, coverage, strict=True)]


def _ranks(heads: Sequence[Head], features: Any, truth: np.ndarray) -> np.ndarray:
    """Rank (T, G) of the true class by each head's logits, from 0; of equal logits the lower class is first."""
    n_classes = len(heads[0].bias)
    step, ranks = max(1, _LOGITS // (len(heads) * n_classes)), []
    kernel = tf.constant(np.concatenate([head.kernel for head in heads], axis=1))
    bias = tf.constant(np.concatenate([head.bias for head in heads]))
    for start in range(0, len(truth), step):
        rows = unit_rows(np.asarray(features[start : start + step], np.float32))
        logits = tf.reshape(tf.matmul(rows, kernel) + bias, [len(rows), len(heads), n_classes])
        target = tf.constant(truth[start : start + step], tf.int32)[:, None]
        own = tf.gather(logits, tf.tile(target, [1, len(heads)]), batch_dims=2)[..., None]
        ahead = (logits > own) | ((logits == own) & (tf.range(n_classes) < target[..., None]))
        ranks.append(tf.reduce_sum(tf.cast(ahead, tf.int32), axis=2).numpy())
    return np.concatenate(ranks)
