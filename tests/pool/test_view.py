import tracemalloc

import numpy as np
import pytest

from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.streams import Streams


class CountingReader:
    """Outputs that tell their id, in chunks; counts how often each sample is read."""

    def __init__(self, n, size=3):
        self.reads = np.zeros(n, int)
        self.size = size

    def chunks(self, learner, outputs, ids):
        for start in range(0, len(ids), self.size):
            chunk = ids[start : start + self.size]
            self.reads[chunk] += 1
            yield {name: np.stack([chunk, 10 * chunk], axis=1).astype(np.float32) for name in outputs}

    def head(self, learner):
        return np.eye(2, dtype=np.float32), np.zeros(2, np.float32)


@pytest.fixture
def pool():
    pool = Pool.unlabeled_pool(20)
    pool.label_samples(np.array([3, 5]), np.array([1, 0]), 0)
    return pool


@pytest.fixture
def view(pool):
    return PoolView(pool, np.arange(6, 20), CountingReader(20), Streams(0, 1, 2))


def test_read_is_aligned_with_the_ids_and_reads_each_sample_once(view):
    ids = np.array([9, 3, 17, 3, 6, 19, 8])
    found = view.read("classifier", ["features", "logits"], ids)
    assert found["features"][:, 0].tolist() == ids.tolist()
    assert found["logits"][:, 1].tolist() == (10 * ids).tolist()
    assert view._reader.reads.max() == 1
    assert view._reader.reads.sum() == 6


@pytest.mark.parametrize("ids", [[9, 3, 17, 6, 19, 8], [3, 6, 8, 9], [8, 9, 10, 3], [5], [], [7, 7]])
def test_in_any_order(view, ids):
    ids = np.array(ids, np.int64)
    found = view.read("classifier", ["features"], ids)
    assert (found["features"][:, 0].tolist() if len(ids) else found) == (ids.tolist() if len(ids) else {})


def test_what_is_read_is_held_once():
    ids = np.append(np.arange(1, 10_000), 0)
    view = PoolView(Pool.unlabeled_pool(len(ids)), ids, CountingReader(len(ids), 100), Streams(0))
    tracemalloc.start()
    try:
        found = view.map("classifier", ["features"], lambda out: np.repeat(out["features"], 64, axis=1), ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(found[:, 0], ids)
    assert peak < 1.5 * found.nbytes


def test_a_smaller_last_chunk_lands_on_its_own_rows():
    """MQ-Net's code writes the last 222 of 21,722 embeddings over rows 9,546 to 9,767, and leaves the end at zero."""
    view = PoolView(Pool.unlabeled_pool(21_722), np.arange(21_722), CountingReader(21_722, 500), Streams(0))
    assert np.array_equal(view.read("classifier", ["features"], view.candidates)["features"][:, 0], np.arange(21_722))


def test_map_keeps_one_row_a_sample_of_what_the_function_returns(view):
    scores = view.map("classifier", ["logits"], lambda out: out["logits"].sum(axis=1), view.candidates)
    assert scores.tolist() == (11 * np.arange(6, 20)).tolist()


def test_the_reading_time_is_counted(view):
    assert view.seconds_reading == 0
    view.read("classifier", ["features"], view.candidates)
    assert view.seconds_reading > 0


def test_labels_are_shown_of_labeled_samples_only(view):
    assert view.labels(np.array([5, 3])).tolist() == [0, 1]
    with pytest.raises(ValueError, match="unlabeled ids \\[7\\]"):
        view.labels(np.array([3, 7]))


def test_the_fixed_sample_is_the_same_in_every_round_and_differs_between_repetitions(pool):
    def sample(rep, round, n=8):
        return PoolView(pool, np.arange(3), CountingReader(20), Streams(0, rep, round)).fixed_sample(n).tolist()

    assert sample(1, 0) == sample(1, 5)
    assert sample(1, 0) != sample(2, 0)
    assert sorted(sample(1, 0, n=99)) == list(range(20))
