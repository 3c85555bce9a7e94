import builtins
import csv
import math
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tfal.errors import InputError
from tfal.report import tidy
from tfal.report.join import join

HEAD = ["experiment", "dataset", "network", "strategy", "repetition", "round", "labels", "metric", "value"]


def _write(folder, text, recipe=None):
    folder.mkdir(parents=True)
    (folder / "rounds.csv").write_text(text)
    if recipe is not None:
        (folder / "recipe.json").write_text(recipe)


@pytest.fixture
def results(tmp_path):
    """One run as an older version left it, one with more columns, and one of a network of someone else."""
    place = tmp_path / "results"
    _write(place / "mnist_SCNN" / "ldms" / "rep001", "round,labels,test_accuracy\n0,20,0.5\n1,40,0.75\n")
    rows = "round,labels,test_accuracy,nll,changed\n0,20,0.25,nan,\n1,40,0.5,1.5,0.125\n"
    _write(place / "mnist_SCNN" / "random" / "rep012", rows)
    recipe = '{"recipe": {"network": "my_nets:tiny_one"}, "data": ""}'
    _write(place / "set" / "a_b_my_nets.tiny_one" / "x" / "rep001", "round,labels,test_accuracy\n0,7,1\n", recipe)
    return place


def _read(path):
    with path.open(newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == HEAD
    return rows


MNIST = ["mnist_SCNN", "mnist", "SCNN"]


def test_every_cell_that_is_there_is_a_row(results, tmp_path):
    path = tmp_path / "results.csv"
    assert tidy.write([results], path) == 8
    rows = _read(path)
    assert rows[:2] == [
        [*MNIST, "ldms", "1", "0", "20", "test_accuracy", "0.5"],
        [*MNIST, "ldms", "1", "1", "40", "test_accuracy", "0.75"],
    ]
    assert rows[2:4] == [
        [*MNIST, "random", "12", "0", "20", "test_accuracy", "0.25"],
        [*MNIST, "random", "12", "0", "20", "nll", "nan"],
    ]
    assert [row[-2:] for row in rows[4:7]] == [["test_accuracy", "0.5"], ["nll", "1.5"], ["changed", "0.125"]]
    assert rows[7] == ["a_b_my_nets.tiny_one", "a_b", "my_nets:tiny_one", "x", "1", "0", "7", "test_accuracy", "1"]


def test_experiments_of_one_name_are_told_apart_and_none_counts_twice(results, tmp_path):
    join(results / "mnist_SCNN", tmp_path / "other" / "mnist_SCNN")
    path = tmp_path / "results.csv"
    one, other = results / "mnist_SCNN", tmp_path / "other"
    assert tidy.write([one, other, one / ".." / "mnist_SCNN"], path) == 14
    assert {row[0] for row in _read(path)} == {"results/mnist_SCNN", "other/mnist_SCNN"}


def test_parquet_says_the_same(results, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow, which is optional")
    monkeypatch.setattr(tidy, "_BLOCK", 3)
    tidy.write([results], tmp_path / "results.parquet")
    rows = [tuple(row.values()) for row in parquet.read_table(tmp_path / "results.parquet").to_pylist()]
    expected = list(tidy.tidy_rows([results]))
    assert str(rows) == str([(*row[:-1], float(row[-1])) for row in expected])
    assert math.isnan(rows[3][-1])


def test_parquet_without_pyarrow_is_one_line(results, tmp_path, monkeypatch):
    known = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return known(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"needs pyarrow, which is not installed\. Install it, pip"):
        tidy.write([results], tmp_path / "results.parquet")
    assert not (tmp_path / "results.parquet").exists()


def test_nothing_of_anothers_is_overwritten(results, tmp_path):
    path = tmp_path / "results.csv"
    tidy.write([results], path)
    before = path.read_bytes()
    tidy.write([results], path)  # the same table again
    assert path.read_bytes() == before
    rounds = results / "mnist_SCNN" / "ldms" / "rep001" / "rounds.csv"
    before = rounds.read_bytes()
    with pytest.raises(InputError, match=r"rounds\.csv is there and is no table of results"):
        tidy.write([results], rounds)
    assert rounds.read_bytes() == before


@pytest.mark.parametrize(
    ("folder", "table", "message"),
    [
        ("gone", "results.csv", "no results in .*gone.*Expected: a folder such as"),
        ("", "more", r"comes last, a file that ends in \.csv or \.parquet\. Received: .*more"),
        ("mnist_SCNN/ldms", "results.csv", "is the table of one repetition"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_no_file(results, tmp_path, folder, table, message):
    with pytest.raises(InputError, match=message) as error:
        tidy.write([results / folder], tmp_path / table)
    assert "\n" not in str(error.value)
    assert not (tmp_path / table).exists()


def test_a_damaged_file_leaves_the_table_as_it_was(results, tmp_path):
    path = tmp_path / "results.csv"
    tidy.write([results], path)
    before = path.read_bytes()
    (results / "set" / "a_b_my_nets.tiny_one" / "x" / "rep001" / "rounds.csv").write_text("round,labels\n0,7\n")
    with pytest.raises(InputError, match="no column 'test_accuracy'"):
        tidy.write([results], path)
    assert path.read_bytes() == before
    assert [*tmp_path.glob("*.part")] == []


def test_the_command_loads_neither_tensorflow_nor_pandas(results, tmp_path):
    code = (
        "import sys; from tfal.__main__ import main; code = main(sys.argv[1:])\n"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'pyarrow') if name in sys.modules], code)"
    )
    given = ["tidy", str(results), str(tmp_path / "results.csv")]
    done = subprocess.run([sys.executable, "-c", code, *given], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].endswith("results.csv, 8 rows of " + ", ".join(HEAD) + ".")
    assert done.stdout.splitlines()[1] == "[] 0"
