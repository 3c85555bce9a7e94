"""What several runs need once: which jobs make it, who waits for them, and a small study of low budgets to its end."""

import json
import time

import pytest

from tfal.errors import InputError
from tfal.sweep import cli, local
from tfal.sweep.expand import expand
from tfal.sweep.folder import DONE, JobFolder
from tfal.sweep.manifest import read_manifest

ROUNDS = '[base]\nprotocol = "digits"\nnetwork = "MLP"\n'
BUDGETS = ROUNDS + 'preset = "lowbudget"\nsplits = "10,20"\n'


@pytest.fixture
def jobs(tmp_path):
    def of(text, results="r", **data_dirs):
        (tmp_path / "m.toml").write_text(text)
        return [run.job for run in expand(read_manifest(tmp_path / "m.toml"), tmp_path / results, data_dirs)]

    return of


def titles(jobs):
    """Title of each job, and titles of those that it waits for."""
    names = {job.id: job.title for job in jobs}
    assert len(names) == len(jobs)
    return {job.title: [names[need] for need in job.needs] for job in jobs}


def test_runs_that_need_nothing_wait_for_nothing(jobs):
    found = jobs(ROUNDS + '[grid]\nstrategy = ["margin", "random"]\nrep = 2\n')
    assert len(found) == 4
    assert not any(job.needs for job in found)


def test_one_encoder_for_all_strategies_and_repetitions(jobs):
    found = jobs(ROUNDS + 'initial = "simclr_loss"\n[grid]\nstrategy = ["margin", "random"]\nrep = 2\n')
    encoder, *runs = found
    assert encoder.title == "digits-from-simclr_loss_MLP, encoder simclr"
    assert encoder.command[-2:] == ("--prepare", "on")
    assert encoder.command[:-2] == runs[0].command
    assert len(runs) == 4
    assert all(run.needs == (encoder.id,) for run in runs)
    assert encoder.resources == runs[0].resources


def test_pools_of_their_own_have_encoders_before_their_repetition(jobs):
    text = ROUNDS + "n_class_known = 6\nood_rate = 0.2\nn_init = 12\n"
    found = titles(jobs(text + '[grid]\nstrategy = ["margin", "mqnet"]\nrep = [1, 3]\n'))
    where = "digits-6known-ood20_MLP"
    assert found == {
        f"{where}, margin, repetition 1": [],
        f"{where}, encoder csi, repetition 1": [],
        f"{where}, mqnet, repetition 1": [f"{where}, encoder csi, repetition 1"],
        f"{where}, margin, repetition 3": [],
        f"{where}, encoder csi, repetition 3": [],
        f"{where}, mqnet, repetition 3": [f"{where}, encoder csi, repetition 3"],
    }


def test_features_in_one_job_or_in_shards_behind_the_encoder(jobs):
    grid = '[grid]\nstrategy = ["random", "kmeans"]\nrep = [1]\n'
    where = "digits-lowbudget_MLP"
    both = f"{where}, encoder simclr and features"
    assert titles(jobs(BUDGETS + grid)) == {
        both: [],
        f"{where}, random, repetition 1": [both],
        f"{where}, kmeans, repetition 1": [both],
    }
    encoder, first, second, *runs = jobs(BUDGETS + grid + "[resources]\nn_shard = 2\n")
    assert encoder.command[-2:] == ("--prepare", "encoders")
    assert first.command[-6:] == ("--prepare", "on", "--nShard", "2", "--shard", "1")
    assert second.title == f"{where}, features, shard 2 of 2"
    assert first.needs == second.needs == (encoder.id,)
    assert first.group == second.group == f"{where}, features"
    assert all({encoder.id, first.id, second.id} == {*run.needs} for run in runs)


def test_a_frozen_file_needs_no_training(jobs):
    text = BUDGETS + 'encoder = "keras:ResNet50"\n[grid]\nstrategy = "random"\nrep = 2\n'
    assert [job.title.partition(", ")[2] for job in jobs(text)] == [
        "features",
        "random, repetition 1",
        "random, repetition 2",
    ]
    shards = jobs(text + "[resources]\nn_shard = 3\n")
    assert [len(job.needs) for job in shards] == [0, 0, 0, 3, 3]


def test_sets_and_options_have_preparations_of_their_own(jobs):
    text = ROUNDS + 'initial = "simclr_loss"\n[grid]\nstrategy = "random"\nrep = 2\nn_query = [5, 10]\n'
    found = titles(jobs(text + '[[set]]\nname = "a"\n[[set]]\nname = "b"\nseed = 3\n'))
    made = [title for title, needs in found.items() if not needs]
    assert made == [f"{name}/nQuery{n}, encoder simclr" for name in "ab" for n in (5, 10)]  # each has its own folder


def test_ids_depend_on_what_is_made_alone(jobs):
    text = ROUNDS + 'initial = "simclr_loss"\n[grid]\nstrategy = "random"\nrep = 2\n'
    (encoder, *_), (there, *_) = jobs(text), jobs(text, "elsewhere")
    assert encoder.id == there.id
    others = ("n_query = 7\n", 'augment = "none"\n', 'devices = "one"\n')
    assert {jobs(text.replace("[grid]", f"{line}[grid]"))[0].id for line in others} == {encoder.id}
    others = ("n_epoch_simclr = 3\n", "seed = 1\n", 'augment = "crop"\n', "n_train = 300\n")
    ids = {jobs(text.replace("[grid]", f"{line}[grid]"))[0].id for line in others}
    assert len(ids - {encoder.id}) == 4
    margin = jobs(text.replace('"random"', '["margin", "random"]'))
    assert margin[0].id == encoder.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROUNDS + '[grid]\nstrategy = "random"\n[resources]\nn_shard = 2\n', "n_shard = 2 goes with runs that read"),
        (BUDGETS + "n_shard = 2\n", "n_shard has no place in a manifest"),
        (BUDGETS + "shard = 2\n", "shard has no place in a manifest"),
        (BUDGETS + '[[set]]\nname = "a"\nresources = { n_shard = 2 }\n', "n_shard is of the whole manifest"),
        (BUDGETS + "[resources]\nn_shard = 0\n", "n_shard must be a whole number"),
    ],
)
def test_what_would_mean_nothing_is_refused(text, message, jobs):
    with pytest.raises(InputError, match=message) as error:
        jobs(text)
    assert "\n" not in str(error.value)


@pytest.fixture
def forked(monkeypatch, nursery, tmp_path):
    """The commands of jobs are forks of a process that has loaded TensorFlow, one at a time."""

    def work(folder, job, slot, stop):
        began = time.time()
        ended = nursery.run(tmp_path / "processes", "tfal", *job.command)
        folder.log(job.id).write_text(ended.out + ended.err)
        folder.write_state(job.id, {"code": ended.code, "began": began, "seconds": 1.0})
        return folder.state(job)

    monkeypatch.setattr(local, "work", work)


@pytest.mark.usefixtures("forked")
def test_a_study_of_low_budgets_to_its_end(tmp_path, capsys):
    """Encoder, two shards, two runs; what comes first is not made again by those that wait."""
    manifest, results = tmp_path / "small.toml", tmp_path / "results"
    manifest.write_text(
        BUDGETS.replace('"10,20"', '"10"')
        + 'evaluate = "knn"\nn_epoch_simclr = 1\nn_batch_encoder = 512\nn_warmup = 0\n'
        + '[grid]\nstrategy = ["random", "kmeans"]\nrep = [1]\n[resources]\nn_shard = 2\n'
    )
    assert cli.main([str(manifest), "--resultsDir", str(results), "--workers", "1"]) == 0, capsys.readouterr()
    folder = JobFolder(results)
    jobs = {job.title.partition(", ")[2]: job for job in folder.jobs()}
    assert all(folder.state(job).name == DONE for job in jobs.values())
    assert len(jobs) == 5
    assert folder.last_line(jobs["encoder simclr"].id).startswith("prepared: simclr in ")
    logs = {name: folder.log(job.id).read_text() for name, job in jobs.items()}
    assert "prepared: simclr in " in logs["features, shard 1 of 2"]
    stores = [json.loads(path.read_text()) for path in results.glob("features/*/store.json")]
    assert sorted(store["done"] for store in stores) == [360, 1437]
    assert not any("n_shard" in store for store in stores)
    made = max(path.stat().st_mtime_ns for path in results.glob("features/*/*.*"))
    runs = [jobs[f"{name}, repetition 1"] for name in ("random", "kmeans")]
    assert made < min(folder.state(run).record["began"] for run in runs) * 1e9
    assert all((results / run.results).exists() for run in runs)
