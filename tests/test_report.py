import numpy as np
import pytest

from tfal import report
from tfal.errors import InputError
from tfal.report import Curve, read_curves, table


def _write(experiment, strategy, rep, accuracies, labels=(20, 40, 60)):
    folder = experiment / strategy / f"rep{rep:03d}"
    folder.mkdir(parents=True)
    lines = [f"{i},{n},{a}" for i, (n, a) in enumerate(zip(labels, accuracies, strict=False))]
    (folder / "rounds.csv").write_text("\n".join(["round,labels,test_accuracy", *lines]) + "\n")


@pytest.fixture
def experiment(tmp_path):
    experiment = tmp_path / "mnist_SCNN"
    _write(experiment, "ldms", 1, [0.5, 0.7, 0.9])
    _write(experiment, "ldms", 2, [0.6, 0.7, 0.8])
    _write(experiment, "random", 1, [0.5, 0.6, 0.6])
    return experiment


def test_mean_std_and_area_by_hand(experiment):
    curve = read_curves(experiment)["ldms"]
    np.testing.assert_allclose(curve.mean, [0.55, 0.7, 0.85])
    np.testing.assert_allclose(curve.std, [0.05 * 2**0.5, 0, 0.05 * 2**0.5], atol=1e-12)
    np.testing.assert_allclose(curve.area(20, 60), [0.7, 0.7])  # (0.5 + 0.7) / 4 + (0.7 + 0.9) / 4


def test_the_area_weighs_uneven_budgets():
    curve = Curve(np.array([0.0, 10.0, 40.0]), np.array([[0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(curve.area(0, 40), [(5 + 30) / 40])
    np.testing.assert_allclose(curve.area(0, 10), [0.5])
    np.testing.assert_allclose(curve.area(10, 10), [1.0])


def test_the_table_shows_every_budget(experiment):
    lines = table(read_curves(experiment)).splitlines()
    assert lines[0].split() == ["labels", "ldms", "(2", "rep.)", "random", "(1", "rep.)"]
    assert lines[1].split() == ["20", "55.00", "±", "7.07", "50.00", "±", "-"]
    assert lines[-2].split() == ["area", "70.00", "±", "0.00", "57.50", "±", "-"]


def test_an_unfinished_repetition_shortens_its_curve(experiment):
    _write(experiment, "random", 2, [0.4, 0.5])
    curves = read_curves(experiment)
    assert curves["random"].labels.tolist() == [20, 40]
    lines = table(curves).splitlines()
    assert lines[3].split()[:4] == ["60", "85.00", "±", "7.07"]
    assert lines[3].split()[-1] == "-"
    assert "20 to 40 labels" in lines[-1]  # areas are compared where all strategies are
    assert lines[-2].split()[1] == "62.50"


def test_strategies_without_a_common_budget_have_no_area(experiment):
    _write(experiment, "badge", 1, [0.4, 0.5], labels=(30, 50))
    assert "no number of labels in common" in table(read_curves(experiment)).splitlines()[-1]


def test_report_writes_the_picture_and_says_where(experiment, capsys):
    path = report.report(experiment)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().out.splitlines()[-1]


def test_no_results_is_an_error_in_one_line(tmp_path, capsys, monkeypatch):
    with pytest.raises(InputError, match="no results in"):
        read_curves(tmp_path)
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    assert report.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_repetitions_with_other_budgets_are_refused(experiment):
    _write(experiment, "ldms", 3, [0.1, 0.2], labels=(20, 50))
    with pytest.raises(InputError, match="different numbers of labels"):
        read_curves(experiment)
