"""API pages: docstrings of this project as reStructuredText, and what has none."""

import importlib
import inspect

import pytest

from docs.site import api


def shown(docstring, kind="function"):
    lines = docstring.splitlines()
    api.read_docstring(None, kind, "name", None, None, lines)
    return "\n".join(lines)


def test_stars_bars_and_underscores_mean_nothing_and_backticks_are_code():
    assert shown("a ** b of |x| and x_, `f(*a)`").strip() == r"a \*\* b of \|x\| and x\_, ``f(*a)``"
    assert shown("n_iter of a_b") == "\nn_iter of a_b\n"


def test_what_begins_with_a_name_is_an_item_that_indented_lines_continue():
    text = shown("First.\n\nids: (n,) of\n    all. b: too.\nx, y: more,\nand more.\n\nSource: A.\n")
    assert text.split("\n\n") == [
        "\nFirst.",
        "",
        "* **ids**: (n,) of\n  all. b: too.",
        "* **x, y**: more,\n  and more.",
        "",
        "* **Source**: A.\n",
    ]


def test_lists_have_blank_lines_around_them():
    assert shown("Differences:\n- one\n  goes on\n- two").strip() == "Differences:\n\n- one\n  goes on\n- two"
    assert shown("Differences:\n    One thing\n        goes on.").strip() == "Differences:\n\n* One thing\n  goes on."
    assert shown("1. one,\ngoes on\n2. two").strip() == "1. one,\n   goes on\n2. two"
    args = shown(
        "F.\n\nArgs:\n    model: a\n        - b\n          c\n        - d\n    n: e *\n\nReturns:\n    f"
    ).strip()
    assert args == (
        "F.\n\n\nArgs:\n    model: a\n\n        - b\n          c\n        - d\n\n    n: e \\*\n\n\n\nReturns:\n    f"
    )


def test_examples_stay_as_they_are():
    assert "    >>> f(*a, b_)" in shown("F.\n\nExample:\n    >>> f(*a, b_)\n    3\n")
    assert shown("F.\n\n>>> f(*a)\n3").strip().endswith(">>> f(*a)\n3")


def test_a_property_has_no_type_before_a_colon():
    assert shown("What was asked: strategy, n.", "property") == "What was asked:\nstrategy, n."


def test_signatures_are_python():
    assert api.read_signature(None, "", "", None, None, "(a=<factory>)", "int") == ("(a=...)", "int")
    assert api.read_signature(None, "", "", None, None, None, None) == (None, None)


@pytest.mark.parametrize("module", api.MODULES)
def test_every_public_name_has_words(module):
    home = importlib.import_module(module)
    assert {*api.values(module)} <= {*api.VALUES}
    for name in {*home.__all__} - {name.rpartition(".")[2] for name in api.values(module)}:
        assert inspect.getdoc(getattr(home, name)), name
