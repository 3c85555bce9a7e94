"""Open-set runs from end to end: every strategy, its learners, its files, and runs that are stopped."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from models import BUILDERS
from tfal import report
from tfal.errors import InputError
from tfal.loop import plan, run
from tfal.pool import Pool
from tfal.storage.tables import read_rounds

MLP = BUILDERS["MLP"]
STRATEGIES = "random,least_confidence,max_logit,coreset,ll,badge,ccal,similar,mqnet,neat,lfosa,eaoa,eoal"


@pytest.fixture
def tiny(small):
    """4 of 10 digits are known, half of the pool is not; everything trains for moments."""
    return dataclasses.replace(
        small,
        n_class_known=4,
        ood_rate=0.5,
        n_init=24,
        n_valid=0,
        n_query=12,
        n_epoch=2,
        n_step_epoch=2,
        n_epoch_loss=1,
        n_epoch_csi=1,
        n_epoch_ccal=1,
        n_epoch_simclr=1,
        n_epoch_detector=2,
        n_epoch_energy=2,
        n_epoch_entropic=2,
        n_warmup=1,
        meta_epoch=2,
        n_batch_encoder=128,
    )


def _files(recipe, name):
    root = Path(recipe.results_dir)
    names = [*root.rglob(f"{name}/*/pool.npz"), *root.rglob(f"{name}/*/*/*.npz"), *root.rglob(f"{name}/test_accs_*")]
    return {str(path.relative_to(root)): path.read_bytes() for path in names}


def test_every_strategy_runs_and_reports_purity(tiny, digits, capsys):
    digits = dataclasses.replace(digits, x_train=digits.x_train[:600], y_train=digits.y_train[:600])
    recipe = dataclasses.replace(tiny, network="SCNN", strategy=STRATEGIES, n_step=1)
    rounds = list(run(recipe, BUILDERS["SCNN"], data=digits))
    experiment = Path(recipe.results_dir) / "digits-4known-ood50_SCNN"
    assert len(rounds) == 2 * len(STRATEGIES.split(","))
    for name in STRATEGIES.split(","):
        rows = read_rounds(experiment / name / "rep001" / "rounds.csv")
        pool = Pool.load(experiment / name / "rep001" / "pool.npz")
        task = plan(dataclasses.replace(recipe, strategy=name), digits)[0].task
        assert [row["labels"] for row in rows] == [24, 36]
        assert rows[0]["purity"] == 0.5
        for step, row in enumerate(rows):
            bought = np.flatnonzero(pool.round == step)
            assert row["purity"] == np.mean(task.labels[bought] < 4)
            labeled = np.sum((pool.round >= 0) & (pool.round <= step) & (task.labels < 4))
            assert row["known_recall"] == labeled / np.sum(task.labels[pool.members] < 4)
        assert np.array_equal(pool.rejected, np.flatnonzero((pool.round >= 0) & (task.labels == 4)))
    report.report(experiment)
    shown = capsys.readouterr().out
    assert "Purity [%]" in shown
    assert "Known-class recall [%]" in shown
    assert (experiment / "mqnet" / "rep001" / "memory.png").stat().st_size > 10_000
    assert not (experiment / "random" / "rep001" / "memory.png").exists()


def test_a_stopped_run_of_mqnet_goes_on_as_if_it_had_not_been_stopped(tiny, digits, tmp_path):
    whole = dataclasses.replace(tiny, strategy="mqnet", results_dir=str(tmp_path / "whole"))
    list(run(whole, MLP, data=digits))
    parts = dataclasses.replace(whole, results_dir=str(tmp_path / "parts"))
    shutil.copytree(tmp_path / "whole" / "encoders", tmp_path / "parts" / "encoders")
    for _ in range(3):
        stopped = run(parts, MLP, data=digits)
        next(stopped)
        stopped.close()
    assert _files(parts, "mqnet") == _files(whole, "mqnet")
    assert any(name.endswith("memory/round002.npz") for name in _files(whole, "mqnet"))


def test_strategies_share_splits_and_start_from_their_own_pools(tiny, digits):
    recipe = dataclasses.replace(tiny, strategy="random,least_confidence", n_rep=2, n_step=1)
    jobs = plan(recipe, digits)
    assert jobs[0].task.start == jobs[2].task.start
    assert jobs[0].task.start != jobs[1].task.start
    rounds = list(run(recipe, MLP, data=digits))
    accuracies = {(r.strategy, r.rep): r.row["test_accuracy"] for r in rounds if r.row["round"] == 0}
    for rep in (1, 2):
        assert accuracies["random", rep] == accuracies["least_confidence", rep]


def test_a_round_of_unknown_picks_goes_on_with_what_is_there(tiny, digits, monkeypatch):
    from tfal.strategies import Picks
    from tfal.strategies.random import Random

    (job,) = plan(dataclasses.replace(tiny, strategy="random"), digits)
    unknown = np.flatnonzero(job.task.labels == 4)
    monkeypatch.setattr(Random, "query", lambda self, view, n, rng: Picks(np.intersect1d(view.candidates, unknown)[:n]))
    rounds = list(run(dataclasses.replace(tiny, strategy="random"), MLP, data=digits))
    assert [r.n_known for r in rounds] == [0, 0, 0]
    assert [r.row["purity"] for r in rounds] == [0.5, 0.0, 0.0]
    assert len({r.row["known_recall"] for r in rounds}) == 1


def test_an_encoder_that_cannot_be_trained_is_refused_before_anything_is_written(tiny, digits):
    narrow = dataclasses.replace(digits, x_train=digits.x_train[:, :, :7], x_test=digits.x_test[:, :, :7])
    narrow = dataclasses.replace(narrow, name="mine", class_names=tuple("0123456789"))
    recipe = dataclasses.replace(tiny, strategy="mqnet", dataset="mine")
    with pytest.raises(InputError, match="square"):
        list(run(recipe, MLP, data=narrow))
    assert not Path(recipe.results_dir).exists()
