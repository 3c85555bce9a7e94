"""Noise, the rows that it relabels, and the candidates whose counts it lowers, on cases computed by hand."""

import numpy as np
import pytest

from tfal.kernels import hypotheses
from tfal.kernels import ldm as kernels_ldm

from .plain import plain_map
from .test_advance import V8_FLIPS, V8_RHO


def evaluate(pool, mc, counts, noise):
    """Disagreement counts of hypotheses (B, C, d + 1), and which candidates of what counts they lower, (B, n)."""
    relative = noise[:, 1:] - noise[:, :1]
    radius = 1.001 * hypotheses._largest_difference(noise)
    rho = kernels_ldm._disagreements(mc, relative, radius, plain_map)
    by_count = (-counts).argsort()
    rows, lowers = kernels_ldm._lowered_rows(pool, counts, by_count, relative, rho, radius, plain_map)
    every = np.zeros((len(noise), len(counts)), bool)
    every[:, rows] = lowers
    return rho, every


def test_v8_flips_and_shares_of_given_hypotheses():
    pool, mc = [-0.3, 0.05, 0.4], [-0.9, -0.5, -0.1, 0.02, 0.2, 0.3, 0.6, 0.8]
    layer = np.array([[0, 0], [1, 0]], np.float32)
    pool, mc = (hypotheses.LabeledRows(np.array(x)[:, None], np.ones(1, bool), layer, plain_map) for x in (pool, mc))
    noise = np.zeros((6, 2, 2), np.float32)
    noise[:, 1, 1] = [-0.1, 0.2, -0.5, -0.03, 0.6, -0.45]  # of class 1, bias: minus the threshold
    rho, lowers = evaluate(pool, mc, np.full(3, 8, np.int32), noise)
    np.testing.assert_array_equal(rho, V8_RHO)
    np.testing.assert_array_equal(lowers, V8_FLIPS)
    _, lowers = evaluate(pool, mc, np.array([3, 2, 2], np.int32), noise)
    np.testing.assert_array_equal(lowers, V8_FLIPS & (V8_RHO[:, None] < [3, 2, 2]))


def test_rounding_can_tie_logits_that_no_exact_hypothesis_of_this_norm_would():
    # Float32 steps by 1/16 at 1e6: logits (1e6, 1e6 + 1/16) and noise (0.04, 0) round to a tie, and the tie goes
    # to class 0, although 0.04 is less than the margin of 1/16.
    bias = np.array([1e6, 1e6 + 1 / 16], np.float32)
    layer = np.stack([np.zeros(2, np.float32), bias], axis=1)
    rows = hypotheses.LabeledRows(np.zeros((1, 1)), np.ones(1, bool), layer, plain_map)
    noise = np.zeros((2, 2, 2), np.float32)
    noise[0, 0, 1] = 0.04
    rho, lowers = evaluate(rows, rows, np.full(1, 9, np.int32), noise)
    assert (bias + noise[0, :, 1]).argmax() == 0
    assert (rho.tolist(), lowers.tolist()) == ([1, 0], [[True], [False]])


def test_hypothesis_j_is_the_jth_block_of_the_stream_relative_to_class_0():
    alive = np.array([True, False, True])  # of three features; the fourth row is the bias
    raw = np.random.default_rng([7, 3]).standard_normal((40, 4, 5), dtype=np.float32)
    raw = 0.5 * raw[:, [0, 2, 3]].transpose(0, 2, 1)
    noise = hypotheses.Noise([7, 3], np.float32(0.5), 5, alive)
    start = 0
    for size in (1, 7, 20, 12):
        drawn, radius = noise.next(size)
        expected = raw[start : start + size]
        np.testing.assert_array_equal(drawn, expected[:, 1:] - expected[:, :1])
        differences = np.linalg.norm(expected[:, :, None] - expected[:, None], axis=3)
        assert differences.max() <= radius <= 1.01 * differences.max()
        start += size


def test_of_many_classes_the_bound_is_the_sum_of_the_two_largest_norms():
    noise = np.random.default_rng(0).normal(size=(3, hypotheses._MOST_PAIRS + 1, 4)).astype(np.float32)
    norms = np.sort(np.linalg.norm(noise, axis=2), axis=1)
    assert hypotheses._largest_difference(noise) == pytest.approx((norms[:, -1] + norms[:, -2]).max())
