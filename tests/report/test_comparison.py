"""Several results as arrays: what is found, what all strategies share, and what a reader is warned of."""

import json
import shutil
import stat

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.report.results_folders import filled, write_run
from tfal.errors import InputError
from tfal.report.cautions import cautions, numbers
from tfal.report.comparison import experiments, read_comparison
from tfal.report.join import join
from tfal.report.words import listed


def test_every_experiment_below_is_a_setting_and_hidden_folders_are_none(tmp_path):
    for name in ("sweep/one/a_SCNN", "sweep/two/a_SCNN", "sweep/.sweep/b_SCNN", "c_MLP"):
        filled(tmp_path / name)
    comparison = read_comparison([tmp_path / "sweep", tmp_path / "c_MLP", tmp_path / "c_MLP"])
    assert [setting.name for setting in comparison.settings] == [
        "one/a_SCNN",
        f"{tmp_path.name}/c_MLP",
        "two/a_SCNN",
    ]
    assert [path.name for path in experiments(tmp_path)].count("b_SCNN") == 0


def test_joined_results_are_read_as_the_folders(tmp_path):
    filled(tmp_path / "a_SCNN")
    join(tmp_path / "a_SCNN", tmp_path / "joined" / "a_SCNN")
    apart, joined = (read_comparison([tmp_path / name]).settings[0] for name in ("a_SCNN", "joined"))
    assert apart.strategies == joined.strategies == ("margin", "random")
    for name in apart.strategies:
        np.testing.assert_array_equal(apart.values()[name], joined.values()[name])
        assert [run.recipe for run in apart.runs[name].values()] == [run.recipe for run in joined.runs[name].values()]


def test_arrays_by_hand(tmp_path):
    write_run(tmp_path, "margin", 2, [0.1, 0.3], purity=[0.5, 0.25])
    write_run(tmp_path, "margin", 1, [0.2, 0.4, 0.6])
    curves = read_comparison([tmp_path]).settings[0].curves["margin"]
    assert curves.reps == (1, 2)
    assert curves.labels.tolist() == [20, 40, 60]
    np.testing.assert_array_equal(curves.values["test_accuracy"], [[0.2, 0.4, 0.6], [0.1, 0.3, np.nan]])
    np.testing.assert_array_equal(curves.values["purity"], [[np.nan] * 3, [0.5, 0.25, np.nan]])
    np.testing.assert_array_equal(curves.part("test_accuracy", [2], [40]), [[0.3]])


def block_of(folder):
    (setting,) = read_comparison([folder]).settings
    return setting.block.reps, setting.block.labels


def test_a_repetition_that_stopped_early_costs_the_others_nothing(tmp_path):
    for rep in range(1, 6):
        write_run(tmp_path, "random", rep, [0.1] * 6)
        write_run(tmp_path, "margin", rep, [0.1] * (2 if rep == 3 else 6))
    assert block_of(tmp_path) == ((1, 2, 4, 5), (20, 40, 60, 80, 100, 120))
    assert any("margin 3 (2)" in each for each in cautions(read_comparison([tmp_path])))


def test_the_block_is_the_largest_one_by_brute_force(tmp_path):
    rng = np.random.default_rng(0)
    for case in range(8):
        there = {}
        for name in ("a", "b", "random"):
            for rep in range(1, 5):
                if rng.random() < 0.85:
                    there[name, rep] = [20 * (step + 1) for step in range(rng.integers(1, 6))]
                    write_run(tmp_path / f"{case}", name, rep, [0.1] * len(there[name, rep]), there[name, rep])
        best = 0
        for last in range(1, 6):
            labels = {20 * (step + 1) for step in range(last)}
            reps = [r for r in range(1, 5) if all(labels <= {*there.get((n, r), ())} for n in ("a", "b", "random"))]
            best = max(best, len(reps) * last)
        reps, labels = block_of(tmp_path / f"{case}")
        assert len(reps) * len(labels) == best


def test_strategies_with_other_budgets_share_what_both_have(tmp_path):
    write_run(tmp_path, "margin", 1, [0.1, 0.2, 0.3], [10, 20, 30])
    write_run(tmp_path, "random", 1, [0.1, 0.2, 0.3], [20, 30, 40])
    (setting,) = read_comparison([tmp_path]).settings
    assert setting.block.labels == (20, 30)
    np.testing.assert_array_equal(setting.values()["margin"], [[0.2, 0.3]])
    assert any("2 of 4 numbers of labels, 20 to 30" in each for each in cautions(read_comparison([tmp_path])))


def test_nothing_shared_is_an_empty_block_and_said(tmp_path):
    write_run(tmp_path, "margin", 1, [0.1], [10])
    write_run(tmp_path, "random", 2, [0.1], [20])
    assert block_of(tmp_path) == ((), ())
    assert any("not compared" in each for each in cautions(read_comparison([tmp_path])))


def said(folder):
    return "\n".join(cautions(read_comparison([folder])))


def test_five_alike_repetitions_need_no_warning(tmp_path):
    filled(tmp_path)
    assert said(tmp_path) == ""


def test_what_is_warned_of(tmp_path):
    filled(tmp_path / "few", reps=2)
    assert "all strategies have 2 of the 5 repetitions" in said(tmp_path / "few")
    filled(tmp_path / "worse", lift=-0.1)
    assert "below random at most numbers of labels, by the means of repetitions: margin (3 of 3)." in said(
        tmp_path / "worse"
    )
    filled(tmp_path / "validation", n_valid=500)
    assert "500 validation samples choose the epoch, more than the 80 labels" in said(tmp_path / "validation")
    filled(tmp_path / "options")
    shutil.rmtree(tmp_path / "options" / "margin")
    filled(tmp_path / "options", strategies=("margin",), seed=7, n_epoch=3)
    assert "different options (nEpoch 5, 3; seed 0, 7)" in said(tmp_path / "options").replace(
        "nEpoch 3, 5; seed 7, 0", "nEpoch 5, 3; seed 0, 7"
    )
    assert "margin is not paired with random (seed 0 there, 7 here)" in said(tmp_path / "options")
    filled(tmp_path / "alone", strategies=("margin",))
    assert "random was not run" in said(tmp_path / "alone")
    filled(tmp_path / "nan", knn_top5=[np.nan] * 4)
    assert "knn_top5 has no number in any round, and is left out" in said(tmp_path / "nan")


def test_one_sentence_for_several_settings(tmp_path):
    for name in ("a_SCNN", "b_SCNN"):
        filled(tmp_path / name, reps=1)
    (sentence,) = cautions(read_comparison([tmp_path]))
    assert sentence.startswith("a_SCNN and b_SCNN: all strategies have 1 of the 5 repetitions")


def test_the_initial_labels_are_compared_where_strategies_chose_them(tmp_path):
    filled(tmp_path / "a_SCNN")
    filled(tmp_path / "b_SCNN", splits="20,40,60,80")
    loop, budgets = read_comparison([tmp_path]).settings
    assert (loop.compared.labels, budgets.compared.labels) == ((40, 60, 80), (20, 40, 60, 80))


def test_runs_without_recipes_are_read_and_said(tmp_path):
    filled(tmp_path)
    for path in tmp_path.glob("*/rep*/recipe.json"):
        path.unlink()
    assert "no recipe.json, so nobody can tell" in said(tmp_path)
    assert "not paired with random" in said(tmp_path)


def test_machines_that_differ_are_said(tmp_path):
    filled(tmp_path)
    path = tmp_path / "margin" / "rep002" / "recipe.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "environment": {"tensorflow": "9.9"}}))
    assert "different tensorflow: 2.21.0 and 9.9" in said(tmp_path)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "nowhere", "there is no folder"),
        (lambda folder: folder, "no results in"),
    ],
)
def test_folders_without_results_are_one_line(tmp_path, make, expected):
    with pytest.raises(InputError, match=expected) as error:
        read_comparison([make(tmp_path)])
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="at least one folder"):
        read_comparison([])


def test_files_and_empty_folders_beside_results_are_passed_over_and_said(tmp_path):
    filled(tmp_path / "a_SCNN")
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").write_text("text")
    comparison = read_comparison([tmp_path / "README.md", tmp_path / "a_SCNN", tmp_path / "empty"])
    assert len(comparison.settings) == 1
    assert [each.split()[0] for each in comparison.passed_over] == [f"{tmp_path}/README.md", f"{tmp_path}/empty"]


def test_a_damaged_table_is_one_line_with_its_path(tmp_path):
    filled(tmp_path)
    (tmp_path / "margin" / "rep001" / "rounds.csv").write_text("round,labels\n0,20\n")
    with pytest.raises(InputError, match=r"margin/rep001/rounds.csv is damaged"):
        read_comparison([tmp_path])


def test_reading_writes_nothing(tmp_path):
    filled(tmp_path / "a_SCNN")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for path in [tmp_path, *before]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    read_comparison([tmp_path])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    for path in [tmp_path, *before]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_the_committed_reference_results_are_read():
    comparison = read_comparison([ROOT / "results" / "reference"])
    names = [setting.name for setting in comparison.settings]
    assert {"mnist_SCNN", "letter-recognition_MLP"} <= {name.split("/")[-1] for name in names}
    assert len(set(names)) == len(names)
    (mnist,) = [setting for setting in comparison.settings if setting.folder.parts[-2:] == ("reference", "mnist_SCNN")]
    assert (mnist.block.reps, len(mnist.block.labels)) == ((1, 2), 16)


def test_words():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([*"abcdefgh"]) == "a, b, c, d, e and 3 others"
    assert numbers([5, 1, 2, 3, 7]) == "1-3, 5, 7"
