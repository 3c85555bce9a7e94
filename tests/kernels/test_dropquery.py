"""dropout_flips and dropquery: the vector of the method, a plain version, laws of the dropout, bad inputs."""

import numpy as np
import pytest

from tfal.kernels import dropout_flips, dropquery, kmeans_directions
from tfal.kernels.dropquery import _flips, contested

from .plain import check_refusal

KERNEL = np.array([[1.0, 0, -1], [0, 1, 0]], np.float32)
ROWS = np.array([[1, 0.2], [0.3, 0.25], [-0.4, 0.45], [0.1, 2]], np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_vector():
    kept = [np.tile(mask, (4, 1)) for mask in ([1, 0], [0, 1], [0, 1])]
    flips = _flips(ROWS, KERNEL, np.zeros(3, np.float32), kept, 0.75)
    assert flips.tolist() == [2, 2, 1, 1]
    assert contested(flips, 3, 2).tolist() == [0, 1]
    assert contested(flips, 3, 3).tolist() == [0, 1, 2, 3]


def test_survivors_are_scaled():
    """Feature 0 alone says class 0 by 1.9, against a bias of 2 for class 1: only as 4 * 1.9 it wins."""
    rows, kernel, bias = np.array([[1.9, 1.9]]), np.array([[1.0, 0], [0, 0]], np.float32), np.array([0, 2], np.float32)
    assert _flips(rows, kernel, bias, [np.array([[True, False]])], 0.75).tolist() == [1]


@pytest.mark.parametrize("rate", [0.2, 0.75])
def test_the_share_that_is_dropped(rate):
    """One feature, on which the class hangs: a row flips in a pass when it is dropped."""
    features = np.ones((4000, 1))
    flips = dropout_flips(features, np.array([[1.0, 0]]), np.array([0, 0.5]), n_pass=4, rate=rate, rng=rng())
    counts = np.bincount(flips, minlength=5) / 4000
    law = [1, 4, 6, 4, 1] * rate ** np.arange(5) * (1 - rate) ** np.arange(4, -1, -1)
    assert np.abs(counts - law).max() < 0.03


def test_rows_and_passes_are_dropped_apart():
    features = np.ones((3000, 1))
    flips = dropout_flips(features, np.array([[1.0, 0]]), np.array([0, 0.5]), n_pass=1, rate=0.5, rng=rng())
    assert 0.4 < flips[:1024].mean() < 0.6
    assert flips[:1024].tolist() != flips[1024:2048].tolist()  # blocks have streams of their own


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_method(seed):
    """All by hand but for k-means itself, on a copy of the candidates' directions."""
    features, flips = rng(seed).normal(size=(80, 4)).astype(np.float32), rng(seed).integers(0, 4, 80)
    threshold, n = 1, 6
    while (flips > threshold).sum() < 10 * n and threshold > 0:
        threshold -= 1
    rows = np.flatnonzero(flips > threshold)
    unit = features[rows] / np.linalg.norm(features[rows], axis=1, keepdims=True)
    found = dropquery(flips, features, n, n_pass=3, factor=10, rng=rng())
    assert found.tolist() == rows[kmeans_directions(unit, n, rng=rng())].tolist()


def test_few_that_change_come_first_then_others_at_random():
    flips = np.where(np.isin(np.arange(50), [3, 30, 41]), 1, 0)
    features = rng().normal(size=(50, 3))
    found = [dropquery(flips, features, 10, n_pass=3, rng=rng(seed)).tolist() for seed in range(5)]
    assert all(picks[:3] == [3, 30, 41] and len(set(picks)) == 10 for picks in found)
    assert len({tuple(picks) for picks in found}) == 5
    assert sorted(dropquery(np.zeros(50, int), features, 50, n_pass=3, rng=rng())) == [*range(50)]


def test_dtypes_agree_and_inputs_stay_as_they_are():
    features = np.round(rng().normal(size=(60, 6)) * 8) / 8
    kernel, bias = np.round(rng(1).normal(size=(6, 3)) * 8) / 8, np.zeros(3)
    found = []
    for dtype in (np.float16, np.float32, np.float64):
        arrays = [array.astype(dtype) for array in (features, kernel, bias)]
        for array in arrays:
            array.flags.writeable = False
        flips = dropout_flips(*arrays, rng=rng())
        found.append((flips.tolist(), dropquery(flips, arrays[0], 5, n_pass=3, rng=rng()).tolist()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"kernel": np.ones((3, 2))}, ["kernel", "(2, C)", "(3, 2)"]),
        ({"kernel": np.ones((2, 1)), "bias": np.ones(1)}, ["kernel", "2 classes"]),
        ({"bias": np.full(3, np.inf)}, ["bias", "3 NaN or infinite"]),
        ({"n_pass": 0}, ["n_pass", "at least 1"]),
        ({"rate": 1.0}, ["rate", "below 1", "1.0"]),
        ({"rate": 0}, ["rate", "above 0"]),
        ({"rng": 7}, ["rng", "int"]),
    ],
)
def test_errors_of_flips(given, parts):
    given = {"features": ROWS, "kernel": KERNEL, "bias": np.zeros(3), "rng": rng()} | given
    arrays = [given.pop(name) for name in ("features", "kernel", "bias")]
    check_refusal(parts, dropout_flips, *arrays, **given)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"flips": np.zeros(3, int)}, ["flips", "(4,)", "(3,)"]),
        ({"flips": np.zeros(4)}, ["flips", "integers", "float64"]),
        ({"flips": np.full(4, 4)}, ["flips", "from 0 to 3", "n_pass"]),
        ({"features": np.full((4, 2), np.nan)}, ["features", "8 NaN"]),
        ({"n": 5}, ["n:", "from 1 to 4"]),
        ({"factor": 0}, ["factor", "at least 1"]),
    ],
)
def test_errors(given, parts):
    given = {"flips": np.zeros(4, int), "features": ROWS, "n": 2, "n_pass": 3, "rng": rng()} | given
    check_refusal(parts, dropquery, *(given.pop(name) for name in ("flips", "features", "n")), **given)
