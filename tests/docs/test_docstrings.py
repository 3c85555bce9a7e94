"""Docstrings: every strategy says what its page needs, and each is taken apart and written as it is meant."""

import pytest

from docs.site.docstrings import read_strategy
from tfal.strategies import STRATEGIES


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_says_where_it_is_from_what_it_does_what_it_costs_and_when_to_use_it(name):
    text = read_strategy(STRATEGIES[name].__doc__)
    missing = [part for part in ("Paper", "Cost", "Use") if not text.parts.get(part)]
    assert not missing, (
        f"its class docstring needs lines that begin with these and a colon, see CONTRIBUTING.md: {missing}"
    )
    assert ("Formula" in text.parts) != ("Definition" in text.parts), "a line that begins with Formula: or Definition:"
    assert text.summary.endswith(".")


def test_a_docstring_is_taken_apart():
    text = read_strategy(
        """Largest s.

        Paper: A & B, 2020.
        Formula: `a: b`,
            and c.
        Not indented, so no more of it.

        Use: never.

        n_iter: iterations.
        """
    )
    assert text.summary == "Largest s."
    assert text.parts == {"Paper": "A & B, 2020.", "Formula": "`a: b`, and c.", "Use": "never."}
    assert text.rest == ["Not indented, so no more of it.", "n_iter: iterations."]


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two called 'Cost'"):
        read_strategy("A.\n\nCost: 1.\nCost: 2.")
    assert read_strategy(None) == ("", {}, [])
