import numpy as np
import pytest

from benchmarks import pretraining
from benchmarks.pretraining import Found, Time, measure
from tfal.recipe import Recipe


def test_shares():
    found = Found(views=Time(0.05, 0.1), step=Time(0.09, 0.3), both=Time(0.1, 0.4))
    assert found.waiting == pytest.approx(0.1)
    assert found.most == pytest.approx(5 / 14)
    assert found.work == pytest.approx(0.25)


def test_measures_every_part_of_every_encoder():
    array = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    for learner in ("csi", "ccal_semantic"):
        found = measure(Recipe(network="MLP", n_batch_encoder=4), learner, array, n_steps=2, repeats=1)
        assert min(time.wall for time in found) > 0
        assert min(time.cores for time in found) > 0


def test_the_command_prints_a_table(capsys):
    pretraining.main("--network MLP --images 40 --batch 8 --steps 2 --repeats 1".split())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "csi, MLP, digits 40 x 8 x 8 x 1, batch 8; 2 steps"
    assert [line.split()[0] for line in lines[2:5]] == ["views", "step", "both"]
    assert all(float(number) >= 0 for line in lines[2:5] for number in line.split()[1:])
    assert [line.split(",")[0] for line in lines[5:]] == ["waiting for views", "views"]
