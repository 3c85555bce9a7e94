import keras
import numpy as np
import pytest

from tfal.training.lars import LARS, EpochCosine, WarmupCosine, lars_factor

STEPS = 1000  # an epoch, so that fractions of epochs are whole steps


@pytest.mark.parametrize(
    ("epoch", "fraction", "expected"),
    [
        (0, 0, 0.01),
        (0, 0.5, 0.055),
        (1, 0, 0.1),
        (6, 0, 0.55),
        (11, 0, 1.0),
        (511, 0, 0.5),
        (999, 0.999, 0.000299),
    ],
)
def test_the_published_schedule(epoch, fraction, expected):
    rate = WarmupCosine(0.1, n_warmup=10, n_epochs=1000, steps_per_epoch=STEPS)
    assert float(rate(round((epoch + fraction) * STEPS))) == pytest.approx(expected, rel=2e-3)


def test_the_cosine_ends_at_the_floor():
    """Coders of CCAL: 700 epochs down to 1e-4; half way is the mean of both ends."""
    rate = WarmupCosine(0.1, 10, 700, STEPS, floor=1e-4)
    assert float(rate((11 + 350) * STEPS)) == pytest.approx((1 + 1e-4) / 2, rel=1e-4)
    assert float(rate((11 + 700) * STEPS)) == pytest.approx(1e-4, abs=1e-6)


@pytest.mark.parametrize("n_warmup", [1, 3, 8, 20])
def test_any_warm_up_rises_to_the_tenfold_and_is_never_negative(n_warmup):
    rate = WarmupCosine(0.2, n_warmup, 50, 10)
    rates = np.array([float(rate(step)) for step in range(10 * (n_warmup + 1) + 1)])
    assert np.all(np.diff(rates) >= -1e-6)
    assert rates[0] >= 0.02 - 1e-7
    assert rates[-1] == pytest.approx(2)
    assert rates.max() == pytest.approx(2)


def test_without_warm_up_the_peak_comes_first():
    rate = WarmupCosine(0.1, 0, 100, 10)
    assert float(rate(0)) == pytest.approx(1)
    assert float(rate(10 + 500)) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.4), (250, 0.2002), (499, 4.0394e-4)])
def test_a_cosine_by_epochs_is_the_published_one(epoch, expected):
    """SimCLR of the initial pools: 500 epochs from 0.4 to 4e-4; all steps of an epoch alike."""
    rate = EpochCosine(0.4, 500, STEPS, floor=4e-4)
    for step in (0, STEPS - 1):
        assert float(rate(epoch * STEPS + step)) == pytest.approx(expected, rel=1e-4)


def test_lars_factor():
    """V = 0.001 * 5 / (0.1 + 1e-6 * 5 + 1e-8); and 1 where a norm is 0."""
    assert float(lars_factor(np.float32(5), np.float32(0.1), 1e-6)) == pytest.approx(0.0499975, rel=1e-5)
    assert float(lars_factor(np.float32(0), np.float32(0.1), 1e-6)) == 1
    assert float(lars_factor(np.float32(5), np.float32(0), 1e-6)) == 1


def test_two_steps_by_hand():
    """Every variable on its own, momentum after the factor, the rate of now; weights of zero take the gradient."""
    rates, gradients = [0.5, 0.25], [[np.array([3.0, 4.0]), np.array([0.2])], [np.array([0.0, 1.0]), np.array([0.1])]]
    weights = [np.array([1.0, 2.0]), np.array([0.0])]
    variables = [keras.Variable(w) for w in weights]
    optimizer = LARS(0.5, momentum=0.9, decay=0.1, trust=0.01)
    optimizer.build(variables)
    velocities = [np.zeros(2), np.zeros(1)]
    for rate, gs in zip(rates, gradients, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply(gs, variables)
        for i, g in enumerate(gs):
            w, w_norm, g_norm = weights[i], np.linalg.norm(weights[i]), np.linalg.norm(g)
            factor = 0.01 * w_norm / (g_norm + 0.1 * w_norm + 1e-8) if w_norm and g_norm else 1
            velocities[i] = 0.9 * velocities[i] + (g + 0.1 * w) * factor
            weights[i] = w - rate * velocities[i]
    for variable, expected in zip(variables, weights, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-5)
