"""tfal sweep as it is typed."""

import os
import sys

import pytest

from tests.conftest import ROOT
from tfal.__main__ import main
from tfal.sweep import work
from tfal.sweep.one import main as one

TINY = """
[base]
protocol = "digits"
network = "MLP"
n_epoch = 1
n_step = 1
n_pool = 60
n_query = 5
n_valid = 20
[grid]
strategy = ["margin", "random"]
rep = 2
"""

INSTEAD = """
import pathlib, sys
strategy, rep, folder = (sys.argv[sys.argv.index(flag) + 1] for flag in ("--strategy", "--rep", "--resultsDir"))
if pathlib.Path("fails").exists() and strategy == "margin" and rep == "2":
    sys.exit("no luck")
path = pathlib.Path(folder) / "digits_MLP" / strategy / f"rep00{rep}" / "rounds.csv"
path.parent.mkdir(parents=True)
path.write_text("round,labels,test_accuracy\\n0,20,0.5\\n1,25,0.6\\n")
"""


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def programs(monkeypatch):
    """In place of each run: a program that writes a file where its results would be, and fails where told to."""
    monkeypatch.setattr(work, "program", lambda job: [sys.executable, "-c", INSTEAD, *job.command])


def test_a_sweep_its_failures_and_their_second_chance(manifest, programs, capsys):
    manifest.with_name("fails").touch()
    assert main(["sweep", "m.toml", "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "m"
    assert [line.split(maxsplit=1)[1] for line in told[1:5]] == [
        f"waiting                digits_MLP, {name}, repetition {rep}"
        for rep in (1, 2)
        for name in ("margin", "random")
    ]
    assert told[5] == "4 jobs: 4 waiting"
    assert not os.path.exists("results")
    assert main(["sweep", "m.toml", "--workers", "2"]) == 1
    out = capsys.readouterr().out
    assert "4 jobs: 3 done, 1 failed" in out
    assert "failed   digits_MLP, margin, repetition 2: no luck   log: " in out
    assert main(["sweep", "m.toml"]) == 1  # it is not tried again before it is asked for
    assert "done in" not in capsys.readouterr().out
    manifest.with_name("fails").unlink()
    assert main(["sweep", "m.toml", "--retry-failed"]) == 0
    assert "digits_MLP, margin, repetition 2: done in" in capsys.readouterr().out
    assert main(["sweep", "m.toml", "--status"]) == 0
    assert "4 jobs: 4 done" in capsys.readouterr().out
    assert main(["sweep", "m.toml", "--dry-run"]) == 0
    assert capsys.readouterr().out.count(" s  digits_MLP") == 4


def test_a_changed_manifest_adds_runs_and_keeps_the_others(manifest, programs, capsys):
    assert main(["sweep", "m.toml"]) == 0
    manifest.write_text(TINY.replace('"margin", "random"', '"random", "entropy"'))
    capsys.readouterr()
    assert main(["sweep", "m.toml"]) == 0
    out = capsys.readouterr().out
    kept = "and kept (2): digits_MLP, margin, repetition 1; digits_MLP, margin, repetition 2."
    assert kept in out
    assert "4 jobs: 2 done, 2 waiting" in out
    assert "entropy, repetition 2: done in" in out
    assert sorted(path.name for path in manifest.parent.glob("results/m/digits_MLP/*")) == [
        "entropy",
        "margin",
        "random",
    ]


def test_one_of_several_sets(manifest, programs, capsys):
    manifest.write_text(TINY + '[[set]]\nname = "a"\n[[set]]\nname = "b"\nn_pool = 70\n')
    assert main(["sweep", "m.toml", "--set", "b", "--workers", "2"]) == 0
    out = capsys.readouterr().out
    assert "4 jobs: 4 waiting\n" in out
    assert "b, random, repetition 2: done in" in out
    assert "No longer" not in out
    assert not manifest.with_name("results").joinpath("m", "a").exists()
    assert main(["sweep", "m.toml", "--status"]) == 0
    assert "8 jobs: 4 done, 4 waiting; about" in capsys.readouterr().out
    assert main(["sweep", "m.toml", "--status", "--set", "b"]) == 0
    assert capsys.readouterr().out == "m\n4 jobs: 4 done\n"
    assert main(["sweep", "m.toml", "--status", "--rep", "2"]) == 0
    assert "4 jobs: 2 done, 2 waiting; about" in capsys.readouterr().out
    assert main(["sweep", "m.toml", "--workers", "2"]) == 0
    first = capsys.readouterr().out.splitlines()[1]
    assert first.startswith("8 jobs: 4 done, 4 waiting; about ")
    assert first.endswith(" left with 2 at a time")


def test_published_numbers_stand_beside_those_measured(manifest, programs, capsys):
    manifest.write_text(
        TINY + '[[published]]\nstrategy = "random"\nlabels = 25\nvalue = 0.61\nstd = 0.02\nsource = "table 1"\n'
        '[[published]]\nlabels = 30\nvalue = 0.7\nsource = "table 1"\n'
    )
    assert main(["sweep", "m.toml"]) == 0
    out = capsys.readouterr().out
    assert "random, 25 labels, test_accuracy: published 0.61 ± 0.02 (table 1), here 0.6000 ± 0 (2 runs)" in out
    assert "30 labels, test_accuracy: published 0.7 (table 1), here nothing yet" in out


def test_lines_for_another_scheduler(manifest, programs, capsys):
    assert main(["sweep", "m.toml", "--engine", "print"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "tfal.sweep.one" in line]
    assert len(lines) == 4
    assert lines[0].endswith("# digits_MLP, margin, repetition 1 (1 core)")
    results, job = lines[0].split("#")[0].split()[-2:]
    assert one([results, job]) == 0
    assert "digits_MLP, margin, repetition 1: done. Log: " in capsys.readouterr().out
    assert main(["sweep", "m.toml", "--status"]) == 0
    assert "4 jobs: 1 done, 3 waiting" in capsys.readouterr().out
    assert one([results, "0" * 12]) == 2
    assert "has no job '000000000000'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "arguments", "found"),
    [
        (("n_pool", "n_pol"), (), "Did you mean 'n_pool'?"),
        (("n_pool = 60", "n_valid_ = 3"), (), "m.toml has n_valid"),
        (("n_valid = 20", "n_valid = 20000"), (), "2 such lines: nothing was started.)"),
        ((), ("--workers", "0"), "whole number from 1"),
        ((), ("--engine", "print", "--workers", "2"), "starts no jobs"),
        ((), ("--engine", "cloud"), "invalid choice: 'cloud'"),
        ((), ("--dataDir", "a", "--dataDir", "b"), "--dataDir is given twice for all runs"),
        ((), ("--variant", "small"), "unknown variant"),
        ((), ("--resultsDir", "m.toml"), "cannot write to the results folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(manifest, programs, capsys, changes, arguments, found):
    manifest.write_text(TINY.replace(*changes) if changes else TINY)
    assert main(["sweep", "m.toml", *arguments]) == 2
    assert found in capsys.readouterr().err
    assert [path.name for path in manifest.parent.iterdir()] == ["m.toml"]


def test_every_run_that_cannot_start_is_named(manifest, programs, capsys):
    manifest.write_text(TINY.replace("n_valid = 20", "n_valid = 20000"))
    assert main(["sweep", "m.toml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": class 0 has only")[0].rpartition("error: ")[2] for line in lines] == [
        "digits_MLP, margin",
        "digits_MLP, random",
    ]


def test_a_network_that_lacks_what_a_strategy_needs_is_named(manifest, programs, capfd):
    """An MLP has no dropout; noise on its weights is no matter."""
    manifest.write_text(TINY.replace('"margin", ', '"bald", "noise_stability", "epig", '))
    assert main(["sweep", "m.toml"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(": model 'MLP' has no Dropout layer")[0].rpartition("error: ")[2] for line in lines] == [
        "digits_MLP, bald",
        "digits_MLP, epig",
    ]
    assert [path.name for path in manifest.parent.iterdir()] == ["m.toml"]
    manifest.write_text(TINY.replace('"MLP"', '"SCNN"').replace('"margin"', '"bald"'))
    assert main(["sweep", "m.toml", "--engine", "print"]) == 0


def test_two_sweeps_in_one_folder(manifest, programs, capsys):
    from tfal.files import locked

    with locked(manifest.parent / "results" / "m" / ".sweep" / ".lock"):
        assert main(["sweep", "m.toml"]) == 2
    assert "another sweep works in results/m. Wait for it to end" in capsys.readouterr().err


def test_real_runs_are_those_of_tfal_run(manifest, tmp_path, monkeypatch, capsys):
    manifest.write_text(TINY.replace("rep = 2", "rep = [2]").replace('"margin", ', ""))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["sweep", "m.toml"]) == 0
    (made,) = tmp_path.glob("results/m/digits_MLP/random/rep*/rounds.csv")
    assert made.parent.name == "rep002"
    assert made.read_text().startswith("round,labels,test_accuracy")
    assert main(["report", "results/m/digits_MLP"]) == 0
    assert "random (1 rep.)" in capsys.readouterr().out
