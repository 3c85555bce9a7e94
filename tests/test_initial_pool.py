"""--initial, --missingClasses and --warmStart through the loop, on digits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models import BUILDERS
from tfal.errors import InputError
from tfal.loop import plan, run
from tfal.pool import Pool
from tfal.storage.tables import read_rounds

MLP, SCNN = BUILDERS["MLP"], BUILDERS["SCNN"]


@pytest.fixture
def cold(small):
    return dataclasses.replace(small, initial="random", strategy="random,margin")


def _pools(recipe, title="digits-from-random_MLP"):
    folder = Path(recipe.results_dir) / title
    return {path.parent.parent.name: Pool.load(path) for path in folder.glob("*/rep001/pool.npz")}


def test_the_first_labels_do_not_depend_on_the_query_strategy(cold, digits):
    rounds = list(run(cold, MLP, data=digits))
    assert [r.row["labels"] for r in rounds] == [20, 35, 50] * 2
    pools = _pools(cold)
    first = {name: np.flatnonzero(pool.round == 0) for name, pool in pools.items()}
    assert first["random"].tolist() == first["margin"].tolist()
    assert len(np.setdiff1d(first["random"], pools["random"].validation)) == 20
    assert not np.array_equal(pools["random"].labeled, pools["margin"].labeled)


def test_validation_is_the_same_for_all(cold, digits):
    starts = [plan(dataclasses.replace(cold, initial=name), digits)[0].task.start for name in ("random", "uniform")]
    balanced = plan(dataclasses.replace(cold, initial="class_balanced"), digits)[0].task.start
    assert all(start.validation.tolist() == balanced.validation.tolist() for start in starts)
    assert all(len(start.labeled) == 0 for start in starts)
    assert len(balanced.labeled) == 20


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Where the encoder of all strategies that need one lies, once one of them has trained it."""
    return tmp_path_factory.mktemp("results") / "encoders"


_FIRST = ["uniform", "kmeans", "typiclust", "probcover", "maxherding", "kmeans_clusters", "activeft"]


@pytest.mark.parametrize("name", _FIRST)
def test_strategies_without_a_classifier(cold, digits, name, encoders):
    recipe = dataclasses.replace(
        cold,
        results_dir=str(encoders.parent),
        network="SCNN",
        initial=name,
        strategy="random",
        n_step=0,
        n_epoch=1,
        n_epoch_simclr=1,
        n_batch_encoder=256,
    )
    (row,) = [r.row for r in run(recipe, SCNN, data=digits)]
    assert row["labels"] == 20
    assert 0 < row["coverage"] <= 1
    assert len([*encoders.glob("*.npz")]) <= 1
    if name == "uniform":
        assert row["coverage"] == 1


def test_a_run_that_was_stopped_goes_on(cold, digits, tmp_path):
    whole = dataclasses.replace(cold, strategy="margin", results_dir=str(tmp_path / "whole"))
    rows = [r.row["test_accuracy"] for r in run(whole, MLP, data=digits)]
    stopped = dataclasses.replace(whole, results_dir=str(tmp_path / "stopped"))
    found = run(stopped, MLP, data=digits)
    next(found)
    found.close()
    assert len(list(run(stopped, MLP, data=digits))) == 2
    path = Path(stopped.results_dir) / "digits-from-random_MLP/margin/rep001/rounds.csv"
    assert [row["test_accuracy"] for row in read_rounds(path)] == rows


def test_missing_classes_are_reported_or_refused(cold, digits, tmp_path):
    few = dataclasses.replace(cold, n_init=5, strategy="random", n_step=0)
    (row,) = [r.row for r in run(few, MLP, data=digits)]
    assert row["coverage"] <= 0.5
    refused = dataclasses.replace(few, missing_classes="refuse", results_dir=str(tmp_path / "refused"))
    with pytest.raises(InputError, match=r"miss \d+ of 10 classes.*Raise --nInit"):
        list(run(refused, MLP, data=digits))


@pytest.mark.parametrize("name", ["entropy", "bald", "ensemble_entropy", "vaal", "coreset"])
def test_a_classifier_is_refused(cold, digits, name):
    with pytest.raises(InputError, match="needs no labels"):
        plan(dataclasses.replace(cold, initial=name), digits)
    assert not Path(cold.results_dir).exists()


def test_one_that_has_first_labels_of_another_name_says_so(cold, digits):
    with pytest.raises(InputError, match=r"which reads classifier\. Its own first labels are those of kmeans\.$"):
        plan(dataclasses.replace(cold, initial="dropquery"), digits)


def test_bald_names_a_network_without_dropout_before_anything_is_written(small, digits):
    with pytest.raises(InputError, match=r"MLP.*[Dd]ropout"):
        list(run(dataclasses.replace(small, strategy="bald"), MLP, data=digits))
    assert not Path(small.results_dir).exists()


def test_wrong_names_and_places(cold, digits):
    with pytest.raises(InputError, match="Did you mean 'kmeans'"):
        plan(dataclasses.replace(cold, initial="kmean"), digits)
    with pytest.raises(InputError, match="--initial has no place with --splits"):
        dataclasses.replace(cold, splits="10,20")


def test_a_warm_start_goes_on_from_the_weights_of_the_last_round(small, digits, tmp_path):
    warm = dataclasses.replace(small, warm_start="on", n_valid=0, n_epoch=2)
    rows = [r.row for r in run(warm, MLP, data=digits)]
    cold = dataclasses.replace(warm, warm_start="off", results_dir=str(tmp_path / "cold"))
    fresh = [r.row for r in run(cold, MLP, data=digits)]
    assert rows[0]["train_loss"] == fresh[0]["train_loss"]
    assert rows[2]["train_loss"] < fresh[2]["train_loss"]
    folder = Path(warm.results_dir) / "digits_MLP/margin/rep001/weights"
    assert sorted(path.name for path in folder.iterdir()) == ["round001.npz", "round002.npz"]  # so that it can go on
    stopped = dataclasses.replace(warm, results_dir=str(tmp_path / "stopped"))
    found = run(stopped, MLP, data=digits)
    next(found)
    found.close()
    again = [r.row["test_accuracy"] for r in run(stopped, MLP, data=digits)]
    assert again == [row["test_accuracy"] for row in rows[1:]]


@pytest.mark.parametrize(
    ("initial", "ids", "message"),
    [
        ("ranking", range(3), "must name at least 20 of the 1387 candidates"),
        ("ranking", [10**6, *range(30)], "must hold ids from 0 to 1436"),
        ("cluster_ranking", [10**6, *range(30)], "must hold ids from 0 to 1436"),
    ],
)
def test_a_ranking_of_other_data_is_refused_before_anything_is_written(small, digits, tmp_path, initial, ids, message):
    np.save(tmp_path / "ids.npy", np.array(ids))
    ranking = {"ranking": str(tmp_path / "ids.npy"), "rank_score": "ranking" if initial != "ranking" else "simclr_loss"}
    with pytest.raises(InputError, match=message):
        plan(dataclasses.replace(small, strategy="random", initial=initial, **ranking), digits)
    assert not Path(small.results_dir).exists()
