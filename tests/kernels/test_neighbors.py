"""nearest_neighbors against hand-computed vectors, the definition, scikit-learn, and faiss against array code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from tfal.errors import InputError
from tfal.kernels import nearest_neighbors, neighbors
from tfal.kernels.parts import faiss_backend, pairwise

from .plain import BACKENDS, NO_FAISS, check_refusal

METRICS = ["euclidean", "cosine"]

T7_POINTS = np.array([(1, 0), (0, 1), (0.6, 0.8)])
T7_QUERIES = np.array([(0.8, 0.6), (0, 1), (1, 0)])


def definition(queries, points, k, metric="euclidean", exclude_self=False):
    """All distances in float64, one query at a time; ties by row."""
    q, p = np.asarray(queries, np.float64), np.asarray(points, np.float64)
    found = []
    for i, query in enumerate(q):
        if metric == "euclidean":
            d = np.linalg.norm(p - query, axis=1)
        else:
            norms = np.linalg.norm(p, axis=1) * np.linalg.norm(query)
            d = 1 - np.divide(p @ query, norms, out=np.zeros(len(p)), where=norms > 0)
            d[d < 1e-12] = 0
        if exclude_self:
            d[i] = np.inf
        rows = np.argsort(np.float32(d), kind="stable")[:k]
        found.append((d[rows], rows))
    return tuple(map(np.array, zip(*found, strict=True)))


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(pairwise, "_TILE", {"numpy": (7, 5)})
    monkeypatch.setattr(neighbors, "_GATHERED", {"numpy": 100})


@pytest.mark.parametrize("backend", BACKENDS)
def test_t7(backend):
    found = nearest_neighbors(T7_QUERIES, T7_POINTS, 1, backend=backend)
    assert found.rows.tolist() == [[2], [1], [0]]
    np.testing.assert_allclose(np.square(found.distances), [[0.08], [0], [0]], atol=1e-7)
    assert (found.distances.dtype, found.rows.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("backend", BACKENDS)
def test_cosine_by_hand(backend):
    points = np.array([(2.0, 0.0), (0.0, 0.0), (-1.0, 0.0), (3.0, 4.0), (0.0, 9.0)])
    found = nearest_neighbors(np.array([(0.5, 0.0), (0.0, 0.0)]), points, 5, metric="cosine", backend=backend)
    assert found.rows.tolist() == [[0, 3, 1, 4, 2], [0, 1, 2, 3, 4]]
    np.testing.assert_allclose(found.distances, [[0, 0.4, 1, 1, 2], [1] * 5], atol=1e-6)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("offset", [0, 300])
def test_equals_the_definition(backend, metric, offset):
    rng = np.random.default_rng(0)
    q, p = rng.normal(size=(50, 8)) + offset, rng.normal(size=(83, 8)) + offset
    q, p = q.astype(np.float32), p.astype(np.float32)
    distances, rows = definition(q, p, 6, metric)
    found = nearest_neighbors(q, p, 6, metric=metric, backend=backend)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-9)
    if metric == "euclidean" or offset == 0:  # else all points lie in nearly one direction
        np.testing.assert_array_equal(found.rows, rows)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_is_not_its_own_neighbor_but_its_copy_is(backend, metric):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 5))
    points[31] = points[4]
    with_self = nearest_neighbors(points, points, 2, metric=metric, backend=backend)
    assert with_self.rows[:, 0].tolist() == [4 if i == 31 else i for i in range(40)]
    assert not with_self.distances[:, 0].any()
    found = nearest_neighbors(points, points, 39, metric=metric, exclude_self=True, backend=backend)
    assert all(set(row) == set(range(40)) - {i} for i, row in enumerate(found.rows.tolist()))
    assert (found.rows[4, 0], found.rows[31, 0]) == (31, 4)
    _, rows = definition(points.astype(np.float32), points.astype(np.float32), 39, metric, exclude_self=True)
    np.testing.assert_array_equal(found.rows, rows)


@pytest.mark.usefixtures("small_tiles")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), exclude_self=st.booleans(), data=st.data())
def test_ties_go_to_the_lowest_row(seed, n, exclude_self, data):
    points = np.random.default_rng(seed).integers(-2, 3, size=(n, 2)).astype(np.float32)  # exact, many ties
    k = data.draw(st.integers(1, n - exclude_self))
    distances, rows = definition(points, points, k, exclude_self=exclude_self)
    found = nearest_neighbors(points, points, k, exclude_self=exclude_self, backend="array")
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.distances, np.float32(distances))


@NO_FAISS
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), metric=st.sampled_from(METRICS), data=st.data())
def test_faiss_and_array_code_agree_up_to_ties(seed, n, metric, data):
    rng = np.random.default_rng(seed)
    points = rng.integers(-2, 3, size=(n, 3)).astype(np.float32)
    queries = rng.integers(-2, 3, size=(20, 3)).astype(np.float32)
    k = data.draw(st.integers(1, n))
    by_faiss, by_array = (nearest_neighbors(queries, points, k, metric=metric, backend=b) for b in ("faiss", "array"))
    np.testing.assert_allclose(by_faiss.distances, by_array.distances, atol=1e-6)
    differ = by_faiss.rows != by_array.rows
    last = by_array.distances[:, -1:].repeat(k, axis=1)
    assert np.all(by_array.distances[differ] > last[differ] - 1e-6)  # only among those tied with the k-th


@NO_FAISS
@pytest.mark.parametrize("metric", METRICS)
def test_faiss_and_array_code_agree_on_features(metric):
    rng = np.random.default_rng(0)
    features = np.maximum(rng.normal(size=(3000, 8)) @ rng.normal(size=(8, 64)), 0)
    by_faiss, by_array = (
        nearest_neighbors(features[:500], features, 20, metric=metric, backend=b) for b in ("faiss", "array")
    )
    np.testing.assert_array_equal(by_faiss.rows, by_array.rows)
    np.testing.assert_array_equal(by_faiss.distances, by_array.distances)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", METRICS)
def test_scikit_learn_agrees(backend, metric):
    rng = np.random.default_rng(1)
    q, p = rng.normal(size=(100, 20)), rng.normal(size=(1000, 20))
    distances, rows = NearestNeighbors(n_neighbors=10, algorithm="brute", metric=metric).fit(p).kneighbors(q)
    found = nearest_neighbors(q, p, 10, metric=metric, backend=backend)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_equal_rows_than_spare_candidates(backend):
    points = np.vstack([np.full((60, 30), 0.1), np.zeros((3, 30))])
    found = nearest_neighbors(points, points, 3, exclude_self=True, backend=backend)
    assert not found.distances[:60].any()
    assert np.all(found.rows[:60] < 60)
    assert all(len({i, *row}) == 4 for i, row in enumerate(found.rows.tolist()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_dtypes_agree_and_inputs_stay_as_they_are(backend):
    points, found = np.random.default_rng(0).integers(0, 50, size=(70, 6)), []
    for dtype in (np.float16, np.float32, np.float64):
        array = points.astype(dtype)
        array.flags.writeable = False
        found.append(nearest_neighbors(array, array, 5, backend=backend))
    for other in found[1:]:
        np.testing.assert_array_equal(other.rows, found[0].rows)
        np.testing.assert_array_equal(other.distances, found[0].distances)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", METRICS)
def test_memory_map_of_float16(tmp_path, backend, metric):
    rows = np.random.default_rng(0).normal(size=(90, 6)).astype(np.float16)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.float16, "r", shape=rows.shape)
    expected = nearest_neighbors(rows.astype(np.float32), rows.astype(np.float32), 4, metric=metric, backend=backend)
    found = nearest_neighbors(mapped, mapped, 4, metric=metric, backend=backend)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_auto_does_without_faiss(monkeypatch):
    monkeypatch.setattr(faiss_backend.importlib.util, "find_spec", lambda name: None)
    assert not faiss_backend.use_faiss("auto", np)
    with pytest.raises(InputError, match="pip install faiss-cpu"):
        nearest_neighbors(T7_QUERIES, T7_POINTS, 1, backend="faiss")
    assert nearest_neighbors(T7_QUERIES, T7_POINTS, 1).rows.tolist() == [[2], [1], [0]]


def test_faiss_with_cupy_arrays_is_refused():
    class CuPy:
        __name__ = "cupy"

    assert not faiss_backend.use_faiss("auto", CuPy())
    with pytest.raises(InputError, match="faiss"):
        faiss_backend.use_faiss("faiss", CuPy())


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"queries": np.ones(3)}, ["queries:", "(n, d)", "(3,)"]),
        ({"queries": np.full((4, 3), np.inf)}, ["queries:", "12 NaN or infinite of 12"]),
        ({"points": np.ones((5, 2))}, ["points:", "(n, 3)", "(5, 2)"]),
        ({"points": np.ones((5, 3), int)}, ["points:", "int64"]),
        ({"points": np.ones((0, 3))}, ["points:", "(0, 3)"]),
        ({"k": 0}, ["k:", "from 1 to 5", "received 0"]),
        ({"k": 6}, ["k:", "from 1 to 5", "received 6"]),
        ({"k": 2.0}, ["k:", "2.0"]),
        ({"metric": "manhattan"}, ["metric", "manhattan", "euclidean"]),
        ({"backend": "gpu"}, ["backend", "gpu", "array"]),
        ({"exclude_self": True}, ["exclude_self:", "received 4 and 5"]),
        ({"queries": np.ones((5, 3)), "exclude_self": True, "k": 5}, ["k:", "from 1 to 4"]),
        ({"queries": np.ones((1, 3)), "points": np.ones((1, 3)), "exclude_self": True, "k": 1}, ["exclude_self:", "1"]),
    ],
)
def test_refusals(change, parts):
    given = {"queries": np.ones((4, 3)), "points": np.ones((5, 3)), "k": 2}
    nearest_neighbors(**given)
    check_refusal(parts, nearest_neighbors, **(given | change))


@pytest.mark.parametrize(("width", "k"), [(500, 1), (500, 18), (500, 40), (501, 499), (19, 18), (7, 2), (2, 1)])
def test_the_smallest_keys_by_groups(width, k):
    keys = np.random.default_rng(width + k).permutation(30 * width).reshape(30, width)
    found = neighbors._smallest_by_groups(keys, k)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(keys, axis=1)[:, :k])


@pytest.mark.gpu
@pytest.mark.parametrize("metric", METRICS)
def test_gpu(cupy, metric):
    points = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    on_host = nearest_neighbors(points, points, 7, metric=metric, exclude_self=True, backend="array")
    on_device = nearest_neighbors(*[cupy.asarray(points)] * 2, 7, metric=metric, exclude_self=True)
    assert isinstance(on_device.rows, cupy.ndarray)
    np.testing.assert_array_equal(on_device.rows.get(), on_host.rows)
    np.testing.assert_allclose(on_device.distances.get(), on_host.distances, rtol=1e-6)
