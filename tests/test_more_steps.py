"""More rounds, or more budgets, of a finished run: it ends as if they had been asked for at once."""

import csv
import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from models import BUILDERS
from tfal import low_budget
from tfal.errors import InputError
from tfal.loop import plan, run
from tfal.pool import Pool

MLP = BUILDERS["MLP"]


def _files(recipe):
    """All that must not depend on when the rounds were asked for; of rows all but seconds and peak memory."""
    found = {}
    for path in sorted(Path(recipe.results_dir).rglob("*")):
        name = str(path.relative_to(recipe.results_dir))
        if path.name == "rounds.csv":
            with path.open(newline="") as file:
                found[name] = [
                    {key: value for key, value in row.items() if not key.startswith(("seconds", "peak"))}
                    for row in csv.DictReader(file)
                ]
        elif path.name == "pool.npz":
            found[name] = Pool.load(path).round.tolist()
        elif path.suffix in (".txt", ".npy") or path.parent.name == "memory":
            found[name] = path.read_bytes()
    return found


_OFTEN = ((0, [0]), (1, [0, 1]), (1, []), (3, [1, 2, 3]), (2, []))
_ONCE = ((0, [0]), (2, [0, 1, 2]))


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"strategy": "margin", "warm_start": "on", "n_valid": 0}, _OFTEN),
        ({"strategy": "margin"}, _ONCE),
        ({"strategy": "ll", "initial": "random", "n_epoch_loss": 1}, _ONCE),
        ({"strategy": "random", "n_class_known": 4, "ood_rate": 0.4}, _ONCE),
    ],
    ids=["warm start", "cold start", "ll", "an open set"],
)
def test_more_rounds_of_a_finished_run(small, digits, tmp_path, options, calls):
    n_steps = max(n_step for n_step, _ in calls)
    whole = dataclasses.replace(small, **options, n_epoch=1, n_step=n_steps, results_dir=str(tmp_path / "whole"))
    list(run(whole, MLP, data=digits))
    parts = dataclasses.replace(whole, results_dir=str(tmp_path / "parts"))
    for n_step, trained in calls:
        done = list(run(dataclasses.replace(parts, n_step=n_step), MLP, data=digits))
        assert [r.row["round"] for r in done] == trained
    assert _files(parts) == _files(whole)


def test_more_rounds_go_with_more_strategies_and_repetitions(small, digits, tmp_path):
    whole = dataclasses.replace(
        small, strategy="random,margin", n_epoch=1, n_rep=2, n_step=1, results_dir=str(tmp_path / "whole")
    )
    list(run(whole, MLP, data=digits))
    parts = dataclasses.replace(whole, results_dir=str(tmp_path / "parts"))
    list(run(dataclasses.replace(parts, strategy="margin", n_rep=1, n_step=0), MLP, data=digits))
    list(run(parts, MLP, data=digits))
    assert _files(parts) == _files(whole)


def test_a_run_says_what_it_does_not_train(small, digits, caplog):
    recipe = dataclasses.replace(small, strategy="random", n_epoch=1, n_sample=2000)
    list(run(recipe, MLP, data=digits))
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "tfal"):
        assert list(run(dataclasses.replace(recipe, n_step=1, n_rep=2), MLP, data=digits))
    assert [record.getMessage() for record in caplog.records] == [
        "random, repetition 1: finished already, nothing to train (1 rounds more than asked for are kept)."
    ]


def test_a_warm_start_without_its_weights_is_refused_in_the_plan(small, digits):
    warm = dataclasses.replace(small, strategy="random", warm_start="on", n_epoch=1, n_step=1)
    list(run(warm, MLP, data=digits))
    folder = Path(small.results_dir) / "digits_MLP/random/rep001/weights"
    (folder / "round000.npz").unlink()  # earlier versions kept those of the last round alone
    assert plan(warm, digits)[0].rounds_left == 0
    with pytest.raises(InputError, match=r"round000\.npz"):
        plan(dataclasses.replace(warm, n_step=2), digits)


def test_more_budgets_of_a_finished_study(small, digits, tmp_path):
    whole = dataclasses.replace(
        small,
        network="SCNN",
        strategy="random,multi_kmeans,margin",
        splits="10,20,40",
        evaluate="linear,knn",
        n_epoch_simclr=1,
        n_batch_encoder=256,
        n_epoch_linear=3,
        n_redo=1,
        n_iter=3,
        results_dir=str(tmp_path / "whole"),
    )
    build = BUILDERS["SCNN"]
    list(low_budget.run(whole, build, data=digits))
    parts = dataclasses.replace(whole, results_dir=str(tmp_path / "parts"))
    for splits, n_judged in (("10", 3), ("10,20,40", 6), ("10,20", 0), ("10, 20,40", 0)):
        assert len(list(low_budget.run(dataclasses.replace(parts, splits=splits), build, data=digits))) == n_judged
    assert _files(parts) == _files(whole)
    with pytest.raises(InputError, match="splits: '10,20,40' there, '10,30' here"):
        low_budget.plan(dataclasses.replace(parts, splits="10,30"), digits)


def test_a_study_that_was_stopped_before_its_first_row_takes_other_ids_to_start_from(small, digits, tmp_path):
    recipe = dataclasses.replace(small, strategy="random", splits="10", evaluate="knn", encoder="simclr")
    (job,) = low_budget.plan(recipe, digits)
    with job.folder.locked():
        job.folder.start()
    np.save(job.index_file(10), np.arange(10))  # chosen, and then killed
    job.index_file(10).with_suffix(".json").write_text('{"seconds_query": 1.0}')
    (same,) = low_budget.plan(recipe, digits)
    assert not same.folder.is_of_another_try()
    np.save(tmp_path / "start.npy", np.array([900, 901]))
    (other,) = low_budget.plan(dataclasses.replace(recipe, resume_indices=str(tmp_path / "start.npy")), digits)
    with other.folder.locked():
        other.folder.start()
    assert not other.index_file(10).exists()
