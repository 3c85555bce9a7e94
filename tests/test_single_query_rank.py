"""tfal.rank: all samples in the order of asking; scores beside picks; and candidates drawn at random."""

import keras
import numpy as np
import pytest
from keras import layers

import tfal
from tfal import kernels
from tfal.errors import InputError
from tfal.strategies import STRATEGIES, Picks, Strategy, make_strategy

N = 40
RNG = np.random.default_rng(0)
IMAGES = RNG.random((N, 4, 4, 1), np.float32)
FEATURES = RNG.normal(size=(N, 5)).astype(np.float32)
LOGITS = RNG.normal(size=(N, 3)).astype(np.float32)
PASSES = RNG.normal(size=(N, 6, 3)).astype(np.float32)
LABELED, CLASSES = [3, 8, 21, 30], [0, 1, 2, 1]
LEFT = np.setdiff1d(np.arange(N), LABELED)
GIVEN = {"labeled": LABELED, "labels": CLASSES}
ARRAYS = {
    "classifier": {"logits": LOGITS, "features": FEATURES, "mc_logits": PASSES, "view_logits": PASSES},
    "ensemble": PASSES,
    "loss_predictor": {"predicted_loss": FEATURES[:, 0], "logits": LOGITS},
    "csi": FEATURES,
    **dict.fromkeys(("simclr", "vae", "vaal"), FEATURES[:, 0]),
}
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
TOP = np.sort(P, axis=1)
BY_HAND = {
    "entropy": -(P * np.log(P)).sum(axis=1),
    "margin": TOP[:, -2] - TOP[:, -1],
    "least_confidence": -TOP[:, -1],
    "max_logit": -LOGITS.max(axis=1),
    "bald": kernels.bald(PASSES),
    "epig": kernels.epig(PASSES, PASSES),
    "dbal": kernels.mean_entropy(PASSES),
    "consistency": kernels.predictive_variance(PASSES),
    "variation_ratio": kernels.variation_ratio(PASSES),
    "ensemble_entropy": kernels.mean_entropy(PASSES),
    "ll": FEATURES[:, 0],
    "simclr_loss": FEATURES[:, 0],
    "vae_loss": FEATURES[:, 0],
    "vaal": -1 / (1 + np.exp(-FEATURES[:, 0])),
}
RANKING = {name for name, kind in STRATEGIES.items() if kind.scores is not Strategy.scores}


def _arrays(name):
    return {learner: ARRAYS[learner] for learner in make_strategy(name, None).learners}


def test_the_strategies_that_rank_are_those_with_a_score_by_hand():
    assert {*BY_HAND, "mqnet", "ranking"} == RANKING


@pytest.mark.parametrize("strategy", BY_HAND)
def test_scores_are_known_quantities_and_the_larger_is_asked_first(strategy):
    found = tfal.rank(strategy, _arrays(strategy), None, **GIVEN)
    assert sorted(found.ids.tolist()) == LEFT.tolist()
    assert (found.ids.dtype, found.scores.dtype) == (np.int64, np.float64)
    np.testing.assert_allclose(found.scores, BY_HAND[strategy][found.ids], rtol=1e-5, atol=1e-6)
    assert np.isfinite(found.scores).all()
    assert np.all(np.diff(found.scores) <= 0)


@pytest.mark.parametrize("strategy", [*BY_HAND, "mqnet"])
@pytest.mark.parametrize("ties", [False, True])
def test_picks_are_the_first_of_a_ranking(strategy, ties):
    arrays = _arrays(strategy)
    if ties:  # of eight kinds of samples
        arrays = {
            name: {output: table[np.arange(N) % 8] for output, table in given.items()}
            if isinstance(given, dict)
            else given[np.arange(N) % 8]
            for name, given in arrays.items()
        }
    every = tfal.rank(strategy, arrays, None, **GIVEN, seed=5)
    for n in (1, 7, len(LEFT)):
        assert tfal.query(strategy, arrays, None, n, **GIVEN, seed=5).tolist() == every.ids[:n].tolist()
        ids, scores = tfal.query(strategy, arrays, None, n, **GIVEN, seed=5, return_scores=True)
        assert ids.tolist() == every.ids[:n].tolist()
        assert scores.tolist() == every.scores[:n].tolist()


@pytest.mark.parametrize("strategy", ["margin", "entropy", "least_confidence", "bald", "consistency", "max_logit"])
def test_scores_of_networks_that_are_sure_are_numbers_in_order(strategy):
    """Margins that are all 1 as numbers, and passes that agree entirely."""
    sure = np.zeros((N, 3), np.float32)
    sure[:, 0] = 100 + np.arange(N)
    sure[0] = 5.0, 5.0, 5.0
    arrays = {"classifier": {"logits": sure, "mc_logits": np.tile(sure[:, None], (1, 2, 1))}}
    arrays["classifier"]["view_logits"] = arrays["classifier"]["mc_logits"]
    found = tfal.rank(strategy, arrays, None)
    assert np.isfinite(found.scores).all()
    if strategy in ("margin", "entropy", "least_confidence"):
        assert found.ids.tolist() == list(range(N))


def test_a_ranking_of_a_file(tmp_path):
    np.save(tmp_path / "ids.npy", np.array([7, 3, 30, 0]))
    found = tfal.rank("ranking", None, IMAGES, ranking=str(tmp_path / "ids.npy"), labeled=LABELED)
    assert found.ids[:2].tolist() == [7, 0]
    assert found.scores[:3].tolist() == [0, -3, -4]
    assert len(found.ids) == N - 4


def test_a_keras_model_and_a_head_on_features_rank():
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))
    found = tfal.rank("margin", model, IMAGES, labeled=LABELED, batch_size=7)
    assert found.ids[:5].tolist() == tfal.query("margin", model, IMAGES, 5, labeled=LABELED).tolist()
    on_features = tfal.rank("margin", None, None, features=FEATURES, **GIVEN)
    assert on_features.ids[:5].tolist() == tfal.query("margin", None, None, 5, features=FEATURES, **GIVEN).tolist()


@pytest.mark.parametrize("strategy", ["badge", "coreset", "ldms", "random", "power_margin", "typiclust", "kmeans"])
def test_those_that_choose_sets_name_those_that_rank(strategy):
    match = f"strategy '{strategy}' chooses by what else it chooses.* entropy, .*margin, .*mqnet.* scores\\(view\\)"
    given = {"features": FEATURES, **GIVEN}
    with pytest.raises(InputError, match=match) as error:
        tfal.rank(strategy, None, None, **given)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=match):
        tfal.query(strategy, None, None, 3, return_scores=True, **given)


class Own(Strategy):
    """Ranks by the ids themselves."""

    learners = ()

    def __init__(self, of=lambda ids: ids % 10):
        self.of = of

    def query(self, view, n, rng):
        return Picks(view.candidates[:n])

    def scores(self, view):
        return self.of(view.candidates)


def test_a_strategy_of_ones_own_ranks_by_its_scores():
    found = tfal.rank(Own(), None, IMAGES, labeled=[9, 19])
    assert found.scores.tolist() == sorted((i % 10 for i in range(N) if i not in (9, 19)), reverse=True)
    with pytest.raises(InputError, match=r"received 40 NaN of 40"):
        tfal.rank(Own(lambda ids: ids * np.nan), None, IMAGES)
    with pytest.raises(InputError, match=r"one score for each of 40 candidates. Received: shape \(40, 1\)"):
        tfal.rank(Own(lambda ids: ids[:, None]), None, IMAGES)
    with pytest.warns(UserWarning, match="all candidates have the same score"):
        tfal.rank(Own(lambda ids: ids * 0), None, IMAGES)


@pytest.mark.parametrize("strategy", ["margin", "badge", "coreset", "typiclust", "random", "uherding", "ldms"])
def test_max_candidates_are_drawn_by_the_seed(strategy):
    given = {"features": FEATURES, **GIVEN, "max_candidates": 9}
    found = [{*tfal.query(strategy, None, None, 9, **given, seed=seed).tolist()} for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 9
    assert not found[0] & {*LABELED}
    few = tfal.query(strategy, None, None, 4, **given, seed=1)
    assert {*few.tolist()} < found[0]
    given["max_candidates"] = np.int64(N)
    every = tfal.query(strategy, None, None, 9, features=FEATURES, **GIVEN)
    assert tfal.query(strategy, None, None, 9, **given).tolist() == every.tolist()


def test_only_candidates_are_ranked():
    found = tfal.rank("margin", {"classifier": LOGITS}, None, max_candidates=5, seed=3)
    assert len(found.ids) == len(found.scores) == 5
    np.testing.assert_allclose(found.scores, BY_HAND["margin"][found.ids], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_candidates": 0}, "max_candidates must be a whole number >= 1. Received: 0"),
        ({"max_candidates": 2.5}, "max_candidates must be a whole number >= 1"),
        ({"max_candidates": 3}, "from 1 to the 3 candidates, of max_candidates. Received: 4"),
        ({"max_candidate": 3}, "unknown argument 'max_candidate'. Did you mean 'max_candidates'"),
        ({"labeled": [1], "labels": [2**40]}, "labels must be from 0 to 2, the model's classes"),
    ],
)
def test_what_is_out_of_range_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        tfal.query("margin", {"classifier": LOGITS}, None, 4, **changes)


def test_labels_larger_than_a_pool_holds_are_refused():
    with pytest.raises(InputError, match=r"labels must be classes counted from 0. Received: \[1099511627776\]"):
        tfal.query("typiclust", None, None, 3, features=FEATURES, labeled=[1], labels=[2**40])


def test_nothing_left_to_rank_is_said():
    with pytest.raises(InputError, match="must leave a sample to pick"):
        tfal.rank("margin", {"classifier": LOGITS}, None, labeled=range(N), labels=[0] * N)
