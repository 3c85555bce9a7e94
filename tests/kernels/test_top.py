"""top_n: descending, stable, for every real dtype."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfal.kernels import top_n

from .plain import check_refusal


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_equals_sorting_by_score_then_row(scores, data):
    n = data.draw(st.integers(1, len(scores)))
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:n]
    rows = top_n(np.array(scores, float), n)
    assert rows.tolist() == expected
    assert rows.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64])
def test_dtypes(dtype):
    scores = np.array([3, 0, 120, 3], dtype)
    scores.flags.writeable = False
    assert top_n(scores, 4).tolist() == [2, 0, 3, 1]


def test_infinite_scores_are_ranked():
    assert top_n(np.array([0.0, -np.inf, np.inf, 1.0]), 4).tolist() == [2, 3, 0, 1]


def test_a_list_will_do():
    assert top_n([1.0, 2.0], 1).tolist() == [1]


@pytest.mark.parametrize(
    ("scores", "n", "parts"),
    [
        ([1.0, np.nan, np.nan], 1, ["scores", "2 NaN of 3"]),
        ([[1.0], [2.0]], 1, ["scores", "(2, 1)", "one score"]),
        ([True, False], 1, ["scores", "bool"]),
        ([1j], 1, ["scores", "complex128"]),
        (["a"], 1, ["scores"]),
        ([1.0, 2.0], 0, ["n:", "from 1 to 2", "received 0"]),
        ([1.0, 2.0], 3, ["n:", "from 1 to 2", "received 3"]),
        ([1.0, 2.0], 1.0, ["n:", "an integer", "received 1.0"]),
        ([1.0, 2.0], True, ["n:", "an integer", "received True"]),
        ([], 1, ["n:"]),
    ],
)
def test_errors(scores, n, parts):
    check_refusal(parts, top_n, np.array(scores), n)
