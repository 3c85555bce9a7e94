"""How a training set is divided before the first round. Arrays in, ids out."""

from __future__ import annotations

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
    item = np.arange(n_init + n_valid)
    klass, occurrence = item % n_classes, item // n_classes
    short = np.unique(klass[occurrence >= counts[klass]])
    if len(short):
        raise InputError(
            f"class {short[0]} has only {counts[short[0]]} training samples. Received: nInit={n_init} and "
            f"nValid={n_valid}, which take up to {-(-len(item) // n_classes)} of each of {n_classes} classes. "
            "Lower --nInit or --nValid."
        )
    starts = np.cumsum(counts) - counts
    ids = by_class[starts[klass] + occurrence]
    return ids[:n_init], ids[n_init:]
