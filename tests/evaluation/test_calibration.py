import numpy as np
import pytest
from scipy.special import softmax

from tfal.evaluation import calibration as module
from tfal.evaluation.calibration import Tally, calibration, ece, temperature

CONFIDENCE, RIGHT = np.array([0.95, 0.85, 0.85, 0.65, 0.55, 0.35]), np.array([1, 1, 0, 1, 0, 0], bool)


def test_the_vector():
    assert ece(CONFIDENCE, RIGHT, bins=5) == pytest.approx(0.316667, abs=1e-6)


def test_an_edge_belongs_to_the_bin_below():
    """With 2 bins, .5 is in (0, .5]: |1 - .5| and |0 - .6| weigh a half each. In [.5, 1] they would meet: .05."""
    assert ece(np.array([0.5, 0.6]), np.array([True, False]), bins=2) == pytest.approx(0.55)
    assert ece(np.array([0.0, 1.0]), np.array([False, True])) == 0


def test_scores_by_hand():
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    found = calibration(np.log(p) + 7, np.array([0, 2]))
    assert found.nll == pytest.approx(-(np.log(0.5) + np.log(0.1)) / 2)
    assert found.brier == pytest.approx((0.25 + 2 * 0.0625 + 0.01 + 0.64 + 0.81) / 2)
    assert found.ece == pytest.approx((0.5 + 0.8) / 2)


def test_logits_that_saturate():
    found = calibration(np.array([[1000.0, 0.0], [0.0, 1000.0]], np.float32), np.array([0, 0]))
    assert found == pytest.approx((500.0, 1.0, 0.5))
    assert np.isfinite(calibration(np.array([[1e4, -1e4]]), np.array([1]))).all()


def test_a_temperature_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 5)) * 2
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])
    assert temperature(logits * 3, labels) == pytest.approx(3, rel=0.05)
    assert temperature(logits / 2, labels) == pytest.approx(0.5, rel=0.05)
    assert temperature(logits / 2, labels, (1.0, 1000.0)) == pytest.approx(1, abs=1e-3)
    sharp = calibration(logits * 3, labels)
    mended = calibration(logits * 3 / temperature(logits * 3, labels), labels)
    assert mended.nll < sharp.nll
    assert mended.ece < 0.02 < sharp.ece


def test_blocks_count_as_one(monkeypatch):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(97, 5)).astype(np.float32), rng.integers(0, 5, 97)
    whole = temperature(logits, labels)
    tally = Tally(whole)
    for start in (0, 10, 11, 60):
        end = {0: 10, 10: 11, 11: 60, 60: 97}[start]
        tally.add(logits[start:end], labels[start:end])
    assert tally.found() == pytest.approx(calibration(logits / np.float64(whole), labels))
    monkeypatch.setattr(module, "BLOCK", 12)
    assert temperature(logits, labels) == pytest.approx(whole)
