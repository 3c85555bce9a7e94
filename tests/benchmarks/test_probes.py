from benchmarks import probes
from benchmarks.probes import make_task, measure


def test_all_sides_learn_the_same_task():
    found = measure(make_task(3, 200, 16, 4), epochs=20, repeats=1)
    assert min(lap.seconds for lap in found) > 0
    accuracies = [lap.accuracy for lap in found]
    assert min(accuracies) > 0.5
    assert max(accuracies) - min(accuracies) < 0.05


def test_the_command_prints_a_table(capsys):
    probes.main("--selections 2 --labels 20 --features 8 --classes 3 --epochs 2 --repeats 1".split())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 selections of 20 labels, 8 features, 3 classes, 2 epochs"
    assert [line.split()[0] for line in lines[2:]] == ["together", "one_by_one", "keras"]
    assert float(lines[2].split()[2]) == 1
    assert all(float(value) >= 0 for line in lines[2:] for value in line.split()[1:])
