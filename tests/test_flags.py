"""--help as a person reads it: what a preset uses, what a strategy adds, or everything."""

import pytest

import run_digits
import run_imagenet
import run_mnist
from tfal import plugins
from tfal.cli import parse
from tfal.errors import InputError
from tfal.recipe.components import declared
from tfal.recipe.options import flag
from tfal.strategies import STRATEGIES


def _help(script, capsys, *argv):
    with pytest.raises(SystemExit, match="0"):
        parse("test", script.PRESETS, script.BUILDERS, script.SOURCE, [*argv])
    return " ".join(capsys.readouterr().out.split())


def _flags(text):
    return {name for name in declared() if f" {flag(name)} " in text}


def test_without_more_it_shows_presets_and_what_the_default_one_uses(capsys):
    text = _help(run_mnist, capsys, "--help")
    for name in run_mnist.PRESETS:
        assert f" {name} " in text
    shown = _flags(text)
    assert {"dataset", "n_query", "n_epoch", "learning_rate", "network", "seed"} <= shown
    own = {name for name, found in declared().items() if not found.in_group}
    assert not shown & (own | {"splits", "n_class_known", "momentum", "csv"})
    assert "--help all" in text
    assert text == _help(run_mnist, capsys, "-h")
    assert {"splits", "evaluate"} <= _flags(_help(run_imagenet, capsys, "--help"))


def test_all_shows_every_option_once(capsys):
    text = _help(run_mnist, capsys, "--help", "all")
    assert _flags(text) == set(declared())
    assert text.count("source: ") == len(declared())


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - {"ranking"}))
def test_a_strategy_shows_its_options_and_those_of_its_learners(name, capsys):
    made = STRATEGIES[name]()
    own = {option for option, found in declared().items() if name in found.strategies and option in made.options_used}
    read = {option for option, found in declared().items() if {*made.learners, made.task_learner} & {*found.learners}}
    shown = _flags(_help(run_mnist, capsys, "--strategy", name, "--help"))
    assert own <= shown
    assert read - {"trust_encoder", "encoder_statistics"} <= shown  # of encoders in files
    others = {option for option, found in declared().items() if found.strategies and not found.learners} - own
    others -= {"ranking"}  # which a text names
    assert not shown & {option for option in others if not declared()[option].in_group}


def test_a_preset_shows_its_defaults_and_where_they_are_from(capsys):
    text = _help(run_digits, capsys, "--preset", "openset", "--strategy", "mqnet", "--help")
    assert "--nEpochCsi N pretraining epochs, csi (default: 100; source: preset openset)" in text
    assert "in pool and initial labels (default: 0.5; source: preset openset)" in text
    assert "--metaWd X weight decay of the meta-model; 0 in the code (default: 0.0005; source: MQ-Net paper)" in text
    text = _help(run_mnist, capsys, "--help")
    assert "goes on from the weights of the one before (default: off; source: tfal)" in text


def test_defaults_that_differ_between_strategies_are_all_named(capsys):
    text = _help(run_mnist, capsys, "--help", "all")
    assert "(default: 50000 (probcover, dcom), 20000 (maxherding, uherding); source: tfal)" in text
    assert "(default: 1.0 (maxherding), not set (uherding); source: MaxHerding paper)" in text
    text = _help(run_mnist, capsys, "--nAnchor", "5", "--strategy", "probcover", "--help")
    assert "--nAnchor" in text


def test_another_topic_is_refused():
    with pytest.raises(InputError, match=r"--help takes nothing, or all\. Received: 'everything'"):
        parse("test", run_mnist.PRESETS, run_mnist.BUILDERS, run_mnist.SOURCE, ["--help", "everything"])


def test_two_packages_with_one_entry_point_are_refused(monkeypatch):
    entries = [type("Entry", (), {"name": "mine", "value": value})() for value in ("one:Mine", "two:Mine")]
    monkeypatch.setattr(plugins.importlib.metadata, "entry_points", lambda group: entries)
    plugins.installed.cache_clear()
    try:
        with pytest.raises(InputError, match="two installed packages have an entry point 'mine'"):
            plugins.installed("tfal.strategies")
    finally:
        plugins.installed.cache_clear()
