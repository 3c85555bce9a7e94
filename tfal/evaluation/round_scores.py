"""What a round records of its network on test samples: accuracies, recalls, and how far to trust its probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tfal.evaluation.calibration import Tally, temperature
from tfal.evaluation.scores import class_recalls, read_logits
from tfal.storage.tables import Row

RECALLS = 100  # classes up to which every run keeps the recall of each


def fitted_temperature(learner: Any, batches: Iterable[Any], labels: np.ndarray) -> float:
    """The temperature of the validation samples, see tfal.evaluation.calibration.temperature.

    Args:
        learner: has read(batch, ["logits"]).
        batches: of their images, as the learner takes them.
        labels: (V,) their classes, integers in 0..C-1, at least one.
    """
    return temperature(np.concatenate(list(read_logits(learner, batches))), labels)


def round_scores(
    learner: Any, batches: Iterable[Any], labels: np.ndarray, n_classes: int, scale: float | None, all_recalls: bool
) -> Row:
    """Accuracies and calibration on the test samples.

    test_accuracy, balanced_accuracy, calibration raw (nll, brier, ece) and, as *_scaled, of logits over `scale`,
    and recall_0, recall_1, ...; in one pass, of which a batch is in memory at a time.

    Args:
        learner: has read(batch, ["logits"]).
        batches: of the test images, as the learner takes them.
        labels: (N,) their classes, integers in 0..n_classes-1, at least one.
        n_classes: C.
        scale: the temperature, from samples that are no test samples; None: no *_scaled.
        all_recalls: whether there are recalls of more than RECALLS classes, too.
    """
    scales = {"": 1.0} if scale is None else {"": 1.0, "_scaled": scale}
    tallies, predicted, start = {end: Tally(value) for end, value in scales.items()}, [], 0
    for logits in read_logits(learner, batches):
        truth = labels[start : (start := start + len(logits))]
        predicted.append(logits.argmax(axis=1))
        for tally in tallies.values():
            tally.add(logits, truth)
    found = np.concatenate(predicted)
    row: Row = {"test_accuracy": float(np.mean(found == labels))}
    recalls = class_recalls(found, labels, n_classes)
    row["balanced_accuracy"] = recalls.pop("balanced_accuracy")
    for end, tally in tallies.items():
        row |= {"temperature": scale} if end and scale else {}
        row |= {f"{name}{end}": value for name, value in tally.found()._asdict().items()}
    return row | (recalls if all_recalls or n_classes <= RECALLS else {})
