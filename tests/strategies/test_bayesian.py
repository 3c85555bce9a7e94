"""What the strategies that read several predictions do: their scores by the formulas, and made outputs by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfal import kernels
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies import make_strategy
from tfal.streams import Streams

# Strategy, output, learner, and its score as the formula has it, of probabilities (n, T, C).
SCORES = [
    ("dbal", "mc_logits", "classifier", lambda p: entropies(p.mean(axis=1))),
    ("bald", "mc_logits", "classifier", lambda p: entropies(p.mean(axis=1)) - entropies(p).mean(axis=1)),
    ("consistency", "view_logits", "classifier", lambda p: p.var(axis=1).sum(axis=1)),
    (
        "variation_ratio",
        "member_logits",
        "ensemble",
        lambda p: [1 - np.bincount(v).max() / len(v) for v in p.argmax(2)],
    ),
    ("ensemble_entropy", "member_logits", "ensemble", lambda p: entropies(p.mean(axis=1))),
]


def entropies(p):
    return -(p * np.log(p)).sum(axis=-1)


class Made:
    """Outputs by learner and name, one row a sample, in chunks of 7 samples."""

    def __init__(self, **outputs):
        self.outputs, self.asked = outputs, []

    def chunks(self, learner, outputs, ids):
        self.asked.append((learner, tuple(outputs)))
        for start in range(0, len(ids), 7):
            yield {name: self.outputs[learner][name][ids[start : start + 7]] for name in outputs}


def make_view(n, labeled=(), **outputs):
    pool, labeled = Pool.unlabeled_pool(n), np.array(labeled, int)
    pool.label_samples(labeled, np.zeros(len(labeled), np.int32), 0)
    return PoolView(pool, pool.unlabeled, Made(**outputs), Streams(0))


def query(name, view, n, **options):
    return make_strategy(name, SimpleNamespace(**options)).query(view, n, np.random.default_rng(0))


@pytest.mark.parametrize(("name", "output", "learner", "formula"), SCORES)
def test_takes_the_largest_by_the_formula(name, output, learner, formula):
    logits = np.random.default_rng(0).normal(size=(40, 6, 4)).astype(np.float32)
    view = make_view(40, [3, 5], **{learner: {output: logits}})
    picks = query(name, view, 10)
    powers = np.exp(logits.astype(np.float64))
    scores = np.array(formula(powers / powers.sum(axis=2, keepdims=True)))
    np.testing.assert_allclose(picks.scores, scores[picks.ids], atol=1e-9)
    np.testing.assert_allclose(picks.scores, -np.sort(-scores[view.candidates])[:10], atol=1e-9)
    assert view._reader.asked == [(learner, (output,))]


@pytest.mark.parametrize(("name", "_output", "learner", "_formula"), SCORES)
def test_the_learner_is_the_task(name, _output, learner, _formula):
    strategy = make_strategy(name, None)
    assert (strategy.task_learner, strategy.learners) == (learner, (learner,))


def test_bald_and_entropy_differ_where_all_passes_are_unsure():
    unsure, torn = [[0.0, 0.0]] * 2, [[2.0, -2.0], [-2.0, 2.0]]
    view = make_view(3, classifier={"mc_logits": np.array([[[9.0, 0.0]] * 2, unsure, torn])})
    assert query("dbal", view, 1).ids.tolist() == [1]
    assert query("bald", view, 2).ids.tolist() == [2, 0]  # of passes that agree, the lower id


def test_batchbald_passes_over_a_copy():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 8, 3)) * 0.1
    logits[4], logits[9] = rng.normal(size=(2, 8, 3)) * 3
    logits[15] = logits[4]
    view = make_view(20, classifier={"mc_logits": logits})
    assert set(query("bald", view, 2).ids.tolist()) in ({4, 15}, {9, 4})
    found = query("batchbald", view, 2).ids.tolist()
    assert 9 in found
    assert len({4, 15} & set(found)) == 1


@pytest.mark.parametrize("n_candidate", [1, 12, 100])
def test_batchbald_chooses_among_the_best_by_bald(n_candidate):
    logits = np.random.default_rng(1).normal(size=(50, 6, 4)).astype(np.float32)
    view = make_view(50, range(0, 50, 5), classifier={"mc_logits": logits})
    best = query("bald", view, min(max(n_candidate, 5), 40)).ids
    rows = kernels.batchbald(logits[best], 5, rng=np.random.default_rng(0))
    assert query("batchbald", view, 5, n_candidate=n_candidate).ids.tolist() == best[rows].tolist()
    assert len(view._reader.asked) == 2  # one pass for each of the two strategies


def test_vaal_takes_what_looks_least_labeled():
    logits = np.array([40.0, -41.0, 30.0, -200.0, 20.0], np.float32)  # in float32, most probabilities are 0 or 1
    picks = query("vaal", make_view(5, vaal={"labeled_logit": logits}), 4)
    assert picks.ids.tolist() == [3, 1, 4, 2]
    np.testing.assert_allclose(picks.scores, 1 / (1 + np.exp(-logits[picks.ids].astype(np.float64))), rtol=1e-12)
    strategy = make_strategy("vaal", None)
    assert (strategy.task_learner, strategy.learners) == ("classifier", ("vaal",))


def test_bait_buys_the_direction_that_nothing_is_known_of():
    features = np.array([[3.0, 0.0], [2.9, 0.0], [0.0, 2.0], [0.0, 2.1], [9.0, 0.0], [9.0, 0.0]])
    view = make_view(6, [4, 5], classifier={"features": features, "logits": np.zeros((6, 2))})
    assert query("bait", view, 1).ids.tolist() == [3]


def test_bait_refuses_what_it_cannot_invert():
    view = make_view(6, classifier={"features": np.ones((6, 300)), "logits": np.zeros((6, 10))})
    with pytest.raises(InputError, match=r"at most 2560, received 10 \* 300 = 3000"):
        query("bait", view, 1)
    view = make_view(6, classifier={"features": np.ones((6, 3)), "logits": np.zeros((6, 10))})
    with pytest.raises(InputError, match=r"at most 20, received 10 \* 3 = 30"):
        query("bait", view, 1, max_size=20)
