import numpy as np
import pytest

from tfal.errors import InputError
from tfal.report.statistics.profiles import profile, ratios

A = np.array([[[0.50, 0.60], [0.52, 0.63]], [[0.30, 0.40], [0.28, 0.45]]])
B = np.array([[[0.52, 0.59], [0.50, 0.63]], [[0.29, 0.42], [0.28, 0.44]]])
C = np.array([[[0.40, 0.55], [0.45, 0.60]], [[0.25, 0.35], [0.26, 0.38]]])
SETTINGS = [{"A": A[d], "B": B[d], "C": C[d]} for d in range(2)]


def test_the_vector():
    found = profile(SETTINGS, [0, 0.01, 0.02, 0.05, 0.1], resamples=0)
    assert found.names == ("A", "B", "C")
    expected = [[0.75, 0.75, 1, 1, 1], [0.5, 0.875, 1, 1, 1], [0, 0, 0.125, 0.5, 0.875]]
    assert found.share == pytest.approx(np.array(expected))
    assert np.isnan(found.low).all()


def test_each_setting_weighs_the_same():
    long = {name: np.tile(values, (1, 50)) for name, values in SETTINGS[0].items()}
    assert profile([long, SETTINGS[1]], [0], resamples=0).share == pytest.approx(
        profile(SETTINGS, [0], resamples=0).share
    )


def test_ratios_of_errors():
    values = np.array([[[0.9, 1.0]], [[0.8, 1.0]], [[0.9, 0.5]]])
    assert ratios(values)[:, 0] == pytest.approx(np.array([[1, 1], [2, 1], [1, np.inf]]))
    found = profile([{"a": values[0], "b": values[1], "c": values[2]}], [1, 2, 100], ratios, resamples=0)
    assert found.share == pytest.approx(np.array([[1, 1, 1], [0.5, 1, 1], [0.5, 0.5, 0.5]]))


def test_a_band_holds_the_profile_and_repeats():
    rng = np.random.default_rng(0)
    settings = [{name: rng.random((6, 4)) for name in "ab"} for _ in range(3)]
    found = profile(settings, [0, 0.1, 0.5], resamples=200)
    assert (found.low <= found.share + 1e-12).all()
    assert (found.share <= found.high + 1e-12).all()
    assert (found.low < found.high)[:, 0].all()
    again = profile(settings, [0, 0.1, 0.5], resamples=200)
    assert np.array_equal(found.low, again.low)
    single = profile([{name: values[:1] for name, values in setting.items()} for setting in settings], [0, 0.1])
    assert np.array_equal(single.low, single.high)


def test_a_strategy_that_lacks_a_case_is_refused():
    with pytest.raises(InputError, match="Received: C in some only"):
        profile([SETTINGS[0], {"A": A[1], "B": B[1]}], [0])
    with pytest.raises(InputError, match="at least one setting"):
        profile([], [0])
