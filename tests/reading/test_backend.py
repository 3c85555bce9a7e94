import dataclasses
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from models import BUILDERS
from tests.kernels import stand_in
from tfal.errors import InputError
from tfal.loop import run
from tfal.reading.backend import CupyBackend, NumpyBackend, choose_backend


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)


def _cupy_with(devices):
    runtime = types.SimpleNamespace(getDeviceCount=lambda: devices)
    return types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime), asarray=np.array)


def test_numpy_by_name_and_by_auto(no_cupy):
    assert choose_backend("numpy").name == "numpy"
    assert choose_backend("auto").name == "numpy"


def test_auto_takes_cupy_where_it_and_a_gpu_are_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", _cupy_with(1))
    assert choose_backend("auto").name == "cupy"
    assert choose_backend("numpy").name == "numpy"
    monkeypatch.setitem(sys.modules, "cupy", _cupy_with(0))
    assert choose_backend("auto").name == "numpy"


def test_cupy_that_cannot_be_had_is_an_error_with_the_reason(no_cupy, monkeypatch):
    with pytest.raises(InputError, match=r"backend 'cupy' needs CuPy and an NVIDIA GPU \(ModuleNotFoundError"):
        choose_backend("cupy")
    monkeypatch.setitem(sys.modules, "cupy", _cupy_with(0))
    with pytest.raises(InputError, match="RuntimeError: no GPU"):
        choose_backend("cupy")
    with pytest.raises(InputError, match=r"unknown backend 'numpi'\. Did you mean 'numpy'"):
        choose_backend("numpi")


def test_numpy_shares_the_values_of_a_tensor():
    tensor = tf.constant([[1.0, 2.0]])
    assert NumpyBackend().from_tensor(tensor).tolist() == [[1.0, 2.0]]


def test_tensors_that_are_not_on_a_gpu_are_copied_to_cupy():
    copied = CupyBackend(_cupy_with(1)).from_tensor(tf.constant([[1.0, 2.0]]))
    assert copied.tolist() == [[1.0, 2.0]]


def test_a_run_on_a_device_is_that_on_the_host(small, digits, tmp_path, monkeypatch):
    """Picks, what is kept between rounds, and the files."""
    stand_in.installed(monkeypatch)
    options = {"n_step": 2, "n_epoch": 1, "n_query": 5, "n_pool": 60, "n_pass": 5, "n_epoch_simclr": 1}
    recipe = dataclasses.replace(small, network="SCNN", strategy="ldms,probcover,bald", **options, n_sample=50)
    picks = {}
    for backend in ("numpy", "cupy"):
        here = dataclasses.replace(recipe, backend=backend, results_dir=str(tmp_path / backend))
        rounds = list(run(here, BUILDERS["SCNN"], data=digits))
        picks[backend] = [(each.strategy, each.picks.ids.tolist()) for each in rounds if each.picks is not None]
    assert picks["cupy"] == picks["numpy"]
    assert len(picks["cupy"]) == 6


@pytest.mark.gpu
def test_on_a_gpu_float_tensors_are_shared_and_others_copied():
    cupy = pytest.importorskip("cupy", reason="needs CuPy and a GPU")
    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("needs TensorFlow on a GPU")
    backend = CupyBackend(cupy)
    with tf.device("GPU:0"):
        floats, integers = tf.random.normal((100, 7)), tf.range(5)
    shared = backend.from_tensor(floats)
    assert np.array_equal(cupy.asnumpy(shared), floats.numpy())
    assert shared.data.ptr == cupy.from_dlpack(_producer(floats)).data.ptr
    assert backend.from_tensor(integers).tolist() == [0, 1, 2, 3, 4]
    backend.release()


def _producer(tensor):
    from tfal.reading.backend import _Shared

    return _Shared(tensor)
