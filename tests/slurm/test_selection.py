"""A selection by shards on a real Slurm: the picks of this process."""

import numpy as np
import pytest

from tests.sharded.test_select import pool
from tests.slurm.conftest import until
from tfal.sharded import select
from tfal.sharded.cli import main


@pytest.mark.usefixtures("cluster")
def test_a_selection_is_an_array_and_a_job_that_waits_for_it(tmp_path, capsys):
    pytest.importorskip("submitit", reason="needs submitit (pip install submitit)")
    np.save(tmp_path / "features.npy", pool(600))
    asked = [str(tmp_path / "features.npy"), "--strategy", "kmeans", "--n", "9", "--nShard", "2"]
    words = [*asked, "--out", str(tmp_path / "out"), "--engine", "slurm", "--memoryGB", "0.5"]
    assert main(words) == 2
    assert "time=MINUTES" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--minutes", "5"]) == 0
    said = capsys.readouterr().out
    assert "kmeans, shard 1 of 2 and 1 more" in said
    assert "kmeans, union of 2, after 2 others" in said
    until((tmp_path / "out" / "picks.npy").exists)
    expected = select("kmeans", 9, features=tmp_path / "features.npy", n_shard=2).tolist()
    assert np.load(tmp_path / "out" / "picks.npy").tolist() == expected
