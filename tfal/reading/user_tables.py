"""Arrays of a lab's own, row i of sample i: embeddings, or another output of a network that tfal never sees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tfal.data.prints import rows_fingerprint
from tfal.errors import InputError
from tfal.reading.output_shapes import check_logits, check_shape
from tfal.storage.array_files import map_array

_LOOKED_AT = 256  # rows that tell logits from probabilities


class UserTable:
    """An array (N, ...), a memory map, or the path of an .npy file, which is opened as a memory map.

    Rows are read when they are asked for, and only then, as float32, or as float16 where the array is.

    what: what errors call it. output: the output that it holds, such as "features". members: (n,) ids whose rows are
    the samples, row members[i] of the array that of sample i; None: row i is sample i. Errors name ids.

    Attributes: `what`; `shape`, (n, ...).

    Raises InputError for anything else than numbers in the shape of such an output; when rows are read, for NaN and
    infinity, with the ids of the samples.
    """

    def __init__(self, what: str, output: str, given: Any, members: np.ndarray | None = None) -> None:
        self.what, self._array, self._members = what, _as_array(what, given), members
        check_shape(what, output, self._array.shape)
        if not len(self._array):
            raise InputError(f"{what} must have a row for each sample. Received: none, in shape {self._array.shape}.")
        self.shape = self._array.shape if members is None else (len(members), *self._array.shape[1:])
        if output.endswith("logits"):
            some = np.unique(np.linspace(0, len(self) - 1, min(_LOOKED_AT, len(self))).astype(np.int64))
            check_logits(what, output, self[some])

    def __len__(self) -> int:
        return len(self._array) if self._members is None else len(self._members)

    def fingerprint(self, n: int) -> str:
        """16 hexadecimal digits of the first n rows, of which some are read."""
        return rows_fingerprint(self._array, n)

    def __getitem__(self, ids: np.ndarray) -> np.ndarray:
        """The rows of samples `ids` (m,)."""
        ids = ids if self._members is None else self._members[ids]
        rows = self._array[ids]
        with np.errstate(over="ignore"):
            found: np.ndarray = rows.astype(np.float16 if rows.dtype == np.float16 else np.float32)
        finite = np.isfinite(found).all(axis=tuple(range(1, found.ndim)))
        if not finite.all():
            wrong = ids[~finite]
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise InputError(
                f"{self.what} must be finite, also as float32. Received: NaN, infinity or larger values for ids "
                f"{wrong[:5].tolist()}{more}. Look at these samples and at the network that made the rows."
            )
        return found


def _as_array(what: str, given: Any) -> np.ndarray:
    taken = "an array (N, ...), row i of sample i, a memory map, or the path of an .npy file"
    if isinstance(given, (str, os.PathLike)):
        array = map_array(Path(given), f"Save {what} with numpy.save, and give the path of the .npy file.")
    else:
        try:
            array = given if isinstance(given, np.ndarray) else np.asarray(given)
        except Exception as error:  # whatever a class of somebody else raises
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(f"{what} must be {taken}. Received: a {type(given).__name__} ({reason}).") from None
    if array.dtype.kind not in "fiu" or array.ndim < 1:
        received = f"{array.dtype} of shape {array.shape}" if array.ndim else f"a {type(given).__name__}"
        raise InputError(f"{what} must be {taken}, of numbers. Received: {received}. Make it float32: .astype('f4').")
    if np.ma.is_masked(array):
        raise InputError(f"{what} must be whole. Received: a masked array with masked values. Fill them: .filled(0).")
    return array
