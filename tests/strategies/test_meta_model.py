import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfal.strategies.meta_model import HIDDEN, MetaModel, Training, ranking_slopes, train

HAND = MetaModel(np.array([[1.0, -1], [0.5, 2]]), np.array([0.0, -1]), np.array([1.0, -3]), np.array(0.5))


def _loss(scores, targets, ties):
    """The ranking loss pair by pair."""
    half = len(scores) // 2
    terms = []
    for i in range(half):
        j = len(scores) - 1 - i
        if targets[i] == targets[j] and ties == "mask":
            continue
        sign = 1 if targets[i] > targets[j] else -1
        terms.append(max(0.0, 1 - sign * (scores[i] - scores[j])))
    return sum(terms) / max(len(terms), 1)


def test_scores_by_hand():
    np.testing.assert_allclose(
        HAND.scores(np.array([[1.0, 2], [1, 1], [0, 2]])), [1.380797, 1.317574, 1.231059], atol=1e-6
    )


def test_it_has_257_parameters_from_0_to_1():
    arrays = MetaModel.fresh(np.random.default_rng(0)).arrays()
    values = np.concatenate([np.ravel(value) for value in arrays.values()])
    assert values.size == 257
    assert 0 <= values.min() < values.max() < 1


@given(st.integers(0, 2**32))
def test_raising_an_input_never_lowers_the_score(seed):
    rng = np.random.default_rng(seed)
    model = MetaModel(*(rng.normal(size=shape) for shape in ((2, HIDDEN), HIDDEN, HIDDEN, ())))
    inputs = rng.normal(size=(20, 2)) * 3
    raised = inputs + rng.random((20, 2)) * rng.integers(0, 2, (20, 2))
    assert np.all(model.scores(raised) >= model.scores(inputs) - 1e-12)


def test_the_ranking_loss_of_the_referee_is_the_published_one():
    scores, targets = np.array([0.2, 0.9, 0.5, 0.1]), np.array([1.0, 0, 0, 2])
    assert _loss(scores, targets, "code") == pytest.approx(1.25)
    assert _loss(scores, targets, "mask") == pytest.approx(1.1)


@pytest.mark.parametrize("ties", ["mask", "code"])
@pytest.mark.parametrize("size", [2, 7, 8])
def test_slopes_and_gradients_are_those_of_the_loss(size, ties):
    rng = np.random.default_rng(size)
    inputs, targets = rng.normal(size=(size, 2)), np.arange(size) % 3.0
    model = MetaModel(*(0.1 * rng.normal(size=shape) for shape in ((2, HIDDEN), HIDDEN, HIDDEN, ())))
    gradients = model.gradients(inputs, ranking_slopes(model.scores(inputs), targets, ties)).arrays()
    assert ties == "code" or np.any(gradients["w1"] != 0)
    for name, value in model.arrays().items():
        for place in [(0,) * value.ndim, (-1,) * value.ndim]:
            losses = []
            for change in (1e-6, -1e-6):
                moved = {**model.arrays(), name: value.copy()}
                moved[name][place] += change
                losses.append(_loss(MetaModel(**moved).scores(inputs), targets, ties))
            assert gradients[name][place] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-6)


def test_a_single_sample_and_all_equal_targets_teach_nothing():
    assert ranking_slopes(np.array([0.3]), np.array([1.0]), "mask").tolist() == [0.0]
    assert ranking_slopes(np.array([0.3, 0.1]), np.array([1.0, 1]), "mask").tolist() == [0.0, 0.0]
    assert ranking_slopes(np.array([0.3, 0.1]), np.array([1.0, 1]), "code").tolist() == [1.0, -1.0]


@pytest.mark.parametrize("column", [0, 1])
def test_it_learns_which_input_matters(column):
    rng = np.random.default_rng(0)
    inputs = np.exp(rng.normal(size=(200, 2)))
    training = Training(batch=32)
    model = train(inputs, inputs[:, column], np.random.default_rng(1), training)
    low, high = np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])
    high[0, column] = 3.0
    other = np.array([[0.5, 0.5]])
    other[0, 1 - column] = 3.0
    rise, other_rise = model.scores(high) - model.scores(low), model.scores(other) - model.scores(low)
    assert rise > 1.4 * other_rise
    again = train(inputs, inputs[:, column], np.random.default_rng(1), training)
    assert all(np.array_equal(model.arrays()[name], again.arrays()[name]) for name in model.arrays())


def test_fewer_samples_than_a_batch():
    model = train(np.ones((3, 2)), np.arange(3.0), np.random.default_rng(0), Training(epochs=1))
    assert np.isfinite(model.scores(np.ones((1, 2)))).all()


@pytest.mark.parametrize(
    ("n", "batch", "steps", "expected"),
    [(500, 32, "at_least", 112), (1000, 32, "at_least", 128), (500, 64, "at_least", 104), (500, 32, "exactly", 100)],
)
def test_steps_of_an_epoch_are_those_of_the_public_code(n, batch, steps, expected):
    """16 batches of 500 samples, 7 times; 32 of 1,000, 4 times."""
    assert Training(batch=batch, steps=steps).n_steps(n) == expected


@pytest.mark.parametrize(("steps", "n_steps"), [("exactly", 100), ("at_least", 102)])
def test_every_sample_counts_once_in_a_pass_the_last_batch_is_smaller(steps, n_steps, monkeypatch):
    """17 samples in batches of 8, 8 and 1; with "exactly", an epoch ends after the first batch of a pass."""
    seen, step = [], MetaModel.gradients

    def watched(self, inputs, slopes):
        seen.append(inputs[:, 0].astype(int))
        return step(self, inputs, slopes)

    monkeypatch.setattr(MetaModel, "gradients", watched)
    inputs = np.c_[np.arange(17.0), np.ones(17)]
    train(inputs, np.arange(17.0), np.random.default_rng(0), Training(epochs=2, batch=8, steps=steps))
    assert len(seen) == 2 * n_steps
    assert [len(rows) for rows in seen[:6]] == [8, 8, 1, 8, 8, 1]
    for first in range(0, 2 * n_steps - 2, 3):
        assert sorted(np.concatenate(seen[first : first + 3])) == list(range(17))
