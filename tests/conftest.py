"""What several tests use: a small real data set, a small network, a small recipe."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes share a GPU
# Two processes have two cores: threads of one that look out for work take the other's. bait then took five times its
# work, and t-SNE twenty times. Those of OpenMP can sleep in between; those of OpenBLAS cannot.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import contextlib
import ctypes
import dataclasses
import gc
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.nursery import Nursery
from tfal.data import Dataset, load
from tfal.recipe import Recipe
from tfal.storage.environment import usable_cores

gc.set_threshold(50_000, 20, 20)  # graphs are millions of objects, and looking through them takes an eighth of all time

_STATM = Path("/proc/self/statm")
_GROWTH_MB, _LEFT = 100, [0.0]  # what was left behind the last collection
_LONG = ("test_attack.py", "test_devices.py", "test_kill.py", "test_scripts.py")
ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """All tests run in two processes, where pytest-xdist is there and -n says nothing else; a choice of them in one."""
    given, is_worker = config.option, hasattr(config, "workerinput")
    all_of_them = config.args_source is config.ArgsSource.TESTPATHS and not (given.keyword or given.markexpr)
    if all_of_them and not is_worker and getattr(given, "numprocesses", 0) is None and not given.usepdb:
        given.numprocesses, given.dist = min(2, usable_cores()), "worksteal"


def pytest_collection_modifyitems(items):
    """What takes a minute by itself comes first: at the end, one process would wait for the other."""
    items.sort(key=lambda item: item.path.name not in _LONG)


def pytest_collection_finish():
    """What all modules have imported is looked through once, and never again."""
    gc.collect()
    gc.freeze()


def _resident_mb() -> float:
    """Memory of this process; 0 where the system does not say."""
    if not _STATM.exists():
        return 0.0
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _forget_gradients() -> None:
    """TensorFlow notes the gradients of each training step that it traces, and so keeps its graph and weights forever.

    Keras' optimizers sum gradients over replicas by a function whose gradient is registered under a name of its own.
    """
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import ops

        noted = ops.gradient_registry._registry
        for name in [name for name in noted if name.startswith("CustomGradient-")]:
            del noted[name]


def _collect_beyond(growth_mb: float) -> None:
    if _resident_mb() > _LEFT[0] + growth_mb:
        _forget_gradients()
        gc.collect()
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # of glibc; else what is free stays with the process
        _LEFT[0] = _resident_mb()


@pytest.fixture(autouse=True)
def _freed():
    """Networks and compiled functions are cycles of objects: they are looked for when a process has grown by them."""
    yield
    _collect_beyond(_GROWTH_MB)


@pytest.fixture(scope="module", autouse=True)
def _freed_of_a_module():
    """What a module kept for all its tests is free now, and was counted as what is left."""
    left = _LEFT[0]
    yield
    _LEFT[0] = min(left, _LEFT[0])
    _collect_beyond(_GROWTH_MB / 2)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_disks():
    """No test can see whether what it wrote has left the machine's memory, and several thousand times it would wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _no_data_dir(monkeypatch):
    monkeypatch.delenv("TFAL_DATA_DIR", raising=False)


@pytest.fixture(scope="session")
def nursery():
    """Runs commands in processes that need not load TensorFlow first. For what a start shows: sys.executable."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """scikit-learn's digits."""
    return load("digits")


@pytest.fixture
def small(tmp_path) -> Recipe:
    """A recipe on digits that trains in seconds."""
    return Recipe(
        dataset="digits",
        network="MLP",
        strategy="margin",
        n_epoch=3,
        n_valid=50,
        n_init=20,
        n_pool=200,
        n_query=15,
        n_step=2,
        n_sample=150,
        n_rep=1,
        results_dir=str(tmp_path / "results"),
    )


@pytest.fixture
def change():
    """dataclasses.replace, by a shorter name."""
    return dataclasses.replace


@pytest.fixture
def made(tmp_path):
    """Small arrays in Keras' layout, under the names of the real data sets."""
    rng = np.random.default_rng(0)
    for name, shape in (("mnist", (28, 28)), ("cifar10", (32, 32, 3)), ("cifar100", (32, 32, 3))):
        arrays = {}
        for part, n in (("train", 200), ("test", 40)):
            arrays[f"x_{part}"] = rng.integers(256, size=(n, *shape), dtype=np.uint8)
            arrays[f"y_{part}"] = np.arange(n, dtype=np.uint8) % (100 if name == "cifar100" else 10)
        np.savez(tmp_path / f"{name}.npz", **arrays)
    return tmp_path
