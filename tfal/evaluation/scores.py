"""How good a trained learner is, and how good a labeled set is: scores, recalls, class coverage.

The four evaluations of a labeled set are those of a study of low budgets (Pourahmadi et al., arXiv 2110.12033) and of
its public code (UCDvision/low-budget-al): nearest neighbors in knn.py, linear_probe.py, and two trainings in
transfer.py. There as here, the last epoch counts. Scores are fractions here, percent there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfal.errors import InputError


@dataclass(frozen=True)
class Scores:
    """Shares of the test samples whose class is the first guess, or among the first min(5, C); fractions."""

    top1: float
    top5: float

    @classmethod
    def of_ranks(cls, ranks: Any) -> Scores:
        """ranks: (N,) of the true class among the guesses, from 0."""
        ranks = np.asarray(ranks)
        return cls(float(np.mean(ranks < 1)), float(np.mean(ranks < 5)))


def read_logits(learner: Any, batches: Iterable[Any]) -> Iterator[np.ndarray]:
    """The logits (B, C) of each batch, float32.

    Args:
        learner: has read(batch, ["logits"]).
        batches: of images as it takes them; see Images.batches.

    Raises TrainingError for logits that are NaN or infinite.
    """
    from tfal.training.finite import checked_logits

    for batch in batches:
        yield checked_logits(learner.read(batch, ["logits"])["logits"].numpy())


def predicted_classes(learner: Any, batches: Iterable[Any]) -> np.ndarray:
    """The class of the largest logit of each image, (N,) int64; arguments and errors as `read_logits`, of one batch
    at least."""
    return np.concatenate([logits.argmax(axis=1) for logits in read_logits(learner, batches)])


def class_recalls(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> dict[str, float]:
    """recall_0, recall_1, ...: the share of the samples of a class that are found to be of it; NaN without samples.

    And balanced_accuracy, the mean over the classes that have samples.

    Args:
        predicted: (N,) integer classes.
        labels: (N,) integer classes in 0..n_classes-1, at least one.
        n_classes: C.
    """
    counts = np.bincount(labels, minlength=n_classes)
    hits = np.bincount(labels[predicted == labels], minlength=n_classes)
    recalls = np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
    return {"balanced_accuracy": float(np.nanmean(recalls))} | {
        f"recall_{number}": recall for number, recall in enumerate(recalls.tolist())
    }


def class_coverage(labels: np.ndarray, n_classes: int) -> float:
    """Share of the classes that occur among `labels` (n,), integers in 0..n_classes-1: from 1/C to 1."""
    return len(np.unique(labels)) / n_classes


def step_rates(base: float, epochs: int, percents: Sequence[int]) -> np.ndarray:
    """The learning rate of every epoch (epochs,), float64: a tenth from each milestone on.

    percents: milestones in percent of the epochs, whole numbers; an epoch e, counted from 0, is past one when
    100 e >= percent * epochs. With 100 epochs these are the milestones of the study.
    """
    passed = (100 * np.arange(epochs)[:, None] >= np.asarray(percents) * epochs).sum(axis=1)
    found: np.ndarray = base * 0.1**passed
    return found


def checked_ids(name: str, ids: np.ndarray, n: int) -> np.ndarray:
    """`ids` as int64 (m,), at least one, distinct, in 0..n-1; else an InputError."""
    ids = np.asarray(ids)
    if not ids.size:
        raise InputError(f"{name}: expected at least one id, received none. Label some samples first.")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputError(
            f"{name}: expected whole numbers of shape (n,), received {ids.dtype} of shape {ids.shape}. "
            "For a mask, give np.flatnonzero(mask)."
        )
    if not 0 <= ids.min() <= ids.max() < n:
        raise InputError(
            f"{name}: expected ids in 0..{n - 1}, received {ids.min()}..{ids.max()}. Give rows of the training set."
        )
    repeated = len(ids) - len(np.unique(ids))
    if repeated:
        raise InputError(
            f"{name}: expected distinct ids, received {repeated} repeated of {len(ids)}. Give np.unique(ids)."
        )
    return ids.astype(np.int64)


def checked_labels(
    name: str, labels: np.ndarray, n: int, n_classes: int | None = None, ids: np.ndarray | None = None
) -> np.ndarray:
    """The `n` labels as int64, those of `ids` (m,) where given, all in 0..n_classes-1; else an InputError."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{name}: expected whole numbers of shape ({n},), received {labels.dtype} of shape {labels.shape}. "
            "Give every sample its class."
        )
    labels = (labels if ids is None else labels[ids]).astype(np.int64)
    least, most = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
    if least < 0 or most < 0 or (n_classes is not None and most >= n_classes):
        wanted = "0 and above" if n_classes is None else f"0..{n_classes - 1}"
        received = f"{least}..{most}" if len(labels) else "none"
        raise InputError(f"{name}: expected classes in {wanted}, received {received}. Number the classes from 0.")
    return labels
