"""kmeans and kmeans_plusplus against hand-computed vectors, the definition, scikit-learn; faiss against array code."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans as SklearnKMeans

from tfal.kernels import kmeans, kmeans_plusplus
from tfal.kernels.parts import d2_sampling

from . import referee
from .plain import BACKENDS, NO_FAISS, check_law, check_refusal

module = importlib.import_module("tfal.kernels.kmeans")

T1_DEGREES = np.radians([0, 10, 20, 80, 90, 100, 180, 190, 200, 300])
T1 = np.stack([np.cos(T1_DEGREES), np.sin(T1_DEGREES)], axis=1)


def rng(seed=0):
    return np.random.default_rng(seed)


def blobs(seed, n=300, d=5, k=6):
    noise, at = rng(seed).normal(size=(n, d)), rng(seed + 1).integers(k, size=n)
    return (noise + 8 * rng(seed + 2).normal(size=(k, d))[at]).astype(np.float32)


def lloyd(features, centers, n_iter):
    """Float64, a point at a time, no empty clusters. Returns centers and labels."""
    x, c = np.asarray(features, np.float64), np.array(centers, np.float64)
    for _ in range(n_iter):
        labels = np.array([np.square(c - row).sum(axis=1).argmin() for row in x])
        c = np.array([x[labels == j].mean(axis=0) for j in range(len(c))])
    return c, np.array([np.square(c - row).sum(axis=1).argmin() for row in x])


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", {"numpy": 17})
    monkeypatch.setattr(module, "_CENTERS", 2)
    monkeypatch.setattr(module, "_PARTS", 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_t1(backend):
    found = kmeans(T1, 3, rng=rng(), init=T1[[0, 3, 6]], backend=backend)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0]
    np.testing.assert_allclose(found.centers, [(0.856125, -0.087589), (0, 0.989872), (-0.974833, -0.171889)], atol=1e-6)
    squares = [0.028372, 0.084804, 0.191548, 0.030179, 0.000103, 0.030179, 0.030179, 0.000103, 0.030179, 0.732788]
    np.testing.assert_allclose(np.square(found.distances), squares, atol=1e-6)
    assert found.inertia == pytest.approx(1.158434, abs=1e-6)
    assert [a.dtype for a in found[:3]] == [np.float32, np.int64, np.float32]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("n_iter", [1, 3, 50])
def test_equals_lloyd(backend, offset, n_iter):
    features = blobs(3) + offset
    start = features[kmeans_plusplus(features, 6, rng=rng(4))]
    centers, labels = lloyd(features, start, n_iter)
    found = kmeans(features, 6, rng=rng(), init=start, n_iter=n_iter, backend=backend)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.centers, centers, rtol=1e-6, atol=1e-5)
    expected = np.linalg.norm(features - centers[labels], axis=1)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-4)
    assert found.inertia == pytest.approx(np.square(expected).sum(), rel=1e-5)


@NO_FAISS
@pytest.mark.parametrize("seed", range(3))
def test_faiss_and_array_code_agree(seed):
    features = np.maximum(rng(seed).normal(size=(3000, 8)) @ rng(9).normal(size=(8, 32)), 0)
    by_faiss, by_array = (kmeans(features, 25, rng=rng(seed), n_iter=15, backend=b) for b in ("faiss", "array"))
    for one, other in zip(by_faiss, by_array, strict=True):
        np.testing.assert_array_equal(one, other)


@NO_FAISS
def test_faiss_and_array_code_agree_on_ties():
    features = rng().integers(0, 3, size=(200, 2)).astype(np.float32)
    start = np.array([(0, 0), (2, 0), (0, 2), (2, 2)], np.float32)
    by_faiss, by_array = (kmeans(features, 4, rng=rng(), init=start, n_iter=1, backend=b) for b in ("faiss", "array"))
    np.testing.assert_array_equal(by_faiss.labels, by_array.labels)
    np.testing.assert_array_equal(by_faiss.centers, by_array.centers)


@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_agrees(seed):
    features = blobs(seed, n=800, d=10, k=9)
    start = features[kmeans_plusplus(features, 9, rng=rng(seed))]
    other = SklearnKMeans(9, init=start, n_init=1, max_iter=100, tol=0, algorithm="lloyd").fit(features)
    found = kmeans(features, 9, rng=rng(), init=start, n_iter=100)
    np.testing.assert_array_equal(found.labels, other.labels_)
    np.testing.assert_allclose(found.centers, other.cluster_centers_, atol=1e-4)
    assert found.inertia == pytest.approx(other.inertia_, rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 50), data=st.data())
def test_properties(backend, seed, n, data):
    features = rng(seed).integers(-3, 4, size=(n, 2)).astype(np.float32)
    k = data.draw(st.integers(1, n))
    found, again = (kmeans(features, k, rng=rng(seed), n_iter=100, backend=backend) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    to_all = np.linalg.norm(features[:, None] - found.centers[None], axis=2)
    np.testing.assert_allclose(found.distances, to_all[np.arange(n), found.labels], atol=1e-5)
    np.testing.assert_allclose(found.distances, to_all.min(axis=1), atol=1e-5)
    assert set(found.labels.tolist()) == set(range(k))  # it stopped by itself: no cluster is empty
    for j in range(k):
        np.testing.assert_allclose(found.centers[j], features[found.labels == j].mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_clusters_take_the_farthest_rows(backend):
    features = np.array([[0.0], [1.0], [2.0], [10.0], [13.0]])
    # All rows are nearest to the first center. 13 is the farthest and goes to the first empty cluster, then 10.
    found = kmeans(features, 3, rng=rng(), init=np.array([[1.0], [100.0], [200.0]]), backend=backend)
    assert found.centers.tolist() == [[1], [13], [10]]
    assert found.labels.tolist() == [0, 0, 0, 2, 1]


def test_a_row_alone_in_its_cluster_is_not_taken():
    features = np.array([[0.0], [1.0], [10.0]])
    found = kmeans(features, 3, rng=rng(), init=np.array([[0.4], [15.0], [99.0]]), n_iter=5)
    assert found.labels.tolist() == [0, 2, 1]  # 10 is farther from 15 than 1 from 0.4, but alone


def test_the_best_start_is_returned():
    features = blobs(0, n=200, k=12)
    stream = rng(1)
    singles = [kmeans(features, 12, rng=stream, n_iter=3) for _ in range(5)]
    best = kmeans(features, 12, rng=rng(1), n_iter=3, n_init=5)
    assert best.inertia == min(single.inertia for single in singles)
    assert len({single.inertia for single in singles}) > 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_dtypes_memory_map_and_inputs_stay_as_they_are(backend, tmp_path):
    features, found = rng().integers(0, 60, size=(200, 4)), []
    for dtype in (np.float16, np.float32, np.float64):
        array = features.astype(dtype)
        array.flags.writeable = False
        found.append(kmeans(array, 7, rng=rng(), backend=backend))
    features.astype(np.float16).tofile(tmp_path / "features")
    mapped = np.memmap(tmp_path / "features", np.float16, "r", shape=features.shape)
    found.append(kmeans(mapped, 7, rng=rng(), backend=backend))
    for other in found[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(found[0], other, strict=True))


@pytest.mark.usefixtures("small_tiles")
def test_split_sums_move_centers_by_rounding_only():
    features = blobs(5)
    start = features[:6]
    found = kmeans(features, 6, rng=rng(), init=start, n_iter=1)
    np.testing.assert_allclose(found.centers, lloyd(features, start, 1)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_plus_plus_follows_its_law(batch, monkeypatch):
    monkeypatch.setattr(d2_sampling, "_batch_size", lambda missing: batch)
    features = np.array([[0.0], [1.0], [3.0], [3.5], [10.0]])
    distances = np.abs(features - features.T)
    law = {
        picks: p / 5 for first in range(5) for picks, p in referee.sequences(distances, np.ones(5), first, 4).items()
    }
    stream = rng(batch)
    check_law([kmeans_plusplus(features, 4, rng=stream) for _ in range(3000)], law)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_iter", [1, 30])
def test_a_weight_is_so_many_copies(backend, n_iter):
    features, weights = blobs(3, n=90), rng(3).integers(1, 4, size=90)
    copies = np.repeat(np.arange(90), weights)
    given = {"rng": rng(), "n_iter": n_iter, "init": features[:6], "backend": backend}
    found, expected = kmeans(features, 6, weights=weights.astype(float), **given), kmeans(features[copies], 6, **given)
    np.testing.assert_array_equal(found.labels[copies], expected.labels)
    np.testing.assert_allclose(found.centers, expected.centers, rtol=1e-5, atol=1e-5)
    assert found.inertia == pytest.approx(expected.inertia, rel=1e-5)


def test_weighted_rows_that_fill_an_empty_cluster():
    # All rows go to the first center, and the far one, of weight 2, leaves it: (0 + 3 * 4) / 4, and 9 alone.
    features, weights = np.array([[0.0], [4.0], [9.0]]), np.array([1.0, 3.0, 2.0])
    found = kmeans(features, 2, rng=rng(), init=np.array([[3.0], [100.0]]), n_iter=1, weights=weights)
    assert found.centers.tolist() == [[3.0], [9.0]]


def test_weighted_plus_plus_follows_its_law():
    features, weights = np.array([[0.0], [1.0], [3.0], [3.5]]), np.array([1.0, 4.0, 2.0, 3.0])
    law = {
        picks: p * weights[first] / 10
        for first in range(4)
        for picks, p in referee.sequences(np.abs(features - features.T), np.sqrt(weights), first, 3).items()
    }
    stream = rng(1)
    check_law([kmeans_plusplus(features, 3, weights=weights, rng=stream) for _ in range(3000)], law)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), data=st.data())
def test_plus_plus_takes_distinct_rows_first(seed, n, data):
    features = rng(seed).integers(0, 3, size=(n, 2)).astype(np.float32)
    k = data.draw(st.integers(1, n))
    rows = kmeans_plusplus(features, k, rng=rng(seed))
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == k
    distinct = len(np.unique(features, axis=0))
    assert len(np.unique(features[rows], axis=0)) == min(k, distinct)
    np.testing.assert_array_equal(rows, kmeans_plusplus(features, k, rng=rng(seed)))
    assert rows[distinct:].tolist() == sorted(set(range(n)) - set(rows[:distinct].tolist()))[: max(0, k - distinct)]


def test_plus_plus_costs_few_passes(passes):
    rows = kmeans_plusplus(rng().normal(size=(5000, 16)), 512, rng=rng())
    assert len(set(rows.tolist())) == 512
    assert 1 <= len(passes) < 20


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"features": np.ones(3)}, ["features:", "(n, d)", "(3,)"]),
        ({"features": np.ones((5, 3), int)}, ["features:", "int64"]),
        ({"features": np.full((5, 3), np.nan)}, ["features:", "15 NaN or infinite of 15"]),
        ({"k": 0}, ["k:", "from 1 to 5", "received 0"]),
        ({"k": 6}, ["k:", "from 1 to 5", "received 6"]),
        ({"rng": 0}, ["rng:", "Generator", "int"]),
        ({"n_iter": 0}, ["n_iter:", "at least 1", "received 0"]),
        ({"n_init": 0}, ["n_init:", "at least 1", "received 0"]),
        ({"init": "random"}, ["init:", "'k-means++'", "'random'"]),
        ({"init": np.ones((3, 3))}, ["init:", "(2, 3)", "(3, 3)"]),
        ({"init": np.ones((2, 3)), "n_init": 2}, ["n_init:", "expected 1", "received 2"]),
        ({"weights": np.ones(4)}, ["weights:", "(5,)", "(4,)"]),
        ({"weights": np.array([1.0, 1, 0, 1, 1])}, ["weights:", "above 0", "received 0"]),
        ({"backend": "sklearn"}, ["backend", "sklearn", "array"]),
    ],
)
def test_refusals(change, parts):
    given = {"features": np.eye(5, 3), "k": 2, "rng": rng()}
    kmeans(**given)
    check_refusal(parts, kmeans, **(given | change))


@pytest.mark.gpu
def test_gpu(cupy):
    features = blobs(0, n=2000, d=16, k=10)
    on_device = cupy.asarray(features)
    np.testing.assert_array_equal(kmeans_plusplus(on_device, 10, rng=rng(1)), kmeans_plusplus(features, 10, rng=rng(1)))
    found, expected = kmeans(on_device, 10, rng=rng(1)), kmeans(features, 10, rng=rng(1), backend="array")
    assert isinstance(found.centers, cupy.ndarray)
    np.testing.assert_array_equal(found.labels.get(), expected.labels)
    np.testing.assert_allclose(found.centers.get(), expected.centers, rtol=1e-5)
    assert found.inertia == pytest.approx(expected.inertia, rel=1e-5)
