import numpy as np
import pytest

from tfal.errors import InputError
from tfal.given import NOT_GIVEN, given_ids, given_labels


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (None, []),
        ([], []),
        ((4, 0), [4, 0]),
        (range(2), [0, 1]),
        (np.array([3], np.uint8), [3]),
        (np.array([False, True, False, False, True]), [1, 4]),
        ([False] * 5, []),
        ([True] * 5, [0, 1, 2, 3, 4]),
    ],
)
def test_ids_and_masks_become_ids_in_the_order_given(given, ids):
    found = given_ids("labeled", given, 5)
    assert found.dtype == np.int64
    assert found.tolist() == ids


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([5], r"distinct ids from 0 to 4. Received: \[5\] outside. Ids are positions"),
        ([-1, 2], r"Received: \[-1\] outside"),
        (list(range(9)), r"Received: \[5, 6, 7, 8\] outside"),
        (list(range(5, 20)), r"Received: \[5, 6, 7, 8, 9\] and 10 more outside"),
        ([3, 1, 3, 1, 0], r"Received: \[1, 3\] more than once"),
        ([0, 1, 0, 0, 1], r"A mask must be of bools"),
        ([True, False], r"labeled as a mask must be 5 bools, one a sample. Received: \(2,\)"),
        (np.zeros((5, 1), bool), r"must be 5 bools, one a sample. Received: \(5, 1\)"),
        ([0.0, 1.0], r"must be a list of ids.* Received: float64 of shape \(2,\). np.asarray\(ids\).astype\(int\)"),
        (np.zeros((2, 2), int), r"Received: int64 of shape \(2, 2\)"),
        ({1, 2}, "Received: a set"),
        (3, "Received: a int"),
        (["a"], "Received: <U1"),
        ([[1], [2, 3]], "lists of several lengths"),
    ],
)
def test_what_is_no_list_of_ids_is_refused_with_the_ids(given, message):
    with pytest.raises(InputError, match=message) as error:
        given_ids("labeled", given, 5)
    assert "\n" not in str(error.value)


IDS = np.array([7, 2, 4])


@pytest.mark.parametrize("given", [[2, 0, 1], np.array([[2], [0], [1]], np.uint8)])
def test_labels_are_those_of_the_ids(given):
    found = given_labels(given, IDS, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [2, 0, 1]


def test_labels_of_nothing_and_labels_that_nobody_gave():
    assert given_labels([], IDS[:0], 3).tolist() == []
    assert given_labels(None, IDS, 3).tolist() == [NOT_GIVEN] * 3
    assert given_labels([900, 0, 1], IDS, None).tolist() == [900, 0, 1]


@pytest.mark.parametrize(
    ("given", "n_classes", "message"),
    [
        ([1, 2, 3], 3, r"from 0 to 2, the model's classes. Received: \[3\] for ids \[4\]. .* give labels - 1"),
        ([1, 2, 7], 3, r"Received: \[7\] for ids \[4\]. Samples of other classes belong in rejected"),
        ([-1, 0, 1], 3, r"Received: \[-1\] for ids \[7\]. Leave samples without a label out of labeled"),
        ([-1, 0, 1], None, r"labels must be classes counted from 0. Received: \[-1\]"),
        (np.eye(3, dtype=int), 3, r"Received: int64 of shape \(3, 3\). Undo a one-hot: labels.argmax\(axis=1\)"),
        ([0, 1], 3, r"labels must be 3 integers.* Received: int64 of shape \(2,\). Give those of the labeled samples"),
        ([0, 1, 2, 0, 1, 2], 3, r"a mask's order is ascending"),
        ([0.0, 1.0, 2.0], 3, "Received: float64"),
        (["a", "b", "c"], 3, "Received: <U1"),
        ([True, False, True], 3, "Received: bool"),
        (1, 3, "Received: a int"),
    ],
)
def test_labels_that_are_no_classes_of_the_model_are_refused_with_what_came(given, n_classes, message):
    with pytest.raises(InputError, match=message) as error:
        given_labels(given, IDS, n_classes)
    assert "\n" not in str(error.value)
