"""What is known in a campaign, record by record."""

import copy

import numpy as np
import pytest

from tfal.pool import EXCLUDED, REJECTED
from tfal.pool.ledger import Ledger
from tfal.pool.told import NO_CLASS, NOT_SURE


def _ask(number, ids, **others):
    plain = {"strategy": "random", "options": {}, "n": len(ids), "revision": 1, "memory": False, "prints": {}}
    return {"ask": number, "ids": ids, **plain, **others}


@pytest.fixture
def ledger():
    made = Ledger(10)
    made.apply({"tell": [9], "labels": [4]})
    made.apply(_ask(0, [5, 2, 7], prints={"images": "abc"}))
    return made


def test_a_batch_closes_as_it_is_told(ledger):
    assert ledger.pending.tolist() == [5, 2, 7]
    assert ledger.free().tolist() == [0, 1, 3, 4, 6, 8]
    ledger.apply({"tell": [7, 5], "labels": [None, 1]})
    assert ledger.pending.tolist() == [2]
    assert ledger.told(np.array([5, 2, 7])).tolist() == [True, False, True]
    ledger.apply({"tell": [2], "labels": ["unsure"]})
    assert not len(ledger.pending)
    ids, labels = ledger.labeled_set()
    assert (ids.tolist(), labels.tolist()) == ([5, 9], [1, 4])
    assert ledger.in_state(REJECTED).tolist() == [7]
    assert ledger.in_state(EXCLUDED).tolist() == [2]
    assert ledger.told(np.array([5, 2, 7])).tolist() == [True, False, True]


def test_rounds_in_which_labels_were_bought(ledger):
    ledger.apply({"tell": [5, 2, 7], "labels": [0, None, 1]})
    ledger.apply({"tell": [3], "labels": [1]})
    ledger.apply(_ask(1, [0]))
    ledger.apply({"tell": [0, 5], "labels": [0, 3]})
    pool = ledger.pool()
    assert pool.check() is None
    assert pool.round.tolist() == [2, -1, 1, 1, -1, 1, -1, 1, -1, 0]
    before = ledger.pool(0)
    assert before.labeled.tolist() == [9]
    assert not len(before.rejected)
    assert ledger.pool(1).label[5] == 3  # a correction holds for all rounds


def test_rejected_samples_have_the_number_of_no_class(ledger):
    ledger.apply({"tell": [5, 2, 7], "labels": [None, 6, None]})
    assert ledger.pool().label[[5, 7]].tolist() == [7, 7]
    only = Ledger(3)
    only.apply({"tell": [0], "labels": [None]})
    assert only.pool().label.tolist() == [1, -1, -1]


def test_every_correction_leads_to_the_pool_that_was_never_wrong(ledger):
    words = [0, 3, None, "unsure"]
    for first in words:
        for second in words:
            corrected, direct = copy.deepcopy(ledger), copy.deepcopy(ledger)
            corrected.apply({"tell": [5, 2], "labels": [first, 1]})
            corrected.apply({"tell": [5], "labels": [second]})
            direct.apply({"tell": [5, 2], "labels": [second, 1]})
            assert corrected.pool() == direct.pool()
            assert corrected.pending.tolist() == direct.pending.tolist() == [7]


def test_only_what_is_new_makes_a_record(ledger):
    ids, told = np.array([5, 2, 9, 0]), np.array([NO_CLASS, NOT_SURE, 4, 1])
    record = ledger.news(ids, told)
    assert record == {"tell": [5, 2, 0], "labels": [None, "unsure", 1]}
    ledger.apply(record)
    assert ledger.news(ids, told) is None
    assert ledger.news(ids[:0], told[:0]) is None
    assert ledger.news(ids[:1], np.array([0])) == {"tell": [5], "labels": [0]}


def test_withdrawn_ids_are_as_before_but_for_having_been_asked(ledger):
    ledger.apply({"withdraw": [2, 5]})
    assert ledger.pending.tolist() == [7]
    assert ledger.free().tolist() == [0, 1, 2, 3, 4, 5, 6, 8]
    assert ledger.never_asked(np.array([2, 7, 9, 0])).tolist() == [9, 0]
    ledger.apply({"tell": [2], "labels": [1]})
    assert ledger.pool().round[2] == 1


def test_a_pool_that_grows(ledger):
    ledger.apply({"extend": 12})
    assert ledger.size == 12
    assert ledger.pending.tolist() == [5, 2, 7]
    assert ledger.free()[-2:].tolist() == [10, 11]
    ledger.apply({"tell": [11], "labels": [0]})
    assert ledger.prints == {"images": (10, "abc")}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "none of ask"),
        ({"later": 1}, "none of ask, tell, withdraw, extend; it has later"),
        ({"tell": [1], "withdraw": [1], "labels": [0]}, "none of"),
        ({"tell": [1, 2], "labels": [0]}, "2 ids and 1 labels"),
        ({"tell": [1, 1], "labels": [0, 0]}, "twice"),
        ({"tell": [10], "labels": [0]}, "from 0 to 9"),
        ({"tell": [-1], "labels": [0]}, "from 0 to 9"),
        ({"tell": [1.0], "labels": [0]}, "from 0 to 9"),
        ({"tell": [2**70], "labels": [0]}, "large"),
        ({"tell": 3, "labels": [0]}, "iterable"),
        ({"tell": [1], "labels": ["cat"]}, "not all classes"),
        ({"tell": [1]}, "labels"),
        ({"withdraw": [0]}, "not open"),
        ({"extend": 10}, "10 samples to 10"),
        ({"extend": "11"}, "to '11'"),
        (_ask(1, [0]), "while a batch is open"),
        (_ask(3, [0]), "round 3 after 1"),
    ],
)
def test_what_cannot_have_happened(ledger, record, reason):
    before = copy.deepcopy(vars(ledger))
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError), match=reason):
        ledger.apply(record)
    assert repr(vars(ledger)) == repr(before)


@pytest.mark.parametrize("ids", [[9], [], [0, 0], [10]])
def test_what_cannot_be_asked_for(ledger, ids):
    ledger.apply({"withdraw": [5, 2, 7]})
    with pytest.raises(ValueError, match=r"known already, or for nothing|twice|from 0 to 9"):
        ledger.apply(_ask(1, ids))
    assert len(ledger.rounds) == 1
