import numpy as np
import pytest
from scipy.stats import ttest_rel

from tfal.errors import InputError
from tfal.report.statistics.penalty import holm, paired_p, penalty_matrix

FIRST, SECOND = np.array([[0.80, 0.82, 0.81, 0.83, 0.84], [0.78, 0.80, 0.80, 0.82, 0.81]])[:, :, None]


def test_the_vector():
    assert paired_p(FIRST - SECOND) == pytest.approx([0.00858], abs=1e-5)
    found = penalty_matrix([{"i": FIRST, "j": SECOND}])
    assert found.names == ("i", "j")
    assert found.wins.tolist() == [[0, 1], [0, 0]]
    assert (found.n_settings, found.insufficient) == (1, 0)
    assert found.beaten.tolist() == [0, 1]
    assert found.winning.tolist() == [1, 0]


def test_p_as_scipy_has_it():
    a, b = np.random.default_rng(0).normal(size=(2, 7, 30))
    assert paired_p(a - b) == pytest.approx(ttest_rel(a, b).pvalue)


def test_differences_without_spread():
    assert paired_p(np.array([[0.0, 0.1, -0.1]] * 5)).tolist() == [1, 0, 0]
    win = penalty_matrix([{"i": SECOND + 0.1, "j": SECOND}])
    assert win.wins.tolist() == [[0, 1], [0, 0]]
    assert not penalty_matrix([{"i": SECOND, "j": SECOND}]).wins.any()


def test_each_setting_counts_the_share_of_its_checkpoints():
    four = {
        "i": np.concatenate([FIRST, SECOND, SECOND, SECOND], axis=1),
        "j": np.concatenate([SECOND, SECOND, SECOND, SECOND], axis=1),
    }
    found = penalty_matrix([four, {"i": FIRST, "j": SECOND}, {"j": FIRST, "i": SECOND}])
    assert found.wins.tolist() == [[0, 1.25], [1, 0]]


def test_fewer_than_five_pairs_are_insufficient():
    found = penalty_matrix([{"i": FIRST[:4], "j": SECOND[:4]}, {"i": FIRST, "j": SECOND}])
    assert (found.n_settings, found.insufficient) == (1, 1)
    assert found.wins.tolist() == [[0, 1], [0, 0]]


def test_holm_by_hand_and_within_a_setting():
    assert holm(np.array([[0.01, 0.04], [0.03, 0.005]])) == pytest.approx(np.array([[0.03, 0.06], [0.06, 0.02]]))
    many = {"i": np.concatenate([FIRST] + [SECOND] * 9, axis=1), "j": np.concatenate([SECOND] * 10, axis=1)}
    assert penalty_matrix([many]).wins[0, 1] == pytest.approx(0.1)
    assert not penalty_matrix([many], corrected=True).wins.any()  # .00858 x 10


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ([], "at least one setting"),
        ([{"i": FIRST, "j": SECOND}, {"i": FIRST}], "Received: j in some only"),
        ([{"i": FIRST, "j": SECOND[:4]}], "the same repetitions and checkpoints"),
        ([{"i": FIRST[:, 0], "j": SECOND[:, 0]}], "the same repetitions and checkpoints"),
    ],
)
def test_what_cannot_be_compared(settings, found):
    with pytest.raises(InputError, match=found):
        penalty_matrix(settings)
