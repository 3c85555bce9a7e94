"""A selection in a folder: stopped anywhere it goes on with the same picks, and takes nothing for something else."""

import json

import numpy as np
import pytest

from tests.kernels.plain import check_refusal
from tfal.sharded import folder, select

from .test_select import pool

shard = folder.shard
GIVEN = {"labeled": [0, 1, 2, 3], "labels": [0, 1, 0, 1], "n_shard": 4}


@pytest.fixture
def features(tmp_path):
    np.save(tmp_path / "features.npy", pool(400))
    return tmp_path / "features.npy"


@pytest.mark.parametrize("strategy", ["kmeans", "uherding"])
@pytest.mark.parametrize("stop", range(6))
def test_stopped_at_any_file_it_goes_on(stop, strategy, features, tmp_path, monkeypatch):
    expected = select(strategy, 12, features=features, **GIVEN).tolist()
    writes, write = [], folder.write_atomically

    def stopped(path, content):
        if len(writes) == stop:
            raise KeyboardInterrupt
        writes.append(path.name)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write_atomically", stopped)
        with pytest.raises(KeyboardInterrupt):
            select(strategy, 12, features=features, folder=tmp_path / "out", **GIVEN)
    done = []
    monkeypatch.setattr(folder, "shard", lambda question, number: done.append(number) or shard(question, number))
    assert select(strategy, 12, features=features, folder=tmp_path / "out", **GIVEN).tolist() == expected
    assert done == list(range(4))[max(0, stop - 1) :]  # known.npz comes first, and picks.npy last
    assert np.load(tmp_path / "out" / "picks.npy").tolist() == expected
    assert select(strategy, 12, features=features, folder=tmp_path / "out", **GIVEN).tolist() == expected


def test_stopped_before_the_question_is_written_down(features, tmp_path, monkeypatch):
    given = {"strategy": "kmeans", "n": 12, "features": features, "folder": tmp_path / "out", **GIVEN}
    with monkeypatch.context() as patch:
        patch.setattr(folder.Folder, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            select(**given)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."] == ["known.npz"]
    assert len(select(**(given | {"seed": 1}))) == 12  # nothing was asked here


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"n": 13}, ["n: 12 there, 13 here"]),
        ({"strategy": "coreset"}, ["strategy: 'kmeans' there, 'coreset' here"]),
        ({"n_redo": 2}, ["options.n_redo: 5 there, 2 here"]),
        ({"n_shard": 5}, ["n_shard: 4 there, 5 here"]),
        ({"seed": 1}, ["seed: 0 there, 1 here"]),
        ({"labeled": [0, 1, 2, 4]}, ["labeled: "]),
        ({"labels": [0, 1, 0, 0]}, ["labels: "]),
        ({"rejected": [9]}, ["rejected: "]),
        ({"features": pool(400, seed=1)}, ["prints.features"]),
        ({"features": pool(401)}, ["size: 400 there, 401 here"]),
    ],
)
def test_another_question_is_refused(change, parts, features, tmp_path):
    given = {"strategy": "kmeans", "n": 12, "features": features, "folder": tmp_path / "out", **GIVEN}
    select(**given)
    check_refusal([*parts, "another selection"], select, **(given | change))


def test_arrays_may_move(features, tmp_path):
    given = {"strategy": "kmeans", "n": 12, "folder": tmp_path / "out", **GIVEN}
    picks = select(features=features, **given)
    moved = features.rename(tmp_path / "moved.npy")
    assert select(features=moved, **given).tolist() == picks.tolist()
    asked = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert asked["arrays"] == {"features": str(moved), "logits": None}


def test_what_a_disk_damaged(features, tmp_path):
    given = {"strategy": "kmeans", "n": 12, "features": features, "folder": tmp_path / "out", **GIVEN}
    picks = select(**given)
    out = tmp_path / "out"
    (out / "picks.npy").unlink()
    (out / "shards" / "00002.npz").write_bytes(b"PK")
    assert select(**given).tolist() == picks.tolist()
    kept = folder.SelectionFolder(out)
    (out / "picks.npy").unlink()
    (out / "shards" / "00001.npz").unlink()
    check_refusal(["00001.npz", "missing", "--shard 1."], kept.do_union, kept.question())
    (out / "known.npz").write_bytes(b"")
    check_refusal(["known.npz", "damaged", "begin anew"], select, **given)
    (out / "selection.json").write_text("{}")
    check_refusal(["another selection"], select, **given)
    (out / "selection.json").unlink()
    check_refusal(["shards", "no selection.json"], select, **given)


def test_rows_that_only_a_shard_looks_at(features, tmp_path, monkeypatch):
    rows = pool(400)
    rows[301] = np.inf
    np.save(features, rows)
    monkeypatch.setattr("tfal.sharded.checks._CHECKED", 0)
    given = {"strategy": "kmeans", "n": 12, "features": features, "folder": tmp_path / "out", **GIVEN}
    check_refusal(["features", "finite", "[301]"], select, **given)
    assert not (tmp_path / "out" / "picks.npy").exists()
