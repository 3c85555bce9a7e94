"""Data maps, criteria and correlations of the cold start on arrays: hand-computed vectors and slow referees."""

import itertools

import numpy as np
import pytest

from tfal.coldstart.criteria import CRITERIA, Oracle, SelfSupervised, cosine_sum, resolve
from tfal.coldstart.data_maps import (
    DataMap,
    RunningMoments,
    SupervisedDynamics,
    SupervisedMap,
    data_map,
)
from tfal.coldstart.study import budgets_of
from tfal.errors import InputError
from tfal.kernels import bald, in_turn, predictive_variance, ranked
from tfal.report.correlation import correlate, from_results, pair_distance_sum, pool_sum


def _moments(values):
    found = RunningMoments(values.shape[1:])
    for row in values:
        found.add(row)
    return found


def test_running_moments_are_those_of_all_epochs():
    values = np.random.default_rng(0).random((50, 7)) + 1e6  # a naive sum of squares loses the variance here
    found = _moments(values)
    assert np.allclose(found.mean, values.mean(axis=0), rtol=1e-12)
    assert np.allclose(found.std, values.std(axis=0), rtol=1e-6)
    assert found.n == 50


def test_a_data_map_by_hand():
    found = data_map(_moments(np.array([[0.2, 0.9], [0.6, 0.9]])))
    assert np.allclose(found.confidence, [0.4, 0.9])
    assert np.allclose(found.variability, [0.2, 0.0])
    assert np.allclose(found.threshold_closeness, [0.24, 0.09])


def test_the_running_supervised_map_is_that_of_all_epochs_at_once():
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=40)
    probabilities = rng.dirichlet(np.ones(3), size=(12, 40))
    dynamics = SupervisedDynamics(40)
    for epoch in probabilities:
        dynamics.add(epoch, labels)
    found = dynamics.map()
    of_truth = probabilities[:, np.arange(40), labels]
    assert np.allclose(found.confidence, of_truth.mean(axis=0))
    assert np.allclose(found.variability, of_truth.std(axis=0))
    for i in range(40):
        correct = [int(epoch[i].argmax() == labels[i]) for epoch in probabilities]
        forgotten = sum(a > b for a, b in itertools.pairwise(correct))
        assert found.correctness[i] == sum(correct)
        assert found.forgetfulness[i] == (forgotten if any(correct) else 1000)


def test_forgetting_by_hand():
    right, wrong = [0.9, 0.1], [0.2, 0.8]
    dynamics = SupervisedDynamics(3)
    for epoch in ([right, right, wrong], [wrong, right, wrong], [right, right, wrong], [wrong, right, wrong]):
        dynamics.add(np.array(epoch), np.array([0, 0, 0]))
    found = dynamics.map()
    assert found.correctness.tolist() == [2, 4, 0]
    assert found.forgetfulness.tolist() == [2, 0, 1000]


def in_turns(rows, clusters, order):
    """The ranking `rows`, of which every cluster gives its best in turn."""
    return rows[in_turn(clusters[rows], order=order)]


def test_clusters_take_turns():
    clusters = np.array([1, 2, 1, 0, 1, 2])  # 2: [5, 1], 0: [3], 1: [4, 0, 2]
    for rows in ([5, 4, 3, 1, 0, 2], [4, 0, 2, 3, 5, 1], [3, 5, 1, 4, 0, 2]):
        assert in_turns(np.array(rows), clusters, np.array([2, 0, 1])).tolist() == [5, 3, 4, 1, 0, 2]


def test_turns_are_those_of_queues():
    rng = np.random.default_rng(2)
    clusters, order = rng.integers(6, size=80), rng.permutation(6)
    rows = rng.permutation(80)
    queues = {k: [row for row in rows.tolist() if clusters[row] == k] for k in range(6)}
    expected = []
    while any(queues.values()):
        expected += [queues[k].pop(0) for k in order if queues[k]]
    assert in_turns(rows, clusters, order).tolist() == expected


@pytest.mark.parametrize("order", [[0], [1, 1]])
def test_bad_turns_are_refused(order):
    with pytest.raises(InputError):
        in_turns(np.array([0, 1]), np.array([0, 1, 1]), np.array(order))


def test_equal_scores_keep_their_order_and_nan_is_refused():
    assert ranked([0.3, 0.9, 0.3, np.inf, 0.9]).tolist() == [3, 1, 4, 0, 2]
    with pytest.raises(InputError, match="1 NaN of 4"):
        ranked([0.3, np.nan, 0.9, 0.1])
    assert ranked([0.3, 0.9, 0.1]).tolist() == [1, 0, 2]


def test_cosine_sum():
    found = cosine_sum(np.array([[1.0, 0.0], [1.0, 1.0]]), np.eye(2))
    assert np.allclose(found, [1.0, 0.585786], atol=1e-6)
    rng = np.random.default_rng(3)
    rows, others = rng.normal(size=(9, 4)), rng.normal(size=(5, 4))
    rows[2] = 0
    for row, value in zip(rows, cosine_sum(rows, others), strict=True):
        lengths = np.linalg.norm(row) * np.linalg.norm(others, axis=1)
        cosines = others @ row / np.where(lengths > 0, lengths, 1)
        assert np.isclose(value, (1 - cosines).sum())


def test_pair_distances_are_those_of_all_pairs():
    rng = np.random.default_rng(4)
    features = rng.normal(size=(12, 3))
    features[5] = 0
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-300)
    expected = sum(1 - unit[i] @ unit[j] for i in range(12) for j in range(i))
    assert np.isclose(pair_distance_sum(features), expected)
    assert pool_sum(np.array([1.0, np.nan, 4.0]), np.array([0, 2])) == 5


def test_published_scores_of_single_images():
    log = np.log([[[0.9, 0.1], [0.1, 0.9]]])
    assert np.allclose(bald(log) / np.log(2), 0.531004, atol=1e-6)
    assert np.allclose(predictive_variance(np.log([[[0.7, 0.3], [0.5, 0.5]]])), 0.02)
    logits = np.log([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    read = _oracle(logits)
    rng = np.random.default_rng(0)
    assert np.isclose(CRITERIA["entropy"].rank(read, rng).scores[0] / np.log(2), 1.156780)
    assert np.isclose(CRITERIA["margin"].rank(read, rng).scores[0], -0.5)
    assert CRITERIA["margin"].rank(read, rng).rows.tolist() == [1, 0]


def _oracle(logits, **scores):
    n = len(logits)
    rng = np.random.default_rng(5)
    return Oracle(logits, logits[::-1].copy(), SupervisedMap(*rng.random((5, n))), **scores)


def _self_supervised(n):
    rng = np.random.default_rng(6)
    return SelfSupervised(DataMap(*rng.random((3, n))), rng.random(n), rng.normal(size=(n, 4)).astype("f2"), 5)


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_ranks_all_rows(name):
    n = 33
    rng = np.random.default_rng(7)
    read = _self_supervised(n)
    if CRITERIA[name].oracle:
        logits = rng.normal(size=(n, 3)).astype("f4")
        read = _oracle(logits, bald=rng.random(n), consistency=rng.random(n), vaal=rng.random(n))
    first, again = (CRITERIA[name].rank(read, np.random.default_rng(0)) for _ in range(2))
    assert np.array_equal(np.sort(first.rows), np.arange(n))
    assert first.rows.dtype == np.int64
    assert np.array_equal(first.rows, again.rows)
    if first.scores is not None:
        best = first.rows[:5] if name in ("easy", "ambiguous", "hard") else first.rows[:1]  # one of each cluster
        assert first.scores.argmax() in best


def test_hard_to_learn_is_the_reverse_of_easy_to_learn():
    read, rng = _oracle(np.random.default_rng(8).normal(size=(20, 3))), np.random.default_rng(0)
    hard, easy = (CRITERIA[name].rank(read, rng).rows for name in ("gt_hard", "gt_easy"))
    assert np.array_equal(hard, easy[::-1])


def test_easy_to_contrast_begins_with_one_image_of_each_cluster():
    rng = np.random.default_rng(9)
    centers = 10 * np.eye(4)
    features = np.repeat(centers, 6, axis=0) + 0.01 * rng.normal(size=(24, 4))
    confidence = rng.random(24)
    read = SelfSupervised(DataMap(confidence, confidence, confidence), confidence, features, 4)
    for name, best in (("easy", confidence.reshape(4, 6).argmax), ("hard", confidence.reshape(4, 6).argmin)):
        rows = CRITERIA[name].rank(read, rng).rows
        assert set(rows[:4].tolist()) == set((6 * np.arange(4) + best(axis=1)).tolist())


def test_passes_that_do_not_differ_are_refused():
    read = _oracle(np.eye(3), bald=np.full(3, 1e-9), consistency=np.zeros(3))
    for name in ("bald", "consistency"):
        with pytest.raises(InputError, match="hardly differ"):
            CRITERIA[name].rank(read, np.random.default_rng(0))


def test_criteria_that_know_labels_need_a_word():
    assert "entropy" not in resolve(None, False)
    assert set(resolve(None, True)) == set(CRITERIA)
    assert resolve("Gt-Hard, easy", True) == ("gt_hard", "easy")
    for names, message in (
        ("entropy", "--oracle"),
        ("vaal", "--oracle"),
        ("easy,easy", "once"),
        ("hrad", "Did you mean 'hard'"),
    ):
        with pytest.raises(InputError, match=message):
            resolve(names, False)


def test_budgets():
    assert budgets_of("0.0357245,0.071449,0.1", 13996) == (500, 1000, 1399)
    assert budgets_of("0.0005", 50000) == (25,)
    assert budgets_of("100, 20,5e-1", 1000) == (20, 100, 500)
    for text in ("", "a", "1", "0.5,10", "21", "10,10", "-0.5", "1e999"):
        with pytest.raises(InputError, match="--budgets"):
            budgets_of(text, 20)


# Accuracy [%] with 20, 70 and 120 labels of PathMNIST after nine initial pools, as published with the cold-start study.
FIRST = [38.6, 15.8, 11.8, 32.7, 4.9, 32.6, 5.3, 11.8, 24.3]
LATER = {0.77: [51.1, 47.7, 50.0, 50.5, 45.9, 54.3, 43.6, 42.3, 48.2]}
LATER |= {0.63: [61.4, 55.9, 51.6, 58.8, 53.2, 61.5, 57.2, 48.2, 50.6]}


@pytest.mark.parametrize("r", LATER)
def test_published_correlations(r):
    found = correlate(np.array(FIRST), np.array(LATER[r]))
    assert round(found.pearson_r, 2) == r
    assert found.n == 9
    assert found.note == ""


def test_a_published_p_value():
    first = np.array(FIRST) - np.mean(FIRST)
    other = np.array(LATER[0.63]) - np.mean(LATER[0.63])
    other -= first * (other @ first) / (first @ first)
    mixed = 0.84 * first / np.linalg.norm(first) + np.sqrt(1 - 0.84**2) * other / np.linalg.norm(other)
    found = correlate(first, mixed)
    assert np.isclose(found.pearson_r, 0.84)
    assert round(found.pearson_p, 3) == 0.005


def test_spearman_by_hand():
    found = correlate(np.array([1.0, 2, 3, 4, 100]), np.array([1.0, 3, 2, 5, 4]))
    assert np.isclose(found.spearman_r, 1 - 6 * 4 / (5 * 24))


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        (np.arange(4.0), np.arange(4.0), "fewer than 5"),
        (np.array([1.0, 2, 3, 4, np.nan]), np.arange(5.0), "fewer than 5"),
        (np.full(6, 0.1), np.arange(6.0), "constant"),
        (np.arange(6.0), np.full(6, 0.1) + np.array([0, 1e-16, 0, 0, 0, 0]), "constant"),
    ],
)
def test_too_little_for_a_correlation(x, y, why):
    found = correlate(x, y)
    assert np.isnan(found[1:5]).all()
    assert why in found.note


def _write_results(folder, strategy, accuracies):
    for rep, values in enumerate(accuracies, start=1):
        path = folder / strategy / f"rep{rep:03d}"
        path.mkdir(parents=True)
        rows = [f"{step},{10 + 10 * step},{value}" for step, value in enumerate(values)]
        (path / "rounds.csv").write_text("round,labels,test_accuracy\n" + "\n".join(rows) + "\n")


def test_results_of_the_loop_over_repetitions(tmp_path):
    values = np.random.default_rng(10).random((6, 3))
    _write_results(tmp_path / "a", "random", values)
    found = from_results(tmp_path / "a")
    assert [(row["strategy"], row["round"], row["labels"], row["n"]) for row in found] == [
        ("random", 1, 20, 6),
        ("random", 2, 30, 6),
    ]
    assert np.isclose(found[1]["pearson_r"], np.corrcoef(values[:, 0], values[:, 2])[0, 1])


def test_results_of_the_loop_over_initial_pools(tmp_path):
    values = np.random.default_rng(11).random((5, 2, 2))
    for pool, repetitions in enumerate(values):
        _write_results(tmp_path / str(pool), "margin", repetitions)
    _write_results(tmp_path / "0", "random", values[0])
    (row,) = from_results(*(tmp_path / str(pool) for pool in range(5)))
    means = values.mean(axis=1)
    assert row["strategy"] == "margin"
    assert np.isclose(row["pearson_r"], np.corrcoef(means[:, 0], means[:, 1])[0, 1])
    with pytest.raises(InputError, match="at least one folder"):
        from_results()
