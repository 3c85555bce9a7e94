"""Names in a recipe: one spelling, in Python as on the command line, and no way out of the results folder."""

import dataclasses
import os
from pathlib import Path

import pytest

from models import BUILDERS
from tfal.cli import main
from tfal.data import load
from tfal.data.augmentations import AUGMENTATIONS
from tfal.errors import InputError
from tfal.loop import plan
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.recipe.names import AUGMENTATIONS as NAMED
from tfal.recipe.names import OPTIMIZERS

ESCAPES = ["../../typiclust", "..", ".", ""]
ESCAPES += ["a/b", "a\\b", "a\nb", "a\0b", " a", "a.", "C:x", "a?", "\x1b[2J", "é" * 60]


@pytest.mark.parametrize(
    ("option", "typed", "meant"),
    [
        ("initial", "class-balanced", "class_balanced"),
        ("initial", "Typi-Clust", "typiclust"),
        ("initial", "../../../typiclust", "typiclust"),
        ("strategy", "LDM-S, Random", "ldms,random"),
        ("optimizer", "SGD", "sgd"),
        ("optimizer", "Adam-W", "adamw"),
        ("augment", "Flip-Crop", "flip_crop"),
        ("dataset", "CIFAR-10", "cifar10"),
        ("dataset", "my own", "my own"),
        ("ood_dataset", "SVHN", "svhn"),
        ("known_classes", " 3,05, 1", "3,5,1"),
        ("encoder", "SimCLR", "simclr"),
        ("encoder", "Nets/Mine.keras", "Nets/Mine.keras"),
        ("evaluate", "KNN, fine-tune", "knn,finetune"),
    ],
)
def test_a_name_has_one_spelling(option, typed, meant):
    options = {"ood_rate": 0.5} if option in ("ood_dataset", "known_classes") else {}
    recipe = Recipe(**options, **{option: typed})
    assert getattr(recipe, option) == meant
    assert recipe == Recipe(**options, **{option: meant})
    assert recipe.identity() == dataclasses.replace(recipe, **{option: typed}).identity()


@pytest.mark.parametrize(
    ("option", "typed", "message"),
    [
        ("initial", "kmean", "unknown initial strategy 'kmean'. Did you mean 'kmeans'"),
        ("strategy", "margin,marging", "unknown strategy 'marging'"),
        ("strategy", "ldms,LDM-S", "must name each strategy once"),
        ("augment", "flip", "unknown augmentation 'flip'. Did you mean 'flip_crop'"),
        ("evaluate", "linear,Linear", "must name each evaluation once"),
        ("evaluate", "probe", "unknown evaluation 'probe'"),
        ("known_classes", "1,x", "must be class numbers"),
        ("known_classes", "../1", "must be class numbers"),
    ],
)
def test_unknown_names_are_refused(option, typed, message):
    with pytest.raises(InputError) as error:
        Recipe(**{option: typed})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("option", ["dataset", "network", "ood_dataset"])
def test_no_name_leaves_the_folder_or_breaks_it(option, name):
    if (option, name) == ("network", "C:x"):  # package C, function x: the folder has a dot in place of the colon
        recipe = Recipe(network=name, dataset="digits", strategy="random", n_pool=100, n_valid=200)
        assert plan(recipe, load("digits"))[0].folder.experiment.name == "digits_C.x"
        return
    with pytest.raises(InputError, match="becomes a part of a path") as error:
        Recipe(**{option: name})
    assert "\n" not in str(error.value)


def test_the_initial_strategy_of_the_issue_stays_inside(digits, small, tmp_path, capsys):
    folder = plan(dataclasses.replace(small, strategy="random", initial="../../../uniform"), digits)[0].folder
    assert folder.experiment == Path(small.results_dir) / "digits-from-uniform_MLP"
    presets = {"digits": dataclasses.replace(small, n_step=0, n_epoch=1, strategy="random")}
    assert main("test", presets, BUILDERS, "test", ["--initial", "class-balanced"]) == 0
    assert os.listdir(tmp_path) == ["results"]
    assert os.listdir(small.results_dir) == ["digits_MLP"]


def test_a_long_list_of_classes_is_shortened_in_the_folder():
    few, many, other = (
        Recipe(known_classes=",".join(map(str, range(first, last))), ood_rate=0.5)
        for first, last in ((0, 20), (0, 90), (1, 90))
    )
    assert few.title == "mnist-known" + ".".join(map(str, range(20))) + "-ood50"
    assert len({many.title, other.title}) == 2
    assert len(many.title) < 60


def test_the_lists_of_names_are_the_registries():
    import keras

    assert tuple(AUGMENTATIONS) == NAMED
    known = {name for name in OPTIMIZERS if isinstance(_optimizer(keras, name), keras.optimizers.Optimizer)}
    newer = {"muon", "schedulefreeadamw"}  # which the oldest Keras that is allowed does not have
    assert known >= set(OPTIMIZERS) - newer


def _optimizer(keras, name):
    try:
        return keras.optimizers.get(name)
    except ValueError:
        return None


@pytest.mark.parametrize("field", [field for field in options().values() if field.type == "float"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_every_number_is_finite(field, value):
    with pytest.raises(InputError, match=r"must be a (finite|positive) number"):
        Recipe(**{field.name: value})
