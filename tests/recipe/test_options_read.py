"""What `uses` says of the options is true of the code: an option that is used in a mode is read there by what acts."""

import sys
from collections import defaultdict
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from tfal import loop, low_budget
from tfal.coldstart.cli import USED_BY
from tfal.coldstart.run import run as run_study
from tfal.coldstart.session import Session
from tfal.coldstart.study import DEFAULT, OPTIONS, Plan, Study
from tfal.data import from_arrays, load, loading
from tfal.learners import vaal_networks
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.recipe.usage import kinds, trained, usage, usage_of
from tfal.strategies import STRATEGIES, Strategy

FIELDS = options()

# What only tells of options, names files by them, or passes them on.
_TELL = {
    f"tfal.recipe.{name}" for name in ("recipe", "options", "components", "usage", "misfits", "presets", "names")
} | {f"tfal.{name}" for name in ("storage.identity", "storage.tables", "cli", "coldstart.cli", "strategies")}
_TELL_IN = {"identity", "_identity", "title", "_open_title", "_about", "_check_options", "__post_init__"}
# Handed on in every mode, to code that looks at them where the mode uses them.
_HANDED_ON = {
    *("data_dir", "corrupt", "max_pixels", "ood_dataset"),  # to what loads data of any kind
    *("n_pass", "n_view", "n_noise", "noise_scale", "n_cluster", "ccal_views", "encoder_statistics", "head_input"),
}


@pytest.fixture
def read(monkeypatch):
    """What was read so far: of recipes (key ""), and of strategies by name."""
    found = defaultdict(set)
    names = {made: name for name, made in STRATEGIES.items()}

    def note(of, name):
        frame, functions = sys._getframe(2), set()
        while frame.f_globals["__name__"] in ("tfal.recipe.recipe", __name__):  # properties
            functions.add(frame.f_code.co_name)
            frame = frame.f_back
        module = frame.f_globals["__name__"]
        functions.add(frame.f_code.co_name)
        if module.startswith("tfal.") and module not in _TELL and not functions & _TELL_IN:
            found[of].add(name)

    def of_recipe(recipe, name):
        if name in FIELDS:
            note("", name)
        return object.__getattribute__(recipe, name)

    def of_strategy(strategy, name):
        if name in FIELDS:
            note(names[type(strategy)], name)
        return object.__getattribute__(strategy, name)

    monkeypatch.setattr(Recipe, "__getattribute__", of_recipe, raising=False)
    monkeypatch.setattr(Strategy, "__getattribute__", of_strategy, raising=False)
    return found


def _network(shape, n_classes):
    flat = keras.layers.Flatten()(inputs := keras.Input(shape))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, "relu")(flat))
    return keras.Model(inputs, keras.layers.Dense(n_classes)(hidden))


def _few(data):
    return from_arrays("digits", *(part[:250] for part in (data.x_train, data.y_train, data.x_test, data.y_test)))


def _encoder(path):
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(8)]).save(path)
    return str(path)


def _pictures(folder):
    rng = np.random.default_rng(0)
    for number in range(48):
        path = folder / ("train" if number < 40 else "test") / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(path)
    return {"data_dir": str(folder.parent), "dataset": folder.name}


def _table(path):
    rng = np.random.default_rng(0)
    lines = [",".join([*(f"{value:.3f}" for value in rng.normal(size=3)), "xy"[row % 2]]) for row in range(60)]
    path.write_text("\n".join(["p,q,r,c", *lines]))
    return {"csv": str(path), "label": "c"}


_SIMCLR = {"n_epoch_simclr": 1, "n_batch_encoder": 256, "n_warmup": 0}
_TINY = {
    "dataset": "digits",
    "network": "MLP",
    "strategy": "random",
    "n_rep": 1,
    **{"n_init": 20, "n_valid": 20, "n_pool": 60, "n_query": 5, "n_step": 1, "n_epoch": 1},
    **{"n_sample": 60, "n_pass": 2, "n_view": 2, "n_member": 2},
}
# mode: the options of a recipe, or what makes them in a folder.
MODES = {
    "rounds": {
        "strategy": "ldms,bald,consistency,vaal",
        **{"optimizer": "sgd", "momentum": 0.9, "n_step_epoch": 2, "warm_start": "on"},
        **{"n_epoch_vaal": 1, "n_batch_vaal": 256},
    },
    "an open set, mqnet": {
        "strategy": "mqnet",
        **{"known_classes": "0,1,2,3,4,5,6,7,8", "ood_rate": 0.1, "initial": "random", "n_init": 8},
        **{"n_epoch_csi": 1, "n_batch_encoder": 256, "n_warmup": 0, "n_epoch_loss": 1, "meta_epoch": 1},
    },
    "an open set, ccal": {
        "strategy": "ccal,similar",
        **{"n_class_known": 9, "trial": 0, "ood_rate": 0.1, "n_init": 8},
        **{"n_epoch_ccal": 1, "n_batch_encoder": 256, "n_warmup": 0},
    },
    "first labels of simclr": {
        **{"initial": "cluster_ranking", "long_tail": 0.2},
        **{"rank_score": "simclr_loss", "rank_clusters": "kmeans", "encoder": "simclr"},
        **_SIMCLR,
    },
    "first labels of a clustering": {
        "initial": "cluster_ranking",
        **{"rank_score": "vae_loss", "rank_clusters": "self_label", "n_init": 8, **_SIMCLR},
        **{"n_epoch_vae": 1, "n_batch_vae": 256, "n_epoch_scan": 1, "n_epoch_self_label": 1, "n_batch_scan": 256},
    },
    "low budgets": lambda folder: {
        "strategy": "margin,kmeans,multi_kmeans,typiclust,kmeans_clusters",
        **{"splits": "10,20", "evaluate": "linear,knn", "n_epoch_linear": 1},
        **{"encoder": _encoder(folder / "a.keras")},
    },
    "low budgets of simclr, trained": {
        **{"splits": "10,20", "evaluate": "finetune,scratch", "n_epoch_linear": 1, **_SIMCLR},
    },
    "a table": lambda folder: {
        "strategy": "margin",
        "n_init": 8,
        "n_valid": 8,
        "n_pool": 20,
        **_table(folder / "a.csv"),
    },
    "pictures in a folder": lambda folder: {
        **_pictures(folder / "mine"),
        **{"corrupt": "skip", "image_size": 8, "n_init": 4, "n_valid": 2, "n_pool": 20},
    },
}


@pytest.mark.parametrize("mode", MODES)
def test_what_is_used_in_a_mode_is_read_there(mode, tmp_path, read, digits, monkeypatch):
    few = _few(digits)
    for constant, value in {"CHANNELS": (4, 8, 8, 16), "N_HIDDEN": 2, "WIDTH": 16}.items():
        monkeypatch.setattr(vaal_networks, constant, value)
    monkeypatch.setattr(
        loading, "load", lambda name, *rest, **more: few if name == "digits" else load(name, *rest, **more)
    )
    options = MODES[mode](tmp_path) if callable(MODES[mode]) else MODES[mode]
    recipe = Recipe(**{**_TINY, "results_dir": str(tmp_path / "results"), **options})
    list((low_budget.run if recipe.splits else loop.run)(recipe, _network))
    used = usage(recipe).names
    own = {name: set(STRATEGIES[name].__dataclass_fields__) & used for name in read if name}
    assert used - read[""] - set().union(*(read[name] & own[name] for name in own)) == set(), "used, and never read"
    assert read[""] - used - _HANDED_ON == set(), "read, and not said to be used"


def test_what_is_used_in_a_cold_start_is_read_there(tmp_path, read, digits):
    few, pools = _few(digits), {"budgets": "20", "n_random": 1, "n_run": 1, "n_cluster": 5}
    recipe = replace(DEFAULT, **{**_TINY, **_SIMCLR, "n_valid": 0}, optimizer="sgd", momentum=0.9, n_step_epoch=1)
    recipe = replace(recipe, results_dir=str(tmp_path))
    study = Study(recipe, criteria="easy,bald", oracle=True, **pools)
    plan = Plan(study, few)
    with plan.locked():
        list(run_study(plan, Session(plan, _network, None)))
    own = [name for name, criteria in USED_BY.items() if {"easy", "bald"} & {*criteria}]
    used = {*OPTIONS} & usage_of(kinds(recipe, few) | trained(recipe), own).names
    loads = {"dataset", "image_size"}  # what the command does before
    assert used - read[""] - loads == set(), "used, and never read"
    assert (read[""] & {*FIELDS}) - {*OPTIONS, "devices"} - _HANDED_ON == set(), "read, and no option there"
