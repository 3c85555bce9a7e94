"""Numbers, ids and labels as people give them: checked, and turned into what a Pool takes. An error names the ids."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.errors import InputError

NOT_GIVEN = -1  # the class of a labeled sample that nobody told
_MOST_CLASSES = 2**31 - 1  # a Pool holds int32, and one number more for those of no class


def check_int(name: str, value: int, least: int) -> None:
    """InputError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number >= {least}. Received: {value!r}.")


def given_ids(name: str, given: Any, size: int) -> np.ndarray:
    """Distinct ids of a pool of `size` samples as int64, in the order given.

    given: (m,) integers from 0 to size - 1, or a boolean mask (size,), which means its positions in ascending order;
    None means none. Raises InputError for anything else.
    """
    ids = np.zeros(0, np.int64) if given is None else _array(name, given)
    if ids.dtype == bool and ids.shape == (size,):
        return np.flatnonzero(ids)
    if ids.dtype == bool:
        raise InputError(
            f"{name} as a mask must be {size} bools, one a sample. Received: {ids.shape}. Give ids or a longer mask."
        )
    if ids.shape == (0,):
        return np.zeros(0, np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        mend = "np.asarray(ids).astype(int) makes ids of whole numbers" if ids.ndim == 1 else "Give positions in images"
        raise InputError(
            f"{name} must be a list of ids, whole numbers, or a boolean mask. Received: {_kind(given, ids)}. {mend}."
        )
    outside = ids[(ids < 0) | (ids >= size)]
    distinct, times = np.unique(ids, return_counts=True)
    if len(outside) or len(distinct) < len(ids):
        wrong = f"{_few(outside)} outside" if len(outside) else f"{_few(distinct[times > 1])} more than once"
        mask = len(ids) == size and set(distinct.tolist()) <= {0, 1}
        mend = "A mask must be of bools: .astype(bool)" if mask else "Ids are positions in images, counted from 0"
        raise InputError(f"{name} must hold distinct ids from 0 to {size - 1}. Received: {wrong}. {mend}.")
    return ids.astype(np.int64)


def given_labels(given: Any, ids: np.ndarray, n_classes: int | None) -> np.ndarray:
    """The class of each of `ids` as int64; NOT_GIVEN for each when `given` is None.

    given: (m,) or (m, 1) integers from 0 to n_classes - 1; of any size where n_classes is None. Raises InputError for
    anything else.
    """
    if given is None:
        return np.full(len(ids), NOT_GIVEN)
    labels = _array("labels", given)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape == (0,) == ids.shape:
        return np.zeros(0, np.int64)
    if labels.shape != ids.shape or labels.dtype.kind not in "iu":
        raise InputError(
            f"labels must be {len(ids)} integers, the class of each id in labeled. Received: {_kind(given, labels)}. "
            f"{_mended(labels, len(ids))}."
        )
    wrong = (labels < 0) | (labels >= (_MOST_CLASSES if n_classes is None else n_classes))
    if wrong.any():
        known = "classes counted from 0" if n_classes is None else f"from 0 to {n_classes - 1}, the model's classes"
        raise InputError(
            f"labels must be {known}. Received: {_few(np.unique(labels[wrong]))} for ids {_few(ids[wrong])}. "
            f"{_renumbered(labels, n_classes)}."
        )
    return labels.astype(np.int64)


def _array(name: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError):
        raise InputError(f"{name} must be a list of whole numbers. Received: lists of several lengths.") from None


def _kind(given: Any, array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}" if array.ndim else f"a {type(given).__name__}"


def _few(values: np.ndarray) -> str:
    more = f" and {len(values) - 5} more" if len(values) > 5 else ""
    return f"{values[:5].tolist()}{more}"


def _mended(labels: np.ndarray, n: int) -> str:
    """How labels of a wrong shape or dtype are put right."""
    if labels.ndim == 2 and len(labels) == n:
        return "Undo a one-hot: labels.argmax(axis=1)"
    if labels.ndim == 1 and len(labels) != n:
        return "Give those of the labeled samples alone, in the order of labeled; a mask's order is ascending"
    return "Give the numbers of the model's classes, counted from 0"


def _renumbered(labels: np.ndarray, n_classes: int | None) -> str:
    if labels.min() < 0:
        return "Leave samples without a label out of labeled"
    if labels.min() >= 1 and labels.max() == n_classes:
        return "Where classes count from 1, give labels - 1"
    return "Samples of other classes belong in rejected"
