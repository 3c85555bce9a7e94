import numpy as np
import pytest

from tfal.errors import InputError
from tfal.evaluation.affine_head import affine_head
from tfal.evaluation.linear_heads import linear_heads

RNG = np.random.default_rng(0)
ROWS, LABELS = 7 * RNG.normal(size=(30, 4)) + np.array([100, 0, -3, 0]), np.arange(30) % 3


def test_it_is_the_head_of_rows_of_mean_0_and_length_1_moved_back():
    """With the rows (1, 2), (3, 2), (1, 4), (3, 4): mean (2, 3), and each sqrt(2) away from it."""
    rows, labels = np.array([[1.0, 2], [3, 2], [1, 4], [3, 4]]), np.array([0, 1, 0, 1])
    standard = (rows - [2, 3]) / np.sqrt(2)
    (expected,) = linear_heads(standard.astype(np.float32), labels, [np.arange(4)], n_classes=2, seeds=[5], unit=False)
    found = affine_head(rows, labels, 5)
    np.testing.assert_allclose(
        rows @ found.kernel + found.bias, standard @ expected.kernel + expected.bias, rtol=1e-5, atol=1e-5
    )
    assert found.kernel.dtype == found.bias.dtype == np.float32


def test_it_fits_classes_that_lie_apart():
    rows = ROWS + 40 * np.eye(3, 4)[LABELS]
    head = affine_head(rows, LABELS, 0)
    assert np.array_equal((rows @ head.kernel + head.bias).argmax(axis=1), LABELS)


def test_rows_that_are_all_the_same_are_no_error():
    head = affine_head(np.full((4, 3), 2.0), np.array([0, 1, 0, 1]), 0)
    assert np.isfinite(head.kernel).all()
    assert np.isfinite(head.bias).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(0, int), "two classes at least. Received: none"),
        (np.full(4, 2), "Received: class 2 alone"),
        (np.array([0, 65_536]), "from 0 to at most 65535. Received: 65536"),
    ],
)
def test_labels_that_no_head_can_learn_are_named(labels, message):
    with pytest.raises(InputError, match=message):
        affine_head(np.zeros((len(labels), 3)), labels, 0)
