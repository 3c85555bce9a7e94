"""Errors that a user can mend."""

import pickle

import pytest

from tfal.errors import InputError, resolve_name


def test_a_message_is_one_line_whatever_it_quotes():
    assert str(InputError("no folder 'a\nb\r\nc'. Mend it.")) == "no folder 'a b c'. Mend it."
    assert str(InputError("seen:\u2028here")) == "seen: here"
    assert str(InputError()) == ""


def test_of_a_long_message_beginning_and_end_are_kept():
    with pytest.raises(
        InputError, match=r"^unknown strategy 'xxx.*xxx \[\.\.\.\] xxx.*Valid: ldms, margin\.$"
    ) as error:
        resolve_name("strategy", "x" * 5000, ["margin", "ldms"])
    assert len(str(error.value)) < 1300


def test_an_error_goes_from_process_to_process():
    assert str(pickle.loads(pickle.dumps(InputError("one line")))) == "one line"
