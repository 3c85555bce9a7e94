"""Fixtures of several tests of the kernels."""

import pytest

from tests.kernels import stand_in
from tfal.kernels.parts.min_distance import Nearest


@pytest.fixture(params=["GPU", "stand-in"])
def cupy(request, monkeypatch):
    """CuPy, and what stands in for it where there is no GPU."""
    if request.param == "GPU":
        return request.getfixturevalue("device")
    return stand_in.installed(monkeypatch)


@pytest.fixture(scope="session")
def device():
    """CuPy on a GPU."""
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
