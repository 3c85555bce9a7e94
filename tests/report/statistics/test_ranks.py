import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from tfal.errors import InputError
from tfal.report.statistics import ranks as module
from tfal.report.statistics.ranks import cliques, critical_difference, ranks, wilcoxon_p

ROWS = np.array(
    [
        (0.85, 0.83, 0.80),
        (0.75, 0.74, 0.70),
        (0.91, 0.92, 0.88),
        (0.66, 0.64, 0.65),
        (0.80, 0.79, 0.75),
        (0.70, 0.69, 0.68),
    ]
)
UNITS = [dict(zip("abc", row, strict=True)) for row in ROWS.tolist()]


def test_the_vector():
    found = ranks(UNITS)
    assert found.n_units == 6
    assert found.mean == pytest.approx([1.1667, 2, 2.8333], abs=1e-4)
    assert (found.chi2, found.p_friedman) == pytest.approx((8.3333, 0.0155), abs=1e-4)
    assert (found.f, found.p_iman_davenport) == pytest.approx((11.3636, 0.00266), abs=1e-4)
    assert found.critical_difference == pytest.approx(1.3531, abs=1e-4)
    p = wilcoxon_p(ROWS)
    assert [p[0, 1], p[0, 2], p[1, 2]] == pytest.approx([0.15625, 0.03125, 0.09375])
    assert found.p_wilcoxon[0, 2] == pytest.approx(0.09375)  # 3 x .03125
    assert found.cliques == ((0, 1, 2),)


def test_critical_values_of_nemenyi():
    """Those that Demsar's table 5 has, without the root."""
    expected = [1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164]
    found = [critical_difference(k, 1) / np.sqrt(k * (k + 1) / 6) for k in range(2, 11)]
    assert found == pytest.approx(expected, abs=7e-4)


def test_friedman_corrects_for_ties_and_iman_davenport_does_not():
    tied = [{"a": 0.5, "b": 0.5, "c": 0.4}] * 4 + [{"a": 0.6, "b": 0.5, "c": 0.4}] * 4
    found = ranks(tied)
    values = np.array([[unit[name] for name in "abc"] for unit in tied])
    assert found.chi2 == pytest.approx(friedmanchisquare(*values.T).statistic)
    assert found.chi2 > module.friedman_chi2(found.mean, 8)


def test_all_alike():
    found = ranks([dict.fromkeys("abc", 0.5)] * 6)
    assert (found.chi2, found.p_friedman, found.p_iman_davenport) == (0, 1, 1)
    assert found.cliques == ((0, 1, 2),)


def test_one_order_everywhere():
    found = ranks([dict(zip("abc", (0.9, 0.8, 0.7), strict=True))] * 8)
    assert found.f == np.inf
    assert found.p_iman_davenport == 0
    assert found.cliques == ()  # Holm: 3 x .0078 at most


def test_cliques_are_the_largest_runs():
    p = np.full((4, 4), 1.0)
    p[0, 2] = p[2, 0] = p[0, 3] = p[3, 0] = p[1, 3] = p[3, 1] = 0.01
    assert cliques(np.array([1.0, 2.0, 3.0, 4.0]), p) == ((0, 1), (1, 2), (2, 3))
    assert cliques(np.array([4.0, 3.0, 2.0, 1.0]), p) == ((3, 2), (2, 1), (1, 0))
    p[1, 3] = p[3, 1] = 1.0
    assert cliques(np.array([1.0, 2.0, 3.0, 4.0]), p) == ((0, 1), (1, 2, 3))


@pytest.mark.parametrize(
    ("units", "found"),
    [
        (UNITS[:5], "at least 6 data sets or settings"),
        ([], "at least 6"),
        ([{"a": 0.5, "b": 0.4}] * 6, "at least 3 strategies"),
        ([*UNITS[:5], {"a": 0.5, "b": 0.4}], "Received: c in some only"),
    ],
)
def test_what_has_no_ranks(units, found):
    with pytest.raises(InputError, match=found):
        ranks(units)
