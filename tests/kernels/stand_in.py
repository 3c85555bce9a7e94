"""A stand-in for CuPy on the host, where there is no GPU: what CuPy refuses, it refuses, too.

Its arrays are no NumPy arrays: they are not turned into one unasked, are not computed with together with one, and a sum
is an array without dimensions. Functions are those that the kernels use. What it cannot show is speed, memory, what
another order of adding does to the last bit, and CUDA code, for which tfal.kernels.parts.cuda has twins here.
"""

from __future__ import annotations

import functools
import sys
import types

import numpy as np
import pytest

from tfal.kernels import ldm as kernels_ldm
from tfal.kernels.parts import cuda

FUNCTIONS = """abs arange argpartition argsort asanyarray asarray ascontiguousarray bincount clip concatenate
    count_nonzero cumsum einsum empty empty_like exp expm1 eye flatnonzero floor full isfinite log log1p log2 logaddexp
    matmul maximum minimum ones outer partition rint searchsorted shape sort sqrt square stack take_along_axis tanh
    where zeros zeros_like""".split()
LINALG = "cholesky eigh eigvalsh inv solve".split()
METHODS = """all any argmax argmin argpartition argsort astype clip copy cumsum fill max mean min partition ravel repeat
    reshape sort squeeze sum swapaxes take transpose var view""".split()
ADDABLE = (np.int32, np.uint32, np.uint64, np.float16, np.float32, np.float64)  # what atomicAdd knows


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):  # noqa: N801
    """An array "on the device"."""

    def __init__(self, host):
        self.host = host

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, ufunc, method, *inputs, **given):
        if ufunc is np.add and method == "at" and inputs[0].dtype.type not in ADDABLE:
            raise TypeError(f"atomicAdd knows no {inputs[0].dtype}")
        return _on_device(getattr(ufunc, method))(*inputs, **given)

    def __array_function__(self, function, _, inputs, given):
        return getattr(MODULE, function.__name__)(*inputs, **given)

    def __getattr__(self, name):
        if name in ("shape", "ndim", "size", "dtype", "nbytes", "itemsize", "strides", "flags"):
            return getattr(self.host, name)
        if name == "T":
            return ndarray(self.host.T)
        if name in METHODS:
            return _on_device(getattr(self.host, name))
        raise AttributeError(f"the stand-in for cupy.ndarray has no {name!r}")

    def get(self):
        return self.host.copy()

    def item(self):
        return self.host.item()

    def tolist(self):
        return self.host.tolist()

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (_wrapped(row) for row in self.host)

    def __bool__(self):
        return bool(self.host)

    def __int__(self):
        return int(self.host)

    def __float__(self):
        return float(self.host)

    def __index__(self):
        return self.host.__index__()

    def __getitem__(self, where):
        return _wrapped(self.host[_places(where)])

    def __setitem__(self, where, values):
        advanced = any(isinstance(part, (ndarray, np.ndarray, list)) for part in _parts(where))
        if advanced and isinstance(values, (np.ndarray, list)):  # which it copies to the device
            values = ndarray(np.asarray(values))
        self.host[_places(where)] = _unwrapped(values)


ndarray.__module__ = "cupy"


def _parts(where):
    return where if isinstance(where, tuple) else (where,)


def _places(where):
    """An index, of which arrays of either kind and lists are copied to the device."""
    found = tuple(part.host if isinstance(part, ndarray) else part for part in _parts(where))
    if sum(getattr(part, "dtype", None) is np.dtype(bool) for part in found if np.ndim(part)) > 1:
        raise NotImplementedError("more than one mask")
    return found if isinstance(where, tuple) else found[0]


def _unwrapped(value):
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(map(_unwrapped, value))
    return value


def _wrapped(value):
    if isinstance(value, tuple):
        return tuple(map(_wrapped, value))
    return ndarray(np.asarray(value)) if isinstance(value, (np.ndarray, np.generic)) else value


def _on_device(function):
    @functools.wraps(function, updated=())
    def call(*inputs, **given):
        if given.get("kind") not in (None, "stable"):
            raise ValueError("only a stable sort")
        outs = given.get("out")
        found = function(*map(_unwrapped, inputs), **{name: _unwrapped(value) for name, value in given.items()})
        if outs is not None:
            return outs[0] if isinstance(outs, tuple) else outs
        return _wrapped(found)

    return call


def _copied(function):
    def call(given, dtype=None):
        if isinstance(given, ndarray):
            return ndarray(function(given.host, dtype))
        return ndarray(np.array(_unwrapped(given) if isinstance(given, (list, tuple)) else given, dtype))

    return call


class _Module(types.ModuleType):
    def __getattr__(self, name):
        if isinstance(found := getattr(np, name), type) or not callable(found):  # dtypes and constants
            return found
        raise AttributeError(f"the stand-in for cupy has no {name!r}: add it, if CuPy has it")


MODULE = _Module("cupy")
MODULE.ndarray = ndarray
MODULE.linalg = types.SimpleNamespace(**{name: _on_device(getattr(np.linalg, name)) for name in LINALG})
for _name in FUNCTIONS:
    setattr(MODULE, _name, _on_device(getattr(np, _name)))
for _name in ("asarray", "asanyarray", "ascontiguousarray"):
    setattr(MODULE, _name, _copied(getattr(np, _name)))
MODULE.add = types.SimpleNamespace(at=lambda to, *given: to.__array_ufunc__(np.add, "at", to, *given))
MODULE.asnumpy = lambda array: array.get()
MODULE.cuda = types.SimpleNamespace(
    runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
    get_current_stream=lambda: types.SimpleNamespace(synchronize=lambda: None),
)


def _flips(logits, base, own, label):
    moved = logits + base[1:]
    found = np.concatenate([np.broadcast_to(base[:1], moved[:, :1].shape), moved], axis=1)
    ours = own + np.where(label > 0, np.take_along_axis(logits, np.maximum(label - 1, 0)[None, None], 1)[:, 0], 0)
    return (found.max(axis=1) > ours) | ((found.max(axis=1) == ours) & (found.argmax(axis=1) < label))


def _set_apart(logits, label):
    every = np.arange(len(label))
    own = logits[label, every].copy()
    logits[label, every] = -np.inf
    return own


def _squared(products, a, b, share):
    norms = a[:, None] + b[None]
    products += norms
    products[products <= share * norms] = 0
    return products


def _smooth(squared, far, square):
    squared[:] = np.exp(np.minimum(squared, np.float32(far * square)) / -np.float32(square))
    return squared


def _above(values, level, rounding):
    more = values - level
    return np.where(more > rounding, more, np.float32(0))


TWINS = {
    "flips": _flips,
    "set_apart": _set_apart,
    "advance": kernels_ldm._lowered,
    "squared_from_products": _squared,
    "smooth_kernel": _smooth,
    "above": _above,
    "row_squares": lambda rows: np.square(rows.astype(np.float64)).sum(axis=1),
}


def installed(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module, imported in place of CuPy until the test ends."""
    monkeypatch.setitem(sys.modules, "cupy", MODULE)
    for name, twin in TWINS.items():
        monkeypatch.setattr(cuda, name, _on_device(twin))
    return MODULE
