import pytest

from benchmarks import reading
from benchmarks.reading import Found, Time
from tests.data.test_formats import write_tree


def test_shares():
    half, whole = Time(0.5, 0.5), Time(1.0, 2.0)
    assert Found(half, half, half, half, whole).waiting == pytest.approx(0.5)
    assert Found(half, half, half, whole, half).waiting == 0


def test_the_command_prints_a_table(tmp_path, capsys):
    write_tree(tmp_path, (40, 30, 3))
    reading.main(f"--folder {tmp_path} --network MLP --images 5 --size 8 --batch 2 --repeats 1".split())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 files of 4 kB, read as 8 x 8, batch 2"
    assert [line.split()[0] for line in lines[2:7]] == ["decode", "read", "crop", "network", "both"]
    assert all(float(number) > 0 for line in lines[2:7] for number in line.split()[-2:])
    assert lines[7].startswith("waiting for images")
