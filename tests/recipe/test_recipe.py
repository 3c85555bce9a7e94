import dataclasses
import json
import re

import pytest

import run_cifar10
import run_digits
import run_mnist
from models import BUILDERS
from tfal.cli import main, parse
from tfal.errors import InputError
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.recipe.misfits import misfits, over_budget


def _parse(script, *argv):
    return parse("test", script.PRESETS, script.BUILDERS, script.SOURCE, list(argv))


def test_the_defaults_are_the_original_scripts():
    mnist, cifar = _parse(run_mnist), _parse(run_cifar10)
    names = ["n_batch", "n_epoch", "n_valid", "n_init", "n_pool", "n_query", "n_step", "n_sample", "n_rep"]
    assert [getattr(mnist, name) for name in names] == [32, 50, 5000, 20, 2000, 20, 50, 2000, 5]
    assert [getattr(cifar, name) for name in names] == [64, 150, 5000, 200, 4000, 400, 24, 4000, 5]
    assert (mnist.dataset, mnist.network, mnist.strategy) == ("mnist", "SCNN", "ldms")
    assert (cifar.dataset, cifar.network, cifar.strategy) == ("cifar10", "KCNN", "ldms")
    assert (mnist.optimizer, mnist.learning_rate) == ("adam", 1e-3)
    assert (cifar.optimizer, cifar.learning_rate) == ("rmsprop", 1e-4)
    assert _parse(run_digits).strategy == "ldms,random"
    assert _parse(run_digits).n_rep == 3


def test_flags_change_the_preset_and_the_preset_the_defaults():
    recipe = _parse(run_mnist, "--preset", "quick", "--nQuery", "7", "--strategy", "margin,random", "--dataDir", "d")
    assert (recipe.n_query, recipe.n_epoch, recipe.strategy, recipe.data_dir) == (7, 5, "margin,random", "d")


def test_names_may_be_written_as_in_the_papers():
    assert _parse(run_mnist, "--network", "s-cnn").network == "SCNN"
    assert _parse(run_mnist, "--network", "wrn168").network == "WRN-16-8"


def test_every_field_is_a_flag_with_default_and_source(capsys):
    with pytest.raises(SystemExit, match="0"):
        _parse(run_mnist, "--help", "all")
    text = " ".join(capsys.readouterr().out.split())
    assert "--nQuery N labels bought in each round [images] (default: 20; source: LDM-S public code)" in text
    assert text.count("source: ") == len(options())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nQeury", "5"], r"unknown argument '--nQeury'\. Did you mean --nQuery\?"),
        (["--nquery", "5"], r"Did you mean --nQuery\?"),
        (["--nQuer", "5"], r"Did you mean --nQuery\?"),
        (["extra"], "unknown argument 'extra'"),
        (["--nQuery", "many"], "argument --nQuery: invalid int value: 'many'"),
        (["--nQuery"], "argument --nQuery: expected one argument"),
        (["--nQuery", "0"], r"--nQuery must be at least 1\. Received: 0"),
        (["--nInit", "-1"], "--nInit must be at least 1"),
        (["--nValid", "-1"], "--nValid must be at least 0"),
        (["--nPool", "0"], "--nPool must be at least 1"),
        (["--nBatch", "0"], "--nBatch must be at least 1"),
        (["--nEpoch", "0"], "--nEpoch must be at least 1"),
        (["--nStep", "-1"], "--nStep must be at least 0"),
        (["--nRep", "0"], "--nRep must be at least 1"),
        (["--seed", "-1"], "--seed must be at least 0"),
        (["--devices", "2"], "--devices must be one of one, all. Received: '2'"),
        (["--learningRate", "0"], "--learningRate must be a positive number"),
        (["--learningRate", "nan"], "--learningRate must be a positive number"),
        (["--network", "SCN"], r"unknown network 'SCN'\. Did you mean 'SCNN'\?"),
        (["--strategy", "random,marging"], r"unknown strategy 'marging'\. Did you mean 'margin'\?"),
        (["--preset", "ldm"], r"unknown preset 'ldm'\. Did you mean 'ldms'\?"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main("test", run_mnist.PRESETS, BUILDERS, run_mnist.SOURCE, argv) == 2
    captured = capsys.readouterr().err
    assert captured.count("\n") == 1
    with pytest.raises(InputError, match=message):
        _parse(run_mnist, *argv)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_init": 9}, r"--nInit must be at least the number of classes, 10\. Received: 9"),
        ({"n_pool": 1001}, "--nPool must be at most the 1000 training samples"),
        ({"n_sample": 1001}, "--nSample must be at most the 1000 training samples"),
        ({"n_query": 501}, r"--nQuery must be at most --nPool, 500, as .* Received: 501"),
        ({"n_valid": 980}, r"20 \+ 980 \+ 20 \* 4 = 1080"),
        ({"n_step": 50}, r"20 \+ 100 \+ 20 \* 49 = 1100"),
    ],
)
def test_more_than_the_data_can_give_is_refused(changes, message):
    recipe = Recipe(n_init=20, n_valid=100, n_pool=500, n_query=20, n_step=5, n_sample=500)
    assert _misfits(recipe, 1000) == []
    assert re.search(message, " ".join(_misfits(dataclasses.replace(recipe, **changes), 1000)))


def test_the_last_round_may_ask_for_more_than_is_left():
    assert not _misfits(Recipe(n_init=20, n_valid=0, n_pool=100, n_query=50, n_step=2, n_sample=10), 100)


def test_an_option_of_a_strategy_fits_where_that_strategy_runs():
    recipe = Recipe(n_init=20, n_valid=10, n_pool=60, n_query=5, n_step=2, n_sample=2000, strategy="random,margin")
    assert _misfits(recipe, 60) == []
    (found,) = _misfits(dataclasses.replace(recipe, strategy="random,ldms"), 60)
    assert "--nSample must be at most the 60 training samples" in found


def _misfits(recipe, n_train):
    return misfits(recipe, n_train, 10) + over_budget(recipe, n_train)


@pytest.mark.parametrize("value", ["20", 20.0, None, True])
def test_options_have_types(value):
    with pytest.raises(InputError, match="--nQuery must be of type int"):
        Recipe(n_query=value)


def test_a_recipe_is_frozen_and_its_identity_is_json():
    recipe = Recipe()
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.n_query = 3
    identity = recipe.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert not {"n_rep", "data_dir", "results_dir"} & identity.keys()


def test_strategies_are_named_once():
    assert [r.strategy for r in Recipe(strategy="ldms, random").each_strategy()] == ["ldms", "random"]
    with pytest.raises(InputError, match="name each strategy once"):
        Recipe(strategy="ldms,ldms").each_strategy()


@pytest.mark.parametrize("name", ["n_batch", "n_step_epoch", "n_cluster"])
def test_whole_numbers_that_tensorflow_does_not_take_are_refused(name):
    with pytest.raises(InputError, match=r"must be at most 2,147,483,647\. Received: 9999999999"):
        Recipe(**{name: 9999999999})
    assert Recipe(seed=10**30).seed == 10**30
