"""Doors for strategies, networks and learners of others: by path, by entry point, and what is no such thing."""

import dataclasses
import functools
import importlib
import json
import re
import shutil
import subprocess
import sys

import pytest

from models import BUILDERS
from run_digits import PRESETS
from tests.conftest import ROOT
from tfal import plugins
from tfal.cli import main, parse
from tfal.errors import InputError
from tfal.labeling import cli as labeling
from tfal.learners import LEARNERS, LearnerSpec, register_learner
from tfal.loop import plan, run
from tfal.recipe import Recipe
from tfal.recipe.components import declared
from tfal.recipe.options import option
from tfal.strategies import STRATEGIES, strategy_name
from tfal.strategies.random import Random

LAST = [*STRATEGIES][-1]  # of those that tfal has
PLUGIN = ROOT / "examples" / "plugin"
TINY = ("--nStep", "1", "--nRep", "1", "--nEpoch", "2", "--nValid", "50", "--nPool", "200", "--nSample", "100")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """Registries, the module path and what is imported are as before, after each test."""
    known, learners, path, modules = dict(STRATEGIES), dict(LEARNERS), list(sys.path), set(sys.modules)
    plugins.installed.cache_clear()
    yield
    for registry, before in ((STRATEGIES, known), (LEARNERS, learners)):
        registry.clear()
        registry.update(before)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("tfal_density", "mine"):
            del sys.modules[name]
    plugins.installed.cache_clear()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the example is installed by pip."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source)  # so that nothing is built in the checkout
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(source)], check=True, capture_output=True)
    return folder


def _parse(*argv):
    return parse("test", PRESETS, BUILDERS, "test", list(argv))


def _write(folder, text, name="mine"):
    (folder / f"{name}.py").write_text(text)


STRATEGY = """
from dataclasses import dataclass
from tfal.strategies import Picks, Strategy
from tfal.recipe.options import option

@dataclass(frozen=True)
class First(Strategy):
    offset: int = 0
    share: float = option(0.5, "share of something", above=0, below=1)
    learners = ()

    def query(self, view, n, rng):
        return Picks(view.candidates[self.offset : self.offset + n])
"""


def test_a_strategy_of_the_current_folder_runs_by_its_path(tmp_path, monkeypatch, capsys):
    _write(tmp_path, STRATEGY)
    monkeypatch.chdir(tmp_path)
    argv = ["--strategy", "mine:First,random", "--network", "MLP", "--offset", "3", *TINY[:-2]]
    assert main("test", PRESETS, BUILDERS, "test", argv) == 0
    out = capsys.readouterr().out
    assert "mine.First" in out
    stored = json.loads((tmp_path / "results/digits_MLP/mine.First/rep001/recipe.json").read_text())
    assert (stored["recipe"]["offset"], stored["recipe"]["share"]) == (3, 0.5)
    assert "n_sample" not in stored["recipe"]  # of a strategy that is not run
    assert stored["strategies"]["mine:First"]["class"] == "mine.First"
    with pytest.raises(InputError, match="offset: 3 there, 0 here"):
        plan(_parse("--strategy", "mine:First", "--network", "MLP", *TINY[:-2]), _digits())


def _digits():
    from tfal.data import load

    return load("digits")


def test_its_options_are_flags_with_limits_and_in_help(tmp_path, monkeypatch, capsys):
    _write(tmp_path, STRATEGY)
    monkeypatch.chdir(tmp_path)
    assert _parse("--strategy", "mine:First", "--share", "0.25").share == 0.25
    with pytest.raises(InputError, match=r"--share must be less than 1\. Received: 2"):
        _parse("--strategy", "mine:First", "--share", "2")
    with pytest.raises(InputError, match="--offset goes with strategy mine:First"):
        _parse("--strategy", "mine:First", "--offset", "2", "--preset", "lowbudget", "--strategy", "random")
    of_a_folder = functools.partial(labeling.parse, BUILDERS)
    argv = ["--images", "in", "--classes", "a,b", "--strategy", "mine:First"]
    assert of_a_folder([*argv, "--offset", "2"]).made("mine:First").offset == 2
    with pytest.raises(InputError, match=r"--share must be less than 1\. Received: 2"):
        of_a_folder([*argv, "--share", "2"])
    with pytest.raises(SystemExit, match="0"):
        _parse("--strategy", "mine:First", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "strategy mine:First: --offset N of strategy mine:First (default: 0; source: tfal)" in text
    assert "--share X share of something (default: 0.5; source: tfal)" in text


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("mine:", None, "package.module:Class"),
        (":First", None, "package.module:Class"),
        ("mine:First:Second", None, "package.module:Class"),
        ("mine/First", None, "unknown strategy 'mine/First'"),
        ("mine:Frist", STRATEGY, "mine has no Frist. It has"),
        ("nowhere_at_all:First", None, r"cannot be imported \(ModuleNotFoundError: No module named 'nowhere_at_all'\)"),
        ("mine:First", "import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("mine:First", "def x(:", "SyntaxError"),
        ("mine:First", "raise RuntimeError('first line\\nlast line')", r"RuntimeError: last line\)"),
        ("mine:First", "import sys; sys.exit(3)", "SystemExit: 3"),
        ("mine:First", "First = 3", "must be a class on tfal.strategies.Strategy. Received: 3"),
        ("mine:First", "class First: pass", "must be a class on tfal.strategies.Strategy"),
        ("mine:First", STRATEGY.replace("@dataclass(frozen=True)", ""), "Write @dataclass"),
        ("mine:First", STRATEGY.replace("def query", "def ask"), "must define query"),
        ("mine:First", STRATEGY.replace("offset: int = 0", "offset: int"), "needs a default. Received: offset"),
        ("mine:First", STRATEGY.replace("offset: int", "n_pass: int"), "'n_pass', which is that of strategies dbal"),
        ("mine:First", STRATEGY.replace("learners = ()", "learners = ('nonsense',)"), "unknown learner 'nonsense'"),
        ("mine:First", STRATEGY.replace("learners = ()", "learners = 'classifier'"), "must be a tuple of names"),
        ("mine:First", STRATEGY + "\n    task = 'ensemble'\n", "task is task_learner now"),
        ("mine:First", STRATEGY + "\n    task_learner = 'x'\n", "unknown learner 'x'"),
    ],
)
def test_what_is_no_strategy_is_refused_in_one_line(path, text, message, tmp_path, monkeypatch, capsys):
    if text is not None:
        _write(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*.json"))
    assert main("test", PRESETS, BUILDERS, "test", ["--strategy", path]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    with pytest.raises(InputError, match=message):
        _parse("--strategy", path)
    assert sorted(tmp_path.rglob("*.json")) == before
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return view.candidates[:n]", "must answer 2 distinct ids .* Received: a ndarray"),
        ("return Picks(view.candidates[: n - 1])", "must answer 2 distinct ids"),
        ("return Picks(view.labeled[:n])", "which are no candidates"),
        ("view.read('classifier', ['logits'], view.candidates)", "reads what its `learners` name"),
    ],
)
def test_an_answer_that_breaks_the_contract_says_what_was_expected(body, message, tmp_path, monkeypatch, small):
    text = STRATEGY.replace("return Picks(view.candidates[self.offset : self.offset + n])", body)
    _write(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    recipe = small.replace(strategy="mine:First", n_query=2, n_step=1, n_epoch=1)
    with pytest.raises(InputError, match=message):
        list(run(recipe, BUILDERS["MLP"]))


def test_an_observation_that_is_no_mapping_is_refused(tmp_path, monkeypatch, small):
    _write(tmp_path, STRATEGY + "\n    def observe(self, view, picks, rng):\n        return None\n")
    monkeypatch.chdir(tmp_path)
    recipe = small.replace(strategy="mine:First", n_query=2, n_step=1, n_epoch=1)
    with pytest.raises(InputError, match="observe must give back NumPy arrays by name"):
        list(run(recipe, BUILDERS["MLP"]))


def test_strategy_objects_are_taken_as_they_are(small):
    from tfal.strategies.covering import MaxHerding
    from tfal.strategies.power import PowerMargin

    recipe = Recipe(strategy=[PowerMargin(beta=3.0), "random"])
    assert (recipe.strategy, recipe.components) == ("power_margin,random", (("beta", 3.0),))
    assert Recipe(strategy=MaxHerding()).components == (("n_anchor", 20_000), ("sigma", 1.0))
    with pytest.raises(InputError, match=r"share their options\. Received: beta 1\.0 and 3\.0"):
        Recipe(strategy=[PowerMargin(), *_power_entropy(3.0)])
    with pytest.raises(InputError, match=r"names or strategy objects\. Received: 3"):
        Recipe(strategy=[3])


def test_a_class_that_is_written_again_takes_the_place_of_the_first():
    for text in ("first text", "second text"):
        made = dataclasses.make_dataclass(
            "Again",
            [("again", int, option(1, text))],
            bases=(Random,),
            frozen=True,
            namespace={"__module__": "a_notebook"},
        )
        assert Recipe(strategy=made(again=2)).again == 2
        assert declared()["again"].option.metadata["help"] == text


def _power_entropy(beta):
    from tfal.strategies.power import PowerEntropy

    return [PowerEntropy(beta=beta)]


def test_the_example_is_run_by_its_short_names(site, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    plugins.installed.cache_clear()
    monkeypatch.chdir(tmp_path)
    argv = ["--strategy", "density,reconstruction", "--network", "tiny", "--nPrincipal", "8", *TINY[:-2]]
    assert main("test", PRESETS, BUILDERS, "test", argv) == 0
    folder = tmp_path / "results" / "digits_tiny"
    stored = json.loads((folder / "reconstruction/rep001/recipe.json").read_text())
    assert stored["recipe"]["n_principal"] == 8
    assert stored["strategies"]["reconstruction"] == {
        "class": "tfal_density.reconstruction.Reconstruction",
        "version": "0.3.0",
    }
    assert "density_power" not in stored["recipe"]
    with pytest.raises(SystemExit, match="0"):
        _parse("--help")
    assert f"{LAST}, density, reconstruction" in " ".join(capsys.readouterr().out.split())
    # another process, in which the plug-in is not: its results are reported, and a run of it says what is missing
    command = [sys.executable, "-m", "tfal.report", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "density" in done.stdout
    command = [sys.executable, "run_digits.py", *argv, "--resultsDir", str(tmp_path / "results")]
    resumed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert resumed.returncode == 2
    assert resumed.stderr.count("\n") == 1
    assert "density was made by tfal_density.density.Density, version 0.3.0: install its package" in resumed.stderr
    assert "reconstruction" in done.stdout


def test_without_the_plug_in_its_names_are_unknown():
    with pytest.raises(InputError, match="unknown strategy 'density'"):
        _parse("--strategy", "density")
    with pytest.raises(InputError, match="unknown network 'tiny'"):
        _parse("--network", "tiny")


def test_the_example_is_run_by_paths_from_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(PLUGIN)
    path = "tfal_density.reconstruction:Reconstruction"
    argv = ["--strategy", path, "--initial", path]
    argv += ["--network", "tfal_density.networks:tiny", "--resultsDir", str(tmp_path), *TINY[:-2]]
    assert main("test", PRESETS, BUILDERS, "test", argv) == 0
    experiment = "digits-from-tfal_density.reconstruction.Reconstruction_tfal_density.networks.tiny"
    assert (tmp_path / experiment / "tfal_density.reconstruction.Reconstruction/rep001/rounds.csv").is_file()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tfal_density.networks:nothing", "has no nothing. It has .*tiny"),
        ("tfal_density.networks:__doc__", r"must be a function \(input_shape, n_classes\)"),
        ("tfal_density.nothing:tiny", "No module named 'tfal_density.nothing'"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(path, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(PLUGIN)
    argv = ["--network", path, "--strategy", "random", "--resultsDir", str(tmp_path / "r")]
    assert main("test", PRESETS, BUILDERS, "test", argv) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(message, line)
    assert not (tmp_path / "r").exists()


def test_an_entry_point_with_a_name_of_tfal_is_refused(monkeypatch):
    offered = functools.cache(lambda group: {"badge": "mine:Badge", "SCNN": "mine:scnn"})
    monkeypatch.setattr(plugins, "installed", offered)
    with pytest.raises(InputError, match="strategy 'badge' is one of tfal's, and an installed package"):
        strategy_name("badge")
    with pytest.raises(InputError, match="network 'SCNN' is one of tfal's"):
        plugins.network_name("scnn", BUILDERS)
    assert strategy_name("margin") == "margin"


def test_learners_are_checked_when_they_are_registered():
    with pytest.raises(InputError, match="registered already"):
        register_learner(LearnerSpec("csi", "mine:Mine", trained_on="images"))
    for wrong, message in (
        ({"name": "two words"}, "must be an identifier"),
        ({"trained_on": "nothing"}, "must be 'labels' or 'images'"),
        ({"made_by": "mine.Mine"}, "'package.module:Class'"),
        ({"options": 3}, "must be a dataclass"),
    ):
        with pytest.raises(InputError, match=message):
            LearnerSpec(**{"name": "x", "made_by": "mine:Mine", "trained_on": "images"} | wrong)


def test_a_learner_that_is_written_again_takes_the_place_of_the_first():
    """As in a notebook, whose cell makes another class of the same name."""

    def cell(text, name="Mine", of="n_piece"):
        fields = [(of, int, option(4, text, least=1))]
        made = type(name, (), {"__qualname__": name, "__module__": "__main__"})
        register_learner(
            LearnerSpec(
                "jigsaw",
                made,
                trained_on="images",
                options=dataclasses.make_dataclass("Options", fields, frozen=True),
            )
        )

    cell("pieces")
    cell("pieces of the puzzle")
    assert declared()["n_piece"].option.metadata["help"].startswith("pieces of the puzzle")
    with pytest.raises(InputError, match="registered already"):
        cell("pieces", name="Another")
    with pytest.raises(InputError, match="has an option 'n_query'"):
        cell("something else", of="n_query")
    assert [field.name for field in LEARNERS["jigsaw"].fields] == ["n_piece"]


def test_options_of_all_components_agree():
    """Whoever shares the name of an option shares its meaning, too."""
    for name, found in declared().items():
        assert len({field.metadata["help"] for field in found.fields}) == 1, name
