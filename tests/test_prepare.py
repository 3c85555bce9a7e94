"""What several runs need once, made before them: who needs what, that it changes no result, stops, wrong input."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from filelock import FileLock, Timeout
from PIL import Image

import run_digits
from models import BUILDERS
from tfal import low_budget, run
from tfal.data import load
from tfal.errors import InputError
from tfal.learners import LEARNERS
from tfal.learners.pretrained import EncoderFile
from tfal.low_budget import features
from tfal.pool.task import make_task
from tfal.prepare import NOTHING, needs, prepare
from tfal.recipe import Recipe
from tfal.recipe.groups import GROUPS
from tfal.storage import feature_store

MLP = BUILDERS["MLP"]
TINY = {"n_epoch_simclr": 1, "n_epoch_csi": 1, "n_epoch_vae": 1, "n_batch_encoder": 256, "n_warmup": 0}
SHOWN = {"n_epoch": 1, "n_step": 1, "n_query": 5, "n_pool": 60, "n_init": 10, "n_valid": 10}


@pytest.fixture
def digits(digits):
    """Few of them."""
    kept = {"train": 250, "test": 100}
    names = [f"{values}_{part}" for values in "xy" for part in kept]
    return dataclasses.replace(digits, **{name: getattr(digits, name)[: kept[name[2:]]] for name in names})


@pytest.fixture
def rounds(small):
    return dataclasses.replace(small, **TINY, **SHOWN, strategy="margin", initial="simclr_loss")


@pytest.fixture
def budgets(small):
    return dataclasses.replace(
        small, **TINY, strategy="random,margin", splits="10,20", evaluate="knn", n_epoch_linear=2, head_input="raw"
    )


def files(folder, *patterns):
    """Contents and times of files below a folder, by place."""
    found = [path for pattern in patterns for path in Path(folder).rglob(pattern)]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def results(folder):
    """Contents of what a run leaves, and no times of day and seconds."""
    return {name: bytes for name, (bytes, _) in files(folder, "pool.npz", "test_accs*", "*_digits_*.npy").items()}


def test_rounds_after_a_preparation_are_those_without(rounds, digits, tmp_path, monkeypatch):
    alone, after = (dataclasses.replace(rounds, results_dir=str(tmp_path / name)) for name in ("alone", "after"))
    list(run(alone, MLP, data=digits))
    assert prepare(after, MLP, data=digits) == f"prepared: simclr in {tmp_path / 'after' / 'encoders'}."
    assert [path.name for path in (tmp_path / "after").iterdir()] == ["encoders"]
    made = files(tmp_path / "after", "encoders/*.npz")
    assert len(made) == 1
    monkeypatch.setattr(EncoderFile, "save", lambda *_: pytest.fail("trained again"))
    list(run(after, MLP, data=digits))
    assert files(tmp_path / "after", "encoders/*.npz") == made
    assert results(tmp_path / "after") == results(tmp_path / "alone") != {}


def test_low_budgets_after_a_preparation_are_those_without(budgets, digits, tmp_path, monkeypatch):
    alone, after = (dataclasses.replace(budgets, results_dir=str(tmp_path / name)) for name in ("alone", "after"))
    list(low_budget.run(alone, MLP, data=digits))
    prepare(dataclasses.replace(after, prepare="encoders"), MLP, data=digits)
    assert [path.name for path in (tmp_path / "after").iterdir()] == ["encoders"]
    prepare(dataclasses.replace(after, prepare="on"), MLP, data=digits)
    assert sorted(path.name for path in (tmp_path / "after").iterdir()) == ["encoders", "features"]
    made = files(tmp_path / "after", "encoders/*.npz", "features/*/*")
    assert len([name for name in made if name.endswith("features.npy")]) == 3  # train, test, raw ones of the head
    monkeypatch.setattr(EncoderFile, "save", lambda *_: pytest.fail("trained again"))
    list(low_budget.run(after, MLP, data=digits))
    assert files(tmp_path / "after", "encoders/*.npz", "features/*/*") == made
    assert results(tmp_path / "after") == results(tmp_path / "alone") != {}


@pytest.mark.parametrize("kind", ["arrays", "files"])
def test_features_by_shards_are_those_of_one_process(kind, budgets, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "BLOCK", 16)
    monkeypatch.setattr(features, "read_batch_size", lambda *_: 16)
    data = digits if kind == "arrays" else _pictures(tmp_path / "pictures")
    encoder = _encoder(tmp_path / "encoder.keras", data.input_shape)
    base = dataclasses.replace(budgets, encoder=encoder, dataset=data.name, n_shard=3, prepare="on")
    alone, parts = (dataclasses.replace(base, results_dir=str(tmp_path / name)) for name in ("alone", "parts"))
    prepare(alone, MLP, data=data)
    said = [prepare(dataclasses.replace(parts, shard=number), MLP, data=data) for number in (2, 3, 1)]
    assert [line.partition("; ")[2] for line in said] == ["still missing: shard 1, 3.", "still missing: shard 1.", ""]
    assert said[0].startswith(f"prepared: shard 2 of 3 of the features of {encoder} in {tmp_path / 'parts'}")
    one, three = (
        {name: content for name, (content, _) in files(folder, "features/*/*.npy", "features/*/*.json").items()}
        for folder in (tmp_path / "alone", tmp_path / "parts")
    )
    assert one == three
    assert len(one) == 6  # train, test, and raw ones for the head


def _encoder(path, shape):
    keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(8)]).save(path)
    return str(path)


def _pictures(folder):
    rng = np.random.default_rng(0)
    for number in range(80):
        path = folder / "mine" / ("train" if number < 60 else "test") / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(path)
    return load("mine", str(folder), 8)


def test_a_run_reads_the_shards_that_are_missing_and_says_so(budgets, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "BLOCK", 64)
    monkeypatch.setattr(features, "read_batch_size", lambda *_: 64)
    said = []
    monkeypatch.setattr(feature_store.LOGGER, "warning", lambda text, *args: said.append(text % args))
    base = dataclasses.replace(budgets, encoder=_encoder(tmp_path / "encoder.keras", digits.input_shape))
    alone, parts = (dataclasses.replace(base, results_dir=str(tmp_path / name)) for name in ("alone", "parts"))
    list(low_budget.run(alone, MLP, data=digits))
    prepare(dataclasses.replace(parts, prepare="on", n_shard=2, shard=1), MLP, data=digits)
    list(low_budget.run(parts, MLP, data=digits))
    told = [line.partition(" are missing")[0] for line in said if "shard" in line]
    assert told == ["features of shard 2 of 2"] * 3
    assert results(tmp_path / "parts") == results(tmp_path / "alone") != {}


@pytest.fixture
def members(monkeypatch):
    """Members of the pools that simclr is trained for; it does nothing else."""
    seen = []

    class Seen:
        def __init__(self, build, images, n_classes, recipe):
            pass

        def fit(self, pool, streams, on_epoch):
            seen.append(pool.members)

    monkeypatch.setitem(LEARNERS, "simclr", dataclasses.replace(LEARNERS["simclr"], made_by=Seen))
    return seen


@pytest.mark.parametrize(
    "options", [{"n_class_known": 9, "trial": 0, "ood_rate": 0.1}, {"long_tail": 0.3}, {"n_train": 90}, {}]
)
def test_encoders_are_trained_for_the_pools_of_all_repetitions(options, rounds, digits, members):
    recipe = dataclasses.replace(rounds, **options, n_rep=2)
    prepare(recipe, MLP, data=digits)
    prepare(dataclasses.replace(recipe, rep=3), MLP, data=digits)
    assert len(members) == 3
    for rep, found in enumerate(members, start=1):
        assert np.array_equal(found, make_task(recipe, rep, digits).start.members)
    assert any(len(found) != len(members[0]) or (found != members[0]).any() for found in members) == bool(options)


def test_it_goes_on_after_a_stop(rounds, digits, tmp_path):
    longer = dataclasses.replace(rounds, n_epoch_simclr=3, results_dir=str(tmp_path / "stopped"))

    def stop(name, epoch, epochs):
        if epoch == 2:
            raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        prepare(longer, MLP, data=digits, on_epoch=stop)
    prepare(longer, MLP, data=digits, on_epoch=lambda name, epoch, epochs: seen.append(epoch))
    assert seen == [2, 3]
    whole = dataclasses.replace(longer, results_dir=str(tmp_path / "whole"))
    prepare(whole, MLP, data=digits)
    stopped, undisturbed = (
        {name: found for name, (found, _) in files(recipe.results_dir, "*.npz").items()} for recipe in (longer, whole)
    )
    assert stopped == undisturbed


def test_a_second_one_waits_and_takes_what_the_first_has_made(rounds, digits, monkeypatch):
    locks = Path(rounds.results_dir) / "encoders"
    locked, epochs = EncoderFile.locked, []

    def is_held(name, epoch, epochs):
        with pytest.raises(Timeout):
            FileLock(next(locks.glob(".simclr-*.lock")), timeout=0).acquire()

    def wait(file):
        monkeypatch.setattr(EncoderFile, "locked", locked)
        prepare(rounds, MLP, data=digits, on_epoch=is_held)  # another one, which had the lock before
        return locked(file)

    monkeypatch.setattr(EncoderFile, "locked", wait)
    prepare(rounds, MLP, data=digits, on_epoch=lambda *epoch: epochs.append(epoch))
    assert epochs == [("simclr", 1, 1)]  # finished when it was opened


@pytest.mark.parametrize(
    ("options", "encoders", "features"),
    [
        ({"strategy": "margin,random"}, None, None),
        ({"strategy": "mqnet"}, ("csi",), ()),
        ({"strategy": "mqnet", "n_step": 0}, None, None),  # the last round asks nothing
        ({"strategy": "ccal,similar"}, ("ccal_distinctive", "ccal_semantic"), ()),
        ({"strategy": "coreset", "initial": "self_label"}, ("self_label",), ()),
        ({"strategy": "coreset", "initial": "typiclust"}, ("simclr",), ()),
        ({"strategy": "coreset", "initial": "typiclust", "encoder": "keras:ResNet50"}, None, None),
        ({"strategy": "margin", "splits": "10"}, ("simclr",), ("unit",)),
        ({"strategy": "margin", "splits": "10", "head_input": "raw"}, ("simclr",), ("unit", "raw")),
        ({"strategy": "kmeans", "splits": "10", "head_input": "raw"}, ("simclr",), ("unit",)),
        ({"strategy": "kmeans", "splits": "10", "encoder": "a.keras"}, (), ("unit",)),
    ],
)
def test_what_a_recipe_needs(options, encoders, features):
    found = needs(Recipe(**options))
    assert (found and found.encoders) == encoders
    assert (found and found.features) == features
    assert found is None or isinstance(hash(found), int)


SAME, OTHER = True, False
OPEN = {"strategy": "mqnet", "n_class_known": 6, "ood_rate": 0.2, "trial": 0}
FROZEN = {"strategy": "kmeans", "splits": "10", "encoder": "a.keras"}


@pytest.mark.parametrize(
    ("base", "change", "expected"),
    [
        ({"initial": "simclr_loss"}, {"strategy": "margin"}, SAME),
        ({"initial": "simclr_loss"}, {"n_epoch": 3, "rep": 2, "n_query": 7, "n_sample": 9}, SAME),
        ({"initial": "simclr_loss"}, {"n_epoch_csi": 7}, SAME),
        ({"initial": "simclr_loss"}, {"seed": 1}, OTHER),
        ({"initial": "simclr_loss"}, {"augment": "crop"}, OTHER),
        ({"initial": "simclr_loss"}, {"n_epoch_simclr": 7}, OTHER),
        ({"initial": "simclr_loss"}, {"network": "MLP"}, OTHER),
        ({"initial": "simclr_loss"}, {"dataset": "cifar10"}, OTHER),
        ({"initial": "simclr_loss"}, {"data_dir": "elsewhere"}, OTHER),
        ({"initial": "simclr_loss"}, {"results_dir": "elsewhere"}, OTHER),
        ({"initial": "simclr_loss"}, {"threads": 1}, OTHER),
        ({"initial": "simclr_loss"}, {"initial": "vae_loss"}, OTHER),
        ({"initial": "simclr_loss"}, {"initial": "typiclust"}, SAME),
        ({"initial": "simclr_loss", "long_tail": 0.1}, {"rep": 2}, OTHER),
        ({"initial": "simclr_loss", "long_tail": 0.1}, {"long_tail": 0.2}, OTHER),
        ({"initial": "simclr_loss", "n_train": 90}, {"rep": 2}, OTHER),
        ({"initial": "simclr_loss", "n_train": 90}, {"n_train": 80}, OTHER),
        (OPEN, {"rep": 2}, OTHER),
        (OPEN, {"ood_rate": 0.4}, OTHER),
        (OPEN, {"trial": 1}, OTHER),
        (OPEN, {"n_query": 7, "meta_epoch": 3}, SAME),
        (FROZEN, {"strategy": "margin", "splits": "20,40", "rep": 3, "seed": 4, "network": "MLP"}, SAME),
        (FROZEN, {"encoder": "b.keras"}, OTHER),
        (FROZEN, {"devices": "all"}, OTHER),
    ],
)
def test_who_shares_files(base, change, expected):
    assert (needs(Recipe(**base)) == needs(Recipe(**{**base, **change}))) == expected


def test_what_may_change_the_members_of_a_pool_is_known():
    """A new option stands in one of these; one that leaves samples out is for `needs` to look at."""
    looked_at = {"n_train", "long_tail", "n_class_known", "known_classes", "trial", "ood_rate", "ood_dataset"}
    others = {"n_init", "n_valid", "n_pool", "n_query", "n_step", "initial", "missing_classes"}
    groups = ("pool and budget", "open set")
    assert {name for name, option in GROUPS.items() if option.metadata["group"] in groups} == looked_at | others


def test_command_line(rounds, tmp_path, capsys):
    def command(*argv):
        given = [*argv, "--network", "MLP", "--resultsDir", str(tmp_path / "results"), "--nEpochSimclr", "1"]
        return run_digits.main(run_digits.__doc__, run_digits.PRESETS, run_digits.BUILDERS, run_digits.SOURCE, given)

    begin = ("--prepare", "on", "--strategy", "margin")
    assert command(*begin, "--initial", "simclr_loss", "--nBatchEncoder", "256", "--nWarmup", "0") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == f"prepared: simclr in {tmp_path / 'results' / 'encoders'}."
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["encoders"]
    given = ["--prepare", "on", "--strategy", "margin", "--resultsDir", str(tmp_path / "nothing")]
    assert run_digits.main("", run_digits.PRESETS, run_digits.BUILDERS, "", given) == 0
    assert capsys.readouterr().out.splitlines() == [f"digits, margin: {NOTHING}"]
    assert not (tmp_path / "nothing").exists()


def test_what_cannot_be_run_is_refused_before_anything_is_trained(rounds, budgets, digits):
    for recipe, message in (
        (rounds.replace(n_init=2000), "--nInit"),
        (
            rounds.replace(initial="margin", strategy="mqnet"),
            "--initial must be class_balanced or a strategy that needs",
        ),
        (budgets.replace(splits="10,5000"), "at most the 250 samples"),
        (budgets.replace(strategy="mqnet"), "which frozen features have not"),
    ):
        with pytest.raises(InputError, match=message) as error:
            prepare(recipe, MLP, data=digits)
        assert "\n" not in str(error.value)
        assert not Path(recipe.results_dir).exists()


def test_a_recipe_of_a_preparation_is_not_run(rounds, budgets, digits):
    for recipe, go in ((rounds, run), (budgets, low_budget.run)):
        with pytest.raises(InputError, match="one with prepare='on', by which nothing is run"):
            list(go(recipe.replace(prepare="on"), MLP, data=digits))
    assert not Path(rounds.results_dir).exists()


@pytest.mark.usefixtures("members")
def test_folders_of_repetitions_are_nobodys_business(rounds, digits):
    """A run that is finished, or was made by other options, is for its own command to tell."""
    folder = Path(rounds.results_dir) / f"{rounds.title}_MLP" / "margin" / "rep001"
    folder.mkdir(parents=True)
    (folder / "rounds.csv").write_text("damaged")
    prepare(rounds, MLP, data=digits)
    assert [path.name for path in folder.iterdir()] == ["rounds.csv"]
