"""Labels within a query: who gives them, what counts, and that a campaign asks what a run asks."""

from dataclasses import dataclass

import numpy as np
import pytest

import tfal
from tests.strategies.test_contract import PixelReader
from tfal import UNSURE, Campaign
from tfal.asking import Opened
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.asked import Asked
from tfal.pool.told import NO_CLASS, NOT_SURE
from tfal.pool.view import PoolView
from tfal.strategies import Picks, Strategy, strategy_class
from tfal.streams import Streams

N, SIZE, SEED = 9, 120, 3


@dataclass(frozen=True)
class Walks(Strategy):
    """Asks for `step` samples at a time; which ones depends on what it was told, and on random numbers."""

    step: int = 2
    spoils: str = ""

    learners = ("classifier",)
    asks = True

    def query(self, view, n, rng):
        logits = view.read("classifier", ["logits"], view.candidates)["logits"].sum(axis=1)
        left, picked, moved = view.candidates[np.argsort(logits, kind="stable")], [], 0
        while len(picked) + self.step < n:
            at = (moved + int(rng.integers(5))) % (len(left) - self.step)
            ids, left = left[at : at + self.step], np.delete(left, slice(at, at + self.step))
            picked += ids.tolist()
            moved += int(view.ask(ids).sum()) + 7
        picks = np.array(picked + left[: n - len(picked)].tolist())
        return Picks(picks[::-1] if self.spoils != "leaves one out" else left[-n:])


@pytest.fixture
def labels(digits):
    return digits.y_train[:SIZE].astype(int)


@pytest.fixture
def reader(digits):
    return PixelReader(digits.x_train[:SIZE])


@pytest.fixture
def open_campaign(tmp_path, reader, monkeypatch):
    opened = Opened(SIZE, None, lambda pool, streams: reader)
    monkeypatch.setattr("tfal.asking.round.open_given", lambda strategy, given: opened)
    return lambda: Campaign(tmp_path / "campaign", size=SIZE, seed=SEED)


def _told(labels, ids, unsure=()):
    """6 classes, all others none of them."""
    known = [int(label) if label < 6 else None for label in labels[ids]]
    return [UNSURE if id in unsure else label for id, label in zip(ids.tolist(), known, strict=True)]


def _in_a_loop(strategy, reader, labels, rounds, n=N, unsure=()):
    """The picks of each query, in order, when somebody answers at once."""
    pool, found = Pool.unlabeled_pool(SIZE), []
    for number in range(rounds):
        streams = Streams(SEED, 0, number)
        view = PoolView(pool, pool.unlabeled, reader, streams, learners=strategy.learners)
        said = np.where(labels < 6, labels, NO_CLASS)
        said[list(unsure)] = NOT_SURE
        view.asked = Asked(view.candidates, n, lambda ids, said=said: said[ids])
        ids = strategy.query(view, n, streams("query")).ids
        view.asked.check_picked(ids, "walks")
        found.append(sorted(ids.tolist()))
        sure = ids[said[ids] != NOT_SURE]
        pool.label_samples(sure, np.minimum(labels[sure], 6), number + 1, 6)
        pool.exclude(ids[said[ids] == NOT_SURE])
    return found


@pytest.mark.parametrize("step", [1, 2, 20])
def test_a_campaign_asks_batch_by_batch_for_what_a_loop_asks_at_once(open_campaign, reader, labels, step):
    """A process of its own for each call: all that a query needs is in the folder."""
    strategy, found = Walks(step), []
    for _ in range(3):
        batches = []
        while sum(map(len, batches)) < N:
            ids = open_campaign().ask(strategy, n=N)
            assert open_campaign().ask(strategy, n=N).tolist() == ids.tolist()  # as long as they are open
            batches.append(ids.tolist())
            open_campaign().tell(ids[:1], _told(labels, ids[:1]))
            open_campaign().tell(ids[1:], _told(labels, ids[1:]))
        found.append(sorted(id for batch in batches for id in batch))
        assert [len(batch) for batch in batches[:-1]] == [step] * (len(batches) - 1)
    assert found == _in_a_loop(strategy, reader, labels, 3)
    rounds = open_campaign().rounds
    assert [one.query for one in rounds if not one.goes_on] == [0, 1, 2]
    assert {one.n for one in rounds} == {N}


def test_what_nobody_can_say_is_told_to_the_query_and_counts(open_campaign, reader, labels):
    strategy, campaign, unsure, found = Walks(2), open_campaign(), range(0, SIZE, 4), []
    for _ in range(2):
        mine = []
        while len(mine) < N:
            ids = campaign.ask(strategy, n=N)
            campaign.tell(ids, _told(labels, ids, unsure))
            mine += ids.tolist()
        found.append(sorted(mine))
    assert found == _in_a_loop(strategy, reader, labels, 2, unsure=unsure)


def test_other_labels_in_between_change_nothing_in_an_open_query(open_campaign, reader, labels):
    campaign, strategy = open_campaign(), Walks(2)
    (expected,) = _in_a_loop(strategy, reader, labels, 1)
    mine = []
    while len(mine) < N:
        ids = campaign.ask(strategy, n=N)
        campaign.tell(ids, _told(labels, ids))
        mine += ids.tolist()
        others = np.setdiff1d(campaign.unlabeled, expected)[:2]
        with pytest.warns(UserWarning, match="never asked for"):
            campaign.tell(others, _told(labels, others))
    assert sorted(mine) == expected
    campaign.extend(SIZE + 5)


def test_withdrawn_samples_are_asked_for_again(open_campaign, reader, labels):
    campaign, strategy, mine = open_campaign(), Walks(2), []
    while len(mine) < N:
        ids = campaign.ask(strategy, n=N)
        if campaign.rounds[-1].goes_on:  # those of the last batch go back, and the query is over
            campaign.withdraw()
            assert campaign.ask(strategy, n=N).tolist() == ids.tolist()
        campaign.tell(ids, _told(labels, ids))
        mine += ids.tolist()
    assert [sorted(mine)] == _in_a_loop(strategy, reader, labels, 1)


def test_a_corrected_label_takes_the_query_another_way_and_says_so(open_campaign, labels):
    campaign, strategy = open_campaign(), Walks(2)
    first = campaign.ask(strategy, n=N)
    campaign.tell(first, [0, 0])
    second = campaign.ask(strategy, n=N)
    campaign.tell(second, [0, 0])
    campaign.tell(first, [40, 0])
    with pytest.warns(UserWarning, match=r"2 samples that .*Walks' asked for .* a label was corrected") as said:
        third = campaign.ask(strategy, n=N)
    assert [one.filename for one in said] == [__file__]
    assert not {*third.tolist()} & {*first.tolist(), *second.tolist()}


def test_another_question_leaves_an_open_query(open_campaign, labels):
    campaign = open_campaign()
    campaign.tell(campaign.ask(Walks(2), n=N), [0, 1])
    with pytest.warns(UserWarning, match=r"Walks' was asked for 9, of which 2 have labels") as said:
        ids = campaign.ask("random", n=4)
    assert [one.filename for one in said] == [__file__]
    assert len(ids) == 4
    campaign.tell(ids, [0] * 4)
    assert campaign.rounds[-1].query == 1
    assert len(campaign.ask(Walks(2), n=N)) == 2
    assert (campaign.rounds[-1].query, campaign.rounds[-1].begun) == (2, 2)


def test_max_candidates_are_drawn_once_for_a_query(open_campaign, labels):
    campaign, strategy, mine = open_campaign(), Walks(2), []
    while len(mine) < N:
        ids = campaign.ask(strategy, n=N, max_candidates=12)
        campaign.tell(ids, _told(labels, ids))
        mine += ids.tolist()
    among = Streams(SEED)("candidates").choice(SIZE, 12, replace=False)
    assert {*mine} <= {*among.tolist()}


def test_a_journal_that_goes_on_with_a_query_that_is_not_open_is_damaged(open_campaign):
    campaign = open_campaign()
    campaign.tell(campaign.ask("random", n=2), [0, 1])
    record = '{"ask": 1, "strategy": "x", "options": {}, "n": 2, "ids": [1], "revision": 1, "memory": false, '
    with campaign._folder.journal.path.open("a") as file:
        file.write(record.replace("[1]", str(campaign.unlabeled[:1].tolist())) + '"prints": {}, "begun": 0}\n')
    with pytest.raises(InputError, match="goes on with a query of round 0, which is not open"):
        open_campaign()


def test_a_strategy_that_also_learns_is_refused_by_a_campaign(open_campaign):
    class Learns(Walks):
        def observe(self, view, picks, rng):
            return {}

    with pytest.raises(InputError, match="cannot learn from round to round in a campaign"):
        open_campaign().ask(Learns(), n=N)


def test_a_switch_to_a_strategy_that_asks_goes_by_queries_and_not_by_batches(open_campaign, labels):
    campaign, name, asked = open_campaign(), "galaxy@1+margin", []
    first = np.flatnonzero(labels < 6)[:12]
    with pytest.warns(UserWarning, match="never asked for"):
        campaign.tell(first, _told(labels, first))
    for _ in range(6):
        ids = campaign.ask(name, n=4)
        campaign.tell(ids, _told(labels, ids))
        asked.append(len(ids))
    assert asked == [1, 1, 1, 1, 4, 4]
    assert [one.query for one in campaign.rounds] == [0, 0, 0, 0, 1, 2]
    assert strategy_class(name).asks


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(SIZE, 4)).astype(np.float32)


def test_a_query_takes_a_function(logits):
    asked, classes = [], np.arange(SIZE) % 3
    given = {"classifier": {"logits": logits}}

    def ask(ids):
        asked.extend(ids.tolist())
        return [None if id % 3 == 2 else int(classes[id]) for id in ids.tolist()]

    ids = tfal.query(Walks(2), given, None, N, ask=ask)
    assert len(asked) == 8
    assert {*asked} < {*ids.tolist()}
    with pytest.raises(InputError, match=r"asks for labels within its query\. Received: none\. Give ask=, a function"):
        tfal.query(Walks(2), given, None, N)
    with pytest.raises(InputError, match="asks for no labels within its query, and nothing would call ask"):
        tfal.query("margin", given, None, N, ask=ask)
    with pytest.raises(InputError, match=r"labels must be 2, one for each id"):
        tfal.query(Walks(2), given, None, N, ask=lambda ids: [0])
    with pytest.raises(InputError, match="from 0 to 3"):
        tfal.query(Walks(2), given, None, N, ask=lambda ids: [4, 0])


def test_what_is_asked_for_counts_and_is_picked(reader):
    pool = Pool.unlabeled_pool(SIZE)
    view = PoolView(pool, np.arange(0, SIZE, 2), reader, Streams(0))
    with pytest.raises(InputError, match="for strategies that say `asks = True`"):
        view.ask(np.array([0]))
    view.asked = Asked(view.candidates, 3, lambda ids: ids % 5)
    assert view.ask(np.array([4, 8])).tolist() == [4, 3]
    for ids, message in (
        (np.array([1]), r"ids of view.candidates. Received: \[1\]"),
        (np.array([8]), "not asked for before"),
        (np.array([2, 2]), "each once"),
        (np.array([2, 6]), "n = 3 of the query. Received: 4 ids in all"),
        (np.array([2.0]), "ids .* of integers. Received: float64"),
        (np.array(2), r"of shape \(\)"),
    ):
        with pytest.raises(InputError, match=message):
            view.ask(ids)
    assert view.asked.ids.tolist() == [4, 8]
    with pytest.raises(InputError, match=r"Received: picks without \[8\]"):
        view.asked.check_picked(np.array([4, 2, 0]), "mine")


def test_picks_without_what_was_asked_for_are_refused(logits):
    with pytest.raises(InputError, match="must have all ids among its picks that it asked for"):
        tfal.query(Walks(2, "leaves one out"), {"classifier": {"logits": logits}}, None, N, ask=lambda ids: [0] * 2)
