"""The low-budget study from end to end on real digits: selections, evaluations, files, stops, and wrong input."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from models import BUILDERS
from tfal import report
from tfal.errors import InputError
from tfal.low_budget import plan, run
from tfal.low_budget import study as study_module
from tfal.storage.tables import read_rounds
from tfal.strategies import STRATEGIES
from tfal.strategies.random import Random

MLP = BUILDERS["MLP"]


@pytest.fixture
def study(small):
    return dataclasses.replace(
        small,
        strategy="random,kmeans",
        splits="10,30",
        evaluate="linear,knn",
        n_epoch_simclr=1,
        n_batch_encoder=128,
        n_epoch_linear=5,
        n_redo=1,
        n_iter=3,
    )


def _folder(recipe, strategy, rep=1):
    return Path(recipe.results_dir) / "digits-lowbudget_MLP" / strategy / f"rep{rep:03d}"


def _ids(recipe, strategy, budget, rep=1):
    return np.load(_folder(recipe, strategy, rep) / f"{strategy}_digits_{budget}.npy")


def test_every_strategy_is_judged_and_reported(study, digits, capsys):
    names = (
        "random,uniform,kmeans,multi_kmeans,coreset,entropy,margin,power_margin,typiclust,probcover,maxherding,uherding"
    )
    recipe = dataclasses.replace(study, strategy=names)
    done = list(run(recipe, MLP, data=digits))
    assert len(done) == 2 * len(names.split(","))
    for name in names.split(","):
        rows = read_rounds(_folder(recipe, name) / "rounds.csv")
        assert [row["labels"] for row in rows] == [10, 30]
        for row in rows:
            ids = _ids(recipe, name, int(row["labels"]))
            assert ids.dtype == np.int64
            assert len(set(ids.tolist())) == row["labels"]
            assert row["coverage"] == len(np.unique(digits.y_train[ids])) / 10
            assert row["test_accuracy"] == row["linear_top1"] <= row["linear_top5"] <= 1
            assert 0 < row["knn_top1"] <= 1
        about = json.loads((_folder(recipe, name) / f"{name}_digits_30.json").read_text())
        assert about["n"] == 30
        assert about["coverage"] == rows[1]["coverage"]
        assert about["recipe"]["seed"] == 0
    assert read_rounds(_folder(recipe, "uniform") / "rounds.csv")[0]["coverage"] == 1
    report.report(Path(recipe.results_dir) / "digits-lowbudget_MLP")
    shown = capsys.readouterr().out
    assert "Nearest neighbors of frozen features, top-1 [%]" in shown
    assert "uniform, oracle (1 rep.)" in shown
    assert "Class coverage" in shown


def test_budgets_nest_where_the_method_does(study, digits):
    recipe = dataclasses.replace(study, strategy="random,kmeans,multi_kmeans,margin")
    list(run(recipe, MLP, data=digits))
    for name in ("random", "multi_kmeans", "margin"):
        assert np.array_equal(_ids(recipe, name, 30)[:10], _ids(recipe, name, 10))
    assert not set(_ids(recipe, "kmeans", 10)) <= set(_ids(recipe, "kmeans", 30))
    assert np.array_equal(_ids(recipe, "margin", 10), _ids(recipe, "random", 10))  # nothing to train a head on yet


def test_stopped_and_run_again_it_ends_as_if_it_had_not_been_stopped(study, digits, tmp_path):
    whole = dataclasses.replace(study, strategy="multi_kmeans", n_rep=2, results_dir=str(tmp_path / "whole"))
    list(run(whole, MLP, data=digits))
    parts = dataclasses.replace(whole, results_dir=str(tmp_path / "parts"))
    for _ in range(4):
        stopped = run(parts, MLP, data=digits)
        next(stopped)
        stopped.close()
    assert list(run(parts, MLP, data=digits)) == []
    for rep in (1, 2):
        for budget in (10, 30):
            assert np.array_equal(_ids(whole, "multi_kmeans", budget, rep), _ids(parts, "multi_kmeans", budget, rep))
        rows = [read_rounds(_folder(recipe, "multi_kmeans", rep) / "rounds.csv") for recipe in (whole, parts)]
        for one, other in zip(*rows, strict=True):
            assert one | {"seconds_query": 0} == pytest.approx(other | {"seconds_query": 0}, abs=1e-6, nan_ok=True)


def test_the_trainings_judge_too(study, digits):
    recipe = dataclasses.replace(study, strategy="random", evaluate="finetune,scratch", splits="20", n_epoch_linear=2)
    (done,) = run(recipe, MLP, data=digits)
    assert done.row["test_accuracy"] == done.row["finetune_top1"]
    assert 0 <= done.row["scratch_top1"] <= done.row["scratch_top5"] <= 1
    assert "linear_top1" not in done.row


def test_it_starts_from_a_file_of_ids(study, digits, tmp_path):
    start = np.array([5, 900, 17])
    np.save(tmp_path / "start.npy", start)
    recipe = dataclasses.replace(study, strategy="multi_kmeans,kmeans", resume_indices=str(tmp_path / "start.npy"))
    list(run(recipe, MLP, data=digits))
    assert np.array_equal(_ids(recipe, "multi_kmeans", 10)[:3], start)
    assert len(_ids(recipe, "kmeans", 10)) == 10


def test_images_that_cannot_be_read_are_never_chosen(study, digits):
    corrupt = np.arange(0, len(digits.y_train), 3)
    data = dataclasses.replace(digits, corrupt=corrupt)
    list(run(dataclasses.replace(study, strategy="kmeans"), MLP, data=data))
    assert not set(_ids(study, "kmeans", 30)) & set(corrupt)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": "10,10"}, "--splits must be ascending"),
        ({"splits": "30,10"}, "--splits must be ascending"),
        ({"splits": "ten"}, "--splits must be ascending whole numbers"),
        ({"splits": "0,10"}, "--splits must be ascending"),
        ({"splits": "10,1438"}, "at most the 1437 samples"),
        ({"evaluate": "linear,svm"}, "unknown evaluation 'svm'"),
        ({"evaluate": "knn,knn"}, "name each evaluation once"),
        ({"strategy": "mqnet"}, "reads loss_predictor and csi, which frozen features have not"),
        ({"strategy": "random,bald"}, "'bald' reads mc_logits, which frozen features have not"),
        ({"resume_indices": "nowhere.npy"}, r"nowhere\.npy is missing"),
        ({"encoder": "nowhere.keras"}, "nowhere.keras"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(study, digits, options, message):
    with pytest.raises(InputError, match=message) as error:
        list(run(dataclasses.replace(study, **options), MLP, data=digits))
    assert "\n" not in str(error.value)
    assert not Path(study.results_dir).exists()


@pytest.mark.parametrize(
    ("ids", "message"), [([1, 1], "distinct ids"), ([5000], "ids of the pool"), ([0.5], "distinct ids")]
)
def test_a_start_file_of_something_else_is_refused(study, digits, tmp_path, ids, message):
    np.save(tmp_path / "start.npy", np.array(ids))
    with pytest.raises(InputError, match=message):
        plan(dataclasses.replace(study, resume_indices=str(tmp_path / "start.npy")), digits)


def test_a_damaged_index_file_is_named(study, digits):
    recipe = dataclasses.replace(study, strategy="random")
    next(run(recipe, MLP, data=digits))
    path = _folder(recipe, "random") / "random_digits_30.npy"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"random_digits_30\.npy is damaged or no \.npy file"):
        list(run(recipe, MLP, data=digits))


def test_index_files_are_looked_at_before_anything_is_trained(study, digits, monkeypatch):
    recipe = dataclasses.replace(study, strategy="random")
    list(run(recipe, MLP, data=digits))
    path = _folder(recipe, "random") / "random_digits_30.npy"
    about, ids = path.with_suffix(".json"), np.load(path)
    (path.parent / "rounds.csv").unlink()
    monkeypatch.setattr("tfal.low_budget.session.Session", None)  # nothing may be trained
    np.save(path, np.roll(ids, 1))
    with pytest.raises(InputError, match=r"random_digits_30\.npy does not begin with the \d+ ids chosen before"):
        list(run(recipe, MLP, data=digits))
    np.save(path, ids)
    for text in ("hello", '{"seconds_query": "long"}'):
        about.write_text(text)
        with pytest.raises(InputError, match=r"random_digits_30\.json is damaged"):
            list(run(recipe, MLP, data=digits))
    about.unlink()
    with pytest.raises(InputError, match=r"random_digits_30\.json: No such file"):
        list(run(recipe, MLP, data=digits))


def test_a_switch_takes_the_budgets_of_the_first_strategy_and_goes_on_with_the_second(study, digits):
    """k-means chooses its budget anew, margin adds to what is there."""
    recipe = dataclasses.replace(study, strategy="kmeans,kmeans@1+margin", evaluate="knn")
    list(run(recipe, MLP, data=digits))
    few, more = (_ids(recipe, "kmeans@1+margin", budget) for budget in (10, 30))
    assert few.tolist() == _ids(recipe, "kmeans", 10).tolist() == more[:10].tolist()
    assert more.tolist() != _ids(recipe, "kmeans", 30).tolist()
    assert list(run(recipe, MLP, data=digits)) == []


def test_what_a_strategy_keeps_reaches_the_next_budget(study, digits):
    recipe = dataclasses.replace(study, strategy="probcover", evaluate="linear")
    list(run(recipe, MLP, data=digits))
    first, second = (np.load(_folder(recipe, "probcover") / f"memory/round00{n}.npz")["delta"] for n in (1, 2))
    assert first == second > 0


def test_nothing_is_done_twice(study, digits, monkeypatch):
    list(run(study, MLP, data=digits))
    monkeypatch.setattr(study_module, "_judged", None)
    assert list(run(study, MLP, data=digits)) == []


def test_true_labels_are_for_strategies_that_say_oracle(study, digits, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Peeks(Random):
        def query(self, view, n, rng):
            view.oracle_labels(view.candidates)
            return super().query(view, n, rng)

    monkeypatch.setitem(STRATEGIES, "random", Peeks)
    with pytest.raises(ValueError, match="for strategies with `oracle = True` only"):
        list(run(study.replace(strategy="random", evaluate="knn", splits="10"), MLP, data=digits))
