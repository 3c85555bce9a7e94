"""mean_entropy, bald, variation_ratio, predictive_variance: hand-computed values, a loop, zeros, tiles, bad inputs."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from tfal.kernels import (
    bald,
    entropy,
    log_bald,
    log_mean_entropy,
    log_predictive_variance,
    mean_entropy,
    predictive_variance,
    variation_ratio,
)
from tfal.kernels.parts import tiles

from .plain import check_refusal

SCORES = [mean_entropy, bald, variation_ratio, predictive_variance]


def case(seed, n=20, passes=5, classes=4, scale=3.0):
    return np.random.default_rng(seed).normal(size=(n, passes, classes)) * scale


def one_at_a_time(mc_logits, score):
    """The definitions, sample by sample."""
    found = []
    for logits in mc_logits.astype(np.float64):
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        votes = np.bincount(logits.argmax(axis=1))
        value = {
            mean_entropy: scipy_entropy(p.mean(axis=0)),
            bald: scipy_entropy(p.mean(axis=0)) - np.mean([scipy_entropy(row) for row in p]),
            variation_ratio: 1 - votes.max() / len(p),
            predictive_variance: sum(np.mean((column - column.mean()) ** 2) for column in p.T),
        }[score]
        found.append(value)
    return np.array(found)


def test_v6_by_hand():
    two = np.log([[[0.9, 0.1], [0.1, 0.9]]])
    assert bald(two)[0] / np.log(2) == pytest.approx(0.531004, abs=1e-6)  # in bits, as all of this vector
    assert mean_entropy(np.log([[[0.7, 0.2, 0.1]]]))[0] / np.log(2) == pytest.approx(1.156780, abs=1e-6)
    assert mean_entropy(two)[0] / np.log(2) == pytest.approx(1)
    assert predictive_variance(np.log([[[0.7, 0.3], [0.5, 0.5]]]))[0] == pytest.approx(0.02)
    assert variation_ratio(np.eye(6)[[[2, 2, 5]]])[0] == pytest.approx(1 / 3)


def test_equal_votes_go_to_the_lowest_class():
    assert variation_ratio(np.array([[(1.0, 1, 0), (3, 0, 0), (0, 2, 2)]]))[0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("score", SCORES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), passes=st.integers(1, 6), classes=st.integers(2, 5))
def test_equals_the_loop(score, seed, passes, classes):
    mc_logits = case(seed, 6, passes, classes)
    mc_logits.flags.writeable = False
    found = score(mc_logits)
    np.testing.assert_allclose(found, one_at_a_time(mc_logits, score), atol=1e-11)
    assert found.dtype == np.float64


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 5))
def test_bounds(seed, passes, classes):
    mc_logits = case(seed, 10, passes, classes, 20.0)
    information = bald(mc_logits)
    assert np.all(information >= 0)
    assert np.all(information <= np.minimum(mean_entropy(mc_logits), np.log(passes)) + 1e-12)
    assert np.all((variation_ratio(mc_logits) >= 0) & (variation_ratio(mc_logits) <= 1 - 1 / min(passes, classes)))


def test_passes_that_agree_are_no_disagreement():
    mc_logits = np.repeat(case(0, passes=1), 7, axis=1)
    assert not bald(mc_logits).any()
    assert not variation_ratio(mc_logits).any()
    np.testing.assert_allclose(predictive_variance(mc_logits), 0, atol=1e-30)
    np.testing.assert_allclose(mean_entropy(mc_logits), entropy(mc_logits[:, 0]), atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_huge_logits_are_finite(score):
    # A softmax that underflows makes 0 * log 0, whose NaN would rank first.
    largest = np.finfo(np.float64).max
    found = score(np.array([[(largest, -largest, 0), (-largest, largest, 0)], [(1e4, 0, 0), (1e4, 0, 0)]]))
    expected = {mean_entropy: np.log(2), bald: np.log(2), variation_ratio: 0.5, predictive_variance: 0.5}
    np.testing.assert_allclose(found, [expected[score], 0], atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_dtypes_tiles_and_memory_maps_agree(score, monkeypatch, tmp_path):
    mc_logits = case(1, n=150).astype(np.float16)
    whole = score(mc_logits)
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(score(mc_logits.astype(dtype)), whole)
    mc_logits.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float16, "r", shape=mc_logits.shape)
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    monkeypatch.setattr(tiles, "LEAST_ROWS", 7)
    np.testing.assert_allclose(score(mapped), whole, atol=1e-14)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("mc_logits", "parts"),
    [
        (np.zeros((3, 2)), ["mc_logits", "(n, T, C)", "(3, 2)"]),
        (np.zeros((3, 4, 1)), ["mc_logits", "2 classes"]),
        (np.zeros((3, 4, 2), int), ["mc_logits", "int64", "astype"]),
        (np.zeros((3, 0, 2)), ["mc_logits", "(3, 0, 2)"]),
        (np.full((1, 2, 2), np.nan), ["mc_logits", "4 NaN or infinite of 4"]),
    ],
)
def test_errors(score, mc_logits, parts):
    check_refusal(parts, score, mc_logits)


def in_decimals(mc_logits):
    """(log mean entropy, log BALD, log variance) of one sample, with 400 digits."""
    with localcontext() as context:
        context.prec = 400
        powers = [[Decimal(float(z)).exp() for z in row] for row in mc_logits]
        p = [[power / sum(row) for power in row] for row in powers]
        mean = [sum(column) / len(p) for column in zip(*p, strict=True)]
        logs = [share.ln() for share in mean]
        information = sum(s * (s.ln() - log) for row in p for s, log in zip(row, logs, strict=True)) / len(p)
        variance = sum((s - m) ** 2 for row in p for s, m in zip(row, mean, strict=True)) / len(p)
        entropy = -sum(s * log for s, log in zip(mean, logs, strict=True))
        return [float(score.ln()) for score in (entropy, information, variance)]


@pytest.mark.parametrize("confident", [0, 5, 40, 200])
@pytest.mark.parametrize("scale", [0.1, 1, 5])
def test_logarithms_equal_those_with_many_digits(scale, confident):
    mc_logits = case(0, n=3, passes=3, scale=scale)
    mc_logits[:, :, 1] += confident
    mc_logits[2, 0, 2] += 2 * confident  # a pass that is sure of another class
    found = [score(mc_logits) for score in (log_mean_entropy, log_bald, log_predictive_variance)]
    expected = np.array([in_decimals(sample) for sample in mc_logits]).T
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("gap", [0, 3, 36, 800, 1e6, 1e30])
def test_passes_that_agree_have_no_information_at_any_gap(gap):
    agreeing = np.repeat(case(0, n=30, passes=1), 7, axis=1) + np.array([gap, 0, 0, 0])
    assert np.all(log_bald(agreeing) == -np.inf)
    assert np.all(log_predictive_variance(agreeing) == -np.inf)
    assert np.all(np.isfinite(log_mean_entropy(agreeing)))
