"""Every candidate belongs to one part; parts are of one size, random, and found again alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.sharded import partition
from tfal.sharded.partition import Candidates, random_ids, random_shard, range_of


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 60), data=st.data())
def test_ids_are_those_that_are_not_excluded(size, data):
    excluded = np.array(sorted(data.draw(st.sets(st.integers(0, size - 1)))), np.int64)
    candidates = Candidates(size, excluded)
    expected = np.setdiff1d(np.arange(size), excluded)
    assert len(candidates) == len(expected)
    assert candidates.ids(np.arange(len(candidates))).tolist() == expected.tolist()


@pytest.mark.parametrize("block", [5, 16, 1 << 20])
@pytest.mark.parametrize("n_shard", [1, 2, 3, 7, 40])
def test_random_shards(block, n_shard, monkeypatch):
    monkeypatch.setattr(partition, "_BLOCK", block)
    candidates = Candidates(100, np.array([0, 3, 50, 99]))
    found = [random_shard(candidates, number, n_shard, 0) for number in range(n_shard)]
    assert sorted(np.concatenate(found).tolist()) == candidates.ids(np.arange(96)).tolist()
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert all((np.diff(ids) > 0).all() for ids in found)
    assert all(ids.dtype == np.int64 for ids in found)
    if n_shard > 1:
        assert random_shard(candidates, 0, n_shard, 1).tolist() != found[0].tolist()


def test_neighbors_are_parted_as_often_as_by_chance():
    shards = [random_shard(Candidates(4000, np.zeros(0, np.int64)), number, 4, 3) for number in range(4)]
    owner = np.empty(4000, int)
    for number, ids in enumerate(shards):
        owner[ids] = number
    together = np.mean(owner[:-1] == owner[1:])
    assert abs(together - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)


@pytest.mark.parametrize("n_shard", [1, 2, 3])
def test_ranges_are_whole_blocks(n_shard):
    candidates = Candidates(40, np.array([2, 3]))
    found = [range_of(candidates, number, n_shard, 13) for number in range(n_shard)]
    assert np.concatenate(found).tolist() == candidates.ids(np.arange(38)).tolist()
    assert all(len(ids) % 13 == 0 for ids in found[:-1])
    assert all(len(ids) for ids in found)


def test_random_ids():
    candidates = Candidates(50, np.array([7]))
    found = random_ids(candidates, 20, 5)
    assert len(found) == 20
    assert (np.diff(found) > 0).all()
    assert 7 not in found
    assert found.tolist() == random_ids(candidates, 20, 5).tolist() != random_ids(candidates, 20, 6).tolist()
    assert random_ids(candidates, 49, 5).tolist() == candidates.ids(np.arange(49)).tolist()
