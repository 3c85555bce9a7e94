"""The cold-start benchmark from end to end on real digits: rankings, pools, files, stops, pictures and wrong input."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from models import BUILDERS
from tfal.coldstart.cli import main, parse
from tfal.coldstart.data_maps import TEMPERATURES
from tfal.coldstart.dynamics import ContrastiveDynamics, positive_probabilities
from tfal.coldstart.run import run
from tfal.coldstart.session import Session, one_vs_rest_auc
from tfal.coldstart.study import RANDOM, Plan, Study, Work
from tfal.data import loading
from tfal.data.dataset import from_arrays
from tfal.data.images import Images
from tfal.errors import InputError
from tfal.learners import vaal_networks
from tfal.pool import Pool
from tfal.report import correlation
from tfal.streams import Streams
from tfal.training.runtime import prepare_tensorflow


@pytest.fixture
def data(digits):
    return from_arrays("few", digits.x_train[:300], digits.y_train[:300], digits.x_test[:150], digits.y_test[:150])


@pytest.fixture
def study(small, change):
    recipe = change(
        small, n_valid=0, n_epoch=2, n_step_epoch=2, n_epoch_simclr=2, n_batch_encoder=100, n_warmup=1, lr_encoder=0.02
    )
    return Study(recipe, criteria="easy,coreset", budgets="12,0.1", n_random=2, n_run=1)


@pytest.fixture
def kept(tmp_path_factory):
    """Where the first test that needs it keeps what was trained by contrast, for all of the same images and options."""
    return tmp_path_factory.getbasetemp() / "contrastive dynamics"


def _run(study, data, stop=None, kept=None):
    plan = Plan(study, data)
    with plan.locked():
        if kept and kept.exists():
            shutil.copytree(kept, plan.folder / "self_supervised", dirs_exist_ok=True)
        running = run(plan, Session(plan, BUILDERS[study.recipe.network], None))
        for number, _ in enumerate(running, start=1):
            if number == stop:
                running.close()
                break
    if kept and not kept.exists():
        shutil.copytree(plan.folder / "self_supervised", kept)
    return plan


def _rows(plan):
    return [{name: value for name, value in row.items() if name != "seconds_train"} for row in plan.rows()]


def test_pools_are_ranked_trained_and_judged(study, data, kept):
    plan = _run(study, data, kept=kept)
    assert plan.budgets == (12, 30)
    for name in ("easy", "coreset"):
        ranking = np.load(plan.folder / "rankings" / f"{name}_sorted_idx.npy")
        assert ranking.dtype == np.int64
        assert np.array_equal(np.sort(ranking), np.arange(300))
        assert not json.loads(plan.ranking_file(name).with_suffix(".json").read_text())["oracle"]
    rows = plan.rows()
    assert len(rows) == 2 * (2 + 2)
    for row in rows:
        ids = plan.pool(Work(row["budget"], row["criterion"], row["run"]))
        assert len(set(ids.tolist())) == row["budget"]
        assert row["coverage"] == len(np.unique(data.y_train[ids])) / 10
        assert 0 <= row["accuracy"] <= 1
        assert 0 <= row["auc"] <= 1
        assert row["oracle"] == 0
    assert len({tuple(plan.pool(Work(12, RANDOM, run))) for run in (1, 2, 3)}) == 3
    found = plan.correlations()
    assert len(found) == 2 * 2 * 2
    assert {row["note"] for row in found} == {"insufficient: fewer than 5 pools"}


def test_stopped_and_run_again_it_ends_as_if_it_had_not_been_stopped(study, data, kept, tmp_path):
    study = dataclasses.replace(study, budgets="12")
    whole = _run(study, data, kept=kept)
    parts = dataclasses.replace(study, recipe=dataclasses.replace(study.recipe, results_dir=str(tmp_path / "parts")))
    _run(parts, data, stop=2)
    plan = _run(parts, data)
    assert _rows(plan) == _rows(whole)
    for name in ("easy", "coreset"):
        assert np.array_equal(plan.ranking(name), whole.ranking(name))
    assert Plan(parts, data).left() == []


def test_more_pools_are_added_to_those_that_are_there(study, data, kept):
    before = _rows(_run(dataclasses.replace(study, criteria="easy", budgets="12", n_random=2), data, kept=kept))
    plan = _run(dataclasses.replace(study, criteria="easy", budgets="12", n_random=6), data)
    assert _rows(plan)[:3] == before
    assert len(plan.rows()) == 7
    correlations = plan.correlations()
    trained = [row for row in plan.rows() if row["criterion"] == RANDOM]
    scores = np.load(plan.folder / "rankings" / "easy_scores.npy")
    sums = [scores[plan.pool(Work(12, RANDOM, row["run"]))].sum() for row in trained]
    r = np.corrcoef(sums, [row["auc"] for row in trained])[0, 1]
    (found,) = [row for row in correlations if row["measure"] == "auc"]
    assert found["n"] == 6
    assert np.isclose(found["pearson_r"], r)


def test_other_options_are_refused(study, data):
    plan = Plan(study, data)
    with plan.locked(), pytest.raises(InputError, match="another process"), Plan(study, data).locked():
        pass
    plan.table.write_text(f"{HEAD}\n12,random,1,0.5,0.5,1\n")
    for other in (
        dataclasses.replace(study, temperature=0.1),
        dataclasses.replace(study, recipe=dataclasses.replace(study.recipe, n_epoch=3)),
    ):
        with pytest.raises(InputError, match="made with other options"):
            Plan(other, data)


@pytest.mark.parametrize("left", ["{}", "hello", '["a"]', '{"layers": 3}', '{"n_epoch": ["a"]}', None])
def test_a_try_without_a_pool_does_not_pin_the_folder(left, study, data, change):
    plan = Plan(study, data)
    plan.check_network(["a layer"])
    with plan.locked():
        for name in ("rankings/easy_sorted_idx.npy", "rankings/easy_scores.npy", "oracle.npz"):
            (plan.folder / name).write_text("of the first try")
    if left is not None:
        (plan.folder / "study.json").write_text(left)
    mended = Plan(change(study, recipe=change(study.recipe, lr_encoder=0.001), temperature=0.1), data)
    mended.check_network(["another layer"])
    with mended.locked():
        stored = json.loads((plan.folder / "study.json").read_text())
        assert (stored["lr_encoder"], stored["temperature"], stored["layers"]) == (0.001, 0.1, ["another layer"])
        assert [path for path in plan.folder.rglob("*") if path.is_file() and path.name[0] != "."] == [
            plan.folder / "study.json"
        ]
    mended.table.write_text(f"{HEAD}\n12,random,1,0.5,0.5,1\n")
    with pytest.raises(InputError, match="made with other options"):
        Plan(study, data)
    with pytest.raises(InputError, match="layer 0 of the network"):
        mended.check_network(["a layer"])


def test_what_came_before_the_first_pool_stays_where_nothing_changed(study, data):
    plan = Plan(study, data)
    with plan.locked():
        np.save(plan.ranking_file("easy"), np.arange(300))
    with Plan(study, data).locked():
        assert plan.ranking_file("easy").exists()


HEAD = "budget,criterion,run,accuracy,auc,coverage"
ODD = {
    "pools.csv": ["hello", f"{HEAD}\n12.5,random,1,0.5,0.5,1\n", f"{HEAD}\n12,random\n"],
    "correlations.csv": ["hello", "budget,criterion\n12,easy\n"],
    "rankings/easy_scores.npy": ["hello", np.zeros(300, int), np.zeros(299), np.full(300, np.nan)],
    "rankings/easy_sorted_idx.npy": ["hello", np.zeros(300, int), np.arange(299)],
    "oracle.npz": ["hello", np.zeros(3)],
}


@pytest.mark.parametrize("name", ODD)
def test_files_of_something_else_are_refused_before_anything_is_trained(name, study, data):
    study = dataclasses.replace(study, criteria="easy,entropy", oracle=True)
    with Plan(study, data).locked():
        path = Plan(study, data).folder / name
    for content in ODD[name]:
        if isinstance(content, str):
            path.write_text(content)
        else:
            with path.open("wb") as file:
                np.save(file, content)
        with pytest.raises(InputError, match=path.name.replace(".", r"\.")) as error:
            Session(Plan(study, data), BUILDERS["MLP"], None)
        assert "\n" not in str(error.value)


def test_unreadable_images_are_in_no_pool(study, data):
    data = dataclasses.replace(data, corrupt=np.array([0, 7]))
    plan = _run(dataclasses.replace(study, criteria="hard,coreset", budgets="12", n_random=5), data)
    for name in ("hard", "coreset"):
        assert np.array_equal(np.sort(plan.ranking(name)), data.readable)
    scores = np.load(plan.folder / "rankings" / "hard_scores.npy")
    assert np.array_equal(np.flatnonzero(np.isnan(scores)), [0, 7])
    found = plan.correlations()
    assert [np.isfinite(row["pearson_r"]) for row in found] == [True] * 4


def test_an_oracle_learns_the_test_split(study, data, monkeypatch):
    for constant, value in {"CHANNELS": (4, 8, 8, 16), "N_HIDDEN": 2, "WIDTH": 16}.items():
        monkeypatch.setattr(vaal_networks, constant, value)
    recipe = dataclasses.replace(
        study.recipe, network="SCNN", n_epoch=3, n_step_epoch=10, n_pass=3, n_view=2, n_epoch_vaal=1
    )
    names = "entropy,bald,consistency,cosine_sum,gt_forgetfulness,vaal"
    asked = dataclasses.replace(study, recipe=recipe, criteria=names, budgets="12", n_random=1, oracle=True)
    plan = _run(asked, data)
    assert [row["oracle"] for row in plan.rows()] == [0, 1, 1, 1, 1, 1, 1]
    arrays = np.load(plan.folder / "oracle.npz")
    assert arrays["logits"].shape == (300, 10)
    assert arrays["test_logits"].shape == (150, 10)
    assert np.mean(arrays["test_logits"].argmax(axis=1) == data.y_test) > 0.3
    assert set(np.unique(arrays["correctness"])) <= {0, 1, 2, 3}
    assert arrays["vaal"].shape == (300,)
    assert 0 <= arrays["vaal"].min() < arrays["vaal"].max() <= 1
    assert not (plan.folder / "self_supervised").exists()
    assert json.loads(plan.ranking_file("bald").with_suffix(".json").read_text())["oracle"]
    p = np.exp(arrays["logits"]) / np.exp(arrays["logits"]).sum(axis=1, keepdims=True)
    entropies = -(p * np.log(p)).sum(axis=1)
    assert np.isclose(entropies[plan.ranking("entropy")[0]], entropies.max())


def _dynamics(study, data, folder):
    return ContrastiveDynamics(BUILDERS["MLP"], Images(data.x_train), 10, study.recipe, folder)


def test_contrastive_dynamics_go_on_after_a_stop(study, data, tmp_path):
    prepare_tensorflow()
    pool = Pool.unlabeled_pool(300)
    whole = _dynamics(study, data, tmp_path / "whole")
    whole.fit(pool, Streams(0))

    def stop(name, epoch, n_epoch):
        if epoch == 1:
            raise KeyboardInterrupt

    parts = _dynamics(study, data, tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        parts.fit(pool, Streams(0), stop)
    for _ in range(2):  # once to go on, once to take what is finished
        parts = _dynamics(study, data, tmp_path / "parts")
        parts.fit(pool, Streams(0))
        for temperature in TEMPERATURES:
            for ours, theirs in zip(parts.map(temperature), whole.map(temperature), strict=True):
                assert np.array_equal(ours, theirs)
        assert np.array_equal(parts.loss, whole.loss)
    found = whole.map(0.05)
    assert 0 < found.variability.max() <= 0.5
    assert 0 <= found.confidence.min() < found.confidence.max() <= 1
    assert whole.loss.shape == (300,)
    assert whole.loss.min() > 0
    (path,) = (tmp_path / "whole").glob("dynamics-*.npz")
    arrays = dict(np.load(path))
    last = max(name for name in arrays if name.startswith("weight"))  # the losses, behind weights and moments
    assert np.array_equal(arrays[last], whole.loss)
    np.savez(path, **{**arrays, last: arrays[last][:-1]})
    with pytest.raises(InputError, match=r"single images does not fit the images\)\. Remove it to train"):
        _dynamics(study, data, tmp_path / "whole").fit(pool, Streams(0))


def test_contrastive_dynamics_of_images_that_cannot_be_compared(study, data, tmp_path):
    floats = dataclasses.replace(data, x_train=np.zeros((4, 8, 8, 1), np.float32))
    with pytest.raises(InputError, match=r"contrastive training needs uint8 images .* or choose criteria of --oracle"):
        _dynamics(study, floats, tmp_path)
    with pytest.raises(InputError, match=r"needs at least 2 images\. Received: 1"):
        _dynamics(study, data, tmp_path).fit(Pool.unlabeled_pool(300, np.array([7])), Streams(0))


def test_the_probability_of_the_positive():
    rest = np.sqrt(1 - np.square([0.9, 0.1]))
    anchor, negative = [1, 0, 0, 0], [0.1, 0, rest[1], 0]
    projections = np.array([anchor, negative, [0.9, rest[0], 0, 0], [0, 0, 0, 3.0]])
    assert np.isclose(positive_probabilities(tf.constant(projections), 0.1)[0], 0.999541, atol=1e-6)


def test_probabilities_are_those_of_loops():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(10, 6))
    found = positive_probabilities(tf.constant(z), 0.2).numpy()
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    for i in range(10):
        others = [np.exp(unit[i] @ unit[j] / 0.2) for j in range(10) if j != i]
        assert np.isclose(found[i], np.exp(unit[i] @ unit[(i + 5) % 10] / 0.2) / sum(others), rtol=1e-4)


def test_area_under_the_curve():
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(4), size=60), rng.integers(4, size=60)
    assert np.isclose(one_vs_rest_auc(p, y), roc_auc_score(y, p, multi_class="ovr"))
    assert np.isnan(one_vs_rest_auc(p, np.where(y == 3, 0, y)))


def test_the_command_draws_and_reports(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loading, "load", lambda name, *rest, **more: dataclasses.replace(data, name=name))
    argv = "--dataset digits --network mlp --budgets 12 --nRandom 3 --nRun 1 --criteria coreset,gt_hard --oracle"
    argv += f" --nEpoch 1 --nStepEpoch 1 --nEpochSimclr 1 --nBatchEncoder 512 --resultsDir {tmp_path}"
    assert main(BUILDERS, argv.split()) == 0
    shown = capsys.readouterr().out
    assert "gt_hard, oracle" in shown
    assert "Pearson r" in shown
    folder = tmp_path / "coldstart" / "digits_MLP"
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {
        "accuracy",
        "data_map_contrastive",
        "data_map_supervised",
        *(f"classes_{name}" for name in ("coreset", "gt_hard")),
        *(f"{kind}_{name}_12" for kind in ("scatter", "embedding") for name in ("coreset", "gt_hard")),
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--criteria hrad", "Did you mean 'hard'"),
        ("--criteria entropy", "--oracle"),
        ("--criteria vaal", "--oracle"),
        ("--budgets 1", "--budgets"),
        ("--budgets 9999", "--budgets"),
        ("--nRandom 0", "n_random"),
        ("--temperature 0.3", "--temperature"),
        ("--nQuery 5", "--nQuery"),
        ("--network nothing", "unknown network"),
        ("--optimizer nothing", "--optimizer must be"),
    ],
)
def test_wrong_input_is_an_error_in_one_line(argv, message, tmp_path, capsys):
    assert main(BUILDERS, ["--dataset", "digits", "--resultsDir", str(tmp_path / "results"), *argv.split()]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_flags_become_options():
    study = parse(BUILDERS, ["--network", "scnn", "--nEpoch", "7", "--oracle", "--nRun", "4"])
    assert (study.recipe.network, study.recipe.n_epoch, study.recipe.n_valid) == ("SCNN", 7, 0)
    assert (study.oracle, study.n_run, study.n_random) == (True, 4, 20)


def test_the_command_for_results_of_the_loop(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["correlation", str(tmp_path)])
    assert correlation.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def _pools(folder, reps, accuracies, labels=(20, 40)):
    for rep in reps:
        run = folder / "random" / f"rep{rep:03d}"
        run.mkdir(parents=True)
        rows = [f"{step},{n},{a + rep / 100}" for step, (n, a) in enumerate(zip(labels, accuracies, strict=True))]
        (run / "rounds.csv").write_text("round,labels,test_accuracy\n" + "\n".join(rows) + "\n")


def test_pools_of_folders_are_means_of_the_repetitions_that_all_have(tmp_path):
    # Repetition 9 of one folder alone would lift its mean; over repetitions 1 and 2 the points lie on a line.
    for number in range(5):
        _pools(tmp_path / str(number), [1, 2, 9] if number == 2 else [1, 2], [0.1 * number, 0.2 * number])
    (row,) = correlation.from_results(*(tmp_path / str(number) for number in range(5)))
    assert (row["labels"], row["n"]) == (40, 5)
    assert row["pearson_r"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("reps", "labels", "message"),
    [([3], (20, 40), "no repetition of random in common"), ([1], (20, 50), "different numbers of labels")],
)
def test_folders_that_cannot_be_compared_are_refused(tmp_path, reps, labels, message):
    _pools(tmp_path / "a", [1, 2], [0.1, 0.2])
    _pools(tmp_path / "b", reps, [0.1, 0.2], labels)
    with pytest.raises(InputError, match=message):
        correlation.from_results(tmp_path / "a", tmp_path / "b")
