import json
from pathlib import Path

import numpy as np
import pytest

from tfal.errors import InputError
from tfal.report import learning_curves, report, table
from tfal.report.results import Curve, read_curves
from tfal.strategies import STRATEGIES


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
    np.testing.assert_allclose(curve.accuracy, [[0.5, 0.7, 0.9], [0.6, 0.7, 0.8]])
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
    figure = report(experiment)
    assert [axes.get_ylabel() for axes in figure.axes] == ["Test accuracy [%]"]
    path = experiment / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().out.splitlines()[-1]


def test_a_band_ends_where_shares_end(experiment):
    _write(experiment, "badge", 1, [0.0, 0.7, 1.0])
    _write(experiment, "badge", 2, [0.1, 0.7, 0.9])
    (axes,) = report(experiment).axes
    low, high = zip(*(band.get_datalim(axes.transData).intervaly for band in axes.collections), strict=True)
    assert (min(low), max(high)) == (0, 100)


def test_no_results_is_an_error_in_one_line(tmp_path, capsys, monkeypatch):
    with pytest.raises(InputError, match="no results in"):
        read_curves(tmp_path)
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    assert learning_curves.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_repetitions_with_other_budgets_are_refused(experiment):
    _write(experiment, "ldms", 3, [0.1, 0.2], labels=(20, 50))
    with pytest.raises(InputError, match="different numbers of labels"):
        read_curves(experiment)


def test_a_wide_table_goes_on_below(experiment):
    for name in ("badge", "coreset", "entropy", "margin"):
        _write(experiment, name, 1, [0.1, 0.2, 0.3])
    lines = table(read_curves(experiment), width=60).splitlines()
    assert max(map(len, lines[:-1])) <= 60
    heads = [line for line in lines if line.startswith("labels")]
    assert [head.replace(" (1 rep.)", "").replace(" (2 rep.)", "").split()[1:] for head in heads] == [
        ["badge", "coreset", "entropy"],
        ["ldms", "margin", "random"],
    ]
    assert [line.split()[0] for line in lines[:5]] == ["labels", "20", "40", "60", "area"]
    assert table(read_curves(experiment), width=10).count("labels ") == 6  # one strategy a block at the least


def test_results_of_a_strategy_that_is_not_installed_are_reported(experiment, capsys):
    _write(experiment, "their_own", 1, [0.5, 0.6, 0.7])
    memory = experiment / "their_own" / "rep001" / "memory"
    memory.mkdir()
    np.savez(memory / "round001.npz", a=np.zeros(2))
    report(experiment)
    assert "their_own (1 rep.)" in capsys.readouterr().out


def test_runs_that_differ_in_more_than_the_strategy_are_said(experiment, capsys):
    for strategy, rep, epochs in (("ldms", 1, 50), ("ldms", 2, 50), ("random", 1, 5)):
        recipe = {"recipe": {"strategy": strategy, "n_epoch": epochs, "seed": 0}}
        (experiment / strategy / f"rep{rep:03d}" / "recipe.json").write_text(json.dumps(recipe))
    report(experiment)
    assert "different options: nEpoch 50, 5." in capsys.readouterr().out


def test_folders_of_one_name_are_told_apart(experiment, tmp_path, capsys):
    _write(tmp_path / "again" / "mnist_SCNN", "ldms", 1, [0.5, 0.7, 0.9])
    assert learning_curves.main([str(experiment), str(tmp_path / "again" / "mnist_SCNN")]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Test accuracy")]
    assert [head.split(": ")[1] for head in heads] == [f"{tmp_path.name}/mnist_SCNN", "again/mnist_SCNN"]


def test_columns_that_are_missing_are_one_line(experiment, capsys):
    (experiment / "ldms" / "rep001" / "rounds.csv").write_text("round,labels\n0,20\n")
    assert learning_curves.main([str(experiment)]) == 2
    assert "no column 'test_accuracy'" in capsys.readouterr().err


def test_all_strategies_fit_into_one_picture(tmp_path):
    for name in STRATEGIES:
        _write(tmp_path / "digits_SCNN", name, 1, [0.5, 0.6, 0.7])
    figure = report(tmp_path / "digits_SCNN")
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert 0 <= box.x0 < box.x1 <= whole.x1
    assert box.y1 < figure.axes[0].get_window_extent().y0
    assert len(legend.get_lines()) == len(STRATEGIES)


@pytest.mark.parametrize("value", [["margin"], 3, None, {"a": {"b": []}}])
@pytest.mark.parametrize("name", ["network", "strategy", "dataset"])
def test_a_name_that_is_none_in_a_recipe_is_one_line(experiment, capsys, name, value):
    (experiment / "ldms" / "rep001" / "recipe.json").write_text(json.dumps({"recipe": {name: value}}))
    assert learning_curves.main([str(experiment)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"recipe.json is damaged ({name}: {value!r})" in line


def test_a_title_parts_data_and_network_and_nothing_else():
    assert learning_curves._titled(Path("digits-from-self_label_SCNN")) == "digits-from-self_label, SCNN"
