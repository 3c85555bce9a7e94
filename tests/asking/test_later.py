"""Strategies that learn from round to round learn the same from labels that come later."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.strategies.test_contract import PixelReader
from tfal import UNSURE, Campaign
from tfal.asking import Opened
from tfal.errors import InputError
from tfal.pool import LABELED, Pool
from tfal.pool.view import PoolView
from tfal.strategies import STRATEGIES, Picks, Strategy
from tfal.strategies.cluster_margin import ClusterMargin
from tfal.strategies.covering import ProbCover
from tfal.strategies.dcom import DCoM
from tfal.strategies.eaoa import EAOA
from tfal.strategies.mqnet import MQNet
from tfal.streams import Streams

N, N_KNOWN, ROUNDS, SEED = 12, 6, 4, 3
LEARNING = {
    "mqnet": MQNet(meta_epoch=1),
    "mqnet, conf": MQNet(mqnet_mode="conf", meta_stats="code", meta_epoch=1),
    "probcover": ProbCover(),
    "dcom": DCoM(),
    "eaoa": EAOA(),
    "cluster_margin": ClusterMargin(),
}


def test_all_strategies_that_learn_are_here():
    assert {type(one) for one in LEARNING.values()} == {
        kind for kind in STRATEGIES.values() if kind.observe is not Strategy.observe
    }


@pytest.fixture
def labels(digits):
    return digits.y_train[:300]


@pytest.fixture
def reader(digits):
    return PixelReader(digits.x_train[:300])


@pytest.fixture
def campaign(tmp_path, reader, monkeypatch):
    """A campaign whose strategies read the reader; a few labels of known classes are there from the start."""
    opened = Opened(300, None, lambda pool, streams: reader)
    monkeypatch.setattr("tfal.asking.round.open_given", lambda strategy, given: opened)
    return Campaign(tmp_path / "campaign", size=300, seed=SEED)


def _said(labels, ids):
    return [int(label) if label < N_KNOWN else None for label in labels[ids]]


def _begin(campaign, labels):
    first = np.flatnonzero(labels < N_KNOWN)[:10]
    with pytest.warns(UserWarning, match="never asked for"):
        campaign.tell(first, labels[first])
    return first


def _loop(strategy, reader, labels, first, label=lambda picks: np.full(len(picks.ids), True)):
    """Picks of each round as the loop of a run makes them, but for those that `label` leaves out."""
    pool, memory, found = Pool.unlabeled_pool(len(labels)), {}, []
    pool.label_samples(first, labels[first], 0, N_KNOWN)
    for step in range(ROUNDS):
        streams = Streams(SEED, 0, step)
        view = PoolView(pool, pool.unlabeled, reader, streams, memory, learners=strategy.learners)
        picks = strategy.query(view, N, streams("query"))
        found.append(picks.ids.tolist())
        told = label(picks)
        known = picks.ids[told]
        pool.label_samples(known, np.minimum(labels[known], N_KNOWN), step + 1, N_KNOWN)
        if told.any():
            memory = strategy.observe(view, picks.only(told), streams("observe"))
        pool.exclude(picks.ids[~told])
    return found


@pytest.mark.parametrize("name", LEARNING)
def test_the_same_picks_as_a_run(campaign, reader, labels, name):
    strategy, found = LEARNING[name], []
    first = _begin(campaign, labels)
    for _ in range(ROUNDS):
        ids = campaign.ask(strategy, n=N)
        found.append(ids.tolist())
        campaign.tell(ids, _said(labels, ids))
    assert found == _loop(strategy, reader, labels, first)
    assert len({tuple(ids) for ids in found}) == ROUNDS


@pytest.mark.parametrize("name", LEARNING)
def test_it_hears_of_no_pick_that_nobody_could_label(campaign, reader, labels, name):
    strategy, found = LEARNING[name], []
    first = _begin(campaign, labels)
    for _ in range(ROUNDS):
        ids = campaign.ask(strategy, n=N)
        found.append(ids.tolist())
        campaign.tell(ids[ids % 3 > 0], _said(labels, ids[ids % 3 > 0]))
        campaign.tell(ids[ids % 3 == 0], [UNSURE] * int(np.sum(ids % 3 == 0)))
    assert found == _loop(strategy, reader, labels, first, lambda picks: picks.ids % 3 > 0)


def test_a_round_of_which_nothing_was_told_teaches_nothing(campaign, labels):
    _begin(campaign, labels)
    strategy, folder = LEARNING["probcover"], campaign._folder
    campaign.tell(campaign.ask(strategy, n=N), [0] * N)
    campaign.ask(strategy, n=N)
    campaign.withdraw()
    campaign.ask(strategy, n=N)
    known = [folder.memory(number, {}).get("memory/delta") for number in range(3)]
    assert known[0] is None
    assert known[1] == known[2] > 0


def test_other_strategies_and_options_in_between(campaign, labels):
    _begin(campaign, labels)
    found = ProbCover(), ProbCover(delta=0.5), "random", ProbCover()
    for number, strategy in enumerate(found):
        if number == 1:
            with pytest.warns(UserWarning, match="learned in round 0 was with other options, and is not used") as said:
                ids = campaign.ask(strategy, n=N)
            assert [one.filename for one in said] == [__file__]
        else:
            ids = campaign.ask(strategy, n=N)
        campaign.tell(ids, _said(labels, ids))
    folder = campaign._folder
    assert [asked.memory for asked in campaign.rounds] == [True, True, False, True]
    assert "memory/delta" not in folder.memory(1, {})
    assert folder.memory(3, {})["memory/delta"] == folder.memory(0, {})["notes/delta"] != 0.5


@dataclass(frozen=True)
class Curious(Strategy):
    """Observes what its field says."""

    reads: str = "head"

    observes = {"classifier": ("logits",)}  # noqa: RUF012

    def query(self, view, n, rng):
        ids = view.candidates[:n]
        return Picks(ids, np.arange(n, dtype=float), {"size": np.array(n)}, {"twice": ids * 2})

    def observe(self, view, picks, rng):
        others = {
            "head": lambda: view.head("classifier"),
            "candidates": lambda: view.candidates,
            "features": lambda: view.read("classifier", ["features"], picks.ids),
            "others": lambda: view.read("classifier", ["logits"], np.array([299])),
            "undeclared": lambda: view.read("encoder", ["features"], picks.ids),
            "nothing": lambda: None,
        }
        others[self.reads]()
        logits = view.map("classifier", ["logits"], lambda chunk: chunk["logits"] * 2, picks.ids[::-1])
        return {
            "logits": logits,
            "ids": picks.ids,
            "scores": picks.scores,
            "labeled": view.labeled,
            "labels": view.labels(picks.ids),
            **picks.notes,
            **picks.by_pick,
        }


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ("head", "the head of the classifier"),
        ("candidates", r"view\.candidates"),
        ("features", "'features' of the classifier"),
        ("others", "ids that are none of the picks"),
    ],
)
def test_what_was_not_kept_is_named(campaign, reads, message):
    campaign.tell(campaign.ask(Curious(reads), n=3), [0, 1, 2])
    journal = campaign._folder.journal.path.read_bytes()
    with pytest.raises(InputError, match=rf"outputs of its picks that `observes` names\. Received: {message}\."):
        campaign.ask(Curious(reads), n=3)
    assert campaign._folder.journal.path.read_bytes() == journal


@dataclass(frozen=True)
class Odd(Curious):
    """Keeps what no file holds."""

    def query(self, view, n, rng):
        return Picks(view.candidates[:n], notes={"note": np.array([{}, None])})


def test_what_no_file_holds_is_refused_before_anything_is_written(campaign):
    with pytest.raises(InputError, match=r"what Odd keeps of a round must be arrays.* for 'notes/note'"):
        campaign.ask(Odd(), n=3)
    assert not len(campaign.rounds)
    assert not (campaign._folder.path / "memory").exists()


def test_learners_that_are_not_declared_are_refused_as_in_a_run(campaign):
    campaign.tell(campaign.ask(Curious("undeclared"), n=3), [0, 1, 2])
    with pytest.raises(InputError, match="reads what its `learners` name"):
        campaign.ask(Curious("undeclared"), n=3)


def test_what_a_strategy_sees_of_a_round_that_is_over(campaign, reader):
    with pytest.warns(UserWarning, match="never asked"):
        campaign.tell([0, 8], [1, 1])
    ids = campaign.ask(Curious("nothing"), n=4)
    campaign.tell(ids, [3, None, UNSURE, 2])
    campaign.tell(ids[:1], [4])
    campaign.tell(campaign.ask("random", n=2), [5, 5])
    campaign.ask(Curious("nothing"), n=3)
    found = campaign._folder.memory(2, {})
    chunk = np.concatenate([part["logits"] for part in reader.chunks("classifier", ["logits"], np.array([4, 2, 1]))])
    assert ids.tolist() == [1, 2, 3, 4]
    assert found["memory/ids"].tolist() == [1, 2, 4]
    assert found["memory/scores"].tolist() == [0, 1, 3]
    assert found["memory/twice"].tolist() == [2, 4, 8]
    assert found["memory/size"] == 4
    assert found["memory/labeled"].tolist() == [0, 8]
    assert found["memory/labels"].tolist() == [4, 6, 2]  # as corrected; the rejected one has the number of no class
    np.testing.assert_array_equal(found["memory/logits"], 2 * chunk)
    assert np.count_nonzero(campaign._ledger.pool().state == LABELED) == 6


def test_a_file_that_is_gone_or_damaged(campaign, labels):
    _begin(campaign, labels)
    strategy, path = LEARNING["probcover"], campaign._folder.path / "memory" / "round001.npz"
    for _ in range(2):
        campaign.tell(campaign.ask(strategy, n=N), [0] * N)
    kept = dict(np.load(path))
    for content in (b"", b"PK\x03\x04", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"round001\.npz .*(damaged|missing).* Or ask another strategy"):
            campaign.ask(strategy, n=N)
        path.write_bytes(b"")
    np.savez(path, **{**kept, "memory/delta": np.array([np.nan])})
    with pytest.raises(InputError, match="must hold 'memory/delta', finite numbers"):
        campaign.ask(strategy, n=N)
    assert len(campaign.ask("random", n=2)) == 2
