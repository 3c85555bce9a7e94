"""Strategies of 2021 and later on features and logits, through the loop, a low-budget study and a campaign."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from tfal import Campaign
from tfal.learners import LEARNERS
from tfal.loop import run
from tfal.low_budget import run as study
from tfal.strategies import make_strategy

NAMES = ["dropquery", "alfamix", "cluster_margin", "bait_binary", "falcun", "activeft", "dcom"]
ENCODED = [name for name in NAMES if not make_strategy(name, None).needs_labels]
TRAINED = [name for name in NAMES if name not in ENCODED]


def _narrow(shape, n_classes):
    images = keras.Input(shape)
    features = keras.layers.Dense(16, activation="relu", name="features")(keras.layers.Flatten()(images))
    return keras.Model(images, keras.layers.Dense(n_classes, name="logits")(features))


@pytest.fixture
def tiny(small):
    options = {"n_step": 1, "n_epoch": 1, "n_query": 5, "n_pool": 60, "n_epoch_simclr": 1, "n_batch_encoder": 256}
    options |= {"n_refine": 1, "refine_draws": 1}
    return dataclasses.replace(small, network="MLP", **options)


def test_the_loop(tiny, digits):
    names = [*TRAINED, "refine", "typiclust@1+margin"]
    rounds = list(run(dataclasses.replace(tiny, strategy=",".join(names)), _narrow, data=digits))
    assert [(r.strategy, r.row["labels"]) for r in rounds] == [(name, n) for name in names for n in (20, 25)]


def test_a_low_budget_study(tiny, digits):
    """A strategy whose first budget is that of another one has its ids."""
    named = {make_strategy(name, None).first for name in TRAINED} - {"random"}
    recipe = dataclasses.replace(
        tiny, strategy=",".join([*NAMES, *named]), splits="10,16", evaluate="knn", n_epoch_linear=3, n_redo=5
    )
    assert len(list(study(recipe, _narrow, data=digits))) == 2 * (len(NAMES) + len(named))

    def ids(name, budget):
        folder = Path(recipe.results_dir) / "digits-lowbudget_MLP" / name / "rep001"
        return np.load(folder / f"{name}_digits_{budget}.npy").tolist()

    for name in NAMES:
        assert len(set(ids(name, 16))) == 16
        first = make_strategy(name, None).first
        if name in TRAINED and first != "random":
            assert ids(name, 10) == ids(first, 10) == ids(name, 16)[:10]


@pytest.mark.parametrize("name", NAMES)
def test_a_campaign_on_features(name, tmp_path):
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    campaign = Campaign(tmp_path / "here", size=60)
    for _ in range(3):
        strategy = name if len(campaign.labeled) or name in ENCODED else "kmeans"
        ids = Campaign(tmp_path / "here").ask(strategy, features=features, n=6)
        assert len(ids) == 6
        assert not np.isin(ids, campaign.labeled).any()
        campaign.tell(ids, ids % 3)
        campaign = Campaign(tmp_path / "here")
    assert len(campaign.labeled) == 18


def test_their_learners_are_known():
    assert {learner for name in NAMES for learner in make_strategy(name, None).learners} <= {*LEARNERS}
