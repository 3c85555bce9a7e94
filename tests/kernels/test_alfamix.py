"""The kernels of ALFA-Mix: the vector of the method, mixtures made in earnest, growth of eps, bad inputs."""

import numpy as np
import pytest

from tfal.kernels import alfamix, class_means, kmeans_directions, mixing_thresholds
from tfal.kernels.alfamix import _least_steps, changed

from .plain import check_refusal

KERNEL = np.array([[1.0, 0, -1], [0, 1, 0]])
ROWS = np.array([[1, 0.2], [0.3, 0.25], [-0.4, 0.45], [0.1, 2]])
ANCHORS = np.array([[1.5, 0], [0, 1.5], [-1.5, 0]])


def rng(seed=0):
    return np.random.default_rng(seed)


def mixed_by_hand(z, kernel, bias, anchors, eps):
    """Whether the class of one row changes, from the mixture with each anchor."""
    logits = z @ kernel + bias
    p = np.exp(logits - logits.max())
    p /= p.sum()
    p[logits.argmax()] -= 1
    g = kernel @ p
    mixtures = [z + eps * np.linalg.norm(anchor - z) * g / np.linalg.norm(g) for anchor in anchors]
    return any((mixture @ kernel + bias).argmax() != logits.argmax() for mixture in mixtures)


def test_vector():
    steps, away = [0.580643, 0.037647, 0.03876, 1.736355], [2.507987, 1.817278, 1.952562, 2.56125]
    np.testing.assert_allclose(_least_steps(ROWS, KERNEL, np.zeros(3)), steps, atol=1e-6)
    found = mixing_thresholds(ROWS, KERNEL, np.zeros(3), ANCHORS)
    np.testing.assert_allclose(found * away, steps, atol=1e-6)
    assert (found < 0.2 / np.sqrt(2)).tolist() == [False, True, True, False]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("eps", [0.02, 0.05, 0.1])
def test_equals_mixtures_made_in_earnest(seed, eps):
    rows, kernel, bias = rng(seed).normal(size=(60, 5)), rng(seed + 9).normal(size=(5, 4)), rng(seed).normal(size=4)
    anchors = rng(seed + 1).normal(size=(3, 5)) * 2
    expected = [mixed_by_hand(z, kernel, bias, anchors, eps) for z in rows]
    assert (mixing_thresholds(rows, kernel, bias, anchors) < eps).tolist() == expected
    assert any(expected)
    assert not all(expected)


def test_a_row_that_is_the_only_mean_is_not_moved():
    assert mixing_thresholds(ROWS[:1], KERNEL, np.zeros(3), ROWS[:1]).tolist() == [np.inf]
    assert np.isfinite(mixing_thresholds(ROWS[:1], KERNEL, np.zeros(3), ROWS[:2])).all()


def test_sure_rows_keep_their_order():
    """The softmax has no digits left for them; the way to the other class is as far as the logits say."""
    rows = np.array([[1e3, 0], [2e3, 0], [4e3, 0]])
    found = _least_steps(rows, KERNEL[:, :2], np.zeros(2))
    np.testing.assert_allclose(found, rows[:, 0] / np.sqrt(2), rtol=1e-12)


def test_a_head_that_tells_nothing_apart_changes_nothing():
    found = mixing_thresholds(ROWS, np.ones((2, 3)), np.array([0, 0, 1e-9]), ANCHORS)
    assert found.tolist() == [np.inf] * 4
    assert sorted(alfamix(found, ROWS, 4, rng=rng())) == [0, 1, 2, 3]


def test_means_of_the_classes_that_there_are():
    features, labels = rng().normal(size=(30, 4)).astype(np.float16), np.array([9, 2, 5] * 10)
    means = class_means(features, labels)
    np.testing.assert_allclose(means, [features[labels == c].astype(float).mean(axis=0) for c in (2, 5, 9)], rtol=1e-6)
    assert means.dtype == np.float32


def test_eps_grows_until_more_than_n_change():
    thresholds = np.array([0.01, 0.03, 0.04, 0.09, 0.9, np.inf])
    assert changed(thresholds, 2, None).tolist() == [0, 1, 2]  # .0625; at .03125 two change, which are not more
    assert changed(thresholds, 1, None).tolist() == [0, 1]
    assert changed(thresholds, 4, None).tolist() == [0, 1, 2, 3, 4]
    assert changed(thresholds, 5, None).tolist() == [0, 1, 2, 3, 4]  # at 1, where it ends
    assert changed(thresholds, 6, None).tolist() == [0, 1, 2, 3, 4]
    assert changed(np.array([0.03125, 1.0]), 1, None).tolist() == [0]  # above the threshold, not at it
    assert changed(thresholds, 2, 0.05).tolist() == [0, 1, 2]


def test_one_of_each_cluster_of_those_that_change():
    features, thresholds = rng().normal(size=(80, 4)).astype(np.float32), rng().random(80)
    rows = np.flatnonzero(thresholds < 0.2 / 2)
    found = alfamix(thresholds, features, 5, eps=0.2, rng=rng())
    assert found.tolist() == kmeans_directions(features, 5, among=rows, rng=rng()).tolist()
    many = [alfamix(thresholds, features, 40, eps=0.2, rng=rng(seed)).tolist() for seed in range(3)]
    assert all(picks[: len(rows)] == rows.tolist() and len(set(picks)) == 40 for picks in many)
    assert many[0] != many[1] != many[2]


def test_dtypes_agree_and_inputs_stay_as_they_are():
    features, kernel = (np.round(array * 8) / 8 for array in (rng().normal(size=(50, 6)), rng(1).normal(size=(6, 3))))
    found = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = [array.astype(dtype) for array in (features, kernel, np.zeros(3), features[:4])]
        for array in arrays:
            array.flags.writeable = False
        thresholds = mixing_thresholds(*arrays)
        found.append((thresholds.tolist(), alfamix(thresholds, arrays[0], 5, rng=rng()).tolist()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"kernel": np.ones((3, 3))}, ["kernel", "(2, C)"]),
        ({"bias": np.ones(2)}, ["bias", "(3,)"]),
        ({"anchors": np.ones((2, 3))}, ["anchors", "(k, 2)"]),
        ({"anchors": np.full((1, 2), np.nan)}, ["anchors", "2 NaN"]),
        ({"anchors": np.ones((0, 2))}, ["anchors", "at least one row"]),
    ],
)
def test_errors_of_thresholds(given, parts):
    given = {"features": ROWS, "kernel": KERNEL, "bias": np.zeros(3), "anchors": ANCHORS} | given
    check_refusal(parts, mixing_thresholds, *given.values())


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"thresholds": np.zeros(3)}, ["thresholds", "(4,)", "(3,)"]),
        ({"thresholds": np.full(4, np.nan)}, ["thresholds", "4 of them NaN"]),
        ({"thresholds": np.zeros(4, int)}, ["thresholds", "int64"]),
        ({"features": np.ones((4, 2), int)}, ["features", "int64"]),
        ({"n": 0}, ["n:", "from 1 to 4"]),
        ({"eps": 0}, ["eps", "above 0"]),
        ({"rng": None}, ["rng", "NoneType"]),
    ],
)
def test_errors(given, parts):
    given = {"thresholds": np.zeros(4), "features": ROWS, "n": 2, "rng": rng()} | given
    check_refusal(parts, alfamix, *(given.pop(name) for name in ("thresholds", "features", "n")), **given)


def test_errors_of_means():
    check_refusal(["labels", "(4,)", "(3,)"], class_means, ROWS, np.zeros(3, int))
    check_refusal(["labels", "no class"], class_means, ROWS, np.array([0, -1, 1, 1]))
