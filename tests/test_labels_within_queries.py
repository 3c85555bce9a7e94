"""Runs whose strategies ask for labels within a query: the budget, a stop in its middle, and studies of low budgets."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal import low_budget
from tfal.errors import InputError
from tfal.loop import plan, run
from tfal.pool import Pool
from tfal.pool.asked import Asked
from tfal.storage.tables import read_rounds

MLP = BUILDERS["MLP"]


@pytest.fixture
def tail(small):
    """Ten classes, the smallest with a tenth of the images of the largest."""
    return dataclasses.replace(small, strategy="galaxy,direct", long_tail=0.1, n_init=30, n_query=24, n_epoch=3)


def _files(recipe):
    root = Path(recipe.results_dir)
    return {str(path.relative_to(root)): path.read_bytes() for path in [*root.rglob("pool.npz"), *root.rglob("*.txt")]}


def test_what_is_asked_for_is_bought_once_and_is_the_truth(tail, digits, monkeypatch):
    asked, call = [], Asked.__call__
    monkeypatch.setattr(Asked, "__call__", lambda self, ids: asked.append(ids) or call(self, ids))
    rounds = list(run(tail, MLP, data=digits))
    for name in ("galaxy", "direct"):
        (folder,) = Path(tail.results_dir).rglob(f"{name}/rep001")
        n_step = tail.n_step
        assert [row["labels"] for row in read_rounds(folder / "rounds.csv")] == [30 + 24 * k for k in range(n_step + 1)]
        pool = Pool.load(folder / "pool.npz")
        bought = np.flatnonzero(pool.round > 0)
        assert np.array_equal(pool.label[bought], digits.y_train[bought])
        picked = np.concatenate([r.picks.ids for r in rounds if r.strategy == name and r.picks])
        assert sorted(picked) == bought.tolist()
    assert {len(ids) for ids in asked[: 23 * tail.n_step]} == {1}  # galaxy: all but the last of each query
    assert 1 < max(len(ids) for ids in asked[23 * tail.n_step :]) <= 20


@pytest.mark.parametrize("name", ["galaxy", "direct"])
def test_a_run_that_is_stopped_within_a_query_goes_on_as_if_it_had_not_been(tail, digits, tmp_path, name):
    whole = dataclasses.replace(tail, strategy=name, results_dir=str(tmp_path / "whole"))
    list(run(whole, MLP, data=digits))
    parts, calls, call = dataclasses.replace(whole, results_dir=str(tmp_path / "parts")), [], Asked.__call__

    def stop(self, ids):
        calls.append(ids)
        if len(calls) in (1, 3, 5):
            raise KeyboardInterrupt
        return call(self, ids)

    stops = 0
    for _ in range(6):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Asked, "__call__", stop)
            try:
                list(run(parts, MLP, data=digits))
                break
            except KeyboardInterrupt:
                stops += 1
    assert stops == 3
    assert _files(parts) == _files(whole)


def test_an_open_set_answers_that_a_sample_is_of_none_of_the_classes(small, digits, monkeypatch):
    told, call = [], Asked.__call__

    def keep(self, ids):
        told.append((ids, call(self, ids)))
        return told[-1][1]

    monkeypatch.setattr(Asked, "__call__", keep)
    recipe = dataclasses.replace(
        small, strategy="direct", n_class_known=4, ood_rate=0.5, n_init=24, n_valid=0, n_query=30, n_epoch=3, n_step=1
    )
    list(run(recipe, MLP, data=digits))
    truth = plan(recipe, digits)[0].task.labels
    ids, labels = (np.concatenate(part) for part in zip(*told, strict=True))
    assert np.array_equal(labels, np.where(truth[ids] < 4, truth[ids], -1))
    assert (labels == -1).any()


def test_balanced_strategies_run_on_a_long_tail(tail, digits):
    rounds = list(run(dataclasses.replace(tail, strategy="entropy_cb,coreset_cb", n_step=1), MLP, data=digits))
    assert [len(set(r.picks.ids.tolist())) for r in rounds if r.picks] == [24, 24]


def test_a_study_of_low_budgets_answers_too(small, digits, tmp_path):
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(8)]).save(tmp_path / "a.keras")
    study = dataclasses.replace(small, strategy="galaxy,direct", splits="20,40", evaluate="knn", n_valid=0)
    study = dataclasses.replace(study, encoder=str(tmp_path / "a.keras"))
    list(low_budget.run(study, MLP, data=digits))
    for name in ("galaxy", "direct"):
        found = sorted(Path(study.results_dir).rglob(f"{name}_digits_*.npy"))
        sets = [np.load(path) for path in found]
        assert [len(ids) for ids in sets] == [20, 40]
        assert {*sets[0].tolist()} < {*sets[1].tolist()}


def test_first_labels_cannot_be_asked_for_within_a_query(tail, digits):
    with pytest.raises(InputError, match=r"--initial must be .* a strategy that needs no labels"):
        list(run(dataclasses.replace(tail, initial="galaxy"), MLP, data=digits))
