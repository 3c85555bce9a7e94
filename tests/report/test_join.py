"""Joining: reports and comparisons say the same of both forms, and nothing is joined, added to or mixed by mistake."""

import contextlib
import dataclasses
from pathlib import Path

import pytest

from tests.report.test_compare import write
from tfal.errors import InputError
from tfal.recipe import Recipe
from tfal.report import compare, report
from tfal.report.join import join, main
from tfal.report.results import read_runs
from tfal.storage.runfolder import RunFolder

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "digits_SCNN"
    for rep in range(1, 7):
        write(folder, "random", rep, [0.5, 0.6 + rep / 100])
        write(folder, "ldms", rep, [0.5, 0.7 - rep / 1000, 0.9], ldm_scale=0.1)
    return folder


def test_both_forms_read_alike(experiment, tmp_path, capsys):
    (experiment / "random" / "rep003" / "recipe.json").unlink()  # it takes that of another repetition
    target = tmp_path / "joined" / "digits_SCNN"
    assert main([str(experiment), str(target)]) == 0
    assert "12 repetitions of ldms, random" in capsys.readouterr().out
    assert sorted(path.name for path in target.iterdir()) == ["recipe.json", "rounds.csv"]
    assert read_runs(target) == read_runs(experiment)
    assert compare.table(target, []) == compare.table(experiment, [])
    said = []
    for folder in (experiment, target):
        report(folder)
        said.append(capsys.readouterr().out.replace(str(folder), ""))
    assert said[0] == said[1]
    assert (target / "curves.png").read_bytes() == (experiment / "curves.png").read_bytes()


def test_joined_results_can_be_joined_again(experiment, tmp_path):
    join(experiment, tmp_path / "once")
    join(tmp_path / "once", tmp_path / "twice")
    for name in ("rounds.csv", "recipe.json"):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()


def test_results_are_never_overwritten(experiment, tmp_path):
    with pytest.raises(InputError, match=r"holds results already .*rounds\.csv"):
        join(experiment, experiment)
    join(experiment, tmp_path / "joined")
    with pytest.raises(InputError, match=r"holds results already .*rounds\.csv"):
        join(experiment, tmp_path / "joined")


def test_nothing_to_join_writes_nothing(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), str(tmp_path / "joined")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "joined").exists()


def test_both_forms_in_one_folder_are_refused(experiment, tmp_path):
    join(experiment, tmp_path / "joined")
    (tmp_path / "joined" / "rounds.csv").rename(experiment / "rounds.csv")
    with pytest.raises(InputError, match=r"joined results .* and folders of repetitions"):
        read_runs(experiment)


def test_no_run_adds_to_joined_results(tmp_path):
    recipe = dataclasses.replace(Recipe(dataset="digits", network="SCNN", strategy="random"), results_dir=str(tmp_path))
    folder = RunFolder(recipe, 1, "0123")
    assert folder.rows() == []
    folder.experiment.mkdir()
    (folder.experiment / "rounds.csv").write_text("strategy,repetition,round,labels,test_accuracy\n")
    with pytest.raises(InputError, match="holds joined results, which no run adds to"):
        folder.rows()


def experiments():
    return sorted(path.parent for path in REFERENCE.rglob("rounds.csv"))


@pytest.mark.parametrize("folder", experiments(), ids=lambda folder: folder.name)
def test_the_reference_results_are_read(folder):
    runs = read_runs(folder)
    assert all(run.recipe for by_rep in runs.values() for run in by_rep.values())
    assert {run.recipe["strategy"] for by_rep in runs.values() for run in by_rep.values()} == set(runs)
    with contextlib.suppress(InputError):  # two have no random sampling to compare with
        assert compare.table(folder, [])


def test_there_are_reference_results():
    assert len(experiments()) >= 23
