import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import cohen_kappa_score

from tfal.evaluation.stop_set import SIZE, answers, kappa, stop_scores, stop_set
from tfal.pool import Pool

FIRST = np.array([0, 0, 1, 1, 2, 2, 2, 0, 1, 2])


def test_kappa_of_the_vector():
    second = FIRST.copy()
    second[6] = 1
    assert kappa(FIRST, second) == pytest.approx(0.850746, abs=1e-6)
    assert kappa(FIRST, FIRST) == 1
    assert kappa(np.zeros(5), np.zeros(5)) == 1  # expected by chance alone
    assert kappa(np.array([0, 1]), np.array([1, 0])) == -1


@pytest.mark.parametrize("seed", range(5))
def test_kappa_as_scikit_learn_has_it(seed):
    a, b = np.random.default_rng(seed).integers(0, 4, (2, 30))
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))


def test_the_same_samples_in_all_rounds_and_others_in_each_repetition():
    pool = Pool.unlabeled_pool(5000)
    pool.label_samples(np.arange(100), np.zeros(100, int), 0)
    ids = stop_set(pool, 3, 1)
    assert len(np.unique(ids)) == SIZE
    assert ids.min() >= 100
    assert np.array_equal(ids, stop_set(pool, 3, 1))
    assert not np.array_equal(ids, stop_set(pool, 3, 2))
    small = Pool.unlabeled_pool(120)
    small.set_validation(np.arange(100), np.zeros(100, int))
    assert stop_set(small, 0, 1).tolist() == list(range(100, 120))


class Given:
    """A learner whose images are its logits."""

    def read(self, batch, outputs):
        return {"logits": tf.constant(batch, tf.float32)}


def test_answers_of_batches():
    half, sure = [0.0, 0.0], [200.0, 0.0]
    predicted, entropies = answers(Given(), [[half, sure], [[-1.0, np.log(3) - 1]]])
    assert predicted.tolist() == [0, 0, 1]
    assert entropies == pytest.approx([np.log(2), 0, -0.75 * np.log(0.75) - 0.25 * np.log(0.25)], abs=1e-6)


def test_scores_of_a_round():
    pool, ids = Pool.unlabeled_pool(6), np.array([1, 3, 4, 5])
    pool.label_samples(np.array([0, 3]), np.array([0, 0]), 0)
    before, now, entropies = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), np.array([0.3, 9, 0.1, 0.2])
    found = stop_scores(now, before, entropies, ids, pool)
    assert found == pytest.approx({"agreement": 0.5, "changed": 0.25, "mean_entropy": 0.2})
    assert stop_scores(now, None, entropies, ids, pool) == pytest.approx({"mean_entropy": 0.2})
    pool.label_samples(np.array([1, 4, 5]), np.zeros(3, int), 1)
    assert stop_scores(now, None, entropies, ids, pool) == {}
