import dataclasses
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from models import BUILDERS
from tests.conftest import ROOT
from tfal import jobs
from tfal.errors import InputError
from tfal.loop import run
from tfal.recipe import Recipe
from tfal.storage.tables import read_rounds
from tfal.trackers import Trackers, check_trackers

PLACE = {"dataset": "digits", "network": "MLP", "strategy": "random", "repetition": 1}


@pytest.fixture
def quick(small):
    return dataclasses.replace(small, strategy="random", n_step=1, n_epoch=1)


def test_each_round_is_told_once_however_often_a_run_goes_on(quick, digits):
    told = []
    stopped = run(quick, BUILDERS["MLP"], data=digits, on_round=told.append)
    next(stopped)
    stopped.close()
    list(run(quick, BUILDERS["MLP"], data=digits, on_round=told.append))
    assert [row["round"] for row in told] == [0, 1]
    # the last round is trained again, since nothing was picked in it, and says what it has said
    list(run(quick.replace(n_step=2), BUILDERS["MLP"], data=digits, on_round=told.append))
    rows = read_rounds(Path(quick.results_dir) / "digits_MLP" / "random" / "rep001" / "rounds.csv")
    assert [{name: row[name] for name in PLACE} for row in told] == [PLACE] * 3
    of_a_training = ("seconds_", "peak_")
    for row, kept in zip(told, rows, strict=True):
        expected = PLACE | kept
        assert set(row) == set(expected)
        assert all(row[name] == expected[name] for name in row if not name.startswith(of_a_training))


def test_a_tracker_that_fails_is_said_once_and_stops_nothing(quick, digits, caplog):
    calls = []

    def on_round(row):
        calls.append(row.pop("round"))
        raise OSError("no\nroute to host")

    rows = [done.row for done in run(quick, BUILDERS["MLP"], data=digits, on_round=on_round)]
    assert [row["round"] for row in rows] == [0, 1]
    assert calls == [0]
    said = [
        line for line in caplog.messages if line.startswith("on_round failed (OSError: no route to host) and is told")
    ]
    assert len(said) == 1


def test_on_round_is_a_function(quick, digits):
    with pytest.raises(InputError, match=r"on_round must be a function \(row\). Received: a str"):
        run(quick, BUILDERS["MLP"], data=digits, on_round="wandb")


def test_names_of_trackers():
    assert Recipe(log="TensorBoard, wandb").log == "tensorboard,wandb"
    with pytest.raises(InputError, match=r"unknown tracker 'wandbb'\. Did you mean 'wandb'"):
        Recipe(log="wandbb")
    with pytest.raises(InputError, match="--log must name each tracker once"):
        Recipe(log="wandb,wandb")
    assert "log" not in Recipe(log="wandb").identity()


@pytest.mark.parametrize("found", [None, types.SimpleNamespace(origin=None)], ids=["nothing", "a folder"])
def test_a_tracker_that_is_not_installed_is_said_before_anything_is_trained(quick, digits, monkeypatch, found):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(InputError, match="--log tensorboard needs the package tensorboard, which is not") as error:
        run(quick.replace(log="tensorboard"), BUILDERS["MLP"], data=digits)
    assert "\n" not in str(error.value)
    assert not Path(quick.results_dir).exists()
    jobs.plan(quick, digits)


def test_tensorboard_reads_what_was_told(quick):
    reason = "--log tensorboard needs tensorboard, which is optional"
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    recipe = quick.replace(log="tensorboard")
    for rep, first in ((1, 0), (2, 0), (1, 2)):  # the last as after a stop, in another process
        trackers = Trackers(recipe)
        for number in (first, first + 1):
            trackers.on_round(recipe, rep, {"round": number, "labels": 20 + number, "test_accuracy": rep / 8 + number})
        trackers.close()
    for rep, steps in ((1, [20, 21, 22, 23]), (2, [20, 21])):
        folder = Path(recipe.results_dir) / "digits_MLP" / "random" / f"rep{rep:03d}" / "tensorboard"
        events = accumulator.EventAccumulator(str(folder))
        events.Reload()
        assert events.Tags()["tensors"] == ["test_accuracy"]
        found = [(each.step, each.tensor_proto.float_val[0]) for each in events.Tensors("test_accuracy")]
        assert found == [(step, rep / 8 + step - 20) for step in steps]


class StandIn(types.ModuleType):
    """What of wandb is called."""

    def __init__(self, logged_in=True):
        super().__init__("wandb")
        self.begun, self.logged, self.ended, self._logged_in = [], [], 0, logged_in
        self.Settings = dict

    def login(self, **given):
        assert given["prompt"] is False
        return self._logged_in

    def init(self, **given):
        self.begun.append(given)
        return self

    def define_metric(self, *given, **more):
        pass

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.ended += 1


def test_a_repetition_goes_on_in_its_run_of_weights_and_biases(quick, monkeypatch):
    wandb, recipe = StandIn(), quick.replace(log="wandb")
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for rep, number in ((1, 0), (2, 0), (1, 1)):
        trackers = Trackers(recipe)
        trackers.on_round(recipe, rep, {"round": number, "labels": 20, "nll": 2.0})
        trackers.close()
    ids = [given["id"] for given in wandb.begun]
    assert ids[0] == ids[2] != ids[1]
    assert [given["name"] for given in wandb.begun] == ["random/rep001", "random/rep002", "random/rep001"]
    assert wandb.begun[0]["config"]["n_query"] == 15
    assert wandb.logged == [(number, {"labels": 20, "nll": 2.0}) for number in (0, 0, 1)]
    assert wandb.ended == 3


def test_nobody_is_asked_for_a_password(quick, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", StandIn(logged_in=False))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: types.SimpleNamespace(origin="there"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(InputError, match=r"nobody is logged in .* Run wandb login, or set WANDB_MODE=offline"):
        check_trackers(quick.replace(log="wandb"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_trackers(quick.replace(log="wandb"))


OFFLINE = """
import sys
from tfal.recipe import Recipe
from tfal.trackers import Trackers, check_trackers

recipe = Recipe(strategy="random", log="wandb", results_dir=sys.argv[1])
check_trackers(recipe)
trackers = Trackers(recipe)
for number in (0, 1):
    trackers.on_round(recipe, 1, {"round": number, "labels": 20, "nll": float("nan")})
trackers.close()
"""


def test_weights_and_biases_offline(tmp_path):
    pytest.importorskip("wandb", reason="--log wandb needs wandb, which is optional")
    environment = {"WANDB_MODE": "offline", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    given = [sys.executable, "-c", OFFLINE, str(tmp_path / "results")]
    done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    assert "failed" not in done.stderr
    name = (tmp_path / "results" / "mnist_SCNN" / "random" / "rep001" / "wandb.txt").read_text().strip()
    (file,) = (tmp_path / "results" / "wandb").glob(f"offline-run-*/run-{name}.wandb")
    assert file.stat().st_size > 0
