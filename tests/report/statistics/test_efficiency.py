import numpy as np
import pytest

from tfal.report.statistics.efficiency import efficiency, label_efficiency, labels_needed

LABELS = np.array([100, 200, 300, 400])
RANDOM, STRATEGY = np.array([0.60, 0.70, 0.76, 0.80]), np.array([0.60, 0.76, 0.80, 0.82])


def test_levels_between_rounds():
    levels = np.array([0.70, 0.76, 0.80, 0.81])
    assert labels_needed(LABELS, RANDOM, levels) == pytest.approx([200, 300, 400, np.inf])
    assert labels_needed(LABELS, STRATEGY, levels) == pytest.approx([162.5, 200, 300, 350])
    assert label_efficiency(LABELS, STRATEGY, RANDOM, levels) == pytest.approx([1.2308, 1.5, 1.3333, np.inf], abs=1e-4)


def test_what_was_reached_once_counts():
    dips = np.array([0.5, 0.8, 0.6, 0.9])
    assert labels_needed(LABELS, dips, np.array([0.4, 0.5, 0.8, 0.85])) == pytest.approx([100, 100, 200, 350])


def test_a_plateau_has_no_slope():
    assert labels_needed(LABELS, np.array([0.5, 0.7, 0.7, 0.7]), np.array([0.7, 0.71])) == pytest.approx([200, np.inf])


def test_a_strategy_that_never_gets_there():
    worse = np.array([0.60, 0.65, 0.68, 0.69])
    found = efficiency(LABELS, worse, RANDOM)
    assert label_efficiency(LABELS, worse, RANDOM, np.array([0.8]))[0] == 0
    assert np.isnan(label_efficiency(LABELS, worse, RANDOM, np.array([0.9]))[0])
    assert found.median < 1
    assert found.beyond == np.inf
    assert found.reached == pytest.approx(0.45, abs=0.01)  # (.69 - .60) / (.80 - .60)


def test_the_median_over_all_levels():
    found = efficiency(LABELS, STRATEGY, RANDOM)
    levels = np.linspace(0.6, 0.8, 101)[1:]
    assert found.median == pytest.approx(np.median(label_efficiency(LABELS, STRATEGY, RANDOM, levels)))
    assert (found.reached, found.beyond) == (1.0, 300.0)
    assert efficiency(LABELS, RANDOM, RANDOM) == (1.0, 1.0, 400.0)
    assert np.isnan(efficiency(LABELS, STRATEGY, np.full(4, 0.5)).median)
