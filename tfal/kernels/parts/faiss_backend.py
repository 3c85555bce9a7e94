"""The only file that imports faiss, and only when it is used: exact flat search of NumPy rows on the CPU."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from tfal.errors import InputError, resolve_name

BACKENDS = ("auto", "faiss", "array")


def use_faiss(backend: str, xp: Any) -> bool:
    """Whether `backend` means faiss for arrays of `xp`: "auto" takes it for NumPy arrays when it is installed."""
    backend = resolve_name("backend", backend, BACKENDS)
    if backend == "array" or (backend == "auto" and xp is not np):
        return False
    installed = importlib.util.find_spec("faiss") is not None
    if backend == "faiss" and not (installed and xp is np):
        raise InputError(
            "backend: expected 'auto' or 'array', received 'faiss' "
            + ("with CuPy arrays, which array code handles." if installed else "without faiss: pip install faiss-cpu.")
        )
    if installed:
        import faiss  # noqa: F401  # now, so that limits on the threads of matrix products reach it too
    return installed


def nearest(queries: np.ndarray, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared Euclidean distances, float32 (m, k), ascending, and rows, int64 (m, k), of the k nearest points."""
    return _flat_search(queries, points, k, "METRIC_L2")


def most_similar(queries: np.ndarray, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest inner products, float32 (m, k), descending, and rows, int64 (m, k)."""
    return _flat_search(queries, points, k, "METRIC_INNER_PRODUCT")


def _flat_search(queries: np.ndarray, points: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    # The callers work on many tiles at once, one thread a core. This counts for the calling thread alone.
    faiss.omp_set_num_threads(1)
    queries, points = (np.ascontiguousarray(array, np.float32) for array in (queries, points))
    return faiss.knn(queries, points, k, metric=getattr(faiss, metric))
