import numpy as np
import pytest
import tensorflow as tf

from tfal.reading.backend import NumpyBackend
from tfal.reading.output_cache import OutputCache
from tfal.reading.reader import LearnerReader


class Source:
    """Batches of ids; keeps which batches were read."""

    def __init__(self):
        self.batches_read = []

    def batches(self, ids, batch_size):
        for start in range(0, len(ids), batch_size):
            self.batches_read.append(ids[start : start + batch_size].tolist())
            yield ids[start : start + batch_size]


class Frozen:
    def __init__(self, ids, factor=10):
        self.frozen_for, self.factor = ids, factor

    def read(self, batch, outputs):
        return {name: tf.constant(self.factor * batch[:, None] + len(name)) for name in outputs}


@pytest.fixture
def setup():
    source, learners = Source(), {"csi": Frozen(np.arange(0, 20, 2))}
    return source, learners, LearnerReader(source, learners, 4, NumpyBackend(), OutputCache(20))


def _read(reader, ids, outputs=("a",)):
    return np.concatenate([chunk["a"] for chunk in reader.chunks("csi", outputs, np.array(ids))])[:, 0].tolist()


def test_a_sample_is_read_once_and_always_in_the_same_batch(setup):
    source, _, reader = setup
    assert _read(reader, [18, 2, 2]) == [181, 21, 21]
    assert source.batches_read == [[0, 2, 4, 6], [16, 18]]
    assert _read(reader, [0, 16, 4, 6, 2]) == [1, 161, 41, 61, 21]
    assert len(source.batches_read) == 2
    assert _read(reader, [0, 8]) == [1, 81]
    assert source.batches_read[2:] == [[8, 10, 12, 14]]


def test_another_output_is_read_anew(setup):
    source, _, reader = setup
    _read(reader, [0])
    _read(reader, [0], ("a", "bb"))
    assert source.batches_read == [[0, 2, 4, 6]] * 2


def test_another_training_is_read_anew(setup):
    source, learners, reader = setup
    _read(reader, [0])
    learners["csi"] = Frozen(np.arange(0, 20, 2), factor=7)
    assert _read(reader, [6, 0]) == [43, 1]
    assert source.batches_read == [[0, 2, 4, 6]] * 2


def test_what_is_trained_in_every_round_is_never_remembered(setup):
    source, learners, reader = setup
    learners["csi"].frozen_for = None
    assert _read(reader, [3, 5]) == [31, 51]
    assert _read(reader, [3, 5]) == [31, 51]
    assert source.batches_read == [[3, 5]] * 2
