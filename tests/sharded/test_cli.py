"""The command: jobs on this machine, killed and gone on, and what it refuses before anything is written."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tfal.sharded import select
from tfal.sharded.cli import main

from .test_select import pool


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("select")
    np.save(folder / "features.npy", pool(600))
    np.save(folder / "logits.npy", np.eye(600, 3) * 2)
    np.save(folder / "labeled.npy", np.arange(5))
    np.save(folder / "labels.npy", np.arange(5) % 2)
    np.save(folder / "rejected.npy", np.arange(600) == 7)
    return folder


def words(files, out, *more, strategy="probcover"):
    known = [word for name in ("labeled", "labels", "rejected") for word in (f"--{name}", f"{files / name}.npy")]
    asked = ["--strategy", strategy, "--n", "9", "--nShard", "3", "--seed", "2", "--out", str(out), *known]
    return [str(files / "features.npy"), *asked, *(["--delta", "0.4"] if strategy == "probcover" else []), *more]


def expected(files, strategy, **options):
    known = {name: np.load(files / f"{name}.npy") for name in ("labeled", "labels", "rejected")}
    return select(strategy, 9, features=files / "features.npy", n_shard=3, seed=2, **known, **options).tolist()


def test_killed_and_gone_on(files, tmp_path, capsys):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tfal", "select", *words(files, out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        said = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGKILL)
    assert said[0] == "4 jobs: 4 waiting\n"
    assert "done in" in said[1]
    assert not (out / "picks.npy").exists()
    assert main(words(files, out)) == 0
    assert np.load(out / "picks.npy").tolist() == expected(files, "probcover", delta=0.4)
    assert "9 picks of 594 candidates" in capsys.readouterr().out
    assert main(words(files, out, "--status")) == 0
    assert capsys.readouterr().out == "4 jobs: 4 done\n"
    assert main(words(files, out)) == 0  # starts nothing
    assert "4 jobs: 4 done\n" in capsys.readouterr().out


def test_by_hand(files, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(files, out, "--engine", "print", strategy="kmeans")) == 0
    printed = capsys.readouterr().out
    assert printed.count("tfal.sweep.one") == 4
    assert "# when all above are done: 1 job" in printed
    asked = json.loads((out / "selection.json").read_text())
    assert (asked["strategy"], asked["n_shard"], asked["seed"]) == ("kmeans", 3, 2)
    assert main(["--out", str(out), "--shard", "union"]) == 2
    assert "00001.npz is missing. Do it again" in capsys.readouterr().err
    for shard in ("1", "2", "3", "union"):
        assert main(["--out", str(out), "--shard", shard]) == 0
    assert np.load(out / "picks.npy").tolist() == expected(files, "kmeans")


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        (["--nShard", "100"], ["n_shard must be at most 66"]),
        (["--strategy", "entropy"], ["unknown argument 'delta'"]),
        (["--strategy", "coreset"], ["unknown argument 'delta'"]),
        (["--nClusters", "1"], ["n_clusters", "1"]),
        (["--n", "x"], ["--n: invalid int value"]),
        (["--nShards", "2"], ["unknown argument '--nShards'", "Did you mean --nShard?"]),
        (["--labels", "no.npy"], ["no.npy is missing"]),
        (["--workers", "0"], ["--workers", "from 1"]),
        (["--shard", "1"], ["--out alone", "FEATURES.npy, too"]),
    ],
)
def test_refusals(more, parts, files, tmp_path, capsys):
    assert main(words(files, tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(part in error for part in [*parts, "error: "]), error
    assert not (tmp_path / "out").exists()


def test_what_is_missing(files, tmp_path, capsys):
    assert main(["--out", str(tmp_path / "out")]) == 2
    assert "--strategy must be given" in capsys.readouterr().err
    assert main(["--strategy", "coreset", "--n", "3", "--out", str(tmp_path / "out")]) == 2
    assert "coreset' reads classifier. Received: no model" in capsys.readouterr().err
    assert main(words(files, tmp_path / "out", strategy="bait")) == 2
    assert "'bait' cannot choose from a pool in parts" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "out"), "--shard", "1"]) == 2
    assert "holds no selection" in capsys.readouterr().err


def test_help_tells_the_options_of_strategies(capsys):
    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--nAnchor" in shown
    assert "50000 (probcover), 20000 (maxherding, uherding)" in shown
