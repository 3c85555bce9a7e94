"""How good a classifier is by its labels: shares, intervals, folds, and how sure it may be."""

import numpy as np
import pytest

from tfal.evaluation.calibration import temperature
from tfal.labeling.accuracy import TEMPERATURES, accuracy, folds, too_few


def test_share_interval_and_largest_class():
    """Wilson's interval of 8 of 10 by hand: centre (p + z2/2n) / (1 + z2/n), z = 1.959964."""
    labels = np.array([0] * 6 + [1] * 4)
    found = accuracy(labels, np.where(np.arange(10) < 8, labels, 1 - labels))
    z2 = 1.959964**2
    centre, half = (0.8 + z2 / 20) / (1 + z2 / 10), np.sqrt(z2 * (0.16 / 10 + z2 / 400)) / (1 + z2 / 10)
    assert found[:2] == (10, 0.8)
    np.testing.assert_allclose([found.low, found.high, found.largest], [centre - half, centre + half, 0.6], rtol=1e-6)


@pytest.mark.parametrize(("gap", "right"), [(4.0, 0.75), (30.0, 0.6), (3.0, 0.9)])
def test_the_temperature_makes_a_classifier_as_sure_as_it_is_right(gap, right):
    """All logits are (gap, 0): the best T has sigmoid(gap / T) = the share of label 0."""
    labels = (np.arange(100) >= round(100 * right)).astype(int)
    found = temperature(np.tile([gap, 0.0], (100, 1)).astype(np.float32), labels, TEMPERATURES)
    assert found == pytest.approx(gap / np.log(right / (1 - right)), rel=1e-3)


def test_a_classifier_is_never_made_surer():
    labels = np.arange(20) % 2
    logits = np.eye(2, dtype=np.float32)[labels]
    assert temperature(logits, labels, TEMPERATURES) == pytest.approx(1, abs=1e-2)
    assert temperature(-logits, labels, TEMPERATURES) > 100


def test_each_fold_has_every_class_and_each_picture_is_tested_once():
    labels = np.array([0, 1, 2] * 4 + [0] * 9)
    parts = folds(labels, 10, seed=2**40)
    assert len(parts) == 4
    assert np.array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(len(labels)))
    for train, test in parts:
        assert not np.intersect1d(train, test).size
        assert {*labels[train]} == {0, 1, 2} == {*labels[test]}


def test_classes_with_too_few_labels_are_named():
    assert too_few(np.array([0, 0, 2]), ["cat", "dog", "none"]) == ["dog has 0", "none has 1"]
