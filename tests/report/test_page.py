"""The page of a report: what is in it, in files and in a real browser, with names that would run if they could."""

import base64
import builtins
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from plotly import graph_objects

from tests.conftest import ROOT
from tests.labeling.browser import started
from tests.report.results_folders import RECIPE, filled, write_run
from tfal.errors import InputError
from tfal.report.comparison import read_comparison
from tfal.report.group import largest_group
from tfal.report.learning_curves import main
from tfal.report.page import write_report
from tfal.report.page.charts import looks, overall_charts, setting_charts
from tfal.report.page.interactive import figure_json
from tfal.report.page.memories import memory_pictures
from tfal.report.page.rank_diagram import diagram
from tfal.report.tables.measured import stops

HOSTILE = "<script>document.title='run'<"  # of a strategy: what stands before its / is a folder's name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two settings, one with a hostile strategy; the page lies elsewhere than the results."""
    root = tmp_path_factory.mktemp("report")
    columns = {"purity": [0.5, 0.25, 0.75, 1.0], "val_accuracy": [0.1, 0.2, 0.3, 0.4]}
    filled(root / "results" / "a_SCNN", ("margin", "random", HOSTILE), columns=columns)
    filled(root / "results" / "b&<img src=x onerror=alert(1)>_SCNN", ("margin", "random"), reps=2, n_epoch=7)
    lines = write_report([root / "results"], root / "elsewhere" / "report.html")
    return root / "elsewhere" / "report.html", lines


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = started(tmp_path_factory.mktemp("downloads"))
    browser.resize(1600, 1000)
    yield browser
    browser.driver.quit()


def test_every_figure_and_table_lies_beside_the_page(made):
    file, lines = made
    beside = file.parent / "report_files" / "a_SCNN"
    for name in ("test_accuracy", "difference", "purity"):
        assert (beside / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (beside / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (beside / "differences.csv").read_text().startswith("strategy,repetitions,")
    assert r"\begin{tabular}" in (beside / "differences.tex").read_text()
    assert {path.stem for path in (file.parent / "report_files" / "all_settings").glob("*.png")} >= {
        "gap_profile",
        "penalty",
    }
    assert lines[0] == "Read: 19 runs of 3 strategies in 2 settings."


def test_the_page_loads_nothing_and_names_are_text(made):
    page = made[0].read_text()
    without_plotly = re.sub(r"<script>/\*\*.*?</script>", "", page, count=1, flags=re.DOTALL)
    assert len(without_plotly) < len(page) / 2
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", without_plotly)
    assert "<script>document" not in without_plotly
    assert "<img" not in without_plotly
    assert "&lt;script&gt;document.title=&#x27;run&#x27;&lt;" in without_plotly
    assert page.count("plotly.js v") >= 1
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'")
    assert policy.count("'sha256-") == 2


def test_charts_are_numbers_that_were_measured(made):
    figures = dict(
        re.findall(r'id="chart-(a_SCNN-\w+)".*?<script type="application/json">(.*?)</script>', made[0].read_text())
    )
    chart = json.loads(figures["a_SCNN-test_accuracy"])
    (line,) = [trace for trace in chart["data"] if trace["name"] == "random (n = 5)"]
    assert line["x"] == [20, 40, 60, 80]
    assert line["y"][0] == pytest.approx(53.0)  # 0.5 + 0.01 rep, in percent
    names = [trace["name"] for trace in chart["data"] if trace.get("meta") != "band"]
    assert [trace.get("meta") == "band" for trace in chart["data"]] == [True] * 3 + [False] * 3  # behind all curves
    assert "&lt;script&gt;document.title='run'&lt; (n = 5)" in names


def test_a_click_on_legend_tab_and_button_changes_what_it_should(made, chromium):
    chromium.open(made[0])
    assert chromium.text("[role=tabpanel]:not([hidden]) h2") == "Overview"
    assert "2 of the 5 repetitions" in chromium.text(".warnings")

    chromium.click("#tab-a_SCNN")
    assert chromium.text("[role=tabpanel]:not([hidden]) h2") == "a_SCNN"
    assert len(chromium.all("[role=tabpanel]:not([hidden])")) == 1
    chart = "document.getElementById('chart-a_SCNN-test_accuracy')"
    visible = f"return {chart}.data.map((t) => [t.name, t.visible ?? true])"
    _until(chromium, f"return {chart}.querySelectorAll('.legendtoggle').length")
    names = chromium.run(f"return [...{chart}.querySelectorAll('.legendtext')].map((t) => t.textContent)")
    assert names == [f"{HOSTILE} (n = 5)", "margin (n = 5)", "random (n = 5)"]

    chromium.all("#chart-a_SCNN-test_accuracy .legendtoggle")[1].click()
    _until(chromium, f"{visible}.some(([name, on]) => on === 'legendonly')")
    off = {name for name, on in chromium.run(visible) if on == "legendonly"}
    assert off == {"margin (n = 5)", "margin"}  # the curve and its band

    chromium.click("#bands")
    fills = f"return {chart}.data.filter((t) => t.meta === 'band').map((t) => t.fill)"
    assert set(chromium.run(fills)) == {"none"}

    chromium.run("window.copied = ''; navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    chromium.click("#table-a_SCNN-differences [data-copy=csv]")
    _until(chromium, "return document.getElementById('said').textContent === 'Copied'")
    expected = (made[0].parent / "report_files" / "a_SCNN" / "differences.csv").read_text()
    assert chromium.run("return window.copied") == expected
    assert expected.splitlines()[1].startswith(HOSTILE)
    assert chromium.driver.title == "Active learning: 2 settings"  # nothing of a name ran
    assert [entry for entry in chromium.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_charts_keep_their_height_when_the_window_changes(made, chromium):
    chromium.resize(1600, 1000)
    chromium.open(made[0])
    chromium.click("#tab-a_SCNN")
    chart = "document.getElementById('chart-a_SCNN-test_accuracy')"
    _until(chromium, f"return {chart}.querySelectorAll('.legendtoggle').length")
    chromium.resize(900, 1000)
    _until(chromium, f"return {chart}.querySelector('.main-svg').getBoundingClientRect().width < 900")
    places = "[...document.querySelectorAll('figure[data-drawn] .chart')]"
    fits = "(c) => c.querySelector('.main-svg').getBoundingClientRect().height <= c.clientHeight + 1"
    assert chromium.run(f"return {places}.length > 0 && {places}.every({fits})")


def _until(browser, script):
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser.driver, 60).until(lambda _: browser.run(script))


def test_the_page_is_as_wide_as_the_window(made, chromium):
    for width in (1600, 800):
        chromium.resize(width, 1000)
        chromium.open(made[0])
        for tab in ("#tab-overview", "#tab-all_settings", "#tab-a_SCNN"):
            chromium.click(tab)
            assert chromium.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--html", "page.txt"], "--html must name a file that ends in .html"),
        (["--html", "/proc/nowhere/report.html"], "cannot write to the folder of the page"),
        (["--html"], "--html: expected one argument"),
        (["nothing", "--html", "report.html"], "there is no folder 'nothing'"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, monkeypatch, capsys, more, expected):
    monkeypatch.chdir(tmp_path)
    filled(tmp_path / "a_SCNN", reps=1)
    assert main(["a_SCNN", *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert {path.name for path in tmp_path.iterdir()} == {"a_SCNN"}


def test_without_plotly_it_is_said_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("plotly"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"pip install -r requirements-report\.txt"):
        write_report([tmp_path], tmp_path / "report.html")


def test_one_strategy_and_half_a_run_make_a_page(tmp_path):
    write_run(tmp_path / "a_SCNN", "margin", 1, [0.5])
    lines = write_report([tmp_path / "a_SCNN"], tmp_path / "report.html")
    assert any("random was not run" in line for line in lines)
    assert "no two strategies share" in (tmp_path / "report.html").read_text()


def test_what_a_strategy_learned_is_on_the_page(tmp_path):
    (setting,) = read_comparison([ROOT / "results" / "reference" / "digits-4known-ood50_SCNN"]).settings
    (picture,) = memory_pictures(setting)
    assert "What mqnet learned" in picture
    png = (setting.folder / "memory_mqnet.png").read_bytes()
    assert base64.b64encode(png).decode() in picture
    filled(tmp_path, ("mqnet", "random"), reps=1)
    (tmp_path / "memory_mqnet.png").write_text("no picture")
    assert memory_pictures(read_comparison([tmp_path]).settings[0]) == []


def test_files_of_a_page_before_that_are_no_longer_of_it_go_and_others_stay(tmp_path):
    filled(tmp_path / "a_SCNN", purity=[0.5, 0.25, 0.75, 1.0])
    filled(tmp_path / "b_SCNN")
    write_report([tmp_path / "a_SCNN", tmp_path / "b_SCNN"], tmp_path / "report.html")
    beside = tmp_path / "report_files"
    (beside / "b_SCNN" / "mine.txt").write_text("kept")
    (beside / "a_SCNN" / "notes.csv").write_text("kept")
    shutil.rmtree(tmp_path / "a_SCNN")
    filled(tmp_path / "a_SCNN")
    lines = write_report([tmp_path / "a_SCNN"], tmp_path / "report.html")
    assert {path.name for path in (beside / "b_SCNN").iterdir()} == {"mine.txt"}
    there = {path.relative_to(beside).as_posix() for path in beside.glob("*/*")}
    assert {"a_SCNN/notes.csv", "a_SCNN/test_accuracy.png"} <= there
    assert not [name for name in there if "purity" in name]
    listed = json.loads((beside / "files.json").read_text())["files"]
    assert set(listed) == there - {"b_SCNN/mine.txt", "a_SCNN/notes.csv"}
    assert lines[-1].endswith(f"({len(listed)} files)")
    assert lines[0] == "Read: 10 runs of 2 strategies in 1 setting."


@pytest.mark.parametrize("named", ["../../kept.csv", "/kept.csv", "../kept.csv", "kept.csv", 7])
def test_no_file_elsewhere_is_removed(tmp_path, named):
    filled(tmp_path / "a_SCNN", reps=1)
    (tmp_path / "report_files").mkdir()
    (tmp_path / "report_files" / "files.json").write_text(json.dumps({"files": [named]}))
    with pytest.raises(InputError, match=r"files\.json is damaged"):
        write_report([tmp_path / "a_SCNN"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.fixture
def read_only(tmp_path):
    """A disk, and what mounts it anew for reading only, where this system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "tmpfs", disk]
    if not shutil.which("mount") or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("needs to mount a disk: root, and a system that lets root do so")
    yield disk, lambda: subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    subprocess.run(["umount", disk], check=True)


def test_results_on_a_read_only_disk_and_the_page_elsewhere(read_only, tmp_path):
    disk, seal = read_only
    filled(disk / "a_SCNN")
    seal()
    with pytest.raises(OSError, match="Read-only file system"):
        (disk / "a_SCNN" / "x").touch()
    lines = write_report([disk / "a_SCNN"], tmp_path / "elsewhere" / "report.html")
    assert "Page:" in lines[-1]
    assert (tmp_path / "elsewhere" / "report_files" / "a_SCNN" / "test_accuracy.png").exists()
    with pytest.raises(InputError, match=r"cannot write to the folder of the page .* Read-only file system"):
        write_report([disk / "a_SCNN"], disk / "report.html")


def test_figures_are_what_plotly_knows(tmp_path):
    for number in range(6):
        filled(tmp_path / f"{number}_SCNN", ("margin", "random", "ldms"), lift=0.01 * number)
    comparison = read_comparison([tmp_path])
    every = [*overall_charts(largest_group(comparison)), *setting_charts(comparison.settings[0])]
    assert {chart.key for chart in every} >= {"gap_profile", "penalty", "ranks", "test_accuracy", "difference"}
    for chart in every:
        made = json.loads(figure_json(chart, looks(comparison)))
        layout = {**made["layout"], "template": None}
        known = json.loads(graph_objects.Figure(made["data"], layout).to_json())  # refuses what it does not know
        for trace in (*known["data"], *made["data"]):
            trace.pop("colorscale", None)  # a name, or its colors
        assert known["data"] == made["data"]
        assert {**known["layout"], "template": None} == layout


def test_ranks_are_a_critical_difference_diagram():
    mean = np.array([1.5, 2.0, 3.25, 3.25])
    made = diagram(("a", "b", "c", "d"), mean, 1.75, ((0, 1), (1, 2, 3)))
    by_name = {stroke.said: stroke for stroke in made.strokes if stroke.said}
    assert by_name["CD = 1.75"].x == (1, 2.75)
    first, second = by_name["not told apart: a, b"], by_name["not told apart: b, c, d"]
    assert first.x == pytest.approx((1.5, 2.0), abs=0.05)
    assert second.x == pytest.approx((2.0, 3.25), abs=0.05)
    assert 0 < first.y[0] < second.y[0] < min(by_name[name].y[1] for name in ("a: 1.50", "d: 3.25"))
    assert [by_name[name].x[0] for name in ("a: 1.50", "b: 2.00", "c: 3.25", "d: 3.25")] == mean.tolist()
    words = {word.text: word for word in made.words}
    assert words["a  1.50"].align == words["b  2.00"].align == "right"
    assert words["3.25  c"].align == words["3.25  d"].align == "left"
    assert words["a  1.50"].y < words["b  2.00"].y  # the best on top
    assert words["3.25  d"].y < words["3.25  c"].y  # and the worst
    low, high = made.x_range
    assert all(low < x < high for stroke in made.strokes for x in stroke.x)
    assert made.strokes[0].x == (1, 4)  # the scale
    assert "mean rank (1 is best)" in words


def test_certainty_is_judged_by_the_network_where_classes_are_too_many_for_recalls(tmp_path):
    filled(tmp_path, ("random",), reps=1, mean_entropy=[4.0, 2.0, 0.2, 0.1], agreement=[0.0, 0.5, 0.9, 1.0])
    (setting,) = read_comparison([tmp_path]).settings
    assert setting.n_classes is None
    assert "certain" not in {row[1] for row in stops(setting).rows}
    network = ["Dense 9x128 128 0a5a", "Dropout f3", "Dense 128x200 200 02aa", "outputs 91"]
    stored = {"recipe": RECIPE, "network": network}
    (tmp_path / "random" / "rep001" / "recipe.json").write_text(json.dumps(stored))
    (setting,) = read_comparison([tmp_path]).settings
    assert setting.n_classes == 200
    (row,) = [row for row in stops(setting).rows if row[1] == "certain"]
    assert row[3].startswith("60")  # 0.2 is the first below 5 % of ln 200, 0.26
