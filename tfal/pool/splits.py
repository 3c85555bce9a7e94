"""How a training set is divided before the first round. Arrays in, ids out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfal.errors import InputError


def class_balanced(
    labels: np.ndarray, n_init: int, n_valid: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The split of the LDM-S protocol: a class-balanced initial set, then a class-balanced validation set.

    In a random order of all samples, item i of the first n_init + n_valid is the (i // C)-th sample of class
    i mod C; the first n_init are labeled, the next n_valid validate, so both are balanced when multiples of C.

    Args:
        labels: (N,) integer classes 0..C-1.
        n_init: number of initially labeled samples.
        n_valid: number of validation samples.
        rng: draws the random order.

    Returns:
        initial ids (n_init,) and validation ids (n_valid,), int64, disjoint.

    Raises:
        InputError: a class has fewer samples than the two sets take of it.

    Source: public code of LDM-S (ICLR 2024). There the items are searched one by one; here each class is ordered once.
    """
    n_classes = int(labels.max()) + 1
    order = rng.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels, minlength=n_classes)
    item = np.arange(min(n_init + n_valid, len(labels) + 1))  # with one more than there are, a class runs short
    klass, occurrence = item % n_classes, item // n_classes
    short = np.unique(klass[occurrence >= counts[klass]])
    if len(short):
        raise InputError(
            f"class {short[0]} has only {counts[short[0]]} training samples. Received: nInit={n_init} and "
            f"nValid={n_valid}, which take up to {-(-(n_init + n_valid) // n_classes)} of each of {n_classes} classes. "
            "Lower --nInit or --nValid."
        )
    starts = np.cumsum(counts) - counts
    ids = by_class[starts[klass] + occurrence]
    return ids[:n_init], ids[n_init:]


def at_random(n: int, n_init: int, n_valid: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 0..n-1 for an initial set (n_init,) and a validation set (n_valid,), int64, disjoint.

    The validation rows are drawn first, so they do not depend on n_init. A class may be missing in either of the two:
    nothing is drawn again.

    Raises InputError when n is too small.
    """
    if n_init + n_valid > n:
        raise InputError(
            f"--nInit + --nValid must be at most the {n} samples that are there. Received: {n_init} + {n_valid}. "
            "Lower one of them."
        )
    order = rng.permutation(n)
    return order[n_valid : n_valid + n_init], order[:n_valid]


def long_tail(labels: np.ndarray, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Which samples stay in a long-tailed training set, int64, ascending.

    Of class c = 0..C-1 these are int(n_max * rho^(c / (C - 1))) random samples, n_max the size of the largest class, or
    all of them where the class has fewer; so the counts are exact where classes are equally large.

    Args:
        labels: (N,) integer classes.
        rho: size of the last class over that of the first, in (0, 1).
        rng: draws the samples of each class.

    Raises:
        InputError: a rate out of range, one class only, or a class that would have no sample.

    Source: the long-tailed CIFAR of Cui et al., Class-Balanced Loss, CVPR 2019, as in the public code of a study of
    initial pools (acl21/init-pools-dal). There the samples are also sorted by class; here every id stays what it is.
    """
    counts = np.bincount(labels)
    if not 0 < rho < 1 or len(counts) < 2:
        raise InputError(
            f"--longTail must be above 0 and below 1, for at least 2 classes. Received: {rho} for {len(counts)}."
        )
    wanted = (counts.max() * rho ** (np.arange(len(counts)) / (len(counts) - 1))).astype(int)
    if not wanted.all():
        raise InputError(
            f"--longTail {rho:g} leaves class {int(np.argmin(wanted))} without a sample: the largest class has "
            f"{counts.max()}. Raise it to at least {1 / counts.max():.2g}."
        )
    kept = [rng.permutation(np.flatnonzero(labels == number))[:most] for number, most in enumerate(wanted)]
    return np.sort(np.concatenate(kept))


class OpenSet(NamedTuple):
    """A training set of which only some classes are known.

    labels: (N,) int64, the number of a known class in ascending order of the list, and K for every other class.
    initial: ids labeled at the start, known and unknown. validation: ids of known classes. dropped: ids of unknown
    classes that are not in the pool.
    """

    labels: np.ndarray
    initial: np.ndarray
    validation: np.ndarray
    dropped: np.ndarray


def renumbered(labels: np.ndarray, known: Sequence[int], n_classes: int) -> np.ndarray:
    """Labels 0..n_classes as numbers 0..K-1 of the ascending `known` classes, and K for every other label; int64 (N,).

    Raises InputError for a list with repeats, or with classes that do not exist.
    """
    classes = np.unique(known)
    if len(classes) < len(known) or classes.min() < 0 or classes.max() >= n_classes:
        raise InputError(
            f"the known classes must be distinct numbers from 0 to {n_classes - 1}. Received: {list(known)}."
        )
    table = np.full(n_classes + 1, len(classes), dtype=np.int64)
    table[classes] = np.arange(len(classes))
    found: np.ndarray = table[labels]
    return found


def open_set(
    labels: np.ndarray, known: Sequence[int], ood_rate: float, n_init: int, n_valid: int, rng: np.random.Generator
) -> OpenSet:
    """The split of the MQ-Net protocol: a pool with a given share of unknown classes, and a random initial set.

    The pool holds all samples of the known classes and round(known * rate / (1 - rate)) random ones of the others. The
    initial set has the same share: round(n_init * rate) unknown samples, the rest known, whatever their classes.

    Args:
        labels: (N,) integer classes.
        known: the known classes.
        ood_rate: share of unknown samples, in [0, 1).
        n_init: number of initially labeled samples.
        n_valid: number of validation samples, of known classes.
        rng: draws the random orders.

    Raises:
        InputError: repeated or absent classes, a rate out of range, more unknown samples asked for than there are, an
            initial set without any known sample.

    Source: Park et al., Meta-Query-Net, NeurIPS 2022, and its public code, which truncates where we round and marks
    unknown classes with a number that can be that of a known class.
    """
    if not 0 <= ood_rate < 1:
        raise InputError(f"--oodRate must be at least 0 and less than 1. Received: {ood_rate}.")
    numbers = renumbered(labels, known, int(labels.max()) + 1)
    inside, outside = (rng.permutation(np.flatnonzero(part)) for part in (numbers < len(known), numbers == len(known)))
    n_out, first_out = round(len(inside) * ood_rate / (1 - ood_rate)), round(n_init * ood_rate)
    first_in = n_init - first_out
    if n_out > len(outside):
        most = len(outside) / (len(inside) + len(outside))
        raise InputError(
            f"--oodRate {ood_rate} needs {n_out} samples of unknown classes beside {len(inside)} known ones. "
            f"Received: {len(outside)}. Lower it to at most {int(1e4 * most) / 1e4:g}."
        )
    if first_in < 1:
        raise InputError(
            f"--nInit {n_init} at --oodRate {ood_rate} holds no known sample. Raise --nInit or lower the rate."
        )
    if first_in + n_valid > len(inside) or first_out > n_out:
        raise InputError(
            f"--nInit {n_init} and --nValid {n_valid} take {first_in + n_valid} known and {first_out} unknown samples. "
            f"Received: a pool of {len(inside)} and {n_out}. Lower one of them."
        )
    return OpenSet(
        numbers,
        np.sort(np.concatenate([inside[:first_in], outside[:first_out]])),
        np.sort(inside[first_in : first_in + n_valid]),
        np.sort(outside[n_out:]),
    )
