"""What a GPU does in one launch where array code takes several passes: CUDA kernels, compiled when first used.

Each of them has a twin in array code beside the place where it is called, which is what it computes.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

_FLIPS = """
    const long long b = i / height, r = i % height, mine = label[r];
    const long long at = b * others * height + r;
    float best = base[r];
    long long first = 0;
    for (long long c = 0; c < others; c++) {
        const float value = logits[at + c * height] + base[(c + 1) * height + r];
        if (value > best) {
            best = value;
            first = c + 1;
        }
    }
    const float ours = own[r] + (mine > 0 ? logits[at + (mine - 1) * height] : 0.0f);
    flipped = best > ours || (best == ours && first < mine);
"""

_SET_APART = """
    own = logits[label * height + i];
    logits[label * height + i] = __int_as_float(0xff800000);
"""

_ADVANCE = """
    best = count;
    for (long long b = 0; b < size; b++) {
        if (flips[b * width + i] && rho[b] < best) {
            best = rho[b];
            improved[b] = true;
        }
    }
"""

_SQUARED = """
    const float norms = a + b, sum = product + norms;
    squared = sum > share * norms ? sum : 0.0f;
"""


_KERNEL = "value = expf(fminf(squared, most) / minus_square);"

_ABOVE = """
    const float more = value - level;
    added = more > rounding ? more : 0.0f;
"""


def flips(logits: Any, base: Any, own: Any, label: Any) -> Any:
    """Which hypotheses change which labels, bool (B, rows), ties to the lower class.

    Args:
        logits: float32 (B, C - 1, rows), what noise adds to the logits, without class 0, to which it adds nothing.
        base: float32 (C, rows), logits, -inf at the label.
        own: float32 (rows,), logits at the label.
        label: int64 (rows,).
    """
    size, others, height = logits.shape
    kernel = _elementwise(
        "raw float32 logits, raw float32 base, raw float32 own, raw int64 label, int64 others, int64 height",
        "bool flipped",
        _FLIPS,
        "tfal_flips",
    )
    cupy = _cupy()
    return kernel(logits, base, own, label, others, height, cupy.empty((size, height), bool))


def set_apart(logits: Any, label: Any) -> Any:
    """The logits (C, rows) at the label (rows,), int64; they become -inf there, in place."""
    kernel = _elementwise("int64 label, int64 height", "float32 own, raw float32 logits", _SET_APART, "tfal_set_apart")
    own = _cupy().empty(len(label), np.float32)
    kernel(label, len(label), own, logits)
    return own


def advance(counts: Any, rho: Any, flips: Any) -> tuple[Any, Any]:
    """The least of each count (k,) and the `rho` (B,) of hypotheses that flip it, `flips` (B, k), int32 (k,).

    And which hypotheses lowered some count when all before them had been taken, bool (B,).
    """
    cupy = _cupy()
    improved = cupy.zeros(len(rho), bool)
    kernel = _elementwise(
        "int32 count, raw int32 rho, raw bool flips, int64 size, int64 width",
        "int32 best, raw bool improved",
        _ADVANCE,
        "tfal_advance",
    )
    best = cupy.empty_like(counts)
    kernel(counts, rho, flips, len(rho), len(counts), best, improved)
    return best, improved


def squared_from_products(products: Any, a: Any, b: Any, share: np.float32) -> Any:
    """products + a + b for (n, m), (n,) and (m,), float32, in place; 0 where no more than that share of a + b."""
    kernel = _elementwise(
        "float32 product, float32 a, float32 b, float32 share", "float32 squared", _SQUARED, "tfal_squared"
    )
    return kernel(products, a[:, None], b[None], share, products)


def smooth_kernel(squared: Any, far: float, square: float) -> Any:
    """exp(-squared / square) of squared distances, float32, in place; beyond `far` squares as at that distance."""
    kernel = _elementwise(
        "float32 squared, float32 most, float32 minus_square", "float32 value", _KERNEL, "tfal_smooth_kernel"
    )
    return kernel(squared, np.float32(far * square), np.float32(-square), squared)


def above(values: Any, level: Any, rounding: float) -> Any:
    """values - level where that is more than the rounding, else 0; float32, of shapes that broadcast."""
    kernel = _elementwise("float32 value, float32 level, float32 rounding", "float32 added", _ABOVE, "tfal_above")
    return kernel(values, level, np.float32(rounding))


def row_squares(rows: Any) -> Any:
    """Squared norm of every row, float64 (n,), without a copy in float64."""
    return _row_squares()(rows, axis=1)


def _cupy() -> Any:
    import cupy

    return cupy


@functools.cache
def _elementwise(given: str, found: str, body: str, name: str) -> Any:
    return _cupy().ElementwiseKernel(given, found, body, name)


@functools.cache
def _row_squares() -> Any:
    return _cupy().ReductionKernel(
        "T x", "float64 y", "(double)x * (double)x", "a + b", "y = a", "0", "tfal_row_squares", reduce_type="double"
    )
