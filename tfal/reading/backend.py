"""Where the kernels compute, and how a network's outputs get there: NumPy on the host or CuPy on the GPU.

Nothing else on the network side knows CuPy. The kernels take whichever arrays they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tfal.errors import InputError, unknown_name

if TYPE_CHECKING:
    import tensorflow as tf


class Backend(Protocol):
    """Turns tensors and host arrays into the arrays that the kernels compute with."""

    name: str

    def from_tensor(self, tensor: tf.Tensor) -> Any:
        """The tensor's values. They may share its memory, so they are copied before `release`."""

    def from_host(self, array: np.ndarray) -> Any:
        """The array's values, where the kernels compute."""

    def release(self) -> None:
        """Called when what `from_tensor` gave has been copied."""


class NumpyBackend:
    """Arrays in main memory."""

    name = "numpy"

    def from_tensor(self, tensor: tf.Tensor) -> np.ndarray:
        """On a CPU this shares the tensor's memory."""
        found: np.ndarray = tensor.numpy()
        return found

    def from_host(self, array: np.ndarray) -> np.ndarray:
        """The array itself."""
        return array

    def release(self) -> None:
        """Nothing to wait for."""


class CupyBackend:
    """Arrays in the GPU's memory, without a copy where TensorFlow has them there already."""

    name = "cupy"

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def from_tensor(self, tensor: tf.Tensor) -> Any:
        """Shares the memory of float tensors on a GPU; all others are copied over.

        DLPack is safe for eager float tensors, which are contiguous. TensorFlow keeps small integer tensors on the
        host whatever their device says, and its own __dlpack__ refuses the stream that CuPy hands over.
        """
        import tensorflow as tf

        if "GPU" not in tensor.device or not tensor.dtype.is_floating or not tensor.shape.num_elements():
            return self._cupy.asarray(tensor.numpy())
        tf.test.experimental.sync_devices()  # TensorFlow may still be computing on a stream of its own
        return self._cupy.from_dlpack(_Shared(tensor))

    def from_host(self, array: np.ndarray) -> Any:
        """A copy on the GPU."""
        return self._cupy.asarray(array)

    def release(self) -> None:
        """Waits until CuPy has read what it shares, so that TensorFlow may use the memory again."""
        self._cupy.cuda.get_current_stream().synchronize()


class _Shared:
    """A tensor as DLPack producer; both sides wait for each other explicitly, so the stream is of no use."""

    def __init__(self, tensor: tf.Tensor) -> None:
        self._tensor = tensor

    def __dlpack__(self, **ignored: Any) -> Any:
        import tensorflow as tf

        return tf.experimental.dlpack.to_dlpack(self._tensor)

    def __dlpack_device__(self) -> tuple[int, int]:
        found: tuple[int, int] = self._tensor.__dlpack_device__()
        return found


def choose_backend(name: str) -> Backend:
    """The backend called "numpy" or "cupy"; "auto" takes CuPy where it and a GPU are there.

    Raises InputError for another name, and for "cupy" where it cannot be had.
    """
    if name not in ("auto", "numpy", "cupy"):
        raise unknown_name("backend", name, ("auto", "numpy", "cupy"))
    if name == "numpy":
        return NumpyBackend()
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() < 1:
            raise RuntimeError("no GPU")
    except Exception as error:  # not installed, no driver, no device: CuPy has an exception for each
        if name == "auto":
            return NumpyBackend()
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"backend 'cupy' needs CuPy and an NVIDIA GPU ({reason}). Install cupy-cuda12x, or use numpy."
        ) from None
    return CupyBackend(cupy)
