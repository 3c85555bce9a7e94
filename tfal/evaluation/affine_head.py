"""A linear head on a lab's own embeddings, which are read as they are: whatever their scale, wherever their mean."""

from __future__ import annotations

import numpy as np

from tfal.errors import InputError
from tfal.evaluation.linear_heads import Head, linear_heads

MOST_CLASSES = 65_536  # a head has a column for every number up to the largest class


def affine_head(rows: np.ndarray, labels: np.ndarray, seed: int) -> Head:
    """A head for rows as they are: logits = rows @ kernel + bias.

    It is trained by tfal.evaluation.linear_heads with the settings of its study (100 epochs of Adam from a rate of
    0.01, batches of 128) on rows that are moved by their mean and divided by their root mean square length, both of
    which then go into kernel and bias. So it is the same head at any scale of the rows.

    Args:
        rows: (l, d) float, finite: the labeled samples.
        labels: (l,) integer classes from 0 on; a number that nobody has becomes a class that nothing is.
        seed: from which it follows.

    Raises:
        InputError: fewer than two classes, or a number of MOST_CLASSES or more.
    """
    if len(np.unique(labels)) < 2:
        received = "none" if not len(labels) else f"class {labels[0]} alone"
        raise InputError(
            f"a linear head on features needs labeled samples of two classes at least. Received: {received}. Label "
            "some by a strategy that reads features alone, such as typiclust, or give a model."
        )
    n_classes = int(labels.max()) + 1
    if n_classes > MOST_CLASSES:
        raise InputError(
            f"classes must be numbered from 0 to at most {MOST_CLASSES - 1}. Received: {n_classes - 1}. Number the "
            "classes anew: np.unique(labels, return_inverse=True)[1]."
        )
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    rows = rows - mean
    scale = float(np.sqrt(np.square(rows).sum(axis=1).mean())) or 1.0
    (head,) = linear_heads(
        (rows / scale).astype(np.float32), labels, [np.arange(len(rows))], n_classes=n_classes, seeds=[seed], unit=False
    )
    kernel = head.kernel / scale
    return Head(kernel.astype(np.float32), (head.bias - mean @ kernel).astype(np.float32))
