"""Fixtures of several tests of the kernels."""

import pytest

from tfal.kernels.parts.min_distance import Nearest


@pytest.fixture(scope="session")
def cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"CuPy finds no GPU: {error}")
    if count == 0:
        pytest.skip("CuPy finds no GPU")
    return cupy


@pytest.fixture
def passes(monkeypatch):
    """Collects how many centers every pass over all rows accounted for."""
    counts, refresh = [], Nearest.refresh

    def counting(nearest):
        counts.append(len(nearest.pending))
        refresh(nearest)

    monkeypatch.setattr(Nearest, "refresh", counting)
    return counts
