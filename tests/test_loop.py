import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from models import BUILDERS
from tfal import jobs, loop
from tfal.data import from_arrays
from tfal.errors import InputError, TrainingError
from tfal.loop import plan, run
from tfal.pool import Pool
from tfal.report.results import read_curves
from tfal.storage.tables import read_rounds, write_table
from tfal.strategies import STRATEGIES, Picks, Strategy

MLP = BUILDERS["MLP"]


def _files(recipe):
    """Every file that must not depend on when and how a run was made, with its bytes."""
    root = Path(recipe.results_dir)
    names = [path for name in ("pool.npz", "predictions.npz", "test_accs_*.txt") for path in root.rglob(name)]
    return {str(path.relative_to(root)): path.read_bytes() for path in names}


def test_rounds_files_and_rows_agree(small, digits):
    recipe = dataclasses.replace(small, strategy="ldms", n_rep=2, n_epoch=1)
    rounds = list(run(recipe, MLP, data=digits))
    assert [(r.rep, r.row["round"], r.row["labels"]) for r in rounds] == [
        (1, 0, 20), (1, 1, 35), (1, 2, 50), (2, 0, 20), (2, 1, 35), (2, 2, 50),
    ]  # fmt: skip
    assert [r.picks is None for r in rounds] == [False, False, True] * 2
    experiment = Path(recipe.results_dir) / "digits_MLP"
    accuracies = [f"{r.row['test_accuracy']:.5f}" for r in rounds]
    for folder in (experiment, experiment / "ldms"):
        assert (folder / "test_accs_001.txt").read_text().split() == accuracies[:3]
        assert (folder / "test_accs_002.txt").read_text().split() == accuracies[3:]
    pool = Pool.load(experiment / "ldms" / "rep001" / "pool.npz")
    assert len(pool.labeled) == 50
    assert len(pool.validation) == 50
    assert np.array_equal(pool.label[pool.labeled], digits.y_train[pool.labeled])
    for r in rounds[:2]:
        assert set(np.flatnonzero(pool.round == r.row["round"] + 1)) == set(r.picks.ids)


def test_results_stand_under_the_name_of_the_data(small, digits):
    few = from_arrays("mine", digits.x_train[:400], digits.y_train[:400], digits.x_test[:90], digits.y_test[:90])
    list(run(dataclasses.replace(small, n_step=0, dataset="mnist"), MLP, data=few))
    assert [path.name for path in Path(small.results_dir).iterdir()] == ["mine_MLP"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: (d.x_train, d.y_train), r"a tfal.data.Dataset. Received: a tuple. tfal.data.from_arrays\(name, "),
        (lambda d: d.x_train, "Received: a ndarray"),
        (lambda d: "digits", "Received: a str"),
        (lambda d: dataclasses.replace(d, x_train=d.x_train / 255), "uint8 images and int64 labels.* others in train"),
        (lambda d: dataclasses.replace(d, x_test=d.x_test[..., 0]), "others in test"),
        (lambda d: dataclasses.replace(d, y_train=d.y_train[:, None]), "others in train"),
        (lambda d: dataclasses.replace(d, y_test=d.y_test - 1), "others in test"),
        (lambda d: dataclasses.replace(d, y_test=d.y_test[1:]), "others in test"),
        (lambda d: dataclasses.replace(d, name="../mine"), "mine"),
    ],
)
def test_data_of_another_kind_are_refused_at_the_call(small, digits, make, message):
    with pytest.raises(InputError, match=message) as error:
        run(small, MLP, data=make(digits))
    assert "\n" not in str(error.value)
    assert not Path(small.results_dir).exists()


def test_a_low_budget_recipe_is_sent_to_its_own_place(small, digits):
    with pytest.raises(InputError, match=r"splits='20,50'\. Give it to tfal.low_budget.run"):
        run(dataclasses.replace(small, splits="20,50"), MLP, data=digits)


def test_a_recipe_of_another_kind_is_refused_at_the_call(digits):
    with pytest.raises(InputError, match=r"recipe must be a tfal.Recipe. Received: a dict"):
        run({"dataset": "digits"}, MLP, data=digits)


def test_on_epoch_is_a_function(small, digits):
    with pytest.raises(InputError, match=r"on_epoch must be a function .* Received: a int"):
        run(small, MLP, data=digits, on_epoch=3)


def test_only_ldms_writes_to_the_original_path(small, digits):
    list(run(dataclasses.replace(small, n_step=0), MLP, data=digits))
    assert not list(Path(small.results_dir).glob("*/test_accs_*"))


def test_a_round_says_how_far_its_network_is_to_be_trusted(small, digits):
    rows = [done.row for done in run(small, MLP, data=digits)]
    for row in rows:
        assert 0 < row["nll_scaled"] < np.log(10)  # with the labels of others, nothing would be better than chance
        assert 0 < row["brier"] < 2
        assert 0 <= row["ece_scaled"] <= 1
        assert 0 < row["mean_entropy"] < np.log(10)
    assert "agreement" not in rows[0]
    assert all(-1 <= row["agreement"] < 1 and 0 < row["changed"] < 1 for row in rows[1:])
    without = dataclasses.replace(small, n_valid=0, n_step=0, strategy="random")
    (row,) = (done.row for done in run(without, MLP, data=digits))
    assert "nll" in row
    assert "temperature" not in row


def test_a_folder_of_an_older_version_goes_on(small, digits, tmp_path):
    """Its rows lack columns that a round has now, and there are no predictions of its last round."""
    whole = dataclasses.replace(small, results_dir=str(tmp_path / "whole"))
    rows = [done.row for done in run(whole, MLP, data=digits)]
    stopped = run(small, MLP, data=digits)
    next(stopped)
    stopped.close()
    (path,) = Path(small.results_dir).rglob("rounds.csv")
    names = ["round", "labels", "test_accuracy", "best_epoch", "train_loss", "val_accuracy", "seconds_train"]
    write_table(path, [{name: row[name] for name in names} for row in read_rounds(path)])
    path.with_name("predictions.npz").unlink()
    list(run(small, MLP, data=digits))
    found = read_rounds(path)
    assert sorted(found[0]) == sorted(names)
    for old, new in zip(rows, found, strict=True):
        assert all(new[name] == old[name] for name in new if not name.startswith(("seconds", "peak")))
    assert "agreement" not in found[1]  # there was nothing to hold it against
    assert "agreement" in found[2]
    assert read_curves(path.parents[2])["margin"].accuracy.shape == (1, 3)


def test_the_best_validation_epoch_is_tested(small, digits, monkeypatch):
    """The reported accuracy is that of the epoch with the first highest validation accuracy, not of the last."""
    from tfal.learners.classifier import Classifier

    seen = {}
    fit = Classifier.fit

    def spy(self, pool, streams, on_epoch=None):
        weights = []

        def keep(*epoch):
            weights.append(self._engine.model.get_weights())

        found = fit(self, pool, streams, keep)
        seen["kept"] = self._engine.model.get_weights()
        seen["best"] = weights[int(found["best_epoch"]) - 1]
        seen["accuracies"] = self._engine.model.history.history["val_accuracy"]
        seen["found"] = found
        return found

    monkeypatch.setattr(Classifier, "fit", spy)
    list(run(dataclasses.replace(small, n_epoch=12, n_step=0), MLP, data=digits))
    assert all(np.array_equal(a, b) for a, b in zip(seen["kept"], seen["best"], strict=True))
    accuracies = seen["accuracies"]
    assert seen["found"]["best_epoch"] == 1 + accuracies.index(max(accuracies))
    assert seen["found"]["val_accuracy"] == max(accuracies)


def test_without_validation_the_last_epoch_counts(small, digits):
    (done,) = run(dataclasses.replace(small, n_valid=0, n_step=0), MLP, data=digits)
    assert done.row["best_epoch"] == small.n_epoch
    assert "val_accuracy" not in done.row


def test_the_same_recipe_gives_the_same_files(small, digits, tmp_path):
    recipes = [dataclasses.replace(small, results_dir=str(tmp_path / name), strategy="ldms", n_step=1) for name in "ab"]
    for recipe in recipes:
        list(run(recipe, MLP, data=digits))
    assert _files(recipes[0]) == _files(recipes[1])
    other = dataclasses.replace(recipes[0], seed=1, results_dir=str(tmp_path / "c"))
    list(run(other, MLP, data=digits))
    assert _files(other) != _files(recipes[0])


def test_repetitions_and_strategies_run_alone_or_together_give_the_same(small, digits, tmp_path):
    together = dataclasses.replace(
        small, strategy="random,ldms", n_rep=2, n_step=1, n_epoch=2, results_dir=str(tmp_path / "together")
    )
    list(run(together, MLP, data=digits))
    alone = dataclasses.replace(together, results_dir=str(tmp_path / "alone"))
    for rep, strategy in ((2, "ldms"), (1, "random")):
        rounds = list(run(dataclasses.replace(alone, strategy=strategy, n_rep=1, rep=rep), MLP, data=digits))
        assert {(found.strategy, found.rep) for found in rounds} == {(strategy, rep)}
    one, other = _files(together), _files(alone)
    assert len(other) == 7  # of each a pool, predictions and accuracies, which ldms writes twice
    assert other.items() <= one.items()


def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(small, digits, tmp_path):
    whole = dataclasses.replace(small, strategy="ldms", n_epoch=2, results_dir=str(tmp_path / "whole"))
    list(run(whole, MLP, data=digits))
    parts = dataclasses.replace(whole, results_dir=str(tmp_path / "parts"))
    for _ in range(3):
        stopped = run(parts, MLP, data=digits)
        next(stopped)
        stopped.close()
    assert _files(parts) == _files(whole)


def test_a_finished_run_trains_nothing_and_mends_its_text_files(small, digits, monkeypatch):
    small = dataclasses.replace(small, n_step=1)
    list(run(small, MLP, data=digits))
    files = _files(small)
    accuracies = Path(small.results_dir) / "digits_MLP" / "margin" / "test_accs_001.txt"
    accuracies.write_text("0.1\n")  # as if it had been stopped between the row and this file
    monkeypatch.setattr(loop, "_Session", None)
    assert list(run(small, MLP, data=digits)) == []
    assert _files(small) == files


def test_the_last_round_takes_what_is_left(small, digits):
    few = dataclasses.replace(digits, x_train=digits.x_train[:100], y_train=digits.y_train[:100])
    recipe = dataclasses.replace(small, n_init=20, n_valid=30, n_pool=100, n_query=40, n_sample=50)
    rounds = list(run(recipe, MLP, data=few))
    assert [r.row["labels"] for r in rounds] == [20, 60, 70]
    assert len(rounds[1].picks.ids) == 10


def test_a_loss_that_is_no_number_stops_the_run_and_says_where(small, digits):
    recipe = dataclasses.replace(small, optimizer="sgd", learning_rate=1e38, n_epoch=5)
    with pytest.raises(TrainingError, match=r"NaN or infinite in epoch \d, of round 0 in repetition 1 of margin"):
        list(run(recipe, MLP, data=digits))
    with pytest.raises(TrainingError, match=r"loss became nan in epoch \d, of round 0 in repetition 1 of margin"):
        list(run(dataclasses.replace(recipe, n_valid=0), MLP, data=digits))
    assert not list(Path(small.results_dir).rglob("rounds.csv"))


class Traced(keras.layers.Layer):
    """Counts how often Python runs through it, that is, how often a graph is made."""

    calls = 0

    def call(self, x):
        Traced.calls += 1
        return x


def test_nothing_is_traced_after_the_first_round(small, digits):
    networks = []

    def build(shape, n_classes):
        model = MLP(shape, n_classes)
        x = Traced()(model.inputs[0])
        outputs = model(x)
        features, logits = (
            outputs["features"],
            keras.layers.Dense(n_classes, name="logits")(outputs["features"]),
        )
        networks.append(keras.Model(model.inputs, {"features": features, "logits": logits}))
        return networks[-1]

    recipe = dataclasses.replace(small, strategy="ldms,margin", n_rep=2, n_epoch=1, n_step=1)
    counts = []
    for _ in run(recipe, build, data=digits):
        built = len(networks)  # each building runs through the layer, too, at the same cost
        counts.append((Traced.calls, built))
    per_build = (counts[2][0] - counts[1][0]) / (counts[2][1] - counts[1][1])
    traced = [calls - per_build * built for calls, built in counts]
    assert traced == [traced[0]] * len(counts)
    assert traced[0] > 0


def test_optimizers_go_by_name(small, digits):
    assert len(list(run(dataclasses.replace(small, optimizer="rmsprop", n_step=0), MLP, data=digits))) == 1


@pytest.mark.parametrize(
    ("changes", "network", "message"),
    [
        ({"optimizer": "adamm"}, "MLP", "must be the name of a Keras optimizer"),
        ({"augment": "flip"}, "MLP", r"unknown augmentation 'flip'\. Did you mean 'flip_crop'"),
        ({"network": "KCNN"}, "ResNet18-ImageNet", "network 'KCNN' cannot be built for images"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(small, digits, changes, network, message):
    with pytest.raises(InputError, match=message):
        list(run(dataclasses.replace(small, **changes), BUILDERS[network], data=digits))
    assert not Path(small.results_dir).exists()


def test_a_builder_that_ends_in_softmax_is_refused(small, digits):
    def build(shape, n_classes):
        layers = keras.layers
        return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(n_classes, activation="softmax")])

    with pytest.raises(InputError, match="let its builder return the logits"):
        list(run(small, build, data=digits))


def test_a_plain_sequential_builder_is_enough(small, digits):
    def build(shape, n_classes):
        return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)])

    assert len(list(run(dataclasses.replace(small, n_step=1), build, data=digits))) == 2


@pytest.mark.parametrize("answer", [lambda view: view.labeled[:15], lambda view: view.candidates[:14]])
def test_the_loop_refuses_wrong_answers(small, digits, monkeypatch, answer):
    class Wrong(Strategy):
        learners = ()

        def query(self, view, n, rng):
            return Picks(answer(view))

    monkeypatch.setattr(jobs, "make_strategy", lambda name, options: Wrong())
    with pytest.raises(ValueError, match="strategy 'margin' must answer 15 distinct ids"):
        list(run(small, MLP, data=digits))


def test_observe_sees_the_labels_of_the_picks(small, digits, monkeypatch):
    seen = []

    class Watching(STRATEGIES["random"]):
        def observe(self, view, picks, rng):
            seen.append((view.labels(picks.ids), digits.y_train[picks.ids], dict(view.memory)))
            return {"picked": picks.ids}

    monkeypatch.setattr(jobs, "make_strategy", lambda name, options: Watching())
    rounds = list(run(small, MLP, data=digits))
    assert len(seen) == 2
    assert all(np.array_equal(shown, true) for shown, true, _ in seen)
    assert seen[0][2] == {}
    assert np.array_equal(seen[1][2]["picked"], rounds[0].picks.ids)  # what the first round gave back


def test_another_recipe_or_a_damaged_pool_is_refused_before_anything_is_written(small, digits):
    small = dataclasses.replace(small, n_step=0)
    list(run(small, MLP, data=digits))
    before = {path: path.read_bytes() for path in Path(small.results_dir).rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="nEpoch: 3 there, 4 here"):
        plan(dataclasses.replace(small, strategy="random,margin", n_epoch=4), digits)
    with pytest.raises(InputError, match="data: "):
        plan(small, dataclasses.replace(digits, x_train=255 - digits.x_train))
    assert before == {path: path.read_bytes() for path in Path(small.results_dir).rglob("*") if path.is_file()}
    (path,) = Path(small.results_dir).rglob("pool.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"pool\.npz is damaged"):
        plan(small, digits)


def test_a_folder_that_cannot_be_written_is_refused(small, digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write to the results folder .* it is a file"):
        plan(dataclasses.replace(small, results_dir=str(tmp_path / "file" / "results")), digits)


def test_a_long_tail_is_told_by_its_classes(small, digits):
    recipe = dataclasses.replace(small, long_tail=0.1, n_epoch=10)
    rounds = list(run(recipe, MLP, data=digits))
    counts = np.bincount(digits.y_test)
    for row in (done.row for done in rounds):
        recalls = np.array([row[f"recall_{number}"] for number in range(10)])
        assert row["test_accuracy"] == pytest.approx(np.sum(recalls * counts) / counts.sum())
        assert row["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert len(set(recalls.tolist())) > 1
    pool = Pool.load(Path(recipe.results_dir) / "digits-longtail0.1_MLP" / "margin" / "rep001" / "pool.npz")
    assert len(pool.members) < len(digits.y_train) / 2
