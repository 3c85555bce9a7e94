import numpy as np
import pytest
import tensorflow as tf

from tfal.data.images import Images
from tfal.evaluation.scores import class_coverage, class_recalls, predicted_classes, step_rates


def test_schedules():
    """T8, at 100 epochs; then milestones that fall between epochs."""
    epochs = [0, 49, 50, 74, 75, 99]
    assert step_rates(0.01, 100, (50, 75))[epochs] == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])
    rates = step_rates(0.1, 100, (30, 60, 90))
    assert rates[epochs] == pytest.approx([0.1, 0.01, 0.01, 0.001, 0.001, 0.0001])
    assert rates[[29, 30, 59, 60, 89, 90]] == pytest.approx([0.1, 0.01, 0.01, 0.001, 0.001, 0.0001])
    assert step_rates(1, 5, (50, 75)) == pytest.approx([1, 1, 1, 0.1, 0.01])
    assert step_rates(1, 10, (30, 60, 90)) == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001])
    assert step_rates(1, 1, (50, 75)) == pytest.approx([1])


def test_recalls_of_classes():
    """Class 0: 2 of 3, class 1: 1 of 1, class 2: none of 2, class 3 has no sample."""
    found = class_recalls(np.array([0, 0, 1, 1, 3, 0]), np.array([0, 0, 0, 1, 2, 2]), 4)
    assert list(found) == ["balanced_accuracy", "recall_0", "recall_1", "recall_2", "recall_3"]
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 3)
    assert [found["recall_0"], found["recall_1"], found["recall_2"]] == pytest.approx([2 / 3, 1, 0])
    assert np.isnan(found["recall_3"])


def test_predicted_classes_are_in_the_order_of_the_ids():
    class Brightest:
        def read(self, batch, outputs):
            assert outputs == ["logits"]
            return {"logits": tf.reshape(batch, [-1, 5])}

    array = np.random.default_rng(0).permuted(np.tile(np.arange(5, dtype=np.uint8), (23, 1)), axis=1)
    ids = np.random.default_rng(1).permutation(23)[:17]
    found = predicted_classes(Brightest(), Images(array[:, None, :, None]).batches(ids, 4))
    assert found.tolist() == array[ids].argmax(axis=1).tolist()


def test_class_coverage():
    assert class_coverage(np.array([3, 3, 0]), 10) == 0.2
