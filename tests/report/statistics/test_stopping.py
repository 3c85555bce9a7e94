import numpy as np

from tfal.report.statistics.stopping import certain, no_gain, stabilised, unchanged

NAN = float("nan")


def test_predictions_that_stabilise():
    assert stabilised([NAN, 0.9, 0.99, 0.99, 0.99, 1]) == 4  # (.9 + .99 + .99) / 3 is too little
    assert stabilised([NAN, 1, 1, 1]) == 3
    assert stabilised([NAN, 1, 1]) is None
    assert stabilised([NAN, 0.98, 0.98, 0.98]) is None


def test_predictions_that_do_not_change():
    assert unchanged([NAN, 0.2, 0.0, 0.1]) == 2
    assert unchanged([NAN, 0.2, 0.04], level=0.05) == 2
    assert unchanged([NAN, 0.2]) is None


def test_a_pool_that_is_certain():
    assert certain(np.array([0.9, 0.051, 0.049]) * np.log(10), 10) == 2
    assert certain([0.9, 0.8], 10) is None


def test_rounds_without_a_gain():
    assert no_gain([0.5, 0.6, 0.6, 0.6], patience=2) == 3
    assert no_gain([0.5, 0.6, 0.60005, 0.7, 0.7, 0.6], patience=2) == 5  # a gain of half of the least is none
    assert no_gain([0.1 * step for step in range(10)], patience=2) is None
