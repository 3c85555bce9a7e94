import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tfal.report.statistics.stopping import certain, kappa, no_gain, stabilised, unchanged

NAN = float("nan")
FIRST = np.array([0, 0, 1, 1, 2, 2, 2, 0, 1, 2])


def test_kappa_of_the_vector():
    second = FIRST.copy()
    second[6] = 1
    assert kappa(FIRST, second) == pytest.approx(0.850746, abs=1e-6)
    assert kappa(FIRST, FIRST) == 1
    assert kappa(np.zeros(5), np.zeros(5)) == 1  # expected by chance alone
    assert kappa(np.array([0, 1]), np.array([1, 0])) == -1


@pytest.mark.parametrize("seed", range(5))
def test_kappa_as_scikit_learn_has_it(seed):
    a, b = np.random.default_rng(seed).integers(0, 4, (2, 30))
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))


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
