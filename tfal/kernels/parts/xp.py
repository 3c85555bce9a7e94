"""Array dispatch: kernels are plain array code and run on NumPy or CuPy, whichever their inputs are."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfal.kernels.parts import cuda


def array_module(*arrays: Any) -> Any:
    """The array module (`numpy` or `cupy`) of all given arrays; None entries are passed over.

    Raises TypeError when NumPy and CuPy arrays are mixed: no silent copy is made between host and device.
    """
    given = (getattr(a, "seen_of", a) for a in arrays if a is not None)  # of Directions: the array that they see
    kinds = {type(a).__module__.partition(".")[0] for a in given}
    if "cupy" not in kinds:
        return np
    if kinds != {"cupy"}:
        raise TypeError(
            f"the arrays of one call must all be CuPy or all be NumPy. Received: {sorted(kinds)}. "
            "Move them with cupy.asarray() or cupy.asnumpy() first."
        )
    import cupy

    return cupy


def to_numpy(array: Any) -> np.ndarray:
    """`array` as a NumPy array on the host; a NumPy array is returned as it is."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def log_sum_exp(values: Any, axis: int) -> Any:
    """Logarithm of a sum of exponentials; neither large nor small values are lost."""
    xp, largest = array_module(values), values.max(axis=axis, keepdims=True)
    return xp.log(xp.exp(values - largest).sum(axis=axis)) + largest.squeeze(axis)


def row_squares(rows: Any) -> Any:
    """Squared norm of every row, summed in float64: in float32 the squares of small values would vanish."""
    if array_module(rows) is not np:
        return cuda.row_squares(rows)
    return np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
