"""What strategies ask of a detector: one output more than there are known classes."""

from __future__ import annotations

import contextlib
from typing import Any

from tfal.errors import InputError
from tfal.pool.view import PoolView


def n_known(view: PoolView, learner: str, logits: Any) -> int:
    """K of a detector's logits (n, K + 1), where that goes with the labels, as far as these are told.

    Raises InputError where a sample is labeled with the class that is to be the unknown ones.
    """
    found, labels = int(logits.shape[1]) - 1, view.labeled[:0]
    with contextlib.suppress(InputError):  # nobody told the labels, which the strategy does not need
        labels = view.labels(view.labeled)
    if labels.max(initial=-1) >= found:
        raise InputError(
            f"the {learner} must have one output more than there are classes, the last one for all others. Received: "
            f"{found + 1} outputs, and a sample labeled {labels.max()}. Give a network that was trained on rejected "
            "samples, too, as class K."
        )
    return found
