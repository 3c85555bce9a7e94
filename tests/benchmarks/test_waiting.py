import pytest

from benchmarks import waiting
from tfal.learners import vaal_networks


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setattr(vaal_networks, "CHANNELS", (4, 8))
    monkeypatch.setattr(vaal_networks, "WIDTH", 16)


@pytest.mark.parametrize("learner", list(waiting.TRAININGS))
def test_measures_every_part_of_every_learner(learner):
    found = waiting.measure(learner, "MLP", size=8, batch=4, n_steps=2, repeats=1)
    assert min(time.wall for time in found) > 0
    assert min(time.cores for time in found) > 0
    assert found.waiting < 1
    assert 0 < found.most < 1


def test_the_command_prints_a_markdown_table(capsys):
    waiting.main("--learners vaal --sizes 4,8 --batch 4 --steps 2 --repeats 1".split())
    first, empty, *table = capsys.readouterr().out.splitlines()
    assert (first, empty) == ("batch 4; medians of 1 times 2 steps; aim: 5 %", "")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert len(cells) == 4
    assert {len(row) for row in cells} == {8}
    assert [row[:2] for row in cells[2:]] == [["vaal", "4 x 4 x 3"], ["vaal", "8 x 8 x 3"]]
    assert all(float(time) > 0 for row in cells[2:] for time in row[2:5])
    assert all(share.endswith(" %") for row in cells[2:] for share in row[5:])
