"""What people say of samples: a class, none of the classes, or that they cannot say."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfal.errors import InputError

NO_CLASS, NOT_SURE = -1, -2  # in arrays of what was told, beside classes from 0
MOST = 2**31 - 2  # of a class: one more is still an int32
_UNSURE_TEXT = "unsure"


class Unsure(enum.Enum):
    """The type of tfal.UNSURE, which stands where somebody cannot say what a sample is."""

    UNSURE = _UNSURE_TEXT

    def __repr__(self) -> str:
        return "tfal.UNSURE"

    __str__ = __repr__


UNSURE = Unsure.UNSURE


def told_labels(given: Any, ids: np.ndarray) -> np.ndarray:
    """What was said of each of `ids`, int64: a class, NO_CLASS or NOT_SURE.

    given: (m,) or (m, 1) integers of at least 0; or a list in which None stands for none of the classes, and
    tfal.UNSURE for a sample of which nobody can say it. Raises InputError for anything else.
    """
    labels = _array(given)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != ids.shape:
        mend = "Undo a one-hot: labels.argmax(axis=1)" if labels.ndim == 2 else "Give one for each id, in their order"
        received = f"{len(labels)}" if labels.ndim == 1 else f"shape {labels.shape}" if labels.ndim else repr(given)
        raise InputError(f"labels must be {len(ids)}, one for each id. Received: {received}. {mend}.")
    if not len(ids):
        return np.zeros(0, np.int64)
    if labels.dtype == object:
        labels = _mixed(labels, ids)
    elif labels.dtype.kind not in "iu":
        raise _no_label(labels[0], labels.dtype, ids[:1])
    else:
        wrong = (labels < 0) | (labels > MOST)
        if wrong.any():
            raise _no_label(labels[wrong][0], labels.dtype, ids[wrong])
    return labels.astype(np.int64)


def told_of(labels: np.ndarray, n_known: int) -> np.ndarray:
    """What would be told of samples with these labels, int64: NO_CLASS of those that are not below n_known."""
    return np.where(labels < n_known, labels, NO_CLASS).astype(np.int64)


def as_json(told: np.ndarray) -> list[int | str | None]:
    """What was told, as a journal's line has it: a class, null or "unsure"."""
    words: dict[int, str | None] = {NO_CLASS: None, NOT_SURE: _UNSURE_TEXT}
    return [words.get(label, label) for label in told.tolist()]


def from_json(labels: Sequence[Any]) -> np.ndarray:
    """The array that `as_json` was given. Raises ValueError for anything else."""
    if not all(x is None or x == _UNSURE_TEXT or (type(x) is int and 0 <= x <= MOST) for x in labels):
        raise ValueError("its labels are not all classes, null or 'unsure'")
    return np.array([NO_CLASS if x is None else NOT_SURE if x == _UNSURE_TEXT else x for x in labels], np.int64)


def _array(given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError):
        raise InputError("labels must be one for each id. Received: lists of several lengths.") from None


def _mixed(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    found = np.empty(len(labels), np.int64)
    for row, label in enumerate(labels):
        if label is None or label is UNSURE:
            found[row] = NO_CLASS if label is None else NOT_SURE
        elif isinstance(label, (int, np.integer)) and not isinstance(label, bool) and 0 <= label <= MOST:
            found[row] = label
        else:
            raise _no_label(label, None, ids[row : row + 1])
    return found


def _no_label(label: Any, dtype: Any, ids: np.ndarray) -> InputError:
    """The error for what is no label, and how it is put right."""
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    kind = np.asarray(label).dtype.kind if dtype is None else dtype.kind
    shown = label if dtype is None or dtype.kind in "iu" else f"{dtype}, {label!r}"
    mend = "None says none of the classes, tfal.UNSURE that nobody can say; leave out what has no label yet"
    if kind in "US":
        mend = "Give the number of the class: names.index(label), with the list of your classes"
    elif kind == "b":
        mend = "Give 0 or 1: labels.astype(int)"
    elif kind == "f" and label == label:
        mend = "Give whole numbers: int(label)"
    return InputError(
        f"labels must be classes counted from 0, None or tfal.UNSURE. Received: {shown} for ids {ids[:5].tolist()}"
        f"{more}. {mend}."
    )
