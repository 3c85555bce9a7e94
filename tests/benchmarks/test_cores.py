import pytest

from benchmarks import cores


@pytest.mark.parametrize("learner", ["classifier", "vae", cores.HEADS])
def test_measures_all_epochs_but_the_first(learner):
    found = cores.measure(learner, "MLP", size=6, n=64, n_epoch=3, autotuning=False)
    assert found.wall > 0
    assert found.cores > 0


def test_the_command_prints_a_markdown_table(capsys):
    cores.main("--learners classifier --network MLP --size 6 --images 64 --epochs 3".split())
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert cells[0] == cores.COLUMNS.split(", ")
    assert [len(row) for row in cells] == [6, 6, 6]
    assert all(float(value) > 0 for value in cells[2][1:])
