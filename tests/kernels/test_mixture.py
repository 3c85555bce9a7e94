"""Two normal distributions: scikit-learn's, the best cut by trying all, the published responsibilities."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from tfal.kernels.parts.mixture import Mixture, _cut, log_odds_of_upper, two_normals


def share(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def test_responsibilities_by_hand():
    equal = Mixture(np.array([0.5, 0.5]), np.array([2.0, 6.0]), np.array([1.0, 1.0]))
    found = share(log_odds_of_upper(np.array([1.0, 3, 4, 5, 9]), equal))
    np.testing.assert_allclose(found, [6e-6, 0.017986, 0.5, 0.982014, 1], atol=5e-7)
    wide = Mixture(np.array([0.5, 0.5]), np.array([2.0, 6.0]), np.array([4.0, 25.0]))
    np.testing.assert_allclose(share(log_odds_of_upper(np.array([-3.0, 2, 6]), wide)), [0.643, 0.225, 0.747], atol=5e-4)


def test_log_odds_do_not_saturate():
    equal = Mixture(np.array([0.5, 0.5]), np.array([2.0, 6.0]), np.array([1.0, 1.0]))
    assert np.all(np.diff(log_odds_of_upper(np.array([50.0, 51, 52]), equal)) == 4)


@pytest.mark.parametrize("seed", range(4))
def test_the_cut_leaves_the_least_sum_of_squares(seed):
    values = np.random.default_rng(seed).integers(0, 12, 25).astype(float)
    within = {
        cut: sum(np.sum((part - part.mean()) ** 2) for part in (values[values < cut], values[values >= cut]))
        for cut in np.unique(values)[1:]
    }
    assert within[float(_cut(values))] == pytest.approx(min(within.values()))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # 10 rounds are 10 rounds
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_equals_scikit_learn_from_the_same_cut(seed, tol):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(2, 1, 150), rng.normal(6, 0.5 + seed, 90)])
    upper = values >= _cut(values)
    start = np.stack([values[~upper].mean(), values[upper].mean()])[:, None]
    by_cut = [np.mean(~upper), np.mean(upper)]
    precisions = [[[1 / (values[part].var() + 5e-4)]] for part in (~upper, upper)]
    theirs = GaussianMixture(
        2, max_iter=10, tol=tol, reg_covar=5e-4, weights_init=by_cut, means_init=start, precisions_init=precisions
    )
    theirs.fit(values[:, None])
    ours = two_normals(values, tol=tol)
    order = np.argsort(theirs.means_.ravel())
    np.testing.assert_allclose(ours.means, theirs.means_.ravel()[order], rtol=1e-6)
    np.testing.assert_allclose(ours.variances, theirs.covariances_.ravel()[order], rtol=1e-6)
    np.testing.assert_allclose(ours.weights, theirs.weights_[order], rtol=1e-6)
    expected = theirs.predict_proba(values[:, None])[:, order[1]]
    np.testing.assert_allclose(share(log_odds_of_upper(values, ours)), expected, atol=1e-6)


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0, 2.0]])
def test_values_that_nothing_parts_have_no_mixture(values):
    assert two_normals(np.array(values)) is None


@pytest.mark.parametrize("values", [[0.0, 1e15], [1e15, 1e15, -1e15], [1.0, np.nextafter(1.0, 2)]])
def test_odd_values_give_numbers(values):
    values = np.array(values)
    assert np.isfinite(log_odds_of_upper(values, two_normals(values))).all()
