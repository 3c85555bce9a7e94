"""A run folder knows what it was made with: options that count, files by their contents, strategies, networks."""

import dataclasses
import json
from dataclasses import dataclass

import keras
import numpy as np
import pytest

from models import BUILDERS
from tests.conftest import ROOT
from tfal.coldstart.study import DEFAULT, Plan, Study
from tfal.errors import InputError, TrainingError
from tfal.loop import run
from tfal.pool import Pool
from tfal.recipe import Recipe
from tfal.recipe.components import options
from tfal.recipe.usage import usage
from tfal.storage.folder import network_differences
from tfal.storage.identity import Identity
from tfal.storage.joined import read_joined
from tfal.storage.runfolder import RunFolder
from tfal.strategies import STRATEGIES
from tfal.strategies.random import Random
from tfal.training.layers import Watched, described

FIELDS = options()

MLP = BUILDERS["MLP"]


def _stored(recipe, data="print"):
    return json.loads(json.dumps(Identity(recipe, data).as_json()))


def test_what_is_stored_is_the_same():
    for recipe in (Recipe(), Recipe(strategy="mqnet", known_classes="1,2"), Recipe(strategy="kmeans", splits="3,4")):
        assert Identity(recipe, "print").differences(_stored(recipe)) == []
        assert Identity(recipe, "other").differences(_stored(recipe)) == ["data: 'print' there, 'other' here"]


def test_recipe_json_holds_the_options_of_this_run_and_no_others():
    there = _stored(Recipe(strategy="margin", n_sample=50))["recipe"]
    assert not {"n_sample", "n_epoch_csi", "n_cluster", "delta"} & there.keys()
    there = _stored(Recipe(strategy="mqnet", initial="scan"))["recipe"]
    assert {"meta_wd", "n_epoch_csi", "n_epoch_loss", "n_cluster", "n_epoch_simclr"} <= there.keys()
    assert not {"n_sample", "n_epoch_ccal", "n_epoch_self_label", "encoder"} & there.keys()


def test_folders_of_the_version_that_wrote_all_options_go_on():
    """It wrote those of other methods, too, and some of a strategy's own under the strategy."""
    recipe = Recipe(strategy="mqnet", initial="probcover", n_epoch_csi=10, meta_wd=1e-3)
    there = _stored(recipe)
    moved = {name: there["recipe"].pop(name) for name in ("delta", "n_anchor", "n_clusters")}
    there["recipe"] |= {"n_epoch_ccal": 700, "n_sample": 99, "n_view": 3, "rank_score": "vae_loss"}
    there["strategies"] = {"probcover": moved, "mqnet": {}}
    assert Identity(recipe, "print").differences(there) == []
    assert Identity(recipe.replace(n_anchor=7), "print").differences(there) == ["nAnchor: 50000 there, 7 here"]
    assert Identity(recipe.replace(meta_wd=0.0), "print").differences(there) == ["metaWd: 0.001 there, 0.0 here"]
    moved["n_anchor"] = 9
    assert Identity(recipe, "print").differences(there) == ["nAnchor: 9 there, 50000 here"]


def test_only_what_the_recipe_uses_counts():
    there = _stored(Recipe(strategy="margin", n_sample=50, meta_epoch=3, n_step=2))
    assert Identity(Recipe(strategy="margin", n_step=9), "print").differences(there) == []
    there = _stored(Recipe(strategy="ldms", n_sample=50))
    assert Identity(Recipe(strategy="ldms"), "print").differences(there) == ["nSample: 50 there, 2000 here"]
    there = _stored(Recipe(strategy="random", splits="10,20", evaluate="knn", n_batch=64))
    assert Identity(Recipe(strategy="random", splits="10,20", evaluate="knn"), "print").differences(there) == []


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_option_that_counts_is_told(name):
    """Each option that belongs to the identity, in a recipe that uses it."""
    recipe = Recipe(
        strategy={"n_redo": "kmeans", "n_iter": "kmeans"}.get(name, "ldms"),
        optimizer="sgd",
        momentum=0.5,
        nesterov="on",
    )
    option = FIELDS[name]
    if not option.metadata["identity"] or name not in _used(recipe) or option.type != "int":
        return
    there = _stored(dataclasses.replace(recipe, **{name: 7}))
    assert any(" 7 there" in line for line in Identity(recipe, "print").differences(there))


def _used(recipe):
    return usage(recipe).names


@pytest.mark.parametrize(
    ("there", "here", "differs"),
    [("10,20", "10,20,50", False), ("10,20,50", "10", False), ("10,20", "10,30", True), ("10", None, True)],
)
def test_budgets_may_be_added_and_left_out_at_the_end(there, here, differs):
    recipe = Recipe(strategy="random", evaluate="knn", splits=there)
    found = Identity(dataclasses.replace(recipe, splits=here), "print").differences(_stored(recipe))
    assert bool(found) == differs


def test_names_that_were_stored_as_typed_mean_the_same():
    stored = _stored(Recipe(strategy="random"))
    stored["recipe"] |= {"optimizer": "Adam", "dataset": "MNIST", "initial": "class-balanced", "n_step": 3}
    del stored["files"], stored["strategies"]  # as earlier versions had it
    assert Identity(Recipe(strategy="random"), "print").differences(stored) == []


def _reference_runs():
    for folder in sorted(path.parent for path in (ROOT / "results" / "reference").rglob("rounds.csv")):
        for (strategy, rep), found in read_joined(folder).items():
            if found.recipe is not None:
                yield pytest.param(found.recipe, id=f"{folder.name}/{strategy}/{rep}")


@pytest.mark.parametrize("stored", _reference_runs())
def test_reference_results_go_on_where_their_rules_are_those_of_today(stored):
    options = {name: value for name, value in stored["recipe"].items() if name in FIELDS}
    found = Identity(Recipe(**options), stored["recipe"]["data"]).differences(stored)
    revised = stored["recipe"]["strategy"] in ("mqnet", "uherding") and "revisions" not in stored
    assert [line.partition(":")[0] for line in found] == [stored["recipe"]["strategy"]] * revised


def test_rounds_of_two_rules_never_stand_in_one_folder():
    recipe = Recipe(strategy="margin", optimizer="rmsprop")
    stored = _stored(recipe)
    assert stored["revisions"] == {"rmsprop": 2}
    assert Identity(recipe, "print").differences(stored) == []
    del stored["revisions"]
    (line,) = Identity(recipe, "print").differences(stored)
    assert line.startswith("rmsprop: another rule")
    assert Identity(Recipe(strategy="margin"), "print").differences(_stored(Recipe(strategy="margin"))) == []


def test_files_count_by_their_contents(tmp_path):
    first, second = tmp_path / "a.npy", tmp_path / "b.npy"
    for path in (first, second):
        np.save(path, np.arange(5))
    recipe = Recipe(strategy="random", initial="ranking", ranking=str(first))
    there = _stored(recipe)
    moved = dataclasses.replace(recipe, ranking=str(second))
    assert Identity(moved, "print").differences(there) == []
    np.save(second, np.arange(5)[::-1])
    assert Identity(moved, "print").differences(there) == ["ranking: the file has other contents than there"]
    low = Recipe(strategy="random", splits="10,20", encoder=str(first), resume_indices=str(first))
    there = _stored(low)
    assert set(there["files"]) == {"encoder", "resume_indices"}
    np.save(first, np.arange(6))
    found = Identity(low, "print").differences(there)
    assert [line.partition(":")[0] for line in found] == ["encoder", "resumeIndices"]
    assert Identity(dataclasses.replace(low, encoder="simclr"), "print").differences(there)


def test_what_a_strategy_is_set_to_counts(monkeypatch):
    recipe = Recipe(strategy="random", initial="probcover")
    there = _stored(recipe)
    assert there["recipe"]["n_anchor"] == 50_000

    @dataclass(frozen=True)
    class Fewer(STRATEGIES["probcover"]):
        n_anchor: int = 100

    monkeypatch.setitem(STRATEGIES, "probcover", Fewer)
    found = Identity(recipe, "print").differences(there)
    assert "nAnchor: 50000 there, 100 here" in found
    assert any(line.startswith(f"probcover's class: None there, '{__name__}.") for line in found)


def test_a_plug_in_of_another_version_is_another_run(monkeypatch):
    @dataclass(frozen=True)
    class Mine(Random):
        pass

    monkeypatch.setitem(STRATEGIES, "random", Mine)
    recipe = Recipe(strategy="random")
    there = _stored(recipe)
    monkeypatch.setattr(f"{__name__.partition('.')[0]}.__version__", "2", raising=False)
    assert Identity(recipe, "print").differences(there) == ["random's version: None there, '2' here"]


def _lines(build):
    return described(build((8, 8, 1), 4), build((8, 8, 1), 4))


def _network(units=8, activation="relu", kernel=None, swap=False, factor=2.0):
    def build(shape, n_classes):
        x = keras.Input(shape)
        y = keras.layers.Flatten()(x)
        y = keras.layers.Lambda(lambda v: v * factor if factor > 5 else v)(y)
        a, b = (keras.layers.Dense(units, activation=kind)(y) for kind in (activation, None))
        joined = keras.layers.Subtract()([b, a] if swap else [a, b])
        network = keras.Model(x, keras.layers.Dense(n_classes)(keras.layers.Dropout(0.5)(joined)))
        if kernel is not None:
            network.layers[-1].set_weights([np.full((units, n_classes), kernel), np.zeros(n_classes)])
        return network

    return build


def test_a_network_is_known_by_its_layers_not_by_its_names():
    assert _lines(_network()) == _lines(_network())
    wide = network_differences(_lines(_network()), _lines(_network(units=9)))
    assert wide[0].startswith("layer 3 of the network: Dense 64x8 8 ")
    assert " there, Dense 64x9 9 " in wide[0]
    for other in (_network(activation="tanh"), _network(swap=True), _network(kernel=0.25)):
        assert network_differences(_lines(_network()), _lines(other))
    assert network_differences(_lines(_network(kernel=0.25)), _lines(_network(kernel=0.5)))
    assert network_differences(_lines(_network())[:-1], _lines(_network()))[0].startswith(
        "layer 8 of the network: none"
    )


def test_nested_networks_and_layers_that_do_not_tell_their_settings():
    class Odd(keras.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, x):
            return self.function(x)

    def build(units, odd):
        def of(shape, n_classes):
            body = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(units)])
            more = [Odd(keras.ops.relu)] if odd else []
            return keras.Sequential([keras.Input(shape), body, *more, keras.layers.Dense(n_classes)])

        return of

    for odd in (False, True):
        assert _lines(build(5, odd)) == _lines(build(5, odd))
        assert network_differences(_lines(build(5, odd)), _lines(build(6, odd)))


def test_a_watched_builder_keeps_one_network_until_it_is_described():
    watched = Watched(_network())
    watched((8, 8, 1), 5)  # of a detector, which is not what is described
    first = watched((8, 8, 1), 4)
    assert watched((8, 8, 1), 4) is not first
    assert watched.described((8, 8, 1), 4) == _lines(_network())
    assert not watched._first
    watched((8, 8, 1), 4)
    assert not watched._first


def test_another_network_under_the_same_name_is_another_run(small, digits):
    recipe = dataclasses.replace(small, strategy="random", n_step=1, n_epoch=1)
    assert len(list(run(recipe, MLP, data=digits))) == 2
    more = dataclasses.replace(recipe, n_step=2)
    before = {path: path.read_bytes() for path in ROOT.joinpath(small.results_dir).rglob("*") if path.is_file()}
    with pytest.raises(
        InputError, match=r"made with another recipe \(layer 1 of the network: Flatten .* there, Conv2D"
    ):
        list(run(more, BUILDERS["SCNN"], data=digits))
    assert before == {path: path.read_bytes() for path in before}
    assert len(list(run(more, MLP, data=digits))) == 2


def test_a_try_without_a_row_pins_nothing(small, change):
    folder = RunFolder(small, 1, "print")
    folder.check_network(["Dense"])
    with folder.locked():
        folder.start()
        pool = Pool.unlabeled_pool(60)
        pool.save(folder.path / "pool.npz")  # killed before the row
        folder.write_memory(1, {"w": np.ones(1)})
        (folder.path / "margin_digits_10.npy").write_bytes(b"ids")
    same = RunFolder(small, 1, "print")
    same.check_network(["Dense"])
    with same.locked():
        assert same.rows() == []
        same.start()
    assert (folder.path / "pool.npz").exists()
    for other in (RunFolder(change(small, learning_rate=0.5), 1, "print"), RunFolder(small, 1, "other")):
        assert other.rows() == []
    other = RunFolder(change(small, learning_rate=0.5), 1, "print")
    with other.locked():
        assert other.start() == []
    stored = json.loads((folder.path / "recipe.json").read_text())
    assert stored["recipe"]["learning_rate"] == 0.5
    assert sorted(path.name for path in folder.path.rglob("*") if path.is_file()) == [".lock", "recipe.json"]


def test_a_corrected_command_runs_after_a_diverged_one(small, digits):
    wild = dataclasses.replace(small, strategy="random", n_step=0, optimizer="sgd", learning_rate=1e38, n_epoch=5)
    with pytest.raises(TrainingError, match="Lower --learningRate"):
        list(run(wild, MLP, data=digits))
    assert len(list(run(dataclasses.replace(wild, learning_rate=0.01), MLP, data=digits))) == 1


def test_a_cold_start_knows_its_network(digits, tmp_path):
    recipe = dataclasses.replace(DEFAULT, dataset="digits", network="MLP", results_dir=str(tmp_path))
    plan = Plan(Study(recipe), digits)
    plan.check_network(["Dense 1x2"])
    with plan.locked():
        plan.table.write_text("budget,criterion,run,accuracy,auc,coverage\n12,random,1,0.5,0.5,1\n")
    again = Plan(Study(recipe), digits)
    again.check_network(["Dense 1x2"])
    with pytest.raises(InputError, match="layer 0 of the network: Dense 1x2 there, Dense 1x3 here"):
        again.check_network(["Dense 1x3"])
