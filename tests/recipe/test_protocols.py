"""A run script and its protocol are one call."""

import importlib

import pytest

from models import BUILDERS
from tests.conftest import ROOT
from tfal.cli import parse
from tfal.recipe.protocols import NAMES, protocol


def test_every_run_script_has_a_protocol():
    """But for the one that labels a folder in rounds, which runs no experiment."""
    scripts = {path.stem for path in ROOT.glob("run_*.py")} - {"run_folder"}
    assert scripts == {f"run_{name}" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_script_and_its_protocol_are_the_same(name):
    script, found = importlib.import_module(f"run_{name}"), protocol(name)
    assert (script.__doc__, script.PRESETS, script.SOURCE) == (found.__doc__, found.PRESETS, found.SOURCE)
    assert script.PRESETS is found.PRESETS
    assert script.BUILDERS is BUILDERS


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_can_be_asked_for(name):
    found = protocol(name)
    for preset, recipe in found.PRESETS.items():
        assert parse("", found.PRESETS, BUILDERS, found.SOURCE, ["--preset", preset]) == recipe
