"""What the strategies for open-set pools do with made outputs, checked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfal import kernels
from tfal.errors import InputError
from tfal.pool import Pool
from tfal.pool.view import PoolView
from tfal.strategies import Picks, make_strategy
from tfal.strategies.ccal import CCAL
from tfal.strategies.meta_model import MetaModel
from tfal.strategies.mqnet import MQNet
from tfal.strategies.similar import Similar
from tfal.streams import Streams


class Made:
    """Outputs by name, one row a sample."""

    def __init__(self, **outputs):
        self.outputs = {name: np.asarray(value, np.float32) for name, value in outputs.items()}

    def chunks(self, learner, outputs, ids):
        yield {name: self.outputs[name][ids] for name in outputs}


def _view(pool, reader, candidates=None, memory=None):
    return PoolView(pool, pool.unlabeled if candidates is None else candidates, reader, Streams(0), memory)


def _rng():
    return np.random.default_rng(0)


@pytest.fixture
def three():
    """Candidates 0, 1, 2 with the informativeness and purity of the published example; 3 is labeled."""
    pool = Pool.unlabeled_pool(4)
    pool.label_samples(np.array([3]), np.array([0]), 0)
    purity = np.array([0.9, 0.5, 0.1, 1])
    projection = np.stack([purity, np.sqrt(1 - purity**2)], axis=1)
    logits = np.log([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.5, 0.5]])
    return pool, Made(predicted_loss=[0.1, 0.4, 0.7, 0], projection=projection, logits=logits)


def test_the_first_round_of_mqnet_adds_the_two_scores(three):
    picks = MQNet().query(_view(*three), 3, _rng())
    by_id = dict(zip(picks.ids.tolist(), picks.scores.tolist(), strict=True))
    assert by_id == pytest.approx({0: 3.697130, 1: 2.0, 2: 3.697130}, abs=1e-4)
    np.testing.assert_allclose(picks.notes["mean"], [0.4, 0.5], atol=1e-6)


def test_later_rounds_ask_the_meta_model(three):
    only_purity = MetaModel(np.array([[-1.0], [1.0]]), np.zeros(1), np.ones(1), np.array(0.0)).arrays()
    only_loss = MetaModel(np.array([[1.0], [-1.0]]), np.zeros(1), np.ones(1), np.array(0.0)).arrays()
    assert MQNet().query(_view(*three, memory=only_purity), 3, _rng()).ids.tolist() == [0, 1, 2]
    assert MQNet().query(_view(*three, memory=only_loss), 3, _rng()).ids.tolist() == [2, 1, 0]


def test_confidence_mode_reads_the_classifier(three):
    strategy = MQNet(mqnet_mode="conf")
    assert (strategy.task_learner, strategy.learners) == ("classifier", ("classifier", "csi"))
    assert (MQNet().task_learner, MQNet().learners) == ("loss_predictor", ("loss_predictor", "csi"))
    picks = strategy.query(_view(*three), 3, _rng())
    order = np.argsort(picks.ids)
    np.testing.assert_allclose(picks.by_pick["raw"][order, 0], [0.1, 0.4, 0.3], atol=1e-6)


@pytest.mark.parametrize(("mode", "mean"), [("ll", 0.8 / 3), ("conf", 0.25)])
def test_the_statistics_of_the_code(three, mode, mean):
    """Purity over the queried samples; predicted losses by statistics of the confidence over the candidates."""
    picks = MQNet(mqnet_mode=mode, meta_stats="code").query(_view(*three), 2, _rng())
    raw = picks.by_pick["raw"]
    np.testing.assert_allclose(picks.notes["mean"][1], raw[:, 1].mean())
    np.testing.assert_allclose(picks.notes["mean"][0], mean if mode == "ll" else raw[:, 0].mean(), atol=1e-6)


def test_mqnet_observes_true_losses_and_forgets_nothing(three, monkeypatch):
    pool, reader = three
    view = _view(pool, reader)
    picks = MQNet().query(view, 3, _rng())
    pool.label_samples(picks.ids, np.array([1, 2, 0])[picks.ids], 1, 2)
    seen = {}
    monkeypatch.setattr(
        "tfal.strategies.mqnet.train",
        lambda inputs, targets, rng, training: seen.update(targets=targets, how=training) or MetaModel.fresh(rng),
    )
    memory = MQNet(meta_batch=8, steps="at_least").observe(view, picks, _rng())
    by_id = dict(zip(picks.ids.tolist(), seen["targets"].tolist(), strict=True))
    assert by_id == pytest.approx({0: -np.log(0.1), 1: 0.0, 2: -np.log(0.3)}, abs=1e-5)
    assert (seen["how"].batch, seen["how"].steps) == (8, "at_least")
    assert dict(zip(picks.ids.tolist(), memory["known"].tolist(), strict=True)) == {0: True, 1: False, 2: True}
    assert MetaModel.load(memory).scores(np.ones((1, 2))).shape == (1,)


def test_a_query_of_unknown_samples_alone_teaches_something_finite(three):
    pool, reader = three
    view = _view(pool, reader)
    picks = MQNet().query(view, 3, _rng())
    pool.label_samples(picks.ids, np.full(3, 2), 1, 2)
    with pytest.warns(UserWarning, match="none of its 3 picks is of a known class"):
        memory = MQNet(meta_epoch=2).observe(view, picks, _rng())
    assert not memory["known"].any()
    assert np.isfinite(MetaModel.load(memory).scores(np.ones((1, 2)))).all()


def test_equal_scores_everywhere_leave_the_other_one_to_decide(three):
    pool, reader = three
    reader.outputs["predicted_loss"][:] = 0.5
    assert MQNet().query(_view(pool, reader), 3, _rng()).ids.tolist() == [0, 1, 2]


def test_similar_is_the_greedy_kernel_on_gradient_embeddings():
    rng = np.random.default_rng(0)
    features, logits = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    pool = Pool.unlabeled_pool(40)
    labels = np.array([0, 1, 2, 0, 3, 3])
    pool.label_samples(np.arange(6), labels, 0, 3)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = np.append(labels, logits[6:].argmax(axis=1))
    a = np.concatenate([p, np.zeros((40, 1))], axis=1) - np.eye(4)[label]
    embedding = np.einsum("ia,if->iaf", a, np.c_[features, np.ones(40)]).reshape(40, -1)
    order = np.random.default_rng(0).permutation(np.arange(6, 40))  # as the strategy draws it
    for name, greedy in (("logdetcmi", kernels.logdetcmi_greedy), ("flcmi", kernels.flcmi_greedy)):
        rows = greedy([embedding[order]], 8, query=[embedding[:4]], private=[embedding[4:6]])
        picks = Similar(submodular=name).query(_view(pool, Made(features=features, logits=logits)), 8, _rng())
        assert picks.ids.tolist() == order[rows].tolist()


def test_ccal_lets_classes_choose_in_turn_even_with_one_labeled_sample():
    """Class 1 has one labeled sample, class 2 none."""
    rng = np.random.default_rng(0)
    projection = rng.normal(size=(30, 4)).astype(np.float32)
    rotations = np.stack([projection] * 4, axis=1)
    pool = Pool.unlabeled_pool(30)
    labels = np.array([0, 0, 1, 3])
    pool.label_samples(np.arange(4), labels, 0, 4)
    reader = Made(projection_views=projection, projection_rotations=rotations)
    picks = CCAL().query(_view(pool, reader), 7, _rng())
    scores = kernels.distinctive_scores(rotations[4:], rotations[:4], labels, 4)
    scores = scores + kernels.semantic_scores(projection[4:], projection[:4])[:, None]
    assert picks.ids[0] == 4 + np.argmax(scores[:, 0])
    assert picks.ids[1] == 4 + np.argmax(np.where(np.arange(26) == picks.ids[0] - 4, -9, scores[:, 1]))
    assert len(set(picks.ids.tolist())) == 7


def test_neat_asks_beside_known_samples_and_lfosa_what_the_detector_knows():
    """Two known samples and a rejected one; 3 and 4 lie by the known ones, 5 by the other."""
    pool = Pool.unlabeled_pool(6)
    pool.label_samples(np.arange(3), np.array([0, 1, 2]), 0, 2)
    features = [[1, 0], [0.9, 0.1], [0, 1], [1, 0.05], [0.95, 0.1], [0.1, 1]]
    logits = [[0, 0], [0, 0], [0, 0], [4, 0], [0.1, 0], [0, 9]]
    reader = Made(features=features, logits=logits)
    options = {"n_neighbor_open": 2, "n_likely": 2}
    assert make_strategy("neat", SimpleNamespace(**options)).query(_view(pool, reader), 3, _rng()).ids[2] == 5
    detector = Made(logits=[[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 5], [6, 0, 0], [2, 1, 0]])
    assert make_strategy("lfosa", None).query(_view(pool, detector), 3, _rng()).ids.tolist() == [4, 5, 3]


def test_eaoa_changes_how_many_it_takes_for_likely_by_the_purity_of_its_picks():
    pool = Pool.unlabeled_pool(30)
    pool.label_samples(np.arange(10), np.arange(10) % 3, 0, 3)
    view, strategy = _view(pool, Made()), make_strategy("eaoa", None)
    for known, expected in ((10, 6), (7, 6), (6, 5), (5, 4)):  # of 10: above, and below, by more than 0.05
        pool.label_samples(np.arange(10, 20), np.where(np.arange(10) < known, 0, 3), 1, 3)
        picks = Picks(np.arange(10, 20), notes={"n_likely": np.array(5)})
        assert strategy.observe(_view(pool, Made()), picks, _rng())["n_likely"] == expected
        pool = pool.back_to(0)
    least = Picks(np.arange(10), notes={"n_likely": np.array(1)})
    rejected = Pool.unlabeled_pool(30)
    rejected.label_samples(np.arange(10), np.full(10, 3), 0, 3)
    assert strategy.observe(_view(rejected, Made()), least, _rng())["n_likely"] == 1
    assert strategy.query(_view(rejected, Made(), view.candidates), 4, _rng()).notes["n_likely"] == 5


@pytest.mark.parametrize("name", ["lfosa", "eaoa", "eoal"])
def test_a_classifier_in_place_of_a_detector_is_refused(name):
    """Its last output is a known class; taken for a detector's, that class would be the unknown one."""
    pool = Pool.unlabeled_pool(6)
    pool.label_samples(np.arange(3), np.array([0, 1, 2]), 0, 3)
    made = Made(
        logits=np.eye(6, 3), features=np.eye(6), binary_logits=np.ones((6, 2, 2)), center_distances=np.eye(6, 2)
    )
    with pytest.raises(InputError, match=r"detector must have one output more .* 3 outputs, and a sample labeled 2"):
        make_strategy(name, None).query(_view(pool, made), 2, _rng())


def test_options_come_from_the_recipe(small, change):
    strategy = make_strategy("mqnet", change(small, mqnet_mode="conf", meta_batch=32, rank_ties="code"))
    assert (strategy.mqnet_mode, strategy.meta_batch, strategy.rank_ties) == ("conf", 32, "code")
    assert make_strategy("mqnet", change(small, steps="at_least")).steps == "at_least"
    assert make_strategy("similar", change(small, submodular="flcmi")).submodular == "flcmi"
