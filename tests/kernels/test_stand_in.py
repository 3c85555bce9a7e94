"""What stands in for CuPy refuses what CuPy refuses; otherwise its tests would show nothing."""

import numpy as np
import pytest

from tests.kernels import stand_in
from tfal.kernels.parts.xp import array_module, to_numpy


@pytest.fixture
def cupy(monkeypatch):
    return stand_in.installed(monkeypatch)


@pytest.fixture
def array(cupy):
    return cupy.asarray([[1.0, 2.0], [3.0, 4.0]])


def test_it_is_taken_for_cupy(cupy, array):
    assert array_module(array, None) is cupy
    assert type(to_numpy(array)) is np.ndarray
    with pytest.raises(TypeError, match="must all be CuPy or all be NumPy"):
        array_module(array, np.ones(2))


@pytest.mark.parametrize(
    "mixed",
    [
        np.asarray,
        lambda a: np.array([a, a]),
        lambda a: a + np.ones((2, 2)),
        lambda a: np.ones((2, 2)) * a,
        lambda a: a @ np.ones((2, 2)),
        lambda a: stand_in.MODULE.maximum(a, np.ones(2)),
        lambda a: stand_in.MODULE.concatenate([a, np.ones((2, 2))]),
        lambda a: a.__setitem__(slice(0, 1), np.ones(2)),
        lambda a: a.__iadd__(np.ones(2)),
        lambda a: stand_in.MODULE.sqrt(np.ones(2)),
        lambda a: stand_in.MODULE.add.at(stand_in.MODULE.zeros(2, np.int64), [0], 1),  # atomicAdd has none
    ],
)
def test_host_and_device_are_not_mixed(array, mixed):
    with pytest.raises(TypeError):
        mixed(array)


@pytest.mark.parametrize("name", ["setdiff2d", "unwrap_all", "isin"])
def test_functions_that_nobody_has_looked_up(cupy, name):
    with pytest.raises(AttributeError):
        getattr(cupy, name)


def test_methods_that_nobody_has_looked_up(array):
    with pytest.raises(AttributeError, match="has no 'tofile'"):
        array.tofile("x")


def test_what_cupy_does(cupy, array):
    total = array.sum()
    assert isinstance(total, cupy.ndarray)
    assert (total.shape, float(total), bool(total > 9)) == ((), 10.0, True)
    assert isinstance(np.sqrt(array), cupy.ndarray)
    assert isinstance(np.float32(2) * array, cupy.ndarray)
    assert array[np.array([1])].tolist() == array[[1]].tolist() == [[3.0, 4.0]]
    array[np.array([0])] = np.array([[5.0, 6.0]])
    before = array
    array += 1
    assert array is before
    assert array.get().tolist() == [[6.0, 7.0], [4.0, 5.0]]
    out = cupy.empty((2, 2))
    assert cupy.matmul(array, array.T, out=out) is out
    np.testing.assert_array_equal(out.get(), array.get() @ array.get().T)
    assert cupy.bincount(cupy.asarray([0, 1, 1]), minlength=3).tolist() == [1, 2, 0]
    assert cupy.float32 is np.float32
