"""Joining: reports and comparisons say the same of both forms, and nothing is joined, added to or mixed by mistake."""

import contextlib
import dataclasses
import shutil
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


def test_later_repetitions_and_rounds_are_added(experiment, tmp_path, capsys):
    published, later = tmp_path / "published", experiment.with_name("later") / "digits_SCNN"
    write(later, "random", 7, [0.5, 0.6])
    write(later, "random", 8, [0.5])
    write(later, "margin", 1, [0.5, 0.8], n_query=30)
    join(experiment, published)
    assert main([str(later), str(published), "--add"]) == 0
    assert "Joined: 3 repetitions of margin, random. " in capsys.readouterr().out
    assert read_runs(published)["random"].keys() == {*range(1, 9)}
    write(later.with_name("more"), "random", 8, [0.5, 0.55, 0.6])
    join(later.with_name("more"), published, add=True)
    join(later, published, add=True)  # what is there with more rounds stays
    assert [row["test_accuracy"] for row in read_runs(published)["random"][8].rows] == [0.5, 0.55, 0.6]
    for path in (later, later.with_name("more")):
        shutil.copytree(path, experiment, dirs_exist_ok=True)
    assert read_runs(published) == read_runs(experiment)


def test_other_rounds_of_the_same_repetition_are_refused(experiment, tmp_path):
    join(experiment, tmp_path / "joined")
    before = (tmp_path / "joined" / "rounds.csv").read_bytes()
    other = tmp_path / "other" / "digits_SCNN"
    write(other, "random", 9, [0.5])
    write(other, "random", 2, [0.5, 0.7])
    with pytest.raises(
        InputError, match=r"holds other rounds of random, repetition 2\. Join these results into another"
    ):
        join(other, tmp_path / "joined", add=True)
    assert (tmp_path / "joined" / "rounds.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "other"), [("dataset", "letter"), ("data", "4567"), ("n_init", 30), ("seed", 1), ("network", "MLP")]
)
def test_another_experiment_is_refused(experiment, tmp_path, option, other):
    write(experiment, "margin", 1, [0.5], network="SCNN")
    join(experiment, tmp_path / "joined")
    write(tmp_path / "other", "entropy", 7, [0.5], **{"network": "SCNN", option: other})
    line = (
        rf"joined holds another experiment: its {option} is .*, here it is {other!r}\. Join these results into another"
    )
    with pytest.raises(InputError, match=line):
        join(tmp_path / "other", tmp_path / "joined", add=True)


def test_options_that_were_not_written_are_added_later(experiment, tmp_path):
    join(experiment, tmp_path / "joined")
    whole = (tmp_path / "joined" / "recipe.json").read_bytes()
    (tmp_path / "joined" / "recipe.json").unlink()  # killed between the two files
    join(experiment, tmp_path / "joined", add=True)
    assert (tmp_path / "joined" / "recipe.json").read_bytes() == whole


def test_all_sets_of_a_sweep(tmp_path, capsys):
    sweep = tmp_path / "sweep"
    for name in ("a", "b"):
        write(sweep / name / "digits_SCNN", "random", 1, [0.5, 0.6])
    write(sweep / ".jobs" / "digits_SCNN", "random", 1, [0.1, 0.1])
    assert main([str(sweep), str(tmp_path / "joined")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Joined: 2 repetitions of random of 2 experiments. ")
    assert said.endswith("joined --html report.html\n")
    assert sorted(
        path.parent.relative_to(tmp_path / "joined") for path in (tmp_path / "joined").rglob("rounds.csv")
    ) == [
        Path("a/digits_SCNN"),
        Path("b/digits_SCNN"),
    ]
    assert read_runs(tmp_path / "joined" / "b" / "digits_SCNN") == read_runs(sweep / "b" / "digits_SCNN")
    with pytest.raises(InputError, match=r"lies in the folder that is joined\. Give one outside of it\.$"):
        join(sweep, sweep / "joined")
    write(sweep / "c" / "digits_SCNN", "random", 1, [0.5, 0.6])
    with pytest.raises(InputError, match="holds results already"):
        join(sweep, tmp_path / "joined")
    assert not (tmp_path / "joined" / "c").exists()
    join(sweep, tmp_path / "joined", add=True)
    assert read_runs(tmp_path / "joined" / "c" / "digits_SCNN") == read_runs(sweep / "c" / "digits_SCNN")


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
