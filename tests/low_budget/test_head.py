"""The low-budget head that strategies ask, and where rates fall: options, each of which reaches its training."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models import BUILDERS
from tfal.errors import InputError
from tfal.evaluation import linear_heads as module
from tfal.evaluation.linear_heads import Head, linear_heads
from tfal.low_budget import run, session
from tfal.reading.backend import choose_backend
from tfal.reading.tables import TableReader, Trained
from tfal.recipe import Recipe
from tfal.recipe.presets import LOW_BUDGET
from tfal.storage.feature_store import FeatureStore

RNG = np.random.default_rng(0)
FEATURES, LABELS = RNG.random((60, 5), np.float32) * 3, np.arange(60) % 3
CALL = {"n_classes": 3, "seeds": [0], "epochs": 4}


def test_raw_rows_stay_as_they_are():
    jobs = [module._Job(np.array([2, 0]), np.array([1, 0]), 0)]
    rows = np.float32([[3, 4], [5, 0], [0, 2]])
    table, _, _ = module._table(jobs, rows, unit=False)
    assert table.tolist() == [[3, 4, 1], [0, 2, 1], [0, 0, 0]]
    (unit,) = linear_heads(FEATURES, LABELS, [np.arange(60)], **CALL)
    (scaled,) = linear_heads(7 * FEATURES, LABELS, [np.arange(60)], **CALL)
    np.testing.assert_allclose(scaled.kernel, unit.kernel, atol=1e-6)
    (raw,) = linear_heads(FEATURES, LABELS, [np.arange(60)], unit=False, **CALL)
    (more,) = linear_heads(7 * FEATURES, LABELS, [np.arange(60)], unit=False, **CALL)
    assert np.abs(raw.kernel - unit.kernel).max() > 1e-3
    assert np.abs(raw.kernel - more.kernel).max() > 1e-3


def test_milestones_are_where_the_rate_falls(monkeypatch):
    """Percent of the epochs: of 4 epochs the rates are 1, .1, .1, .01 with 25,75, and 1, 1, .1, .01 as published."""
    seen = []
    monkeypatch.setattr(
        module, "_train", lambda jobs, table, n_classes, width, rates: seen.append(rates) or np.zeros((1, 6, 3))
    )
    linear_heads(FEATURES, LABELS, [np.arange(60)], learning_rate=1.0, milestones=(25, 75), **CALL)
    linear_heads(FEATURES, LABELS, [np.arange(60)], learning_rate=1.0, **CALL)
    np.testing.assert_allclose(seen, [[1, 0.1, 0.1, 0.01], [1, 1, 0.1, 0.01]])


def test_raw_features_are_stored_as_they_are(tmp_path):
    class Source:
        def batches(self, ids, batch_size):
            yield FEATURES[ids]

    identity = {"data": "d", "weights": "w"}
    store = FeatureStore(None, identity, tmp_path), FeatureStore(None, {**identity, "rows": "raw"}, tmp_path)
    unit, raw = (each.open_or_make(Source(), lambda batch: batch, 60, 60, "float32") for each in store)
    np.testing.assert_array_equal(raw, FEATURES)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)


def test_strategies_see_unit_features_and_logits_of_what_the_head_saw():
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    head = Head(RNG.random((5, 3), np.float32), np.float32([1, 2, 3]))
    asked = []
    reader = TableReader(
        {"features": unit}, choose_backend("numpy"), np.arange(60), lambda: asked.append(1) or Trained(head, FEATURES)
    )
    list(reader.chunks("classifier", ["features"], np.array([7, 3])))
    assert not asked  # k-center needs no head
    (found,) = reader.chunks("classifier", ["features", "logits"], np.array([7, 3]))
    np.testing.assert_allclose(found["features"], unit[[7, 3]], rtol=1e-6)
    np.testing.assert_allclose(found["logits"], FEATURES[[7, 3]] @ head.kernel + head.bias, rtol=1e-5)


@pytest.fixture
def study(small):
    return dataclasses.replace(
        small,
        network="MLP",
        strategy="entropy",
        splits="10,30",
        evaluate="linear",
        n_epoch_simclr=1,
        n_batch_encoder=256,
        n_epoch_linear=5,
    )


def test_the_options_reach_the_head_that_is_asked_and_those_that_judge(study, digits, tmp_path, monkeypatch):
    seen = []

    def asked(features, *arguments, **options):
        seen.append({**options, "norm": float(np.linalg.norm(features[0]))})
        return linear_heads(features, *arguments, **options)

    def judged(*arguments, **options):
        seen.append(options)
        return probes(*arguments, **options)

    probes = session.linear_probes
    monkeypatch.setattr(session, "linear_heads", asked)
    monkeypatch.setattr(session, "linear_probes", judged)
    recipe = dataclasses.replace(study, head_input="raw", lr_head=1e-3, lr_schedule="20,90")
    list(run(recipe, BUILDERS["MLP"], data=digits))
    head, judge = seen
    assert (head["learning_rate"], head["milestones"], head["unit"]) == (1e-3, (20, 90), False)
    assert abs(head["norm"] - 1) > 0.01
    assert (judge["learning_rate"], judge["milestones"]) == (0.01, (20, 90))
    assert len(list(Path(recipe.results_dir, "features").iterdir())) == 3  # both parts, and the raw one


def test_a_strategy_that_applies_the_head_itself_is_refused_with_raw_features(study, digits):
    recipe = dataclasses.replace(study, strategy="entropy,ldms", head_input="raw")
    with pytest.raises(InputError, match=r"'ldms' applies .* Give --headInput unit, and --lrHead 0\.01\."):
        list(run(recipe, BUILDERS["MLP"], data=digits))
    assert not Path(recipe.results_dir).exists()


@pytest.mark.parametrize("text", ["", "50,", "75,50", "50,50", "0,50", "50,100", "half"])
def test_a_schedule_is_ascending_percents(text):
    with pytest.raises(InputError, match=r"--lrSchedule must be ascending whole numbers from 1 to 99, percent"):
        Recipe(lr_schedule=text)


def test_the_presets_ask_and_judge_as_the_study_does():
    """UCDvision/low-budget-al, README: entropy's head on raw features at .001, linear evaluation at .01; batch 128."""
    names = (
        "head_input",
        "lr_head",
        "lr_linear",
        "n_epoch_linear",
        "n_batch",
        "lr_finetune",
        "lr_scratch",
        "milestones",
    )
    assert [getattr(LOW_BUDGET, name) for name in names] == ["raw", 1e-3, 0.01, 100, 128, 1e-4, 0.1, None]
    assert (module.MILESTONES, Recipe(lr_schedule="30,60,90").milestones) == ((50, 75), (30, 60, 90))
