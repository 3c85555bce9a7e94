"""least_disagree_metric against a one-at-a-time referee and theory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tfal.kernels import hypotheses, least_disagree_metric
from tfal.kernels import ldm as kernels_ldm

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

    class Noise(hypotheses.Noise):
        def __init__(self, *args):
            super().__init__(*args)
            self.stream = Stream(self.stream)

    monkeypatch.setattr(kernels_ldm, "Noise", Noise)


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
    monkeypatch.setitem(hypotheses._TILE_BYTES, "numpy", tile_bytes)  # 1: tiles of the least height, 128
    case, sigmas = exact_case(seed), 2.0 ** np.arange(-10, 1)
    expected, total = referee.least_disagree_metric(*case, np.random.default_rng(seed), sigmas, 5, eighths)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(seed), sigmas=sigmas, patience=5)
    np.testing.assert_array_equal(ldm, expected)
    assert sum(consumed) == total
    assert 0 < len(np.unique(expected)) < len(expected)


def test_exact_case_has_ties_and_rows_that_are_left_out(noise_in_eighths, monkeypatch):
    """Shows that the test above walks the branches for ties, for rows left out, and for hypotheses left out."""
    seen = {"tie": 0, "rows": 0, "most rows": 0}
    flips = kernels_ldm.flips

    def watching_flips(tile, some):
        logits = np.pad(some @ tile.inputs.T, [(0, 0), (1, 0), (0, 0)])
        own = np.take_along_axis(logits, tile.label[None, None], axis=1) + tile.own
        seen["tie"] += np.count_nonzero((logits + tile.others) == own)
        seen["rows"] += own.size
        return flips(tile, some)

    class Noise(kernels_ldm.Noise):
        def next(self, size):
            seen["most rows"] += size * (300 + 260)
            return super().next(size)

    monkeypatch.setattr(kernels_ldm, "flips", watching_flips)
    monkeypatch.setattr(kernels_ldm, "Noise", Noise)
    least_disagree_metric(*exact_case(0), rng=np.random.default_rng(0), sigmas=2.0 ** np.arange(-10, 1))
    assert seen["tie"] > 1000
    assert seen["rows"] < 0.7 * seen["most rows"]


@pytest.mark.parametrize("kind", ["copies", "zeros", "common mean"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equals_the_referee_on_copies_zeros_and_a_large_common_mean(kind, dtype, noise_in_eighths):
    features, mc, kernel, bias = exact_case(7)
    if kind == "copies":
        features = features[np.arange(len(features)) % 40]
    elif kind == "zeros":
        features[::3], mc[::3] = 0, 0
    else:
        features, mc, bias = features + 100, mc + 100, bias - 100 * kernel.sum(axis=0)
    case = [array.astype(dtype) for array in (features, mc, kernel, bias)]
    sigmas = 2.0 ** np.arange(-10, 1)
    expected, _ = referee.least_disagree_metric(*case, np.random.default_rng(2), sigmas, 5, eighths)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(2), sigmas=sigmas, patience=5)
    np.testing.assert_array_equal(ldm, expected)
    assert len(np.unique(expected)) > 2


@pytest.mark.parametrize(
    ("tile_bytes", "rows", "logits"), [(1, 8, 1), (1, 50, 5), (1 << 14, 64, 30), (1 << 22, 128, 2000)]
)
@pytest.mark.parametrize("classes", [2, 10])
def test_tiles_and_products_of_any_size_give_the_same_values(tile_bytes, rows, logits, classes, monkeypatch):
    case = exact_case(4, classes=classes)
    expected = least_disagree_metric(*case, rng=np.random.default_rng(4), sigmas=SIGMAS[::5])
    monkeypatch.setitem(hypotheses._TILE_BYTES, "numpy", tile_bytes)
    monkeypatch.setattr(hypotheses, "_TILE_ROWS", rows)
    monkeypatch.setattr(hypotheses, "_PRODUCT_ROWS", {"numpy": logits})
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(4), sigmas=SIGMAS[::5])
    np.testing.assert_array_equal(ldm, expected)


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
    monkeypatch.setattr(hypotheses, "_BLOCK", block)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(5), patience=patience)
    np.testing.assert_array_equal(ldm, expected)
    assert sum(consumed) == total
    assert max(consumed) <= block


def test_little_memory_for_noise_changes_nothing(monkeypatch, consumed):
    case = relu_case(6)
    expected = least_disagree_metric(*case, rng=np.random.default_rng(6))
    assert max(consumed) > 2 * hypotheses.GROUP
    consumed.clear()
    monkeypatch.setattr(hypotheses, "_NOISE_BYTES", 1)
    np.testing.assert_array_equal(least_disagree_metric(*case, rng=np.random.default_rng(6)), expected)
    assert max(consumed) == hypotheses.GROUP


@pytest.mark.parametrize("block", [1, 7, 32, 64])
@pytest.mark.parametrize("group", [1, 16])
def test_blocks_and_groups_change_nothing_where_arithmetic_is_exact(block, group, noise_in_eighths, monkeypatch):
    case, sigmas = exact_case(3), 2.0 ** np.arange(-10, 1)
    expected = least_disagree_metric(*case, rng=np.random.default_rng(5), sigmas=sigmas)
    monkeypatch.setattr(hypotheses, "_BLOCK", block)
    monkeypatch.setattr(kernels_ldm, "GROUP", group)
    ldm = least_disagree_metric(*case, rng=np.random.default_rng(5), sigmas=sigmas)
    np.testing.assert_array_equal(ldm, expected)


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
