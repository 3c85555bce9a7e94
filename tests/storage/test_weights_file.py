"""Weights files: the network comes back as it was, and a file runs no code of its own."""

import keras
import numpy as np
import pytest

from tfal.errors import InputError
from tfal.storage.weights_file import read_network, write_network


def test_any_network_of_known_layers_comes_back(tmp_path):
    x, path = keras.Input((5, 4, 3)), tmp_path / "new.weights.h5"
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(x)))
    network, images = keras.Model(x, keras.layers.GlobalAveragePooling2D()(y)), np.ones((2, 5, 4, 3), np.float32)
    network.set_weights([np.full_like(values, 0.5) for values in network.get_weights()])
    write_network(network, path)
    np.testing.assert_array_equal(read_network(path)(images), network(images))
    assert [found.name for found in tmp_path.iterdir()] == ["new.weights.h5"]


def test_weights_files_of_others_are_refused(tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(InputError, match=r"was not written by python -m tfal\.convert_torch .* Convert it anew"):
        read_network(path)


def test_a_weights_file_runs_no_code_of_its_own(tmp_path):
    x, path = keras.Input((3,)), tmp_path / "odd.weights.h5"
    write_network(keras.Model(x, keras.layers.Lambda(lambda y: 2 * y)(x)), path)
    with pytest.raises(InputError, match=r"it names keras\.layers\.Lambda, which no converted network has"):
        read_network(path)
