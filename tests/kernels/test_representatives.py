"""representatives and farthest_first against hand-computed vectors and plain definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfal.kernels import farthest_first, k_center_greedy, kmeans, kmeans_directions, representatives
from tfal.kernels.parts import tiles

from .plain import BACKENDS, check_refusal

DEGREES = np.radians([0, 10, 20, 80, 90, 100, 180, 190, 200, 300])
CIRCLE = np.stack([np.cos(DEGREES), np.sin(DEGREES)], axis=1)


def eligible(*labeled):
    return ~np.isin(np.arange(10), labeled)


@pytest.fixture(params=BACKENDS)
def circle(request):
    """The clustering T1."""
    return kmeans(CIRCLE, 3, rng=np.random.default_rng(0), init=CIRCLE[[0, 3, 6]], backend=request.param)


def test_t1_lloyd(circle):
    assert circle.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0]
    np.testing.assert_allclose(
        circle.centers, [(0.856125, -0.087589), (0, 0.989872), (-0.974833, -0.171889)], atol=1e-6
    )
    assert circle.inertia == pytest.approx(1.158434, abs=1e-6)


def test_t2_kmeans_picks(circle):
    picks = representatives(CIRCLE, circle.centers, circle.labels)
    assert picks.tolist() == [0, 4, 7]
    assert picks.dtype == np.int64


def test_t3_and_t4_multi_kmeans_picks(circle):
    given = CIRCLE, circle.centers, circle.labels
    assert representatives(*given, eligible(1, 4)).tolist() == [0, 3, 7]  # 3 and 5 are as near
    assert representatives(*given, eligible(3, 4, 5)).tolist() == [0, 7]
    assert representatives(*given, eligible(*range(10))).tolist() == []


def plain(features, centers, labels, some):
    picks = []
    for cluster in range(len(centers)):
        rows = np.flatnonzero(some & (labels == cluster))
        if len(rows):
            picks.append(rows[np.square(features[rows].astype(float) - centers[cluster]).sum(axis=1).argmin()])
    return picks


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 60), k=st.integers(1, 8), exact=st.booleans())
def test_equals_the_definition(seed, m, k, exact):
    rng = np.random.default_rng(seed)
    draw = (lambda size: rng.integers(-2, 3, size=size)) if exact else (lambda size: rng.normal(size=size))
    features, centers = draw((m, 3)).astype(np.float32), draw((k, 3)).astype(np.float32)
    labels, some = rng.integers(k, size=m), rng.random(m) < 0.7
    assert representatives(features, centers, labels, some).tolist() == plain(features, centers, labels, some)


def test_tiles_dtypes_maps_and_inputs(monkeypatch, tmp_path):
    monkeypatch.setattr(tiles, "_TILE_BYTES", {"numpy": 1})
    rng = np.random.default_rng(0)
    half, labels = rng.normal(size=(300, 4)).astype(np.float16), rng.integers(7, size=300)
    centers = rng.normal(size=(7, 4)).astype(np.float32)
    np.save(tmp_path / "half.npy", half)
    expected = plain(half, centers, labels, np.ones(300, bool))
    half.flags.writeable = labels.flags.writeable = centers.flags.writeable = False
    for features in (half, half.astype(np.float64), np.load(tmp_path / "half.npy", mmap_mode="r")):
        assert representatives(features, centers, labels).tolist() == expected


def test_far_from_the_origin_and_equal_rows():
    features = np.array([[3.0], [1.0], [2.0], [2.0]]) + 10_000
    assert representatives(features, np.array([[10_002.1]]), np.zeros(4, int)).tolist() == [2]
    assert representatives(np.ones((5, 2)), np.ones((2, 2)), np.array([1, 1, 0, 0, 1])).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"features": CIRCLE * np.nan}, ["features", "20 NaN"]),
        ({"centers": np.ones((2, 3))}, ["centers", "(k, 2)", "(2, 3)"]),
        ({"labels": np.zeros(9, int)}, ["labels", "(10,)", "(9,)"]),
        ({"labels": np.zeros(10)}, ["labels", "float64"]),
        ({"labels": np.full(10, 2)}, ["labels", "from 0 to 1", "2 to 2"]),
        ({"labels": np.full(10, -1)}, ["labels", "from 0 to 1", "-1"]),
        ({"eligible": np.ones(10)}, ["eligible", "float64"]),
        ({"eligible": np.ones(9, bool)}, ["eligible", "(9,)"]),
    ],
)
def test_errors(given, parts):
    given = {"features": CIRCLE, "centers": CIRCLE[:2], "labels": np.zeros(10, int)} | given
    check_refusal(parts, representatives, **given)


def test_t5_farthest_rows():
    assert farthest_first(CIRCLE, 3, np.array([0])).tolist() == [6, 4, 9]
    assert farthest_first(CIRCLE, 3, [1, 4]).tolist() == [8, 9, 6]


def test_farthest_rows_when_none_is_taken():
    features = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float16)
    assert farthest_first(features, 30, []).tolist() == k_center_greedy(features, 30).tolist()


@pytest.mark.parametrize(
    ("n", "taken", "parts"),
    [
        (8, [0, 1, 2], ["n:", "from 1 to 7"]),
        (1, [0, 0], ["taken", "distinct"]),
        (1, range(10), ["taken", "nothing to pick"]),
    ],
)
def test_errors_of_farthest_rows(n, taken, parts):
    check_refusal(parts, farthest_first, CIRCLE, n, taken)


@pytest.mark.parametrize("among", [None, np.arange(3, 70, 2)])
@pytest.mark.parametrize("n_init", [1, 3])
def test_directions_are_kmeans_of_scaled_copies(among, n_init):
    features = np.random.default_rng(0).normal(size=(70, 3)).astype(np.float32) + 1
    rows = np.arange(70) if among is None else among
    unit, stream = features[rows] / np.linalg.norm(features[rows], axis=1, keepdims=True), np.random.default_rng(5)
    found = kmeans(unit, 8, rng=stream, n_init=n_init)
    expected = rows[representatives(unit, found.centers, found.labels, rng=stream)]
    picks = kmeans_directions(features, 8, among=among, rng=np.random.default_rng(5), n_init=n_init)
    assert picks.tolist() == expected.tolist()


def test_directions_of_copies_and_zeros():
    features = np.repeat([[0.0, 0.0], [3.0, 4.0], [-1.0, 0.0]], 6, axis=0) * np.arange(1, 19)[:, None]
    for n in (1, 3, 7, 18):
        assert len(set(kmeans_directions(features, n, rng=np.random.default_rng(0)).tolist())) == n
    first = kmeans_directions(features, 3, rng=np.random.default_rng(0))
    assert sorted((first // 6).tolist()) == [0, 1, 2]
    among = np.array([17, 2, 9, 3])
    assert sorted(kmeans_directions(features, 4, among=among, rng=np.random.default_rng(0))) == sorted(among)


def test_directions_hold_no_copy(tmp_path):
    """Of a memory map, in tiles: the same numbers give the same picks in all dtypes."""
    half = np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float16)
    np.save(tmp_path / "half.npy", half)
    for among in (None, np.arange(1, 5000, 3)):
        picks = [
            kmeans_directions(given, 12, among=among, rng=np.random.default_rng(0)).tolist()
            for given in (half, half.astype(np.float64), np.load(tmp_path / "half.npy", mmap_mode="r"))
        ]
        assert picks[0] == picks[1] == picks[2]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"features": np.ones(4)}, ["features", "(m, d)"]),
        ({"among": [0, 6]}, ["among", "from 0 to 5"]),
        ({"among": [1, 1, 2]}, ["among", "distinct"]),
        ({"among": [1, 2], "n": 3}, ["n:", "from 1 to 2"]),
        ({"n_iter": 0}, ["n_iter"]),
        ({"rng": 0}, ["rng", "int"]),
    ],
)
def test_errors_of_directions(given, parts):
    given = {"features": np.ones((6, 2)), "n": 2, "rng": np.random.default_rng(0)} | given
    check_refusal(parts, kmeans_directions, given.pop("features"), given.pop("n"), **given)
