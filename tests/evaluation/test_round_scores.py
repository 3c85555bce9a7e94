import numpy as np
import pytest

from tests.evaluation.test_stop_set import Given
from tfal.errors import TrainingError
from tfal.evaluation.calibration import calibration, temperature
from tfal.evaluation.round_scores import RECALLS, fitted_temperature, round_scores


def _batches(array, size=7):
    return [array[start : start + size] for start in range(0, len(array), size)]


@pytest.fixture
def made():
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 4)).astype(np.float32) * 3, rng.integers(0, 3, 50)


def test_all_batches_count_as_one(made):
    logits, labels = made
    row = round_scores(Given(), _batches(logits), labels, 4, 2.5, False)
    right = logits.argmax(axis=1) == labels
    assert row["test_accuracy"] == np.mean(right)
    recalls = [row[f"recall_{number}"] for number in range(4)]
    assert recalls[:3] == [np.mean(right[labels == number]) for number in range(3)]
    assert np.isnan(recalls[3])
    assert row["balanced_accuracy"] == pytest.approx(np.mean(recalls[:3]))
    assert [row["nll"], row["brier"], row["ece"]] == pytest.approx(calibration(logits, labels))
    scaled = [row["nll_scaled"], row["brier_scaled"], row["ece_scaled"]]
    assert scaled == pytest.approx(calibration(logits / 2.5, labels))
    assert row["temperature"] == 2.5


def test_without_a_validation_set_nothing_is_scaled(made):
    row = round_scores(Given(), _batches(made[0]), made[1], 4, None, False)
    assert "nll" in row
    assert not [name for name in row if "scaled" in name or name == "temperature"]


def test_recalls_of_many_classes_are_kept_where_they_are_asked_for():
    logits, labels = np.eye(RECALLS + 1, dtype=np.float32), np.arange(RECALLS + 1)
    row = round_scores(Given(), [logits], labels, RECALLS + 1, None, False)
    assert row["balanced_accuracy"] == 1
    assert "recall_0" not in row
    assert f"recall_{RECALLS}" in round_scores(Given(), [logits], labels, RECALLS + 1, None, True)


def test_the_temperature_of_batches(made):
    assert fitted_temperature(Given(), _batches(made[0]), made[1]) == pytest.approx(temperature(*made))


def test_logits_that_are_no_numbers_are_refused(made):
    made[0][20] = np.nan
    with pytest.raises(TrainingError, match="logits of 1 of 7 images are NaN"):
        round_scores(Given(), _batches(made[0]), made[1], 4, None, False)
