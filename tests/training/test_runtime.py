"""A run leaves the settings of the process as it found them."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from tfal.training.runtime import prepare_tensorflow, settings_restored


def _draws():
    return [
        random.random(),
        np.random.random(),  # noqa: NPY002
        float(tf.random.uniform([])),
        float(keras.random.uniform(())),
    ]


@pytest.fixture(autouse=True)
def _restored():
    with settings_restored():
        yield


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("end", ["done", "error", "closed"])
def test_settings_are_as_they_were_however_a_run_ends(deterministic, end):
    def run():
        with settings_restored():
            prepare_tensorflow()
            keras.utils.set_random_seed(5)
            _draws()
            yield 1
            if end == "error":
                raise ValueError

    (config.enable_op_determinism if deterministic else config.disable_op_determinism)()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": not deterministic})
    keras.utils.set_random_seed(3)
    _draws()
    expected = _draws()
    keras.utils.set_random_seed(3)
    _draws()
    running = run()
    next(running)
    if end == "closed":
        running.close()
    else:
        with pytest.raises(ValueError if end == "error" else StopIteration):
            next(running)
    assert config.is_op_determinism_enabled() is deterministic
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is not deterministic
    assert _draws() == expected
    assert keras.src.utils.rng_utils.get_random_seed() == 3
