"""The bookkeeping of hypotheses: which of them improve a candidate, and where a sigma ends; by hand."""

import numpy as np
import pytest

from tfal.kernels.ldm import _advance

V8_RHO = np.array([1, 1, 3, 1, 2, 3], np.int32)  # of M = 8
V8_FLIPS = np.array([[0, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]], bool)
V8_LDM = np.array([[8, 1, 8], [8, 1, 8], [8, 1, 3], [8, 1, 3], [2, 1, 3], [2, 1, 3]]) / 8


def test_v8_one_hypothesis_at_a_time():
    counts, quiet = np.full(3, 8, np.int32), 0
    quiets = []
    for b in range(6):
        counts, quiet, used = _advance(counts, quiet, V8_RHO[b : b + 1], V8_FLIPS[b : b + 1], 10)
        np.testing.assert_array_equal(counts / 8, V8_LDM[b])
        assert used == 1
        quiets.append(quiet)
    assert quiets == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("size", range(1, 7))
def test_v8_as_one_block(size):
    counts, quiet, used = _advance(np.full(3, 8, np.int32), 0, V8_RHO[:size], V8_FLIPS[:size], 10)
    np.testing.assert_array_equal(counts / 8, V8_LDM[size - 1])
    assert (quiet, used) == ((size - 1) % 2, size)


@pytest.mark.parametrize("split", range(1, 9))
def test_v9_stops_after_three_quiet_hypotheses_and_drops_the_rest(split):
    # One candidate; hypotheses 0, 3 and 8 flip it, and 8 would improve it, but comes after the stop.
    rho = np.array([9, 1, 1, 5, 5, 6, 1, 1, 2], np.int32)
    flips = np.array([1, 0, 0, 1, 1, 1, 0, 0, 1], bool)[:, None]
    counts, quiet, used = _advance(np.array([10], np.int32), 0, rho[:split], flips[:split], 3)
    if quiet < 3:
        counts, quiet, more = _advance(counts, quiet, rho[split:], flips[split:], 3)
        used += more
    assert (counts.tolist(), quiet, used) == ([5], 3, 7)


def test_v9_without_any_improvement():
    counts, quiet, used = _advance(np.array([10], np.int32), 0, np.ones(8, np.int32), np.zeros((8, 1), bool), 3)
    assert (counts.tolist(), quiet, used) == ([10], 3, 3)
