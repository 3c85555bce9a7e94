"""A run whose results nobody asks for did nothing, and says so."""

import dataclasses
from pathlib import Path

import pytest

from models import BUILDERS
from tfal import loop, low_budget

MLP = BUILDERS["MLP"]


@pytest.mark.parametrize(("go", "splits"), [(loop.run, None), (low_budget.run, "20,30")])
def test_a_run_that_is_dropped_says_that_nothing_was_run(small, digits, caplog, go, splits):
    recipe = dataclasses.replace(small, splits=splits)
    rounds = go(recipe, MLP, data=digits)
    assert "nothing was run" not in caplog.text
    del rounds
    assert f"nothing was run: {'tfal.run' if splits is None else 'tfal.low_budget.run'} works as" in caplog.text
    assert not Path(small.results_dir).exists()


def test_one_that_was_begun_or_closed_says_nothing(small, digits, caplog):
    recipe = dataclasses.replace(small, n_epoch=1)
    begun = loop.run(recipe, MLP, data=digits)
    assert next(begun).row["round"] == 0
    del begun
    closed = loop.run(recipe, MLP, data=digits)
    closed.close()
    assert list(closed) == []
    del closed
    assert "nothing was run" not in caplog.text
