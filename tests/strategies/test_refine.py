"""refine: what its rounds let through, against a plain loop; one reading; what it refuses."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import tfal
from tfal.errors import InputError
from tfal.kernels import least_confidence, margin, top_n
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies import make_strategy
from tfal.strategies.refine import MEMBERS, Refine
from tfal.streams import Streams

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(120, 5)).astype(np.float32)
LOGITS = RNG.normal(size=(120, 3)).astype(np.float32)
TRUTH = RNG.integers(0, 3, 120)
LABELED = np.arange(0, 120, 10)


class Made:
    def __init__(self):
        self.reads = []

    def chunks(self, learner, outputs, ids):
        self.reads.append((learner, *outputs))
        yield {name: {"features": FEATURES, "logits": LOGITS}[name][ids] for name in outputs}

    def head(self, learner):
        return np.ones((5, 3), np.float32), np.zeros(3, np.float32)


@pytest.fixture
def view():
    pool = Pool.unlabeled_pool(120)
    pool.label_samples(LABELED, TRUTH[LABELED], 0)
    return PoolView(pool, pool.unlabeled, Made(), Streams(0), learners=("encoder", "classifier"))


def _picks(view, n=6, seed=0, **options):
    return Refine(**options).query(view, n, np.random.default_rng(seed)).ids.tolist()


def test_one_strategy_on_the_whole_pool_lets_its_own_picks_through(view):
    found = _picks(view, refine_by="margin", refine_share=1.0, refine_draws=2)
    doubtful = view.candidates[margin(LOGITS[view.candidates]).argsort()[:6]]
    assert sorted(found) == sorted(doubtful)


def test_a_plain_loop(view):
    """Scores alone, so that a batch is a sort; the same draws in the same order."""
    options = {"refine_by": "margin,least_confidence", "refine_draws": 3, "n_refine": 2, "refine_share": 0.3}
    scores = [-margin(LOGITS), -least_confidence(LOGITS)]
    rng, pool = np.random.default_rng(4), view.candidates
    for _ in range(2):
        size = max(6, math.ceil(0.3 * len(pool)))
        batches = []
        for score in scores:
            for _ in range(3):
                part = np.sort(rng.choice(pool, size, replace=False))
                (child,) = rng.spawn(1)
                batches.append(part[top_n(score[part], 6, rng=child)])
        pool = np.unique(np.concatenate(batches))
    (child,) = rng.spawn(1)
    narrowed = PoolView(view._pool, pool, Made(), Streams(0))
    expected = make_strategy("uherding", None).query(narrowed, 6, child).ids.tolist()
    assert _picks(view, seed=4, **options) == expected


def test_outputs_are_read_once(view):
    few = {"n_refine": 2, "refine_draws": 2}
    assert len(set(_picks(view, **few))) == 6
    assert sorted(view._reader.reads) == [("classifier", "features", "logits"), ("encoder", "features")]
    assert _picks(view, **few) == _picks(view, **few) != _picks(view, seed=1, **few)


@pytest.mark.parametrize(
    ("m", "first", "expected"), [(100, True, 40), (6000, True, 5000), (6000, False, 2400), (8, False, 6)]
)
def test_how_much_a_batch_is_picked_from(m, first, expected):
    assert Refine()._size(m, 6, first=first) == expected


def test_of_many_candidates_some_are_drawn(view):
    found = _picks(view, refine_pool=10, refine_by="random", refine_share=1.0, n_refine=1, refine_draws=9)
    assert set(found) <= set(np.random.default_rng(0).choice(view.candidates, 10, replace=False).tolist())
    assert len(_picks(view, n=len(view.candidates), refine_pool=10, refine_by="random")) == len(view.candidates)


def test_its_learners_are_those_of_its_strategies():
    assert Refine().learners == ("classifier", "encoder")
    assert Refine(refine_by="bald").required_outputs == ("mc_logits",)
    assert [type(member).__name__ for member in Refine(refine_by="random, Margin")._members] == [
        "Random",
        "Margin",
        "UHerding",
    ]
    assert set(Refine()._names) == set(MEMBERS.split(","))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"refine_by": "margin,tcm"}, "Received: 'tcm'. Leave it out"),
        ({"refine_by": "probcover"}, "'probcover'"),
        ({"refine_by": "uniform"}, "'uniform'"),
        ({"refine_by": "refine"}, "'refine'"),
        ({"refine_by": "ll"}, "'ll', which reads the loss_predictor"),
        ({"refine_by": "margin,margin"}, "each strategy once"),
        ({"refine_by": "margin,"}, "unknown strategy ''"),
        ({"refine_share": 1.5}, "at most 1"),
    ],
)
def test_what_cannot_thin_out_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        make_strategy("refine", SimpleNamespace(**given))


def test_embeddings_alone_are_enough():
    few = {"n_refine": 1, "refine_draws": 1, "refine_by": "margin,typiclust,alfamix"}
    arrays = {"classifier": {"features": FEATURES, "logits": LOGITS}}
    ids = tfal.query("refine", None, None, 4, features=FEATURES, labeled=LABELED, labels=TRUTH[LABELED], **few)
    assert len({*ids.tolist()} - {*LABELED.tolist()}) == 4
    with pytest.raises(InputError, match="needs labels"):
        tfal.query("refine", arrays, None, 4, features=FEATURES, labeled=LABELED, **few)
