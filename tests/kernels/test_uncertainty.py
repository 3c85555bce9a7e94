"""entropy, margin, least_confidence, max_logit, and what they are ranked by: hand-computed values, huge logits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from tfal.kernels import (
    confidence_log_odds,
    entropy,
    least_confidence,
    log_entropy,
    margin,
    margin_log_odds,
    max_logit,
)
from tfal.kernels.uncertainty import log_complement

from .plain import check_refusal

OF_SOFTMAX = [entropy, margin, least_confidence]
SCORES = [*OF_SOFTMAX, max_logit]
LOGITS = np.array([(2, 0, 0), (1, 1, 0), (3, 2.9, 0)])

matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(2, 6)),
    elements=st.floats(-30, 30),
)


def test_by_hand():
    np.testing.assert_allclose(least_confidence(LOGITS), [0.786986, 0.422319, 0.511607], atol=1e-6)
    np.testing.assert_allclose(margin(LOGITS), [0.680479, 0, 0.048686], atol=1e-6)
    np.testing.assert_array_equal(max_logit(LOGITS), [2, 1, 3])
    np.testing.assert_allclose(entropy(LOGITS), [0.665573, 1.017357, 0.792905], atol=1e-5)


def test_direction_most_uncertain_first():
    assert np.argsort(-entropy(LOGITS)).tolist() == [1, 2, 0]
    assert np.argsort(margin(LOGITS)).tolist() == [1, 2, 0]
    assert np.argsort(least_confidence(LOGITS)).tolist() == [1, 2, 0]
    assert np.argsort(max_logit(LOGITS)).tolist() == [1, 0, 2]


@settings(deadline=None)
@given(matrices)
def test_equal_scipy(logits):
    p = np.sort(softmax(logits, axis=1), axis=1)
    np.testing.assert_allclose(entropy(logits), scipy_entropy(p, axis=1), atol=1e-12)
    np.testing.assert_allclose(margin(logits), p[:, -1] - p[:, -2], atol=1e-12)
    np.testing.assert_allclose(least_confidence(logits), p[:, -1], atol=1e-12)


@pytest.mark.parametrize("score", OF_SOFTMAX)
@settings(deadline=None)
@given(logits=matrices, seed=st.integers(0, 100))
def test_rows_are_independent_and_a_common_shift_is_nothing(score, logits, seed):
    order = np.random.default_rng(seed).permutation(len(logits))
    np.testing.assert_array_equal(score(logits[order]), score(logits)[order])
    np.testing.assert_allclose(score(logits + 5), score(logits), atol=1e-12)


@settings(deadline=None)
@given(logits=matrices)
def test_max_logit_is_what_softmax_leaves_out(logits):
    expected = [max(row) for row in logits.tolist()]
    np.testing.assert_array_equal(max_logit(logits), expected)
    np.testing.assert_allclose(max_logit(logits + 5), np.add(expected, 5), atol=1e-12)


@pytest.mark.parametrize("score", OF_SOFTMAX)
def test_huge_logits_are_finite(score):
    largest = np.finfo(np.float64).max
    values = score(np.array([(largest, -largest), (1e300, 1e300), (-largest, -largest), (1000.0, 0.0)]))
    assert np.all(np.isfinite(values))
    expected = {
        entropy: [0, np.log(2), np.log(2), 0],
        margin: [1, 0, 0, 1],
        least_confidence: [1, 0.5, 0.5, 1],
    }
    np.testing.assert_allclose(values, expected[score], atol=1e-12)
    assert np.all(values >= 0)


def test_huge_logits_stay_as_they_are():
    largest = np.finfo(np.float64).max
    assert max_logit(np.array([(largest, -largest), (-largest, -largest)])).tolist() == [largest, -largest]


@pytest.mark.parametrize("score", SCORES)
def test_dtypes_agree_and_inputs_stay_as_they_are(score):
    results = []
    for dtype in (np.float16, np.float32, np.float64):
        logits = np.array([(2, 0, 0.5), (1, 1, 0)], dtype)
        logits.flags.writeable = False
        results.append(score(logits))
        assert results[-1].dtype == np.float64
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[1], results[2])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("logits", "parts"),
    [
        (np.zeros(3), ["logits", "(n, C)", "(3,)"]),
        (np.zeros((3, 1)), ["logits", "2 classes", "(3, 1)", "(0, z)"]),
        (np.zeros((3, 2), int), ["logits", "float32", "int64", "astype"]),
        (np.zeros((0, 2)), ["logits", "(0, 2)", "empty"]),
        (np.array([(0, np.nan), (np.inf, 0)]), ["logits", "finite", "2 NaN or infinite of 4"]),
    ],
)
def test_errors(score, logits, parts):
    check_refusal(parts, score, logits)


def in_decimals(logits):
    """(log entropy, log((1 - margin) / margin), log((1 - p) / p)) of one sample, with 400 digits."""
    with localcontext() as context:
        context.prec = 400
        powers = sorted((Decimal(float(z)).exp() for z in logits), reverse=True)
        p = [power / sum(powers) for power in powers]
        entropy = -sum(share * share.ln() for share in p)
        margin, rest = p[0] - p[1], sum(p[1:])
        odds = ((rest + p[1]) / margin).ln() if margin else Decimal("inf")
        return [float(score) for score in (entropy.ln(), odds, (rest / p[0]).ln())]


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1, 30, 100])
def test_log_scores_equal_those_with_many_digits(scale):
    logits = np.random.default_rng(0).normal(size=(8, 4)) * scale
    logits[0] = [scale, scale, -scale, 0]
    found = [score(logits) for score in (log_entropy, margin_log_odds, confidence_log_odds)]
    expected = np.array([in_decimals(row) for row in logits]).T
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("score", [log_entropy, margin_log_odds, confidence_log_odds])
@pytest.mark.parametrize(
    ("dtype", "top"), [(np.float32, top) for top in (20, 40, 1e3, 1e6, 1e30)] + [(np.float64, 1e6), (np.float64, 1e150)]
)
def test_confident_samples_keep_their_order(score, dtype, top):
    gaps = np.linspace(1.5 * top, top, 40).astype(dtype)
    for logits in (np.stack([gaps, 0 * gaps, -gaps, gaps / 2], axis=1), np.stack([gaps / 2, -gaps / 2], axis=1)):
        assert np.all(np.diff(score(logits)) > 0)


def test_huge_logits_are_ranked():
    largest = np.finfo(np.float64).max
    logits = np.array([(largest, -largest, -largest), (1e300, 0, 0), (1e300, 1e300, 0), (-largest,) * 3])
    for score in (log_entropy, margin_log_odds, confidence_log_odds):
        values = score(logits)
        assert not np.isnan(values).any()
        assert values.argsort(kind="stable")[:3].tolist() == [0, 1, 2]


def test_what_log_odds_say():
    logits = np.random.default_rng(0).normal(size=(50, 5))
    np.testing.assert_allclose(1 / (1 + np.exp(margin_log_odds(logits))), margin(logits), rtol=1e-13)
    np.testing.assert_allclose(1 / (1 + np.exp(confidence_log_odds(logits))), least_confidence(logits), rtol=1e-13)
    np.testing.assert_allclose(np.exp(log_complement(margin_log_odds(logits))), 1 - margin(logits), rtol=1e-13)
    assert log_complement(np.array([np.inf, -np.inf, -1000.0])).tolist() == [0, -np.inf, -1000]
