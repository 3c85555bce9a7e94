"""Paired differences: a vector by hand, scipy as referee, and the command."""

import numpy as np
import pytest
from scipy import stats

from tfal.compare import differences, main, paired
from tfal.report import Curve


def test_a_vector_by_hand():
    # Differences 1 to 5 percent: mean 3, deviation sqrt(2.5), t(0.975, 4) = 2.776445.
    found = paired(np.array([0.11, 0.12, 0.13, 0.14, 0.15]), np.full(5, 0.1))
    assert found.mean == pytest.approx(0.03)
    assert found.high - found.mean == pytest.approx(0.01 * 2.776445 * np.sqrt(2.5 / 5), rel=1e-6)
    assert found.low == pytest.approx(2 * found.mean - found.high)
    assert str(found) == " +3.00 [ +1.04,  +4.96]"


def test_the_interval_is_that_of_the_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.random(8), rng.random(8)
    interval = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (paired(one, other).low, paired(one, other).high) == pytest.approx(tuple(interval))


def test_few_pairs_get_no_interval():
    found = paired(np.array([0.5, 0.6]), np.array([0.4, 0.4]))
    assert found.mean == pytest.approx(0.15)
    assert np.isnan(found.low)
    assert "insufficient" in str(found)


def test_only_shared_budgets_count():
    one = Curve(np.array([10, 20, 30]), np.array([[0.1, 0.2, 0.3]] * 5))
    other = Curve(np.array([20, 30, 40]), np.array([[0.1, 0.1, 0.9]] * 5))
    found = differences(one, other)
    assert list(found) == ["20 labels", "30 labels", "area"]
    assert found["20 labels"].mean == pytest.approx(0.1)
    assert found["area"].mean == pytest.approx(0.15)


@pytest.fixture
def experiments(tmp_path):
    for name, shift in (("a", 0.0), ("b", 0.1)):
        for strategy in ("random", "margin"):
            for rep in range(1, 6):
                folder = tmp_path / name / strategy / f"rep{rep:03d}"
                folder.mkdir(parents=True)
                lift = shift + 0.05 * (strategy == "margin") + 0.01 * rep
                rows = [f"{step},{20 + 20 * step},{0.5 + lift}" for step in range(2)]
                (folder / "rounds.csv").write_text("round,labels,test_accuracy\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_the_command(experiments, capsys):
    assert main([str(experiments / "a"), str(experiments / "a"), str(experiments / "b")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("| b |")]) == 2
    assert "+10.00" in lines[-1]
    assert main([str(experiments / "a")]) == 0
    assert "+5.00" in capsys.readouterr().out.splitlines()[-1]


def test_nothing_to_compare(experiments, tmp_path, capsys):
    assert main([str(tmp_path / "missing")]) == 2
    assert "no results" in capsys.readouterr().err
    assert main([str(experiments / "a"), str(experiments / "a")]) == 2
    assert "nothing to compare" in capsys.readouterr().err
