import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import sharded
from tests.kernels.referee import badge_distances


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(sharded, "CLASSES", 4)
    sharded.made_pool(tmp_path, 300, 8)

    def here(words, **_):
        return SimpleNamespace(stdout=sharded.json.dumps(sharded.job(sharded.Path(words[-2]), words[-1])))

    monkeypatch.setattr(subprocess, "run", here)
    return tmp_path


@pytest.mark.parametrize("name", ["coreset", "badge", "kmeans"])
def test_a_row_and_once_more_from_the_folder(name, files, monkeypatch):
    line = sharded.row(files, name, 9, 2)
    assert line.count("|") == sharded.table_head(2).splitlines()[0].count("|")
    assert line.startswith(f"| {name} | ")
    monkeypatch.setattr(subprocess, "run", None)
    assert sharded.row(files, name, 9, 2) == line


def test_scores_are_those_of_one_process(files):
    assert "| equal |" in sharded.row(files, "margin", 9, 1)


def test_what_picks_are_worth(files):
    pool = sharded.Pool(*(np.load(files / f"{name}.npy", mmap_mode="r") for name in sharded.Pool._fields))
    picks, rows = np.array([3, 200, 17]), pool.features.astype(float)
    squares = np.square(rows[:, None] - rows[picks]).sum(axis=2).min(axis=1)
    worth = {name: case.worth(pool, picks) for name, case in sharded.CASES.items()}
    assert worth["coreset"] == pytest.approx(np.sqrt(squares.max()), rel=1e-3)
    assert worth["kmeans"] == pytest.approx(squares.sum(), rel=1e-3)
    assert worth["maxherding"] == pytest.approx(np.exp(-squares).mean(), rel=1e-3)
    assert worth["probcover"] == np.mean(squares <= sharded.DELTA**2)
    assert 0 < worth["uherding"] < 1
    apart = badge_distances(pool.features, pool.logits)[:, picks].min(axis=1)
    assert worth["badge"] == pytest.approx(np.square(apart).sum(), rel=1e-3)
