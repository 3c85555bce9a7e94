import numpy as np
import pytest

from tfal.report.statistics.known_labels import gain_at_equal, known_labels


def test_known_labels_by_hand():
    labels = np.array([20, 40, 60])
    purity = np.array([[0.5, 0.25, 1.0], [1.0, np.nan, 1.0]])
    assert np.array_equal(known_labels(labels, purity), [[10, 15, 35], [20, np.nan, np.nan]], equal_nan=True)


def test_the_gain_is_the_area_between_two_curves_where_both_have_been():
    # At 10, 15 and 20 the second one is at .4, .5 and .6: differences 0, .1, .1, so (.25 + .5) / 10.
    found = gain_at_equal(
        np.array([10, 15, 20]), np.array([0.4, 0.6, 0.7]), np.array([10, 20, 30]), np.array([0.4, 0.6, 0.8])
    )
    assert found == pytest.approx(0.075)


def test_one_that_asks_for_known_samples_alone_is_compared_as_far_as_the_other_one_goes():
    found = gain_at_equal(np.array([10, 50]), np.array([0.4, 0.8]), np.array([10, 20]), np.array([0.4, 0.6]))
    assert found == pytest.approx(-0.05)  # .5 against .6 at 20


def test_a_curve_against_itself_and_against_one_below_it():
    rng = np.random.default_rng(0)
    x, values = np.cumsum(rng.integers(1, 9, 12)), rng.random(12)
    assert gain_at_equal(x, values, x, values) == 0
    assert gain_at_equal(x, values + 0.25, x, values) == pytest.approx(0.25)


def test_rounds_that_brought_no_known_sample_count_by_their_mean():
    x, values = np.array([10, 10, 20]), np.array([0.2, 0.4, 0.5])
    assert gain_at_equal(x, values, np.array([10, 20]), np.array([0.3, 0.5])) == pytest.approx(0)


def test_no_common_range_is_nothing():
    assert np.isnan(gain_at_equal(np.array([10, 10]), np.ones(2), np.array([10, 20]), np.ones(2)))
    assert np.isnan(gain_at_equal(np.array([10, 12]), np.ones(2), np.array([13, 20]), np.ones(2)))
