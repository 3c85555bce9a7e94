"""Linear classifiers on frozen features, one for each of many labeled sets, trained together.

As in the study of low budgets (Pourahmadi et al., arXiv 2110.12033; public code UCDvision/low-budget-al): rows scaled
to length 1, Linear(D, C) with bias, cross-entropy, Adam, a tenth of the learning rate at 50 and at 75 percent of the
epochs, shuffled batches of which the last may be smaller, and the last epoch counts. Differences from its code:
features are read once and not augmented, while there the frozen network runs on fresh crops in every epoch; a row of
zeros stays one, while there it becomes NaN; a head's random numbers follow from its own seed, while there nothing is
seeded.

Heads do not touch each other, so all that take equally many steps in an epoch take them together, as one batched
product. A GPU may compute these products in TF32, TensorFlow's default.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfal.errors import InputError, TrainingError
from tfal.evaluation.scores import checked_ids, checked_labels, step_rates
from tfal.kernels.parts import check
from tfal.kernels.parts.pairwise import unit_rows

MILESTONES = (50, 75)  # percent of the epochs
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_INIT, _ORDER = 0, 1
_BYTES = 2**30  # of the rows, weights and batches on the device at once; a single selection may need more


class Head(NamedTuple):
    """A trained layer: logits = unit rows @ kernel + bias; float32."""

    kernel: np.ndarray  # (D, C)
    bias: np.ndarray  # (C,)


class _Job(NamedTuple):
    """One head to train."""

    ids: np.ndarray
    labels: np.ndarray
    seed: int


class _Table(NamedTuple):
    """What jobs learn from, see `_table`."""

    rows: np.ndarray
    targets: np.ndarray
    of_jobs: list[np.ndarray]


def linear_heads(
    features: Any,
    labels: np.ndarray,
    selections: Sequence[np.ndarray],
    *,
    n_classes: int,
    seeds: Sequence[int],
    epochs: int = 100,
    batch: int = 128,
    learning_rate: float = 0.01,
    milestones: Sequence[int] = MILESTONES,
    unit: bool = True,
) -> list[Head]:
    """Trains a linear head on each selection, all of them together.

    A head depends on the selection's ids, their order and its seed, not on the others; it may differ in the last digits
    of float32, since products of other sizes may add up in another order.

    Args:
        features: (N, D) float16/32/64, in memory or memory-mapped; only the rows that are selected are read.
        labels: (N,) integer classes; only those of selected rows are read, and must be in 0..n_classes-1.
        selections: arrays (n,) of distinct ids, of any sizes; classes may be missing.
        n_classes: C, at least 2.
        seeds: one whole number >= 0 for each selection. Kernel and bias start as default_rng([seed, 0, 0]).uniform in
            +-1 / sqrt(D), shape (D + 1, C), the last row being the bias; the order of an epoch e, from 0, is
            default_rng([seed, 1, e]).permutation(n).
        epochs: at least 1.
        batch: rows of a step, at least 1.
        learning_rate: at the start, positive.
        milestones: percent of the epochs, where the rate falls to a tenth.
        unit: whether rows are scaled to length 1; False: as they are, which the head then sees in use, too.

    Raises:
        InputError: an empty selection, ids that repeat or are out of range, labels out of range, shapes that disagree,
            values that are not finite, options out of range.
        TrainingError: weights that are not finite.
    """
    if np.ndim(features) != 2:
        raise InputError(f"features: expected shape (N, D), received {np.shape(features)}. Give every sample one row.")
    check.whole_number("epochs", epochs)
    check.whole_number("batch", batch)
    if check.whole_number("n_classes", n_classes) < 2:
        raise InputError(f"n_classes: expected at least 2, received {n_classes}. Give the number of all classes.")
    if not 0 < learning_rate < float("inf"):
        raise InputError(f"learning_rate: expected a positive number, received {learning_rate}. The study has 0.01.")
    jobs = _checked_jobs(features, labels, selections, n_classes, seeds)
    rates = step_rates(learning_rate, epochs, milestones)
    heads: dict[int, Head] = {}
    for members, width in _groups([len(job.ids) for job in jobs], batch, features.shape[1], n_classes):
        members_jobs = [jobs[i] for i in members]
        weights = _train(members_jobs, _table(members_jobs, features, unit), n_classes, width, rates)
        heads.update((i, Head(found[:-1], found[-1])) for i, found in zip(members, weights, strict=True))
    return [heads[i] for i in range(len(jobs))]


def _checked_jobs(
    features: Any, labels: np.ndarray, selections: Sequence[np.ndarray], n_classes: int, seeds: Sequence[int]
) -> list[_Job]:
    if len(seeds) != len(selections):
        raise InputError(
            f"seeds: expected one for each of {len(selections)} selections, received {len(seeds)}. "
            "Equal ones are allowed."
        )
    jobs = []
    for i, (selection, seed) in enumerate(zip(selections, seeds, strict=True)):
        ids = checked_ids(f"selections[{i}]", selection, len(features))
        found = checked_labels("labels", labels, len(features), n_classes, ids)
        if operator.index(seed) < 0:
            raise InputError(f"seeds: expected whole numbers >= 0, received {seed}. Choose such a number.")
        jobs.append(_Job(ids, found, operator.index(seed)))
    return jobs


def _groups(sizes: Sequence[int], batch: int, d: int, n_classes: int) -> Iterator[tuple[list[int], int]]:
    """(selections that are trained together, width of their batches).

    Steps and width follow from a selection's own size, so it is computed in the same way whatever goes along.
    """
    alike = defaultdict(list)
    for i, n in enumerate(sizes):
        width = batch if n >= batch else min(batch, 1 << (n - 1).bit_length())
        alike[-(-n // batch), width].append(i)
    for (_, width), members in sorted(alike.items()):
        together: list[int] = []
        taken = 0
        for i in members:
            needed = 4 * d * (sizes[i] + 6 * n_classes + width)  # weights, two moments, gradient and their temporaries
            if together and taken + needed > _BYTES:
                yield together, width
                together, taken = [], 0
            together.append(i)
            taken += needed
        yield together, width


def _train(jobs: Sequence[_Job], seen: _Table, n_classes: int, width: int, rates: np.ndarray) -> np.ndarray:
    """Weights (G, D + 1, C) after the last epoch; the last row is the bias."""
    table, targets, rows = seen
    d = table.shape[1] - 1
    limit = 1 / np.sqrt(d)
    start = [np.random.default_rng([job.seed, _INIT, 0]).uniform(-limit, limit, (d + 1, n_classes)) for job in jobs]
    weights = tf.constant(np.stack(start), tf.float32)
    state = (weights, tf.zeros_like(weights), tf.zeros_like(weights))
    table, targets = tf.constant(table), tf.constant(targets)
    for epoch, rate in enumerate(rates):
        orders, counts = _batches(jobs, rows, epoch, width, len(targets) - 1)
        state = _epoch(table, targets, orders, counts, tf.constant(epoch * len(counts)), np.float32(rate), *state)
    found = state[0].numpy()
    if not np.isfinite(found).all():
        raise TrainingError("the weights of a linear head became NaN or infinite")
    result: np.ndarray = found
    return result


def _table(jobs: Sequence[_Job], features: Any, unit: bool = True) -> _Table:
    """Rows, of length 1 where `unit`, with a 1 for the bias (U + 1, D + 1), their labels, and every job's rows in them.

    The last row holds zeros: it fills up batches, and has no gradient.
    """
    union = np.unique(np.concatenate([job.ids for job in jobs]))
    found = check.float_array(np, "features", features[union], ("n", "d"))
    table = np.zeros((len(union) + 1, found.shape[1] + 1), np.float32)
    table[:-1, :-1] = unit_rows(found) if unit else found
    table[:-1, -1] = 1
    targets, rows = np.zeros(len(table), np.int32), []
    for job in jobs:
        rows.append(np.searchsorted(union, job.ids).astype(np.int32))
        targets[rows[-1]] = job.labels
    return _Table(table, targets, rows)


def _batches(
    jobs: Sequence[_Job], rows: Sequence[np.ndarray], epoch: int, width: int, filler: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (S, G, width) int32 and how many of them count (S, G) float32, of all steps of an epoch."""
    n_steps = -(-len(rows[0]) // width)
    orders = np.full((len(jobs), n_steps * width), filler, np.int32)
    for place, job, own in zip(orders, jobs, rows, strict=True):
        place[: len(own)] = own[np.random.default_rng([job.seed, _ORDER, epoch]).permutation(len(own))]
    by_step = np.ascontiguousarray(orders.reshape(len(jobs), n_steps, width).swapaxes(0, 1))
    return by_step, (by_step != filler).sum(axis=2).astype(np.float32)


_WEIGHTS = tf.TensorSpec([None, None, None], tf.float32)


@tf.function(  # type: ignore[untyped-decorator]
    input_signature=[
        tf.TensorSpec([None, None], tf.float32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, None, None], tf.int32),
        tf.TensorSpec([None, None], tf.float32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([], tf.float32),
        *[_WEIGHTS] * 3,
    ]
)
def _epoch(
    table: tf.Tensor,
    targets: tf.Tensor,
    orders: tf.Tensor,
    counts: tf.Tensor,
    past: tf.Tensor,
    rate: tf.Tensor,
    weights: tf.Tensor,
    mean: tf.Tensor,
    square: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """All steps of an epoch. Adam as in PyTorch: epsilon is added to the corrected root, not to the plain one."""
    for step in tf.range(tf.shape(orders)[0]):
        x = tf.gather(table, orders[step])
        truth = tf.one_hot(tf.gather(targets, orders[step]), tf.shape(weights)[2])
        wrong = (tf.nn.softmax(tf.matmul(x, weights)) - truth) / counts[step][:, None, None]
        gradient = tf.matmul(x, wrong, transpose_a=True)
        mean = _BETA1 * mean + (1 - _BETA1) * gradient
        square = _BETA2 * square + (1 - _BETA2) * tf.square(gradient)
        t = tf.cast(past + step + 1, tf.float64)  # in float32, 1 - 0.999 has lost half of its digits
        root = tf.sqrt(square / tf.cast(1 - tf.pow(tf.constant(_BETA2, tf.float64), t), tf.float32)) + _EPSILON
        weights -= rate / tf.cast(1 - tf.pow(tf.constant(_BETA1, tf.float64), t), tf.float32) * mean / root
    return weights, mean, square
