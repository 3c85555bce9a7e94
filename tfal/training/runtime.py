"""The one place that decides how TensorFlow runs: determinism, memory, devices, batches for reading.

Determinism excludes XLA: Keras compiles nothing with it while operations are to be deterministic, and runs that repeat
and can be resumed are worth more. On a CPU it made S-CNN training about ten times slower anyway.

It also excludes TensorFlow's rewriting of arithmetic in graphs: the same graph was rewritten in other ways by about one
process of eight, so that a step of LARS ended in another last digit, and SimCLR in another encoder.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import threadpoolctl
from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.framework import config

from tfal.errors import InputError

_REWRITING = "arithmetic_optimization"
_READ_PIXELS = 2**19  # pixels in a batch that is only read: 668 MNIST or 512 CIFAR images
_READ_PIXELS_GPU = 2**22  # 83 images of 224 x 224; with 10 of them a GPU would mostly wait


def prepare_tensorflow(threads: int = 0) -> None:
    """Makes runs repeatable, and lets GPU memory grow so that CuPy finds room beside TensorFlow.

    threads: of every operation and of the array libraries, from now on; 0: as it is. Raises InputError where TensorFlow
    has started with another number.
    """
    if threads:
        fix_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({_REWRITING: False})
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            return  # the caller has used the GPU already; its own choice stands


def fix_threads(n: int) -> None:
    """So many threads for every operation and for the array libraries, from now on; see prepare_tensorflow."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(n)
    except RuntimeError:
        raise InputError(
            f"--threads must be set before TensorFlow computes anything. Received: {n}, after it has started with "
            f"{tf.config.threading.get_intra_op_parallelism_threads() or 'as many as there are cores'}. Start a new "
            "process."
        ) from None
    os.environ["OMP_NUM_THREADS"] = str(n)  # for libraries that are still to be loaded
    threadpoolctl.threadpool_limits(n)


@contextlib.contextmanager
def settings_restored() -> Iterator[None]:
    """What a run sets for the whole process is afterwards as it was, however the run ends.

    That is whether operations are deterministic and arithmetic is rewritten, and the seeds and states of the global
    generators of Python, NumPy, TensorFlow and Keras. TensorFlow and Keras have no public call that reads theirs.
    """
    eager, names = context.context(), ("global_random_seed", "global_seed_generator")
    deterministic = config.is_op_determinism_enabled()
    rewriting = tf.config.optimizer.get_experimental_options().get(_REWRITING, True)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    seed, generator = eager._seed, getattr(eager, "_rng", None)  # none before the first seed
    state = generator and generator.getstate()
    kept = {name: global_state.get_global_attribute(name) for name in names}
    try:
        yield
    finally:
        if not deterministic:
            config.disable_op_determinism()
        tf.config.optimizer.set_experimental_options({_REWRITING: rewriting})
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        eager._set_global_seed(seed)
        if state:
            eager._rng.setstate(state)
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


def distribution(devices: str) -> tf.distribute.Strategy:
    """Where networks live: recipe.devices "one" is TensorFlow's default, "all" a copy on every GPU of this machine.

    Without GPUs the logical CPU devices count, of which there is one unless the program has set up more. With a single
    device "all" is "one". Networks that work together must be built under the same strategy, so there is one of a kind.
    """
    return _everywhere() if devices == "all" else tf.distribute.get_strategy()


@functools.cache
def _everywhere() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def read_batch_size(shape: tuple[int, ...], n_devices: int = 1) -> int:
    """How many images of `shape` (H, W, C) are read or evaluated at once, by all devices together."""
    pixels = shape[0] * shape[1] if len(shape) == 3 else 1
    budget = _READ_PIXELS_GPU if tf.config.list_physical_devices("GPU") else _READ_PIXELS
    return n_devices * max(16, min(1000, budget // pixels))
