"""top_n: descending, stable, for every real dtype. power_top_n: its law, and where it becomes top_n."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfal.kernels import power_top_n, top_n
from tfal.kernels.top import tie_order, tie_ranks

from .plain import check_law, check_refusal


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_equals_sorting_by_score_then_row(scores, data):
    n = data.draw(st.integers(1, len(scores)))
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:n]
    rows = top_n(np.array(scores, float), n)
    assert rows.tolist() == expected
    assert rows.dtype == np.int64


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_equal_scores_come_in_random_order(scores, data):
    n, seed = data.draw(st.integers(1, len(scores))), data.draw(st.integers(0, 99))
    rows = top_n(np.array(scores, np.uint8), n, rng=np.random.default_rng(seed)).tolist()
    order = tie_order(len(scores), np.random.default_rng(seed)).tolist()
    assert rows == sorted(order, key=lambda row: -scores[row])[:n]


def test_every_one_of_equal_scores_is_as_likely():
    rng = np.random.default_rng(0)
    drawn = [top_n(np.array([0.0, 1, 1, 2, 1, 1]), 3, rng=rng) for _ in range(4000)]
    check_law(drawn, {(3, *pair): 1 / 12 for pair in itertools.permutations([1, 2, 4, 5], 2)})


def test_ties_leave_other_draws_as_they_are():
    rng = np.random.default_rng(5)
    top_n(np.zeros(50), 10, rng=rng)
    assert tie_ranks(20, rng)[tie_order(20, np.random.default_rng(5))].tolist() != list(range(20))  # another child
    assert rng.random() == np.random.default_rng(5).random()
    ranks = tie_ranks(20, np.random.default_rng(5))
    assert ranks[tie_order(20, np.random.default_rng(5))].tolist() == list(range(20))
    assert tie_ranks(3, None).tolist() == tie_order(3, None).tolist() == [0, 1, 2]


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


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_power_draws_without_replacement(beta):
    scores, generator = np.array([0.2, 1.0, 0.0, 0.5, 3.0]), np.random.default_rng(0)
    drawn = [power_top_n(scores, 3, beta=beta, rng=generator) for _ in range(4000)]
    law = {}
    for sequence in itertools.permutations([0, 1, 3, 4], 3):
        powers = scores[list(sequence)] ** beta
        left = (scores[[0, 1, 3, 4]] ** beta).sum() - np.append(0, powers.cumsum()[:-1])
        law[sequence] = np.prod(powers / left)
    check_law(drawn, law)


def test_power_takes_rows_of_score_0_last_and_in_random_order():
    scores = np.array([0, 1e-300, 0, 1e300, 0])
    orders = {tuple(power_top_n(scores, 5, rng=np.random.default_rng(s))[2:].tolist()) for s in range(100)}
    assert orders == set(itertools.permutations([0, 2, 4]))
    assert set(power_top_n(scores, 2, beta=0, rng=np.random.default_rng(0)).tolist()) == {1, 3}


def test_power_of_a_large_beta_is_top_n():
    scores = np.random.default_rng(0).random(50)
    expected = top_n(scores, 10).tolist()
    scores.flags.writeable = False
    assert power_top_n(scores, 10, beta=1e6, rng=np.random.default_rng(0)).tolist() == expected
    assert power_top_n([1, 2], 2, rng=np.random.default_rng(0)).dtype == np.int64


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"scores": [1.0, np.nan]}, ["scores", "1 NaN of 2"]),
        ({"scores": [1.0, np.inf]}, ["scores", "finite", "inf"]),
        ({"scores": [1.0, -0.1]}, ["scores", "at least 0", "-0.1"]),
        ({"scores": [[1.0]]}, ["scores", "(1, 1)"]),
        ({"n": 3}, ["n:", "from 1 to 2"]),
        ({"beta": -1}, ["beta", "-1"]),
        ({"beta": float("nan")}, ["beta", "nan"]),
        ({"rng": 3}, ["rng", "int"]),
    ],
)
def test_power_errors(given, parts):
    given = {"scores": [1.0, 2.0], "n": 1, "rng": np.random.default_rng(0)} | given
    check_refusal(parts, power_top_n, given.pop("scores"), given.pop("n"), **given)
