"""Pictures of what was picked on the page of a report, of runs and data that are at hand."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.report.results_folders import filled
from tfal.data import fingerprint, load
from tfal.data.tabular import load_csv
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.report.comparison import read_comparison
from tfal.report.learning_curves import main
from tfal.report.page import write_report
from tfal.report.page.picks import pick_pictures

KEYS = ("first_picks", "classes", "picks_in_the_pool")


@pytest.fixture
def place(tmp_path):
    """A folder with data, small.npz, and one with runs on them; rounds buy 2 labels each."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 5, 5), dtype=np.uint8), np.arange(40) % 4
    (tmp_path / "data").mkdir()
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:4], "y_test": labels[:4]}
    np.savez(tmp_path / "data" / "small.npz", **arrays)
    data = load("small", tmp_path / "data")
    filled(tmp_path / "results" / "small_SCNN", reps=2, dataset="small", data=fingerprint(data))
    for run in (tmp_path / "results" / "small_SCNN").glob("*/rep*"):
        ids, pool = rng.permutation(40), Pool.unlabeled_pool(40)
        for step in range(4):
            bought = ids[2 * step : 2 * step + 2]
            pool.label_samples(bought, data.y_train[bought], step)
        pool.save(run / "pool.npz")
    return tmp_path


def test_pictures_are_on_the_page_and_beside_it_without_tensorflow(place):
    words = [str(place / "results"), "--html", str(place / "report.html"), "--dataDir", str(place / "data")]
    code = (
        f"import sys; from tfal.report.learning_curves import main; print(main({words}), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    page = (place / "report.html").read_text()
    for key in KEYS:
        (picture,) = re.findall(rf'<div class="pictures" id="picture-small_SCNN-{key}">.*?</div>', page)
        assert 'src="data:image/png;base64,' in picture
        for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
            link = f"report_files/small_SCNN/{key}.{kind}"
            assert f'href="{link}"' in picture
            assert (place / link).read_bytes().startswith(start)


def test_what_is_drawn_is_what_was_picked(place):
    (comparison,) = [read_comparison([place / "results"])]
    found, said = pick_pictures(comparison, {"": str(place / "data")})
    assert said == []
    first, classes, plane = found["small_SCNN"]
    assert [axes.get_title(loc="left") for axes in first.figure.axes if axes.images] == [
        f"{name}, round 1: 2 picks, {n} of 4 classes" for name, n in _classes_of_round_1(place)
    ]
    assert [axes.get_title() for axes in classes.figure.axes] == ["margin: 8 labels", "random: 8 labels"]
    assert plane.figure.get_suptitle() == "pixels, t-SNE; 40 samples"
    assert pick_pictures(comparison, {}) == ({}, [])


def _classes_of_round_1(place):
    for name in ("margin", "random"):
        pool = Pool.load(place / "results" / "small_SCNN" / name / "rep001" / "pool.npz")
        yield name, len(np.unique(pool.label[pool.round == 1]))


def test_names_that_look_like_formulas_or_html_are_text(place):
    hostile = place / "results" / "small_SCNN" / "<b>$x^$"
    shutil.copytree(place / "results" / "small_SCNN" / "margin", hostile)
    write_report([place / "results"], place / "report.html", {"": str(place / "data")})
    assert "<b>$" not in re.sub(r"<script.*?</script>", "", (place / "report.html").read_text(), flags=re.DOTALL)
    assert (place / "report_files" / "small_SCNN" / "first_picks.pdf").exists()


def test_settings_without_runs_or_data_say_so(place):
    filled(place / "results" / "other_SCNN", reps=1, dataset="other")
    filled(place / "results" / "table_MLP", reps=1, dataset="table", label="class")
    for name in ("other_SCNN", "table_MLP"):
        pool = Pool.unlabeled_pool(9)
        pool.label_samples(np.array([1]), np.array([0]), 0)
        pool.save(place / "results" / name / "margin" / "rep001" / "pool.npz")
    filled(place / "results" / "joined_SCNN", reps=1)
    _, said = pick_pictures(read_comparison([place / "results"]), {"": str(place / "data")})
    reasons = {line.partition(":")[0]: line for line in said}
    assert "joined_SCNN: no pictures of its picks. Its folder holds no pool.npz" in reasons["joined_SCNN"]
    assert "Give a folder with --dataDir" in reasons["other_SCNN"]
    assert "Its data are a table, and" in reasons["table_MLP"]
    assert len(said) == 3
    _, said = pick_pictures(read_comparison([place / "results"]), {"small": str(place / "data")})
    assert any("No --dataDir is given for other." in line for line in said)


@pytest.mark.parametrize("test", [None, "points.test.csv"])
def test_tables_are_found_by_name_and_have_no_contact_sheet(place, test):
    rng = np.random.default_rng(0)
    for name, rows in (("points.train", 50), ("points.test", 15), ("points", 20)):
        lines = [f"{a:.3f},{b:.3f},{number % 3}" for number, (a, b) in enumerate(rng.normal(size=(rows, 2)))]
        (place / "data" / f"{name}.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    data = load_csv(place / "data" / "points.train.csv", "kind", test and place / "data" / test)
    filled(place / "tables" / "points_MLP", reps=1, dataset="points.train", data=fingerprint(data), label="kind")
    for run in (place / "tables" / "points_MLP").glob("*/rep*"):
        pool = Pool.unlabeled_pool(len(data.y_train))
        pool.label_samples(np.arange(6), data.y_train[:6], 0)
        pool.save(run / "pool.npz")
    comparison = read_comparison([place / "tables"])
    found, said = pick_pictures(comparison, {"": str(place / "data")})
    assert said == []
    classes, plane = found["points_MLP"]
    assert [axes.get_title() for axes in classes.figure.axes] == ["margin: 6 labels", "random: 6 labels"]
    assert plane.figure.get_suptitle() == f"points as given; {len(data.y_train)} samples"
    (place / "data" / "points.train.csv").write_text("a,b,kind\n" + "1,2,0\n3,4,1\n" * 20)
    with pytest.raises(InputError, match=r"points\.train\.csv is not read as what recipe\.json says of it"):
        pick_pictures(comparison, {"": str(place / "data")})


def test_other_data_are_refused_before_anything_is_written(place, capsys):
    with np.load(place / "data" / "small.npz") as stored:
        arrays = dict(stored)
    np.savez(place / "data" / "small.npz", **arrays | {"x_train": 255 - arrays["x_train"]})
    words = [str(place / "results"), "--html", str(place / "report.html"), "--dataDir", str(place / "data")]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--dataDir, small_SCNN: the data must be those of the runs." in line
    np.savez(place / "data" / "small.npz", **{name: array[:3] for name, array in arrays.items()})
    with pytest.raises(InputError, match="a pool of 40 samples, and 3 samples"):
        write_report([place / "results"], place / "report.html", {"": str(place / "data")})
    assert {path.name for path in place.iterdir()} == {"data", "results"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--dataDir", "data"], "--dataDir is for the page. Received: no --html"),
        (["--html", "a.html", "--dataDir", "nowhere"], "no pictures can be drawn. the data folder must be an existing"),
        (["--html", "a.html", "--dataDir", "data", "--dataDir", "data"], "--dataDir is given twice for all runs"),
        (["--html", "a.html", "--dataDir", "smal=data"], "unknown set or data set 'smal'. Did you mean 'small'?"),
    ],
)
def test_flags_that_mean_nothing_are_one_line(place, monkeypatch, capsys, more, expected):
    monkeypatch.chdir(place)
    assert main(["results", *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
