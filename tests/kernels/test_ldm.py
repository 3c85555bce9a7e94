"""least_disagree_metric against hand-computed vectors, a one-at-a-time referee and theory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tfal.kernels import ldm as kernels_ldm
from tfal.kernels import least_disagree_metric

from . import referee

SIGMAS = np.logspace(-5, 0, 51)


def relu_case(seed, n=150, m=120, d=16, classes=10):
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.normal(size=(n + m, 8)) @ rng.normal(size=(8, d)), 0).astype(np.float32)
    kernel = (rng.normal(size=(d, classes)) * np.sqrt(2 / d)).astype(np.float32)
    return inputs[:n], inputs[n:], kernel, rng.normal(size=classes).astype(np.float32) / 10


def exact_case(seed, n=300, m=260, d=6, classes=4):
    """Small fractions: with `eighths` noise all float32 sums are exact, and logits often tie."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(-3, 4, size=(n + m, d)).astype(np.float32)
    inputs[:, 2] = 0  # a dead unit
    kernel = rng.integers(-4, 5, size=(d, classes)).astype(np.float32) / 4
    return inputs[:n], inputs[n:], kernel, rng.integers(-1, 2, size=classes).astype(np.float32)


def eighths(z):
    return np.rint(8 * z) / 8


@pytest.fixture
def noise_in_eighths(monkeypatch):
    class Stream:
        def __init__(self, stream):
            self.stream = stream

        def standard_normal(self, shape, dtype):
            return eighths(self.stream.standard_normal(shape, dtype=dtype))

    class Noise(kernels_ldm._Noise):
        def __init__(self, *args):
            super().__init__(*args)
            self.stream = Stream(self.stream)

    monkeypatch.setattr(kernels_ldm, "_Noise", Noise)


@pytest.fixture
def consumed(monkeypatch):
    """Collects how many hypotheses every block consumed."""
    counts, advance = [], kernels_ldm._advance

    def counting(*args):
        result = advance(*args)
        counts.append(result[2])
        return result

    monkeypatch.setattr(kernels_ldm, "_advance", counting)
    return counts


# --- bookkeeping, by hand -----------------------------------------------------------------------------------

V8_RHO = np.array([1, 1, 3, 1, 2, 3], np.int32)  # of M = 8
V8_FLIPS = np.array([[0, 1, 0], [0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]], bool)
V8_LDM = np.array([[8, 1, 8], [8, 1, 8], [8, 1, 3], [8, 1, 3], [2, 1, 3], [2, 1, 3]]) / 8


def test_v8_flips_and_shares_of_given_hypotheses():
    pool, mc = [-0.3, 0.05, 0.4], [-0.9, -0.5, -0.1, 0.02, 0.2, 0.3, 0.6, 0.8]
    kernel, bias = np.array([[0, 1]], np.float32), np.zeros(2, np.float32)
    pool, mc = (
        kernels_ldm._sorted_rows(np.array(x, np.float32)[:, None], kernel, bias, np.ones(2, bool)) for x in (pool, mc)
    )
    thresholds = np.array([0.1, -0.2, 0.5, 0.03, -0.6, 0.45], np.float32)
    groups = np.zeros((1, kernels_ldm._GROUP, 2, 2), np.float32)
    groups[0, :6, 1, 1] = -thresholds  # noise of class 1, bias
    rho, flips = kernels_ldm._evaluate(pool, mc, np.full(3, 8, np.int32), groups, slice(0, 6))
    np.testing.assert_array_equal(rho, V8_RHO)
    np.testing.assert_array_equal(flips[:, np.argsort(pool.order)], V8_FLIPS)


def test_rounding_can_tie_logits_that_no_exact_hypothesis_of_this_norm_would():
    # Float32 steps by 1/16 at 1e6: logits (1e6, 1e6 + 1/16) and noise (0.04, 0) round to a tie, and the tie goes
    # to class 0, although 0.04 is less than the margin of 1/16.
    bias = np.array([1e6, 1e6 + 1 / 16], np.float32)
    rows = kernels_ldm._sorted_rows(np.zeros((1, 1), np.float32), np.zeros((1, 2), np.float32), bias, np.ones(2, bool))
    groups = np.zeros((1, kernels_ldm._GROUP, 2, 2), np.float32)
    groups[0, 0, 0, 1] = 0.04
    rho, flips = kernels_ldm._evaluate(rows, rows, np.full(1, 9, np.int32), groups, slice(0, 2))
    assert (bias + groups[0, 0, :, 1]).argmax() == 0
    assert (rho.tolist(), flips.tolist()) == ([1, 0], [[True], [False]])


def test_v8_one_hypothesis_at_a_time():
    counts, quiet = np.full(3, 8, np.int32), 0
    quiets = []
    for b in range(6):
        counts, quiet, used = kernels_ldm._advance(counts, quiet, V8_RHO[b : b + 1], V8_FLIPS[b : b + 1], 10)
        np.testing.assert_array_equal(counts / 8, V8_LDM[b])
        assert used == 1
        quiets.append(quiet)
    assert quiets == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("size", range(1, 7))
def test_v8_as_one_block(size):
    counts, quiet, used = kernels_ldm._advance(np.full(3, 8, np.int32), 0, V8_RHO[:size], V8_FLIPS[:size], 10)
    np.testing.assert_array_equal(counts / 8, V8_LDM[size - 1])
    assert (quiet, used) == ((size - 1) % 2, size)


@pytest.mark.parametrize("split", range(1, 9))
def test_v9_stops_after_three_quiet_hypotheses_and_drops_the_rest(split):
    # One candidate; hypotheses 0, 3 and 8 flip it, and 8 would improve it, but comes after the stop.
    rho = np.array([9, 1, 1, 5, 5, 6, 1, 1, 2], np.int32)
    flips = np.array([1, 0, 0, 1, 1, 1, 0, 0, 1], bool)[:, None]
    counts, quiet, used = kernels_ldm._advance(np.array([10], np.int32), 0, rho[:split], flips[:split], 3)
    if quiet < 3:
        counts, quiet, more = kernels_ldm._advance(counts, quiet, rho[split:], flips[split:], 3)
        used += more
    assert (counts.tolist(), quiet, used) == ([5], 3, 7)


def test_v9_without_any_improvement():
    counts, quiet, used = kernels_ldm._advance(
        np.array([10], np.int32), 0, np.ones(8, np.int32), np.zeros((8, 1), bool), 3
    )
    assert (counts.tolist(), quiet, used) == ([10], 3, 3)


def test_every_sigma_takes_at_least_patience_hypotheses(consumed):
    # Margins of 1e6: nothing flips, so each of the sigmas ends after exactly `patience` hypotheses.
    far = np.full((3, 1), 1e6)
    ldm = least_disagree_metric(far, far, [[0.0, 1.0]], [0.0, 0.0], rng=np.random.default_rng(0), sigmas=[1e-3] * 4)
    np.testing.assert_array_equal(ldm, 1)
    assert consumed == [10] * 4


# --- against the referee ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile_bytes", [1, 1 << 18])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_referee_bit_for_bit_where_arithmetic_is_exact(
    seed, tile_bytes, noise_in_eighths, consumed, monkeypatch
):
    monkeypatch.setitem(kernels_ldm._TILE_BYTES, "numpy", tile_bytes)  # 1: tiles of the least height, 128
    case, sigmas = exact_case(seed), 2.0 ** np.arange(-10, 1)
    expected, hypotheses = referee.least_disagree_metric(*case, np.random.default_rng(seed), sigmas, 5, eighths)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(seed), sigmas=sigmas, patience=5)
    np.testing.assert_array_equal(ldm, expected)
    assert sum(consumed) == hypotheses
    assert 0 < len(np.unique(expected)) < len(expected)


def test_exact_case_has_ties_and_rows_that_cannot_flip(noise_in_eighths, monkeypatch):
    """Shows that the test above walks the branches for ties and for rows left out."""
    seen = {"tie": 0, "left out": 0}
    flips, tiles = kernels_ldm._group_flips, kernels_ldm._tiles

    def watching_flips(rows, tile, group):
        logits = group @ rows.inputs[tile].T
        own = np.take_along_axis(logits, rows.label[None, None, tile], axis=1) + rows.own[tile]
        seen["tie"] += np.count_nonzero((logits + rows.others[:, tile]) == own)
        return flips(rows, tile, group)

    def watching_tiles(rows, classes, radius):
        found = tiles(rows, classes, radius)
        seen["left out"] += len(rows.reach) - (found[-1].stop if found else 0)
        return found

    monkeypatch.setitem(kernels_ldm._TILE_BYTES, "numpy", 1)
    monkeypatch.setattr(kernels_ldm, "_group_flips", watching_flips)
    monkeypatch.setattr(kernels_ldm, "_tiles", watching_tiles)
    least_disagree_metric(*exact_case(0), rng=np.random.default_rng(0), sigmas=2.0 ** np.arange(-10, 1))
    assert seen["tie"] > 1000
    assert seen["left out"] > 1000


@pytest.mark.parametrize("seed", range(2))
def test_agrees_with_the_referee_on_float32_data(seed):
    case = relu_case(seed)
    expected, _ = referee.least_disagree_metric(*case, np.random.default_rng(seed), SIGMAS, 10)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(seed))
    # A matrix product of another shape may round a near-tie the other way, and so move a count.
    assert np.mean(ldm != expected) < 0.02
    np.testing.assert_allclose(ldm, expected, atol=2.5 / 120)


@pytest.mark.parametrize("block", [1, 7, 32, 64])
@pytest.mark.parametrize("patience", [3, 10])
def test_iii_block_size_changes_nothing(block, patience, monkeypatch, consumed):
    case = relu_case(5)
    expected = least_disagree_metric(*case, rng=np.random.default_rng(5), patience=patience)
    total = sum(consumed)
    consumed.clear()
    monkeypatch.setattr(kernels_ldm, "_BLOCK", block)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(5), patience=patience)
    np.testing.assert_array_equal(ldm, expected)
    assert sum(consumed) == total
    assert max(consumed) <= block


def test_little_memory_for_noise_changes_nothing(monkeypatch, consumed):
    case = relu_case(6)
    expected = least_disagree_metric(*case, rng=np.random.default_rng(6))
    assert max(consumed) == kernels_ldm._BLOCK
    consumed.clear()
    monkeypatch.setattr(kernels_ldm, "_NOISE_BYTES", 1)
    np.testing.assert_array_equal(least_disagree_metric(*case, rng=np.random.default_rng(6)), expected)
    assert max(consumed) == kernels_ldm._GROUP


def test_hypothesis_j_is_the_jth_block_of_the_stream():
    alive = np.array([True, False, True, True])
    raw = np.random.default_rng([7, 3]).standard_normal((40, 4, 5), dtype=np.float32)
    noise = kernels_ldm._Noise([7, 3], np.float32(0.5), 5, alive)
    start = 0
    for size in (1, 7, 20, 12):
        groups, place = noise.next(size)
        got = groups.reshape(-1, 5, 3)[place]
        np.testing.assert_array_equal(got, 0.5 * raw[start : start + size, alive].transpose(0, 2, 1))
        assert place.start == start % kernels_ldm._GROUP
        start += size


# --- statistics and properties ------------------------------------------------------------------------------

ANGLES = np.array([0.02, 0.1, 0.3, 0.7, 1.2, 1.5707])


def estimate_angles(seed, scale):
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * np.pi, 5000)
    mc = scale * np.c_[np.cos(turn), np.sin(turn)]
    candidates = scale * np.c_[np.sin(ANGLES), np.cos(ANGLES)]  # at these angles from the boundary
    return least_disagree_metric(candidates, mc, [[0.0, 1.0], [0.0, 0.0]], [0.0, 0.0], rng=rng)


def test_i_unit_circle_matches_theory():
    # Inputs of norm 1e4 make the noise of the bias negligible: hypotheses are lines through the origin, for
    # which the metric at angle a is a / pi.
    ldm = np.array([estimate_angles(seed, 1e4) for seed in range(30)])
    np.testing.assert_allclose(ldm.mean(axis=0)[:5], ANGLES[:5] / np.pi, rtol=0.15)
    assert min(spearmanr(row, ANGLES).statistic for row in ldm) >= 0.94


def test_i_lines_off_the_origin_can_halve_the_disagreement():
    # With bias noise, a line through the candidate and one end of the boundary cuts off one arc, not two.
    ldm = np.mean([estimate_angles(seed, 1.0) for seed in range(30)], axis=0)
    assert np.all(ldm[:5] > ANGLES[:5] / np.pi / 2)
    assert np.all(ldm[:5] < ANGLES[:5] / np.pi * 0.85)


@pytest.mark.parametrize("seed", range(3))
def test_iv_permuting_the_pool_permutes_the_result(seed, noise_in_eighths):
    features, mc, kernel, bias = exact_case(seed, n=200, m=150)
    permutation = np.random.default_rng(seed).permutation(len(features))
    sigmas = 2.0 ** np.arange(-6, 1)
    ldm = least_disagree_metric(features, mc, kernel, bias, rng=np.random.default_rng(1), sigmas=sigmas)
    permuted = least_disagree_metric(
        features[permutation], mc, kernel, bias, rng=np.random.default_rng(1), sigmas=sigmas
    )
    np.testing.assert_array_equal(permuted, ldm[permutation])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    m=st.integers(1, 40),
    d=st.integers(1, 6),
    classes=st.integers(2, 5),
    patience=st.integers(1, 12),
)
def test_v_multiples_of_one_over_m_and_repeatable(seed, n, m, d, classes, patience):
    case = relu_case(seed, n, m, d, classes)
    sigmas = [1e-3, 1e-1, 1.0]

    def run(s):
        return least_disagree_metric(*case, rng=np.random.default_rng(s), sigmas=sigmas, patience=patience)

    ldm = run(seed)
    assert ldm.shape == (n,)
    assert ldm.dtype == np.float64
    assert np.all((ldm >= 0) & (ldm <= 1))
    np.testing.assert_array_equal(np.rint(ldm * m) / m, ldm)
    np.testing.assert_array_equal(ldm, run(seed))


def test_another_generator_gives_other_hypotheses():
    case = relu_case(0)
    first, second = (least_disagree_metric(*case, rng=np.random.default_rng(s)) for s in (0, 1))
    assert np.any(first != second)
    assert spearmanr(first, second).statistic > 0.9


def test_more_patience_lowers_the_metric():
    case = relu_case(0)
    short, long = (
        least_disagree_metric(*case, rng=np.random.default_rng(0), patience=p, sigmas=SIGMAS[20:40:5]) for p in (2, 100)
    )
    assert np.all(long <= short)
    assert np.any(long < short)


def test_dtypes_agree_and_inputs_stay_as_they_are():
    case = [np.round(a * 8).astype(np.float16) / 8 for a in relu_case(3)]  # exact in all three
    results = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = [a.astype(dtype) for a in case]
        for a in arrays:
            a.flags.writeable = False
        results.append(least_disagree_metric(*arrays, rng=np.random.default_rng(3)))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[1], results[2])


def test_default_sigmas_are_the_papers():
    case = relu_case(4, n=20, m=20)
    by_default = least_disagree_metric(*case, rng=np.random.default_rng(4))
    spelled_out = least_disagree_metric(*case, rng=np.random.default_rng(4), sigmas=SIGMAS)
    np.testing.assert_array_equal(by_default, spelled_out)
    assert SIGMAS[25] == pytest.approx(3.1623e-3, rel=1e-4)


def test_samples_on_the_boundary_are_flipped_by_the_smallest_sigma():
    # All logits equal: any noise relabels about half of the two-class samples, whatever its scale.
    zeros = np.zeros((5, 3))
    ldm = least_disagree_metric(
        zeros, np.ones((50, 3)), np.zeros((3, 2)), [0.0, 0.0], rng=np.random.default_rng(0), sigmas=[1e-5]
    )
    assert np.all(ldm < 1)
    assert len(set(ldm.tolist())) == 1
