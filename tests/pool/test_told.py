"""What people say: classes, None, tfal.UNSURE, in whatever lists and arrays they come."""

import copy
import pickle

import numpy as np
import pytest

import tfal
from tfal.errors import InputError
from tfal.pool.told import MOST, NO_CLASS, NOT_SURE, as_json, from_json, told_labels

IDS = np.array([7, 3, 5])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0, None, tfal.UNSURE], [0, NO_CLASS, NOT_SURE]),
        ([2, 1, 0], [2, 1, 0]),
        ((2, None, 0), [2, NO_CLASS, 0]),
        ([None, None, None], [NO_CLASS] * 3),
        ([tfal.UNSURE] * 3, [NOT_SURE] * 3),
        (np.array([2, 1, 0], np.uint8), [2, 1, 0]),
        (np.array([2, 1, 0], np.uint64)[:, None], [2, 1, 0]),
        (np.array([2, None, tfal.UNSURE], object), [2, NO_CLASS, NOT_SURE]),
        ([np.int32(4), None, np.uint8(200)], [4, NO_CLASS, 200]),
        ([MOST, 0, 0], [MOST, 0, 0]),
    ],
)
def test_what_is_taken(given, expected):
    found = told_labels(given, IDS)
    assert found.dtype == np.int64
    assert found.tolist() == expected
    assert from_json(as_json(found)).tolist() == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0, 1], r"must be 3, one for each id\. Received: 2\. Give one for each id"),
        (1, r"must be 3, one for each id\. Received: 1\."),
        (np.eye(3), r"Received: shape \(3, 3\)\. Undo a one-hot"),
        ([[1], [2, 3]], "lists of several lengths"),
        ([0, -1, 1], r"Received: -1 for ids \[3\]\. None says none of the classes"),
        ([0, -1, None], r"Received: -1 for ids \[3\]"),
        ([0, MOST + 1, 1], r"Received: 2147483647 for ids \[3\]"),
        ([0.0, 1.0, 2.0], r"Received: float64, .*0\.0.* Give whole numbers: int\(label\)"),
        ([0.5, None, 1], r"Received: 0\.5 for ids \[7\]"),
        ([0, float("nan"), None], r"Received: nan for ids \[3\]\. None says"),
        (["cat", "dog", "cat"], r"'cat'.*names\.index\(label\)"),
        (["cat", None, "cat"], r"cat for ids \[7\]\. Give the number of the class"),
        ([True, False, True], r"bool.*labels\.astype\(int\)"),
        ([True, None, 1], r"True for ids \[7\].*astype\(int\)"),
        ([0, [1], None], "lists of several lengths"),
        ([0, {}, None], r"Received: \{\} for ids \[3\]"),
    ],
)
def test_what_is_refused_in_one_line(given, message):
    with pytest.raises(InputError, match=message) as error:
        told_labels(given, IDS)
    assert "\n" not in str(error.value)


def test_nothing_told_of_nothing():
    assert told_labels([], IDS[:0]).tolist() == []


@pytest.mark.parametrize("labels", [[1, -1], [1, "x"], [1.0], [True], [[1]], [MOST + 1]])
def test_what_no_journal_says(labels):
    with pytest.raises(ValueError, match="not all classes"):
        from_json(labels)


def test_unsure_is_one_thing_everywhere():
    assert repr(tfal.UNSURE) == str(tfal.UNSURE) == "tfal.UNSURE"
    assert pickle.loads(pickle.dumps(tfal.UNSURE)) is copy.deepcopy(tfal.UNSURE) is tfal.UNSURE
    assert tfal.UNSURE not in (None, 0, "unsure")
